//! Section `playback`: what players are given, and for how long.

use serde::Deserialize;

use super::Rule;

/// `aud` of the tokens in the links of players; no access token may have it.
pub const PLAYBACK_AUDIENCE: &str = "playback";

/// Section `playback`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct PlaybackSettings {
    pub save_seconds: u64,
    pub token_seconds: u32,
    pub token_renewal_seconds: u32,
    pub plays_per_address: u32,
    pub plays_window_seconds: u32,
}

impl PlaybackSettings {
    pub(super) fn rules(&self) -> [Rule; 5] {
        [
            ("playback.save_seconds", (1..=8).contains(&self.save_seconds), "lies between 1 and 8"),
            ("playback.token_seconds", self.token_seconds >= 1, "is 1 at least"),
            (
                "playback.token_renewal_seconds",
                self.token_renewal_seconds <= self.token_seconds,
                "is no longer than playback.token_seconds",
            ),
            ("playback.plays_per_address", self.plays_per_address >= 1, "is 1 at least"),
            ("playback.plays_window_seconds", self.plays_window_seconds >= 1, "is 1 at least"),
        ]
    }
}
