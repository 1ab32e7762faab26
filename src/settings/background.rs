//! Sections `jobs`, `mail` and `statistics`: what is done behind the requests.

use secrecy::SecretString;
use serde::Deserialize;

use super::Rule;

/// Section `jobs`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct JobSettings {
    pub connections: usize,
    pub parallel: usize,
    pub poll_ms: u64,
    pub deadline_seconds: u64,
    pub dead_after_seconds: u64,
    pub stop_seconds: u64,
}

impl JobSettings {
    pub(super) fn rules(&self) -> [Rule; 5] {
        [
            ("jobs.connections", (1..=100).contains(&self.connections), "lies between 1 and 100"),
            ("jobs.parallel", (1..=100).contains(&self.parallel), "lies between 1 and 100"),
            ("jobs.poll_ms", self.poll_ms >= 100, "is 100 at least"),
            ("jobs.deadline_seconds", self.deadline_seconds >= 1, "is 1 at least"),
            ("jobs.dead_after_seconds", self.dead_after_seconds >= 2, "is 2 at least"),
        ]
    }
}

/// Section `mail`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct MailSettings {
    pub smtp_url: SecretString,
    pub from: String,
    pub timeout_ms: u64,
}

impl MailSettings {
    pub(super) fn rules(&self) -> [Rule; 1] {
        [("mail.timeout_ms", self.timeout_ms >= 1, "is 1 at least")]
    }
}

/// Section `statistics`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct StatisticsSettings {
    pub follow_ms: u64,
    pub event_ms: u64,
    pub listeners: usize,
    pub listen_seconds: u64,
}

impl StatisticsSettings {
    pub(super) fn rules(&self) -> [Rule; 3] {
        [
            ("statistics.follow_ms", self.follow_ms >= 10, "is 10 at least"),
            ("statistics.event_ms", self.event_ms >= 10, "is 10 at least"),
            ("statistics.listen_seconds", self.listen_seconds >= 1, "is 1 at least"),
        ]
    }
}
