//! Streams: viewings of episodes and files. Those of nobody in particular are in no list.

use chrono::Utc;
use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::streams,
    domain::{
        catalog::Seconds,
        ids::{EpisodeId, StreamId, UserId},
        listing::{Field, FieldKind, Listing},
        playback::{NewStream, Played, StreamChange},
    },
};

/// What can be asked of a list of streams.
pub static LISTING: Listing = Listing {
    table: "streams",
    columns: "t.id, t.user_id, t.episode_id, \
        coalesce(t.file_id, (SELECT e.file_id FROM episodes e WHERE e.id = t.episode_id)) AS file_id, \
        t.position_seconds, t.state, t.watched_ms, t.created_at, t.updated_at",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "user_id", kind: FieldKind::Id, column: "t.user_id" },
        Field { name: "episode_id", kind: FieldKind::Id, column: "t.episode_id" },
        Field { name: "position_seconds", kind: FieldKind::Number, column: "t.position_seconds" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: None,
};

/// Adds a stream of `user`.
///
/// # Errors
/// Those of the database; `streams_episode_id_fkey` and `streams_user_id_fkey` where something
/// referred to is not there.
pub fn insert(conn: &mut PgConnection, user: UserId, new: &NewStream) -> QueryResult<Uuid> {
    let id = StreamId::new().uuid();
    let (episode, file) = match new.played {
        Played::Episode(id) => (Some(id.uuid()), None),
        Played::File(id) => (None, Some(id.uuid())),
    };
    diesel::insert_into(streams::table)
        .values((
            streams::id.eq(id),
            streams::user_id.eq(user.uuid()),
            streams::episode_id.eq(episode),
            streams::file_id.eq(file),
            streams::position_seconds.eq(new.position_seconds.map_or(0.0, Seconds::get)),
        ))
        .execute(conn)
        .map(|_| id)
}

/// Changes a stream; the number of rows changed.
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: Uuid, change: &StreamChange) -> QueryResult<usize> {
    diesel::update(streams::table.find(id))
        .set((
            streams::updated_at.eq(Utc::now()),
            change.user_id.map(UserId::uuid).map(|user| streams::user_id.eq(user)),
            change
                .episode_id
                .map(EpisodeId::uuid)
                .map(|episode| (streams::episode_id.eq(episode), streams::file_id.eq(None::<Uuid>))),
            change.position_seconds.map(Seconds::get).map(|position| streams::position_seconds.eq(position)),
        ))
        .execute(conn)
}

/// Removes a stream.
///
/// # Errors
/// Those of the database.
pub fn delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(streams::table.find(id)).execute(conn)
}

/// Whose stream it is; locked until the transaction ends.
///
/// # Errors
/// Those of the database; `NotFound` where there is none.
pub fn viewer(conn: &mut PgConnection, id: Uuid) -> QueryResult<UserId> {
    streams::table
        .find(id)
        .filter(streams::user_id.is_not_null())
        .select(streams::user_id.assume_not_null())
        .for_no_key_update()
        .first::<Uuid>(conn)
        .map(UserId::from)
}
