//! Work that outlives a request: jobs, kept in Postgres, done by whichever node is free.
//!
//! Owns the queue: [`add`] puts a job into the caller's own transaction, [`Jobs`] runs what was added, tries
//! again what failed, and takes over what a dead node had begun. It must not know what any job does: actors
//! declare their jobs ([`Job`]) and `startup` says who handles them ([`Handlers`]).
//!
//! A job runs **at least once**: a node that dies, or loses Postgres, between doing a job and saying so leaves
//! it to be done again. So a handler must bear being called twice.

mod address;
mod handlers;
mod patient;
mod runner;
mod sweep;

use std::time::Duration;

use diesel::{PgConnection, QueryResult};
use secrecy::ExposeSecret as _;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::watch, task::JoinHandle};

pub use self::handlers::{Failure, Handlers};
use self::runner::Runner;
use crate::{
    db::queries,
    settings::{DatabaseSettings, JobSettings},
};

/// For saying goodbye to Postgres, beyond what the jobs get to finish.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Something to do later. The value is all that the handler gets, on another node perhaps: ids rather
/// than rows. Fields that are added later need a default, for jobs that wait since before.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// What it is called in the queue; unique, and the same in all versions.
    const NAME: &'static str;

    /// How often it is tried at most. After try *n* it waits e^n seconds, but 6 hours at most: 10 tries
    /// take some 4 hours, 25 about four days.
    const ATTEMPTS: i16 = 25;
}

/// Adds a job in the transaction of `conn`: it runs once that commits, and never where it does not.
///
/// # Errors
/// The statement's, or a job that cannot be written as JSON.
pub fn add<J: Job>(conn: &mut PgConnection, job: &J) -> QueryResult<()> {
    let payload =
        serde_json::to_value(job).map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    queries::jobs::add(conn, J::NAME, &payload, J::ATTEMPTS)
}

/// Why no jobs can run; one line.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// The address of the database is not understood.
    #[error("wrong setting database.url: background jobs cannot use it: {0}")]
    Address(String),
}

/// The jobs that run on this node. Dropping it takes no more, and does not wait for what runs.
#[derive(Debug)]
pub struct Jobs {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    limit: Duration,
}

impl Jobs {
    /// Whether jobs can reach the database at `url`; connects to nobody.
    ///
    /// # Errors
    /// See [`JobsError`].
    pub fn check(url: &str) -> Result<(), JobsError> {
        runner::database(url, 1).map(drop)
    }

    /// Runs jobs from now on, as tasks of the current runtime. Does not wait for Postgres, and goes on
    /// when it comes back. Without handlers nothing runs, and no connection is made.
    ///
    /// # Errors
    /// See [`JobsError`].
    pub fn start(database: &DatabaseSettings, settings: &JobSettings, handlers: Handlers) -> Result<Self, JobsError> {
        let (stop, stopped) = watch::channel(false);
        let limit = Duration::from_secs(settings.stop_seconds);
        if handlers.is_empty() {
            return Ok(Self { stop, task: None, limit });
        }
        let runner = Runner::new(database.url.expose_secret(), settings, handlers)?;
        Ok(Self { stop, task: Some(tokio::spawn(runner.run(stopped))), limit })
    }

    /// Takes no more jobs and lets running ones finish for `jobs.stop_seconds`; those that do not are tried
    /// again at once, elsewhere or at the next start.
    pub async fn stop(mut self) {
        if self.stop.send(true).is_err() {
            return;
        }
        let Some(task) = self.task.as_mut() else { return };
        if tokio::time::timeout(self.limit.saturating_add(GOODBYE), task).await.is_err() {
            tracing::warn!("jobs were cut off: other nodes will do them again");
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
