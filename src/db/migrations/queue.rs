//! The tables of the job queue, in the schema `graphile_worker`: the statements are the library's, the
//! order and the record of what was applied as the library keeps them. Run here, over our own
//! connection, so that `migrate` and `check` speak for the whole database.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{Bool, Integer, Nullable},
};
use graphile_worker_migrations::{GraphileWorkerMigration, sql::GRAPHILE_WORKER_MIGRATIONS};

use super::{MigrationError, failed};

/// In the library's statements, for the schema's name.
const PLACE: &str = ":GRAPHILE_WORKER_SCHEMA";
const SCHEMA: &str = "graphile_worker";
const RECORD: &str = "CREATE SCHEMA IF NOT EXISTS graphile_worker; \
    CREATE TABLE IF NOT EXISTS graphile_worker.migrations \
    (id int PRIMARY KEY, ts timestamptz NOT NULL DEFAULT now(), breaking boolean NOT NULL DEFAULT false)";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    found: bool,
}

#[derive(QueryableByName)]
struct Latest {
    #[diesel(sql_type = Nullable<Integer>)]
    id: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    breaking: Option<i32>,
}

/// Applies what is missing and gives the names of what was applied. The caller holds the lock.
pub(super) fn apply(conn: &mut PgConnection) -> Result<Vec<String>, MigrationError> {
    let missing = missing(conn)?;
    if !missing.is_empty() {
        conn.batch_execute(RECORD).map_err(failed)?;
    }
    missing.into_iter().map(|migration| run(conn, migration)).collect()
}

/// How many are missing.
pub(super) fn pending(conn: &mut PgConnection) -> Result<usize, MigrationError> {
    missing(conn).map(|missing| missing.len())
}

/// The library's own rule: what is newer than known here is refused where it is marked as breaking.
pub(super) fn refuse_newer(conn: &mut PgConnection) -> Result<(), MigrationError> {
    let known = GRAPHILE_WORKER_MIGRATIONS.iter().map(number).max();
    match latest(conn)?.breaking {
        Some(breaking) if Some(breaking) > known => Err(MigrationError::Newer(format!("{SCHEMA} {breaking}"))),
        _ => Ok(()),
    }
}

fn run(conn: &mut PgConnection, migration: &GraphileWorkerMigration) -> Result<String, MigrationError> {
    conn.transaction(|conn| {
        for statement in migration.stmts {
            conn.batch_execute(&statement.replace(PLACE, SCHEMA))?;
        }
        sql_query("INSERT INTO graphile_worker.migrations (id, breaking) VALUES ($1, $2)")
            .bind::<Integer, _>(number(migration))
            .bind::<Bool, _>(migration.is_breaking())
            .execute(conn)
    })
    .map_err(failed)?;
    Ok(format!("{SCHEMA} {}", migration.name()))
}

fn missing(conn: &mut PgConnection) -> Result<Vec<&'static GraphileWorkerMigration>, MigrationError> {
    let latest = latest(conn)?.id;
    Ok(GRAPHILE_WORKER_MIGRATIONS.iter().filter(|migration| Some(number(migration)) > latest).collect())
}

fn latest(conn: &mut PgConnection) -> Result<Latest, MigrationError> {
    let there = sql_query("SELECT to_regclass('graphile_worker.migrations') IS NOT NULL AS found");
    if !there.get_result::<Found>(conn).map_err(failed)?.found {
        return Ok(Latest { id: None, breaking: None });
    }
    sql_query("SELECT max(id) AS id, max(id) FILTER (WHERE breaking) AS breaking FROM graphile_worker.migrations")
        .get_result(conn)
        .map_err(failed)
}

fn number(migration: &GraphileWorkerMigration) -> i32 {
    i32::try_from(migration.migration_number()).unwrap_or(i32::MAX)
}
