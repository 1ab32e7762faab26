//! The queue's side of a statement: a job is added in the transaction that it belongs to.

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _, sql_query,
    sql_types::{Integer, Json, Text},
};

/// Adds a job. Workers hear of it when the transaction commits.
///
/// # Errors
/// The statement's.
pub fn add(conn: &mut PgConnection, name: &str, payload: &serde_json::Value, attempts: i16) -> QueryResult<()> {
    sql_query("SELECT 1 FROM graphile_worker.add_job($1, payload => $2, max_attempts => $3)")
        .bind::<Text, _>(name)
        .bind::<Json, _>(payload)
        .bind::<Integer, _>(i32::from(attempts))
        .execute(conn)
        .map(drop)
}
