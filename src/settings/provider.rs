//! Section `provider`: the third party whose movies are shown.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Rule;

/// Section `provider`. The address is a secret too: its parameters may hold a key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct ProviderSettings {
    pub base_url: SecretString,
    pub username: SecretString,
    pub password: SecretString,
    pub connect_timeout_ms: u64,
    pub read_timeout_ms: u64,
    pub deadline_ms: u64,
    pub retries: usize,
    pub backoff_ms: u64,
    pub backoff_most_ms: u64,
    pub parallel: usize,
    pub queue: usize,
    pub answer_limit_bytes: usize,
    pub breaker_failures: usize,
    pub breaker_window_ms: u64,
    pub breaker_open_ms: u64,
}

impl ProviderSettings {
    pub(super) fn rules(&self) -> [Rule; 12] {
        [
            // RFC 7617 §2: the first colon ends the name.
            ("provider.username", !self.username.expose_secret().contains(':'), "must not contain a colon"),
            ("provider.connect_timeout_ms", self.connect_timeout_ms >= 1, "is 1 at least"),
            ("provider.read_timeout_ms", self.read_timeout_ms >= 1, "is 1 at least"),
            ("provider.deadline_ms", (1..=60_000).contains(&self.deadline_ms), "lies between 1 and 60000"),
            ("provider.retries", self.retries <= 100, "is 100 at most"),
            (
                "provider.backoff_most_ms",
                (self.backoff_ms..=60_000).contains(&self.backoff_most_ms),
                "lies between provider.backoff_ms and 60000",
            ),
            ("provider.parallel", (1..=10_000).contains(&self.parallel), "lies between 1 and 10000"),
            ("provider.queue", self.queue <= 1_000_000, "is 1000000 at most"),
            ("provider.answer_limit_bytes", self.answer_limit_bytes >= 1024, "is 1024 at least"),
            ("provider.breaker_failures", (1..=10_000).contains(&self.breaker_failures), "lies between 1 and 10000"),
            ("provider.breaker_window_ms", self.breaker_window_ms >= 1, "is 1 at least"),
            (
                "provider.breaker_open_ms",
                (1..=86_400_000).contains(&self.breaker_open_ms),
                "lies between 1 and 86400000",
            ),
        ]
    }

    /// As by default, without an address.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        super::Settings::from_variables(config::Map::new()).expect("the defaults").provider
    }
}
