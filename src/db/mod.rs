//! Postgres: a pool of connections, threads that use them, and the meaning of their errors.
//!
//! Work is a closure with a connection; queries are free functions in [`queries`]. This module
//! knows no actor of the business and no wire shape.

pub mod listing;
mod long;
pub mod migrations;
mod pool;
pub mod queries;
pub mod rows;
#[allow(missing_docs, unreachable_pub, reason = "generated from the migrations")]
pub mod schema;
mod untyped;

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    result::{DatabaseErrorKind, Error as DieselError},
};
use secrecy::ExposeSecret as _;

pub use self::long::LongWork;
use crate::{
    mailbox::{AskError, Workers},
    settings::{DatabaseSettings, millis},
};

/// What PostgreSQL says, in English, where it ended a statement because a limit of ours was reached, or for others'
/// sake: Diesel does not give the code. The limit of a statement is as long as PostgreSQL waits before it looks for a
/// deadlock, so either may come first.
const ENDED: [&str; 3] = ["due to lock timeout", "due to statement timeout", "deadlock detected"];

/// What can go wrong with a piece of database work.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No such row.
    #[error("no such row")]
    NotFound,
    /// A constraint of the schema refused the change.
    #[error("constraint {name} refused the change")]
    Constraint {
        /// The constraint's name, as in the migrations.
        name: String,
    },
    /// The database is away, does not answer in time, or gave way to others who write the same rows: try again.
    #[error("the database is away: {0}")]
    Away(String),
    /// A fault of ours.
    #[error("the database refused our statement")]
    Fault(#[source] DieselError),
    /// The work panicked.
    #[error("database work panicked")]
    Panicked,
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(kind, ref info) => match kind {
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::RestrictViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::ExclusionViolation => match info.constraint_name() {
                    Some(name) => Self::Constraint { name: name.to_owned() },
                    None => Self::Fault(error),
                },
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction => Self::Away(info.message().to_owned()),
                DatabaseErrorKind::Unknown if ENDED.iter().any(|end| info.message().ends_with(end)) => {
                    Self::Away(info.message().to_owned())
                }
                _ => Self::Fault(error),
            },
            other => Self::Fault(other),
        }
    }
}

impl From<AskError> for DbError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Panicked => Self::Panicked,
            AskError::Full | AskError::Deadline | AskError::Closed => Self::Away(error.to_string()),
        }
    }
}

/// The database, as the rest of the house sees it. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    workers: Workers<pool::Lease>,
    pool: Arc<pool::Pool>,
    turns: long::Turns,
    search_deadline: Duration,
    statement_ms: u64,
}

impl Db {
    /// Starts the pool and its threads. Does not wait for the database.
    #[must_use]
    pub fn start(settings: &DatabaseSettings) -> Self {
        let pool = Arc::new(pool::open(settings.url.expose_secret(), settings));
        let threads = usize::try_from(settings.connections()).unwrap_or(1);
        let leases = Arc::clone(&pool);
        let breaks = Arc::new(AtomicU64::new(0));
        let life = Duration::from_secs(settings.connection_seconds);
        let workers = Workers::start(threads, settings.queue, millis(settings.deadline_ms), move || {
            pool::Lease::new(Arc::clone(&leases), Arc::clone(&breaks), life)
        });
        let (search_deadline, statement_ms) = (millis(settings.search_deadline_ms), settings.statement_timeout_ms);
        Self { workers, pool, turns: long::Turns::over(threads), search_deadline, statement_ms }
    }

    /// Runs `work` with a connection on a database thread. Its time begins here, not when this is awaited.
    ///
    /// `E` is the caller's own error, which knows how to take up a [`DbError`].
    ///
    /// # Errors
    /// What `work` says; [`DbError::Away`] where the database or its queue gives no answer in time.
    pub fn run<T, E, F>(&self, work: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    {
        done(self.workers.run(move |lease| lease.with(work)))
    }

    fn run_within<T, E, F>(&self, deadline: Duration, work: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    {
        done(self.workers.run_within(deadline, move |lease| lease.with(work)))
    }

    /// As [`Db::run`], for work that can take long, such as a search: it has `database.search_deadline_ms`, and at most
    /// half of the threads do it at a time. That Postgres is away is told as soon as for other work.
    ///
    /// # Errors
    /// As [`Db::run`].
    pub async fn search<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    {
        let turn = self.turns.search().await?;
        self.run(|conn| pool::ping(conn).map_err(DbError::from)).await?;
        let patience = pool::Patience { end: Instant::now() + self.search_deadline, further_ms: self.statement_ms };
        self.run_within(self.search_deadline, move |conn| {
            let _turn = turn;
            pool::patiently(conn, patience, work)
        })
        .await
    }

    /// Reads a list: by [`Db::search`] where it is searched, else by [`Db::run`].
    ///
    /// # Errors
    /// As theirs.
    pub async fn list<T, E, F>(&self, is_searched: bool, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    {
        if is_searched { self.search(work).await } else { self.run(work).await }
    }

    /// Whether a statement is answered now.
    pub async fn is_ready(&self) -> bool {
        self.run(|conn| pool::ping(conn).map_err(DbError::from)).await.is_ok()
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.pool.state().connections
    }
}

/// What came of work that was `asked` for.
async fn done<T, E: From<DbError>>(asked: impl Future<Output = Result<Result<T, E>, AskError>>) -> Result<T, E> {
    asked.await.map_err(|error| E::from(DbError::from(error)))?
}
