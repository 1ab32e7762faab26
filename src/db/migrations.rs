//! The schema's versions: embedded in the binary, applied on demand, compared at the start. The tables of
//! the job queue come from its library and are kept in step here too.

mod queue;

use diesel::PgConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::pool;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Why the schema is not what this binary needs.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No connection.
    #[error("cannot connect to the database: {0}")]
    Connect(#[from] diesel::ConnectionError),
    /// A migration failed; it was rolled back.
    #[error("a migration failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A newer Playhouse has migrated this database.
    #[error("the database is newer than this binary: it has {0}, which is unknown here; run a newer playhouse")]
    Newer(String),
    /// `playhouse migrate` has to run first.
    #[error("the database lacks {0} migration(s): run `playhouse migrate` first")]
    Pending(usize),
}

/// Applies what is missing and gives the names of what was applied.
///
/// Several nodes may call it at once: an advisory lock lets one go first.
///
/// # Errors
/// See [`MigrationError`].
pub fn apply(url: &str) -> Result<Vec<String>, MigrationError> {
    let conn = &mut pool::connect(url)?;
    locked(conn, |conn| {
        refuse_newer(conn)?;
        let mut done = queue::apply(conn)?;
        let ours = conn.run_pending_migrations(MIGRATIONS).map_err(MigrationError::Failed)?;
        done.extend(ours.iter().map(ToString::to_string));
        Ok(done)
    })
}

/// Reverts every migration and applies them again: what CI runs to prove that both ways work. The queue's
/// know no way back, and stay.
///
/// # Errors
/// See [`MigrationError`].
pub fn redo(url: &str) -> Result<(), MigrationError> {
    let conn = &mut pool::connect(url)?;
    locked(conn, |conn| {
        conn.revert_all_migrations(MIGRATIONS).map_err(MigrationError::Failed)?;
        conn.run_pending_migrations(MIGRATIONS).map(drop).map_err(MigrationError::Failed)
    })
}

/// Checks that the schema is exactly the one this binary was built for.
///
/// # Errors
/// [`MigrationError::Newer`], [`MigrationError::Pending`], or no connection.
pub fn check(url: &str) -> Result<(), MigrationError> {
    let conn = &mut pool::connect(url)?;
    refuse_newer(conn)?;
    let ours = conn.pending_migrations(MIGRATIONS).map_err(MigrationError::Failed)?.len();
    match ours.saturating_add(queue::pending(conn)?) {
        0 => Ok(()),
        pending => Err(MigrationError::Pending(pending)),
    }
}

fn failed(error: diesel::result::Error) -> MigrationError {
    MigrationError::Failed(Box::new(error))
}

fn locked<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, MigrationError>,
) -> Result<T, MigrationError> {
    use diesel::connection::SimpleConnection as _;
    conn.batch_execute("SELECT pg_advisory_lock(7152436150)").map_err(failed)?;
    let result = work(conn);
    // Closing the connection would release it too.
    conn.batch_execute("SELECT pg_advisory_unlock(7152436150)").map_err(failed)?;
    result
}

fn refuse_newer(conn: &mut PgConnection) -> Result<(), MigrationError> {
    queue::refuse_newer(conn)?;
    let known: Vec<String> = diesel::migration::MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS)
        .map_err(MigrationError::Failed)?
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    let applied = conn.applied_migrations().map_err(MigrationError::Failed)?;
    match applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        Some(version) => Err(MigrationError::Newer(version)),
        None => Ok(()),
    }
}
