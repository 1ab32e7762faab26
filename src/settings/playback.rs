//! Section `playback`: viewing sessions.

use serde::Deserialize;

/// Section `playback`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct PlaybackSettings {
    pub save_seconds: u64,
}

impl PlaybackSettings {
    pub(super) fn rules(&self) -> [super::background::Rule; 1] {
        [("playback.save_seconds", (1..=8).contains(&self.save_seconds), "lies between 1 and 8")]
    }
}
