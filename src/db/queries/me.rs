//! What an account has watched: its history, where it left titles, and what it can go on with.

use std::collections::HashMap;

use diesel::{
    dsl::sql,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Double, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::{
    db::{
        rows::viewing::{ForgottenRow, NextEpisodeRow, ViewingRow},
        schema::streams,
    },
    domain::{
        ids::{EpisodeId, StreamId, UserId},
        listing::{Field, FieldKind, Listing},
        playback::{BEGUN, Played},
    },
};

/// Streams of an account, from the one watched last, that what it can go on with is looked for in. A series or film
/// that was not touched within so many viewings is not offered any more.
pub const LOOKED_BACK: i64 = 1000;

/// What can be asked of a history.
pub static LISTING: Listing = Listing {
    table: "viewings",
    columns: "t.id, t.user_id, t.episode_id, t.file_id, t.position_seconds, t.state, t.watched_ms, t.created_at, \
        t.updated_at, t.series_id, t.video, t.name, t.series_name, t.season_number, t.episode_number, t.image_id, \
        t.owner_id, t.duration_seconds, t.viewed",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "kind", kind: FieldKind::Text, column: "t.kind" },
        Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
        Field { name: "episode_id", kind: FieldKind::Link, column: "t.episode_id = {}" },
        Field { name: "series_id", kind: FieldKind::Link, column: "t.series_id = {}" },
        Field { name: "file_id", kind: FieldKind::Link, column: "t.file_id = {}" },
        Field { name: "state", kind: FieldKind::Text, column: "t.state" },
        Field { name: "position_seconds", kind: FieldKind::Number, column: "t.position_seconds" },
        Field { name: "watched_seconds", kind: FieldKind::Number, column: "(t.watched_ms / 1000.0::float8)" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: None,
};

/// Where (in seconds) the account's stream of this title that was watched last stands; `None` where it has none.
/// What follows from it is the rule of [`Title::resume`](crate::domain::playback::Title::resume).
///
/// # Errors
/// Those of the database.
pub fn left_at(conn: &mut PgConnection, user: UserId, title: Played) -> QueryResult<Option<f64>> {
    let id = match title {
        Played::Episode(id) => id.uuid(),
        Played::File(id) => id.uuid(),
    };
    streams::table
        .filter(streams::user_id.eq(user.uuid()))
        // As the index `streams_left_idx` has it. No episode has the id of a file.
        .filter(sql::<Bool>("coalesce(episode_id, file_id) = ").bind::<SqlUuid, _>(id))
        .order((streams::beat_at.desc(), streams::id.desc()))
        .select(streams::position_seconds)
        .first(conn)
        .optional()
}

/// What of each series, video and file the account has begun last within its last [`LOOKED_BACK`] streams, and
/// whatever of it is watched now: of that the row may not know yet how far it is, so who does has to choose. The one
/// watched last comes first. Of each title the stream watched last counts; an episode that was hardly begun does not
/// hide the one before it, nor what follows on that.
///
/// # Errors
/// Those of the database.
pub fn newest(conn: &mut PgConnection, user: UserId) -> QueryResult<Vec<ViewingRow>> {
    // One by one (LIMIT): what is read is bounded, whatever the planner expects of the table.
    let statement = format!(
        "SELECT {} FROM ( \
            SELECT DISTINCT ON (coalesce(sn.series_id, s.file_id), CASE WHEN s.state <> 'ended' THEN s.id END) \
                s.id, s.beat_at FROM ( \
                SELECT DISTINCT ON (coalesce(episode_id, file_id)) * FROM ( \
                    SELECT id, episode_id, file_id, position_seconds, state, beat_at FROM streams WHERE user_id = $1 \
                    ORDER BY beat_at DESC, id DESC LIMIT $2 \
                ) last ORDER BY coalesce(episode_id, file_id), beat_at DESC, id DESC \
            ) s \
            LEFT JOIN episodes e ON e.id = s.episode_id \
            LEFT JOIN seasons sn ON sn.id = e.season_id \
            LEFT JOIN files f ON f.id = coalesce(s.file_id, e.file_id) \
            WHERE s.state <> 'ended' OR (s.position_seconds > 0 \
                AND s.position_seconds >= $3 * coalesce(f.duration_seconds, e.duration_seconds, 0)) \
            ORDER BY coalesce(sn.series_id, s.file_id), CASE WHEN s.state <> 'ended' THEN s.id END, \
                s.beat_at DESC, s.id DESC \
        ) newest CROSS JOIN LATERAL (SELECT * FROM viewings WHERE id = newest.id LIMIT 1) t \
        ORDER BY newest.beat_at DESC, newest.id DESC",
        LISTING.columns
    );
    sql_query(statement)
        .bind::<SqlUuid, _>(user.uuid())
        .bind::<BigInt, _>(LOOKED_BACK)
        .bind::<Double, _>(BEGUN)
        .load(conn)
}

/// The episode after each of these that has one: the next with a medium, in the same season by number, else in the
/// seasons after it.
///
/// # Errors
/// Those of the database.
pub fn following(conn: &mut PgConnection, episodes: &[EpisodeId]) -> QueryResult<HashMap<EpisodeId, NextEpisodeRow>> {
    let ids: Vec<Uuid> = episodes.iter().map(|id| id.uuid()).collect();
    let rows: Vec<NextEpisodeRow> = sql_query(
        "SELECT e.id AS after, n.id, n.name, n.season_number, n.number, n.duration_seconds \
         FROM episodes e JOIN seasons sn ON sn.id = e.season_id CROSS JOIN LATERAL ( \
             SELECT n.id, n.name, n.number, ns.number AS season_number, \
                 coalesce(f.duration_seconds, n.duration_seconds) AS duration_seconds \
             FROM seasons ns JOIN episodes n ON n.season_id = ns.id JOIN files f ON f.id = n.file_id \
             WHERE ns.series_id = sn.series_id \
                 AND (ns.number, ns.id, n.number, n.id) > (sn.number, sn.id, e.number, e.id) \
             ORDER BY ns.number, ns.id, n.number, n.id LIMIT 1 \
         ) n WHERE e.id = ANY($1)",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (EpisodeId::from(row.after), row)).collect())
}

/// Removes the account's streams. Gives those of the last minutes: of older ones nobody holds a state any more.
///
/// # Errors
/// Those of the database.
pub fn forget(conn: &mut PgConnection, user: UserId) -> QueryResult<Vec<StreamId>> {
    // Locked by id, as all who change several streams at once lock them.
    let gone: Vec<ForgottenRow> = sql_query(
        "WITH gone AS MATERIALIZED (SELECT id FROM streams WHERE user_id = $1 ORDER BY id FOR UPDATE) \
         DELETE FROM streams s USING gone WHERE s.id = gone.id \
         RETURNING s.id, s.state <> 'ended' OR s.beat_at > now() - interval '10 minutes' AS recent",
    )
    .bind::<SqlUuid, _>(user.uuid())
    .load(conn)?;
    Ok(gone.into_iter().filter(|row| row.recent).map(|row| StreamId::from(row.id)).collect())
}
