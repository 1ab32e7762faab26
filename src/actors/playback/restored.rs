//! A session made of its row, where neither this node nor Redis knows it.

use std::time::Duration;

use uuid::Uuid;

use super::{
    state::{Links, SessionState},
    steady,
};
use crate::{
    actors::catalog::{CatalogError, refused},
    db::queries::{streams, titles},
    domain::playback::{Viewed, Watch},
};

/// The state that a row tells of, and how long ago its last heartbeat came.
pub(super) fn restored(conn: &mut diesel::PgConnection, id: Uuid) -> Result<(SessionState, Duration), CatalogError> {
    let row = streams::session(conn, id).map_err(refused)?;
    let title = titles::title(conn, row.played().ok_or(CatalogError::NotFound)?).map_err(refused)?;
    let age = row.age();
    let mut watch = Watch::begin(row.position_seconds, Duration::ZERO);
    watch.watched = row.watched_seconds();
    watch.state = row.play_state();
    let viewed = if row.viewed { Viewed::Counted } else { Viewed::Open };
    let state = SessionState {
        user: row.user_id.map(Into::into),
        title,
        watch,
        before: 0.0,
        viewed,
        links: Links::default(),
        turn: 0,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok((state, age))
}

/// `state`, last heard of `age` before `now`.
pub(super) fn at_age(mut state: SessionState, age: Duration, now: Duration) -> SessionState {
    state.watch.at = now.saturating_sub(age);
    state.updated_at = state.updated_at.min(steady::date(now));
    state
}
