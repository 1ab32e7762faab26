//! What has changed in the sums and views that statistics are made of, page by page.
//!
//! Each row names the transaction that wrote it last (`changed_in`). All transactions below the `xmin` of
//! a snapshot had ended when it was taken, so who read everything up to there needs, the next time, only
//! what was changed in that one or later; what was committed meanwhile, in whatever order, lies above it.

use chrono::{DateTime, Utc};
use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::domain::statistics::Grain;

/// How far the database is.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Horizon {
    /// Which database this is: another one, or an older state of it, numbers its transactions anew.
    #[diesel(sql_type = Text)]
    pub database: String,
    /// All transactions below have ended.
    #[diesel(sql_type = BigInt)]
    pub seen: i64,
    /// No transaction from here on has begun.
    #[diesel(sql_type = BigInt)]
    pub next: i64,
}

/// A row of `view_counts`.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct CountRow {
    #[diesel(sql_type = BigInt)]
    pub changed_in: i64,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub grain: String,
    #[diesel(sql_type = Timestamptz)]
    pub begins_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    pub views: i64,
    #[diesel(sql_type = BigInt)]
    pub watched_ms: i64,
}

/// A row of `views`: who viewed what.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ViewRow {
    #[diesel(sql_type = BigInt)]
    pub changed_in: i64,
    #[diesel(sql_type = SqlUuid)]
    pub stream_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub viewer_id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    pub file: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub episode: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub series: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub video: Option<String>,
}

/// A page of what was changed before the transaction `until`.
#[derive(Debug, Clone)]
pub struct Page<R> {
    /// The last row of the page before.
    pub after: R,
    /// Not this transaction, and none after it.
    pub until: i64,
    /// Rows at most.
    pub limit: i64,
}

/// A row that changes are read page by page of.
pub trait Changed: Sized + Clone + Send + 'static {
    /// Stands before all rows that were changed in the transaction `first` or later.
    fn before(first: i64) -> Self;

    /// The next rows, in the order of their change.
    ///
    /// # Errors
    /// Diesel's.
    fn read(conn: &mut PgConnection, page: &Page<Self>) -> QueryResult<Vec<Self>>;
}

impl Changed for CountRow {
    fn before(first: i64) -> Self {
        Self {
            changed_in: first,
            // No row has an empty kind.
            kind: String::new(),
            title: String::new(),
            grain: String::new(),
            begins_at: DateTime::UNIX_EPOCH,
            views: 0,
            watched_ms: 0,
        }
    }

    fn read(conn: &mut PgConnection, page: &Page<Self>) -> QueryResult<Vec<Self>> {
        sql_query(
            "SELECT changed_in, kind, title, grain, begins_at, views, watched_ms FROM view_counts \
             WHERE (changed_in, kind, title, grain, begins_at) > ($1, $2, $3, $4, $5) AND changed_in < $6 \
             ORDER BY changed_in, kind, title, grain, begins_at LIMIT $7",
        )
        .bind::<BigInt, _>(page.after.changed_in)
        .bind::<Text, _>(&page.after.kind)
        .bind::<Text, _>(&page.after.title)
        .bind::<Text, _>(&page.after.grain)
        .bind::<Timestamptz, _>(page.after.begins_at)
        .bind::<BigInt, _>(page.until)
        .bind::<BigInt, _>(page.limit)
        .load(conn)
    }
}

impl Changed for ViewRow {
    fn before(first: i64) -> Self {
        Self {
            changed_in: first,
            // No stream has it.
            stream_id: Uuid::nil(),
            viewer_id: Uuid::nil(),
            file: None,
            episode: None,
            series: None,
            video: None,
        }
    }

    fn read(conn: &mut PgConnection, page: &Page<Self>) -> QueryResult<Vec<Self>> {
        sql_query(
            "SELECT changed_in, stream_id, viewer_id, file, episode, series, video FROM views \
             WHERE (changed_in, stream_id) > ($1, $2) AND changed_in < $3 ORDER BY changed_in, stream_id LIMIT $4",
        )
        .bind::<BigInt, _>(page.after.changed_in)
        .bind::<SqlUuid, _>(page.after.stream_id)
        .bind::<BigInt, _>(page.until)
        .bind::<BigInt, _>(page.limit)
        .load(conn)
    }
}

/// How far the database is now.
///
/// # Errors
/// Diesel's.
pub fn horizon(conn: &mut PgConnection) -> QueryResult<Horizon> {
    sql_query(
        "SELECT pg_snapshot_xmin(now)::text::bigint AS seen, pg_snapshot_xmax(now)::text::bigint AS next, \
         concat_ws('.', (SELECT system_identifier FROM pg_control_system()), \
         (SELECT timeline_id FROM pg_control_checkpoint()), \
         (SELECT oid FROM pg_database WHERE datname = current_database())) AS database \
         FROM pg_current_snapshot() now",
    )
    .get_result(conn)
}

/// Removes sums of `grain` that no list looks at any more, `limit` at most: how many.
///
/// # Errors
/// Diesel's.
pub fn forget(conn: &mut PgConnection, grain: Grain, limit: i64) -> QueryResult<usize> {
    let Some(useful) = grain.useful_seconds() else { return Ok(0) };
    sql_query(
        "DELETE FROM view_counts WHERE ctid = ANY(ARRAY(SELECT ctid FROM view_counts \
         WHERE grain = $1 AND begins_at < now() - make_interval(secs => $2) \
         ORDER BY begins_at LIMIT $3 FOR UPDATE SKIP LOCKED))",
    )
    .bind::<Text, _>(grain.name())
    .bind::<BigInt, _>(useful)
    .bind::<BigInt, _>(limit)
    .execute(conn)
}

/// Removes what is known of hours in which a view counted and that have ended long since, `limit` at most: how many.
/// Waits for nobody: whoever counts a view takes its rows in an order of its own.
///
/// # Errors
/// Diesel's.
pub fn forget_hours(conn: &mut PgConnection, limit: i64) -> QueryResult<usize> {
    sql_query(
        "DELETE FROM last_views WHERE ctid = ANY(ARRAY(SELECT ctid FROM last_views \
         WHERE viewed_at < now() - interval '2 hours' ORDER BY viewed_at LIMIT $1 FOR UPDATE SKIP LOCKED))",
    )
    .bind::<BigInt, _>(limit)
    .execute(conn)
}
