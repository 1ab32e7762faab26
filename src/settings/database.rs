//! Section `database`: how many connections, and how long it is waited for.

use secrecy::SecretString;
use serde::Deserialize;

use super::Rule;

/// What PostgreSQL takes as the limit of a statement; 0 would be none.
const POSTGRES_MILLIS: std::ops::RangeInclusive<u64> = 1..=2_147_483_647;

/// Section `database`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct DatabaseSettings {
    pub url: SecretString,
    pub pool_size: u32,
    pub queue: usize,
    pub deadline_ms: u64,
    pub statement_timeout_ms: u64,
    pub search_deadline_ms: u64,
    pub connection_seconds: u64,
}

impl DatabaseSettings {
    pub(super) fn rules(&self) -> [Rule; 6] {
        [
            ("database.pool_size", self.pool_size <= 1000, "is 1000 at most"),
            ("database.deadline_ms", self.deadline_ms >= 1, "is 1 at least"),
            (
                "database.statement_timeout_ms",
                POSTGRES_MILLIS.contains(&self.statement_timeout_ms),
                "lies between 1 and 2147483647",
            ),
            (
                "database.search_deadline_ms",
                POSTGRES_MILLIS.contains(&self.search_deadline_ms),
                "lies between 1 and 2147483647",
            ),
            ("database.connection_seconds", self.connection_seconds >= 1, "is 1 at least"),
            ("database.queue", self.queue >= 1, "is 1 at least"),
        ]
    }

    /// Connections, and threads that use them: as set, or twice the cores, but 4 at least. More give some
    /// more throughput, and more statements that are late while all cores are busy (docs/BENCHMARKS.md).
    #[must_use]
    pub fn connections(&self) -> u32 {
        match self.pool_size {
            0 => {
                let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                u32::try_from(cores.saturating_mul(2)).unwrap_or(u32::MAX).max(4)
            }
            set => set,
        }
    }
}
