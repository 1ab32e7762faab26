//! Takes jobs from nodes that died with them. Every worker says every few seconds that it lives; who has not
//! for long enough is dead.
//!
//! The library would do the same by itself, but after an outage of Postgres nobody has been able to say so,
//! and it would take the jobs of all nodes, which run. Here a node takes none before it has been in touch
//! with Postgres, without a break, for as long as makes a node dead: by then the others have been, too.

use std::time::Duration;

use graphile_worker::{Database, Schema, SweepStaleWorkersOptions, WorkerUtils};
use tokio::time::{Instant, sleep, timeout};

/// How often a worker says that it lives, and is looked for: a fifth of what makes it dead.
pub(super) fn heartbeat(dead_after: Duration) -> Duration {
    dead_after / 5
}

/// Never ends.
pub(super) async fn run(database: Database, dead_after: Duration) {
    let utils = WorkerUtils::new(database, Schema::default());
    let every = heartbeat(dead_after);
    let mut in_touch_since = Instant::now();
    loop {
        let slept_at = Instant::now();
        sleep(every).await;
        let options = SweepStaleWorkersOptions {
            sweep_threshold: Some(dead_after),
            recovery_delay: Some(Duration::ZERO),
            // Asks all the same, to know that Postgres answers.
            dry_run: in_touch_since.elapsed() < dead_after,
        };
        match timeout(every, utils.sweep_stale_workers(options)).await {
            // Unless this process itself stood still.
            Ok(Ok(swept)) if slept_at.elapsed() < every.saturating_mul(3) => {
                if swept.recovered_count > 0 {
                    tracing::warn!(jobs = swept.recovered_count, "a node died: its jobs are done again");
                }
            }
            Ok(Ok(_)) | Err(_) => in_touch_since = Instant::now(),
            Ok(Err(error)) => {
                tracing::debug!(%error, "dead nodes are not looked for");
                in_touch_since = Instant::now();
            }
        }
    }
}
