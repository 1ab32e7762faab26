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
}

impl CollectionSettings {
    /// `ordinary`: the limit of all other bodies.
    pub(super) const fn rules(&self, ordinary: usize) -> [Rule; 2] {
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
        ]
    }
}
