//! The clock of viewings: the server's, and it never jumps, whatever is done to the machine's time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// The time of day when the process started, and what has passed since. Sessions that move between nodes
/// carry times of it along: there two nodes differ as their clocks do.
#[derive(Debug, Clone, Copy)]
pub(super) struct SteadyClock {
    began_at: Duration,
    began: Instant,
}

impl SteadyClock {
    /// Set by the machine's clock, once.
    pub(super) fn start() -> Self {
        let began_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began_at, began: Instant::now() }
    }

    /// Since 1970.
    pub(super) fn now(&self) -> Duration {
        self.began_at + self.began.elapsed()
    }

    /// How long ago `at` was; zero where it lies ahead.
    pub(super) fn age(&self, at: Duration) -> Duration {
        self.now().saturating_sub(at)
    }
}

/// `at` as clients read it.
pub(super) fn date(at: Duration) -> DateTime<Utc> {
    let nanoseconds = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(nanoseconds)
}
