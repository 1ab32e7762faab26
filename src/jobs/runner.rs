//! Keeps a worker running, whatever Postgres does.

use std::time::Duration;

use graphile_worker::{
    Database, LocalQueueConfig, RefetchDelayConfig, Worker, WorkerBuildError, WorkerOptions, WorkerRecoveryConfig,
    tokio_postgres::TokioPostgresDatabase,
};
use tokio::sync::watch;

use super::{Handlers, JobsError, address, patient::Patient, sweep};
use crate::settings::{JobSettings, millis};

/// Between the end of a worker and the next one, doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Jobs that wait in this process for a free place, where another node could not see them.
const AHEAD: usize = 1;
/// How long they do before they are given back.
const AHEAD_LIMIT: Duration = Duration::from_secs(5);
/// The library looks for dead nodes by itself as well, see [`sweep`] for why it shall not.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// The database at libpq's `url`; connects to nobody yet.
///
/// # Errors
/// See [`JobsError`].
pub(super) fn database(url: &str, connections: usize) -> Result<TokioPostgresDatabase, JobsError> {
    TokioPostgresDatabase::from_url(&address::for_driver(url), connections)
        .map_err(|error| JobsError::Address(error.to_string()))
}

pub(super) struct Runner {
    database: Database,
    settings: JobSettings,
    handlers: Handlers,
}

impl Runner {
    pub(super) fn new(url: &str, settings: &JobSettings, handlers: Handlers) -> Result<Self, JobsError> {
        let database = database(url, settings.connections)?;
        Ok(Self { database: Database::new(Patient(database)), settings: settings.clone(), handlers })
    }

    /// Runs until `stop`.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.work(stop) => {}
            // Never ends by itself.
            () = sweep::run(self.database.clone(), self.dead_after()) => {}
        }
    }

    /// One worker after the other: it ends when it cannot say that a job was done.
    async fn work(&self, mut stop: watch::Receiver<bool>) {
        let mut pause = PAUSE;
        while !*stop.borrow() {
            match self.worker(stop.clone()).await {
                Ok(worker) => {
                    pause = PAUSE;
                    if let Err(error) = worker.run().await {
                        tracing::warn!(%error, "jobs were interrupted, and go on shortly");
                    }
                }
                Err(error) if pause == PAUSE => tracing::warn!(%error, "no jobs run: Postgres is away"),
                Err(error) => tracing::debug!(%error, "no jobs run yet"),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stopped| *stopped) => {}
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn worker(&self, mut stop: watch::Receiver<bool>) -> Result<Worker, WorkerBuildError> {
        let recovery = WorkerRecoveryConfig::default()
            .heartbeat_interval(sweep::heartbeat(self.dead_after()))
            .sweep_interval(NEVER)
            .sweep_threshold(NEVER);
        let options = WorkerOptions::default()
            .database(self.database.clone())
            .concurrency(self.settings.parallel)
            .poll_interval(millis(self.settings.poll_ms))
            .local_queue(self.ahead())
            .worker_recovery(recovery)
            .listen_os_shutdown_signals(false)
            .shutdown_grace_period(Duration::from_secs(self.settings.stop_seconds))
            .shutdown_interrupted_job_retry_delay(Duration::ZERO)
            .shutdown_signal(async move { drop(stop.wait_for(|stopped| *stopped).await) });
        self.handlers.define(options, Duration::from_secs(self.settings.deadline_seconds)).init().await
    }

    /// Without it a place takes one job at each look, whatever waits. Without a pause after a look that found
    /// nothing it would look all the time; the first notification ends the pause.
    fn ahead(&self) -> LocalQueueConfig {
        let pause = RefetchDelayConfig::default()
            .with_duration(millis(self.settings.poll_ms))
            .with_threshold(0)
            .with_max_abort_threshold(1);
        LocalQueueConfig::default().with_size(AHEAD).with_ttl(AHEAD_LIMIT).with_refetch_delay(pause)
    }

    fn dead_after(&self) -> Duration {
        Duration::from_secs(self.settings.dead_after_seconds)
    }
}
