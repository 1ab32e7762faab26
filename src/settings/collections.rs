//! Section `collections`: what lists of movies may cost.

use serde::Deserialize;

use super::Rule;

/// Section `collections`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct CollectionSettings {
    pub json_limit_bytes: usize,
    pub large_bodies: usize,
    pub large_answers: usize,
    pub per_account: u32,
    pub write_deadline_ms: u64,
}

impl CollectionSettings {
    /// `ordinary`: the limit of all other bodies.
    pub(super) const fn rules(&self, ordinary: usize) -> [Rule; 5] {
        [
            (
                "collections.json_limit_bytes",
                self.json_limit_bytes >= ordinary && self.json_limit_bytes <= 256 * 1024 * 1024,
                "lies between http.json_limit_bytes and 268435456",
            ),
            (
                "collections.large_bodies",
                self.large_bodies >= 1 && self.large_bodies <= 10_000,
                "lies between 1 and 10000",
            ),
            (
                "collections.large_answers",
                self.large_answers >= 1 && self.large_answers <= 10_000,
                "lies between 1 and 10000",
            ),
            ("collections.per_account", self.per_account >= 1, "is 1 at least"),
            (
                "collections.write_deadline_ms",
                self.write_deadline_ms >= 100 && self.write_deadline_ms <= 600_000,
                "lies between 100 and 600000",
            ),
        ]
    }
}
