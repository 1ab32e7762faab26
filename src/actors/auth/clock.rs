//! The time of day, injected: tests move it by hand instead of sleeping.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Duration, Utc};

/// Tells the time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// Stands still until it is moved; milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `time`.
    #[must_use]
    pub fn standing_at(time: DateTime<Utc>) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(time.timestamp_millis())))
    }

    /// Moves a manual clock, and all its clones.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(millis) = self {
            millis.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now(),
            Self::Manual(millis) => DateTime::from_timestamp_millis(millis.load(Ordering::Relaxed)).unwrap_or_default(),
        }
    }
}
