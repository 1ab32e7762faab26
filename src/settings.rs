//! Typed settings: read in layers, checked once at the start, handed down by value.
//!
//! Layers, later ones win: `config/default.toml` (built in) < `config/<environment>.toml` <
//! `PLAYHOUSE_<SECTION>__<KEY>`; `DATABASE_URL` and `REDIS_URL` are taken too. No globals.

mod auth;
mod background;
mod collections;
mod database;
mod issuers;
mod log;
mod playback;
mod provider;
mod storage;
mod tree;

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use config::{Config, Environment, File, FileFormat, Map};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

pub use self::{
    auth::AuthSettings,
    background::{JobSettings, MailSettings, StatisticsSettings},
    collections::CollectionSettings,
    database::DatabaseSettings,
    issuers::IssuerSettings,
    log::{LogFormat, LogSettings},
    playback::{PLAYBACK_AUDIENCE, PlaybackSettings},
    provider::ProviderSettings,
    storage::{ImageSettings, StorageKind, StorageSettings},
};

const DEFAULTS: &str = include_str!("../config/default.toml");
/// Settings that are texts, by variable.
const TEXTS: [(&str, &str); 21] = [
    ("PLAYHOUSE_AUTH__TOKEN_SECRET", "auth.token_secret"),
    ("PLAYHOUSE_AUTH__ISSUER", "auth.issuer"),
    ("PLAYHOUSE_AUTH__AUDIENCE", "auth.audience"),
    ("PLAYHOUSE_AUTH__RESET_LINK", "auth.reset_link"),
    ("PLAYHOUSE_DATABASE__URL", "database.url"),
    ("PLAYHOUSE_REDIS__URL", "redis.url"),
    ("PLAYHOUSE_REDIS__PREFIX", "redis.prefix"),
    ("PLAYHOUSE_DATA_DIR", "data_dir"),
    ("PLAYHOUSE_MEDIA_DIR", "media_dir"),
    ("PLAYHOUSE_LOG__FILTER", "log.filter"),
    ("PLAYHOUSE_MAIL__SMTP_URL", "mail.smtp_url"),
    ("PLAYHOUSE_MAIL__FROM", "mail.from"),
    ("PLAYHOUSE_PROVIDER__BASE_URL", "provider.base_url"),
    ("PLAYHOUSE_PROVIDER__USERNAME", "provider.username"),
    ("PLAYHOUSE_PROVIDER__PASSWORD", "provider.password"),
    ("PLAYHOUSE_STORAGE__BUCKET", "storage.bucket"),
    ("PLAYHOUSE_STORAGE__REGION", "storage.region"),
    ("PLAYHOUSE_STORAGE__ENDPOINT", "storage.endpoint"),
    ("PLAYHOUSE_STORAGE__PREFIX", "storage.prefix"),
    ("PLAYHOUSE_STORAGE__ACCESS_KEY_ID", "storage.access_key_id"),
    ("PLAYHOUSE_STORAGE__SECRET_ACCESS_KEY", "storage.secret_access_key"),
];

/// Names of variables that others use, too, and the ones that they stand for.
const SHORT: [(&str, &str); 2] = [("DATABASE_URL", "PLAYHOUSE_DATABASE__URL"), ("REDIS_URL", "PLAYHOUSE_REDIS__URL")];

/// Settings that are lists, by variable: their elements stand between commas, and nothing at all is the empty list.
const LISTS: [(&str, &str); 2] = [
    ("PLAYHOUSE_AUTH__REGISTRATION_ROLES", "auth.registration_roles"),
    ("PLAYHOUSE_HTTP__TRUSTED_PROXIES", "http.trusted_proxies"),
];

/// What a setting must keep to: its name, whether it does, and what to say where it does not.
type Rule = (&'static str, bool, &'static str);

/// All settings; `config/default.toml` explains each.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct Settings {
    #[serde(skip)]
    pub environment: RunEnvironment,
    pub data_dir: PathBuf,
    pub media_dir: PathBuf,
    pub http: HttpSettings,
    pub database: DatabaseSettings,
    pub redis: RedisSettings,
    pub services: ServiceSettings,
    pub auth: AuthSettings,
    pub channels: ChannelSettings,
    pub collections: CollectionSettings,
    pub playback: PlaybackSettings,
    pub cache: CacheSettings,
    pub media: MediaSettings,
    pub storage: StorageSettings,
    pub images: ImageSettings,
    pub jobs: JobSettings,
    pub mail: MailSettings,
    pub statistics: StatisticsSettings,
    pub provider: ProviderSettings,
    pub log: LogSettings,
}

/// Which `config/<environment>.toml` is read (`PLAYHOUSE_ENV`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunEnvironment {
    /// The default: nothing has to be set.
    #[default]
    Development,
    /// The token secret must be given.
    Production,
    /// The test suite.
    Test,
}

impl RunEnvironment {
    /// The name in `PLAYHOUSE_ENV` and in the file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::Test => "test",
        }
    }

    fn parse(name: &str) -> Result<Self, SettingsError> {
        match name {
            "" | "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            "test" => Ok(Self::Test),
            other => {
                Err(SettingsError::new("PLAYHOUSE_ENV", format!("'{other}' is none of development, production, test")))
            }
        }
    }
}

/// Section `http`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct HttpSettings {
    pub bind: SocketAddr,
    pub workers: usize,
    pub max_connections_per_worker: usize,
    pub header_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub upload_idle_timeout_ms: u64,
    pub keep_alive_seconds: u64,
    pub stalled_reader_seconds: u32,
    pub unsent_bytes: u32,
    pub shutdown_seconds: u64,
    pub json_limit_bytes: usize,
    pub trusted_proxies: Vec<IpAddr>,
}

/// Section `redis`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct RedisSettings {
    pub url: SecretString,
    pub timeout_ms: u64,
    pub probe_ms: u64,
    pub prefix: String,
}

/// Section `services`: where the programs of the private stores are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct ServiceSettings {
    pub postgres_bin_dir: PathBuf,
    pub redis_binary: PathBuf,
}

/// Section `channels`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct ChannelSettings {
    pub announced_seconds: u32,
    pub announced_most: u32,
    pub picture_limit_bytes: u64,
}

/// Section `cache`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct CacheSettings {
    pub bytes: u64,
    pub totals_bytes: u64,
    pub ttl_seconds: u64,
}

/// Section `media`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct MediaSettings {
    pub max_upload_bytes: u64,
    pub max_subtitle_bytes: u64,
    pub account_quota_bytes: u64,
    pub chunk_bytes: usize,
    pub tool_deadline_ms: u64,
    pub tool_parallel: usize,
    pub tool_wait_ms: u64,
    pub tool_memory_bytes: u64,
    pub ffprobe: PathBuf,
    pub ffmpeg: PathBuf,
}

/// A setting that is wrong; its text is one line that names the setting.
#[derive(Debug, thiserror::Error)]
#[error("wrong setting {name}: {problem}")]
pub struct SettingsError {
    name: String,
    problem: String,
}

impl SettingsError {
    fn new(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { name: name.into(), problem: problem.into() }
    }
}

impl From<config::ConfigError> for SettingsError {
    fn from(error: config::ConfigError) -> Self {
        let name = match &error {
            config::ConfigError::NotFound(key)
            | config::ConfigError::Type { key: Some(key), .. }
            | config::ConfigError::At { key: Some(key), .. }
            | config::ConfigError::FileParse { uri: Some(key), .. } => key.clone(),
            _ => String::from("(see the text)"),
        };
        Self::new(name, error.to_string().replace('\n', " "))
    }
}

impl Settings {
    /// Reads and checks the settings of this process.
    ///
    /// # Errors
    /// The first setting that is unknown, of the wrong type or out of its limits.
    pub fn load() -> Result<Self, SettingsError> {
        Self::from_variables(ours(std::env::vars_os())?)
    }

    /// As [`Settings::load`], with these environment variables in place of the process's.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_variables(mut variables: Map<String, String>) -> Result<Self, SettingsError> {
        let environment = RunEnvironment::parse(&variables.remove("PLAYHOUSE_ENV").unwrap_or_default())?;
        let folder = variables.remove("PLAYHOUSE_CONFIG_DIR").map_or_else(|| PathBuf::from("config"), PathBuf::from);
        for (short, long) in SHORT {
            if let Some(url) = variables.remove(short) {
                variables.entry(long.to_owned()).or_insert(url);
            }
        }
        let file = folder.join(format!("{}.toml", environment.name()));
        // Texts that may look like a number stay as they are.
        let texts: Vec<(&str, String)> =
            TEXTS.iter().filter_map(|(variable, key)| variables.remove(*variable).map(|value| (*key, value))).collect();
        let mut builder = Config::builder();
        for (key, value) in texts {
            builder = builder.set_override(key, value)?;
        }
        builder = issuers::take_variables(builder, &mut variables)?;
        for (variable, key) in LISTS {
            if let Some(value) = variables.remove(variable) {
                let elements = value.split(',').map(str::trim).filter(|element| !element.is_empty());
                builder = builder.set_override(key, elements.map(str::to_owned).collect::<Vec<String>>())?;
            }
        }
        let defaults = File::from_str(DEFAULTS, FileFormat::Toml);
        let given = builder
            .add_source(defaults.clone())
            .add_source(File::from(file).required(false))
            .add_source(
                Environment::with_prefix("PLAYHOUSE")
                    .prefix_separator("_")
                    .separator("__")
                    .try_parsing(true)
                    .source(Some(variables)),
            )
            .build()?;
        tree::check(&given, &Config::builder().add_source(defaults).build()?)?;
        let mut settings: Self = given.try_deserialize()?;
        settings.environment = environment;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let secret = self.auth.token_secret.expose_secret();
        let rules = [
            (
                "auth.token_secret",
                !secret.is_empty() || self.environment != RunEnvironment::Production,
                "must be given in production (PLAYHOUSE_AUTH__TOKEN_SECRET)",
            ),
            (
                "auth.reset_link",
                self.environment != RunEnvironment::Production
                    || self.mail.smtp_url.expose_secret().is_empty()
                    || !self.auth.reset_link.starts_with("http://127.0.0.1"),
                "must name your site, where mail is sent in production",
            ),
            ("channels.announced_seconds", self.channels.announced_seconds >= 1, "is 1 at least"),
            ("channels.announced_most", self.channels.announced_most >= 1, "is 1 at least"),
            ("channels.picture_limit_bytes", self.channels.picture_limit_bytes >= 1, "is 1 at least"),
            ("redis.timeout_ms", self.redis.timeout_ms >= 1, "is 1 at least"),
            ("redis.probe_ms", self.redis.probe_ms >= 10, "is 10 at least"),
            ("redis.prefix", !self.redis.prefix.is_empty(), "must not be empty"),
            ("cache.ttl_seconds", self.cache.ttl_seconds >= 1, "is 1 at least"),
            (
                "media.chunk_bytes",
                (4096..=4 * 1024 * 1024).contains(&self.media.chunk_bytes),
                "lies between 4096 and 4194304",
            ),
            ("media.tool_deadline_ms", self.media.tool_deadline_ms >= 1, "is 1 at least"),
            ("media.tool_parallel", (1..=1000).contains(&self.media.tool_parallel), "lies between 1 and 1000"),
            ("media.tool_wait_ms", self.media.tool_wait_ms >= 1, "is 1 at least"),
            (
                "http.unsent_bytes",
                (16 * 1024..=16 * 1024 * 1024).contains(&self.http.unsent_bytes),
                "lies between 16384 and 16777216",
            ),
            ("http.json_limit_bytes", self.http.json_limit_bytes >= 1024, "is 1024 at least"),
            ("http.header_timeout_ms", self.http.header_timeout_ms >= 1, "is 1 at least"),
            ("http.body_timeout_ms", self.http.body_timeout_ms >= 1, "is 1 at least"),
            ("http.upload_idle_timeout_ms", self.http.upload_idle_timeout_ms >= 1, "is 1 at least"),
            ("http.stalled_reader_seconds", self.http.stalled_reader_seconds >= 1, "is 1 at least"),
            ("http.max_connections_per_worker", self.http.max_connections_per_worker >= 1, "is 1 at least"),
            ("media.max_upload_bytes", self.media.max_upload_bytes >= 1, "is 1 at least"),
            ("media.max_subtitle_bytes", self.media.max_subtitle_bytes >= 1, "is 1 at least"),
        ];
        let others = self
            .auth
            .rules()
            .into_iter()
            .chain(self.database.rules())
            .chain(self.playback.rules())
            .chain(self.jobs.rules())
            .chain(self.mail.rules());
        let others = others
            .chain(self.collections.rules(self.http.json_limit_bytes))
            .chain(self.statistics.rules())
            .chain(self.storage.rules())
            .chain(self.images.rules())
            .chain(self.provider.rules());
        match rules.into_iter().chain(others).find(|(_, holds, _)| !holds) {
            Some((name, _, problem)) => Err(SettingsError::new(name, problem)),
            None => issuers::check(&self.auth.issuers, &self.auth.issuer, self.environment),
        }
    }
}

/// The environment variables that may be settings. Others are let go, whatever bytes they have.
fn ours(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Map<String, String>, SettingsError> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok().filter(|name| is_ours(name))?, value)))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(SettingsError::new(name, "is not UTF-8")),
        })
        .collect()
}

fn is_ours(name: &str) -> bool {
    const PREFIX: &str = "PLAYHOUSE_";
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
        || SHORT.iter().any(|(short, _)| *short == name)
}

/// Milliseconds of a setting as a [`Duration`].
#[must_use]
pub const fn millis(value: u64) -> Duration {
    Duration::from_millis(value)
}

#[cfg(test)]
mod tests;
