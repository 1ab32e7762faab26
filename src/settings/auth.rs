//! Section `auth`: who may sign in, and how long tokens live.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{IssuerSettings, PLAYBACK_AUDIENCE, Rule};
use crate::domain::access::Role;

const SHORTEST_SECRET: usize = 32;

/// Section `auth`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct AuthSettings {
    pub issuer: String,
    pub audience: String,
    pub token_secret: SecretString,
    pub access_seconds: u32,
    pub refresh_seconds: u32,
    pub leeway_seconds: u64,
    pub sessions_per_account: i64,
    pub keys_per_account: i64,
    pub key_use_seconds: u64,
    pub registration_roles: Vec<Role>,
    pub hash_threads: usize,
    pub hash_queue: usize,
    pub hash_deadline_ms: u64,
    pub hash_memory_kib: u32,
    pub hash_passes: u32,
    pub lockout_tries: u32,
    pub lockout_window_seconds: u32,
    pub lockout_block_seconds: u32,
    pub channel_access_seconds: u32,
    pub reset_link: String,
    pub reset_seconds: u32,
    pub reset_window_seconds: u32,
    pub resets_per_email: u32,
    pub resets_per_address: u32,
    /// By the names that the operator gives them.
    #[serde(default)]
    pub issuers: BTreeMap<String, IssuerSettings>,
}

impl AuthSettings {
    pub(super) fn rules(&self) -> [Rule; 26] {
        let secret = self.token_secret.expose_secret();
        [
            ("auth.token_secret", secret.is_empty() || secret.len() >= SHORTEST_SECRET, "needs at least 32 bytes"),
            ("auth.leeway_seconds", self.leeway_seconds <= 5, "is 5 at most"),
            ("auth.access_seconds", self.access_seconds >= 1, "is 1 at least"),
            ("auth.refresh_seconds", self.refresh_seconds >= 1, "is 1 at least"),
            ("auth.sessions_per_account", self.sessions_per_account >= 1, "is 1 at least"),
            ("auth.keys_per_account", self.keys_per_account >= 1, "is 1 at least"),
            ("auth.key_use_seconds", (1..=60).contains(&self.key_use_seconds), "is 1 to 60"),
            ("auth.hash_threads", self.hash_threads >= 1, "is 1 at least"),
            ("auth.hash_deadline_ms", self.hash_deadline_ms >= 1, "is 1 at least"),
            ("auth.hash_queue", self.hash_queue >= 1, "is 1 at least"),
            ("auth.hash_memory_kib", self.hash_memory_kib >= 8, "is 8 at least"),
            ("auth.hash_passes", self.hash_passes >= 1, "is 1 at least"),
            ("auth.lockout_tries", self.lockout_tries >= 1, "is 1 at least"),
            ("auth.lockout_window_seconds", self.lockout_window_seconds >= 1, "is 1 at least"),
            ("auth.lockout_block_seconds", self.lockout_block_seconds >= 1, "is 1 at least"),
            ("auth.channel_access_seconds", self.channel_access_seconds >= 1, "is 1 at least"),
            ("auth.reset_link", self.reset_link.contains("{token}"), "must contain {token}"),
            (
                "auth.channel_access_seconds",
                self.channel_access_seconds <= self.refresh_seconds,
                "is no longer than auth.refresh_seconds",
            ),
            ("auth.reset_seconds", self.reset_seconds >= 1, "is 1 at least"),
            ("auth.reset_window_seconds", self.reset_window_seconds >= 1, "is 1 at least"),
            ("auth.resets_per_email", self.resets_per_email >= 1, "is 1 at least"),
            ("auth.resets_per_address", self.resets_per_address >= 1, "is 1 at least"),
            ("auth.issuer", !self.issuer.is_empty(), "must not be empty"),
            ("auth.audience", !self.audience.is_empty(), "must not be empty"),
            ("auth.audience", self.audience != PLAYBACK_AUDIENCE, "must not be playback, that of players' links"),
            ("auth.registration_roles", !self.registration_roles.contains(&Role::Owner), "must not contain owner"),
        ]
    }
}
