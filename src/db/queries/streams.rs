//! Streams: viewings of episodes and files. Those of nobody in particular are in no list.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{exists, sql},
    prelude::*,
    sql_types::{Array, BigInt, Double, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::{
    db::{
        rows::session::SessionRow,
        schema::{episodes, streams, views},
    },
    domain::{
        catalog::Seconds,
        ids::{EpisodeId, StreamId, UserId},
        listing::{Field, FieldKind, Listing},
        playback::{PlayState, Played, StreamChange},
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
        Field { name: "episode_id", kind: FieldKind::OptionalId, column: "t.episode_id" },
        Field {
            name: "file_id",
            kind: FieldKind::Link,
            column: "coalesce(t.file_id, (SELECT e.file_id FROM episodes e WHERE e.id = t.episode_id)) = {}",
        },
        Field { name: "position_seconds", kind: FieldKind::Number, column: "t.position_seconds" },
        Field { name: "state", kind: FieldKind::Text, column: "t.state" },
        Field { name: "watched_seconds", kind: FieldKind::Number, column: "(t.watched_ms / 1000.0)::float8" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: None,
};

/// A stream that is opened.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct NewStreamRow {
    pub id: StreamId,
    pub user: Option<UserId>,
    pub played: Played,
    pub position_seconds: f64,
}

/// Adds a stream; when it was made.
///
/// # Errors
/// Those of the database; `streams_episode_id_fkey`, `streams_file_id_fkey` and `streams_user_id_fkey` where
/// something referred to is not there.
pub fn insert(conn: &mut PgConnection, new: &NewStreamRow) -> QueryResult<DateTime<Utc>> {
    let (episode, file) = match new.played {
        Played::Episode(id) => (Some(id.uuid()), None),
        Played::File(id) => (None, Some(id.uuid())),
    };
    diesel::insert_into(streams::table)
        .values((
            streams::id.eq(new.id.uuid()),
            streams::user_id.eq(new.user.map(UserId::uuid)),
            streams::episode_id.eq(episode),
            streams::file_id.eq(file),
            streams::position_seconds.eq(new.position_seconds),
        ))
        .returning(streams::created_at)
        .get_result(conn)
}

/// A stream as a session goes on from it.
///
/// # Errors
/// Those of the database; `NotFound` where there is none.
pub fn session(conn: &mut PgConnection, id: Uuid) -> QueryResult<SessionRow> {
    let age = sql::<Double>("extract(epoch FROM now() - streams.beat_at)::float8");
    streams::table
        .find(id)
        .select((
            streams::user_id,
            streams::episode_id,
            streams::file_id,
            streams::position_seconds,
            streams::state,
            streams::watched_ms,
            streams::created_at,
            streams::updated_at,
            age,
            exists(views::table.filter(views::stream_id.eq(id))),
        ))
        .first(conn)
}

/// Changes a stream; the number of rows changed.
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: Uuid, change: &StreamChange) -> QueryResult<usize> {
    diesel::update(streams::table.find(id))
        .set((
            streams::updated_at.eq(diesel::dsl::now),
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

/// The file that a stream plays now: its own, else its episode's. `None` where it has ended or is not there, or
/// there is no file.
///
/// # Errors
/// Those of the database.
pub fn open_file(conn: &mut PgConnection, id: Uuid) -> QueryResult<Option<Uuid>> {
    let file = streams::table
        .left_join(episodes::table)
        .filter(streams::id.eq(id))
        .filter(streams::state.ne(PlayState::Ended.name()))
        .select((streams::file_id, episodes::file_id.nullable()))
        .first::<(Option<Uuid>, Option<Uuid>)>(conn)
        .optional()?;
    Ok(file.and_then(|(own, of_episode)| own.or(of_episode)))
}

/// Those of `ids` that have rows.
///
/// # Errors
/// Those of the database.
pub fn which_exist(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    streams::table.filter(streams::id.eq_any(ids)).select(streams::id).load(conn)
}

/// Streams that have not ended and whose last heartbeat was before 2 minutes, the longest silent first.
///
/// # Errors
/// Those of the database.
pub fn silent(conn: &mut PgConnection, limit: i64) -> QueryResult<Vec<Uuid>> {
    streams::table
        .filter(streams::state.ne(PlayState::Ended.name()))
        .filter(sql::<diesel::sql_types::Bool>("beat_at < now() - interval '120 seconds'"))
        .order(streams::beat_at)
        .select(streams::id)
        .limit(limit)
        .load(conn)
}

/// Ends those of `ids` that are still silent, and gives them. Waits for nobody who changes one.
///
/// # Errors
/// Those of the database.
pub fn end_silent(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    let ended: Vec<IdRow> = diesel::sql_query(
        "UPDATE streams SET state = 'ended' WHERE id IN (SELECT id FROM streams WHERE id = ANY($1) \
         AND state <> 'ended' AND beat_at < now() - interval '120 seconds' ORDER BY id FOR UPDATE SKIP LOCKED) \
         RETURNING id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)?;
    Ok(ended.into_iter().map(|row| row.id).collect())
}

/// Removes plays of nobody in particular whose last heartbeat was a day ago; how many.
///
/// # Errors
/// Those of the database.
pub fn remove_old_plays(conn: &mut PgConnection, limit: i64) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM streams WHERE id IN (SELECT id FROM streams WHERE user_id IS NULL \
         AND beat_at < now() - interval '1 day' ORDER BY beat_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
    )
    .bind::<BigInt, _>(limit)
    .execute(conn)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}
