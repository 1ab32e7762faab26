//! Section `auth.issuers`: who else makes tokens that are taken here. A table of tables, by names of the
//! operator's choice.

use std::collections::{BTreeMap, BTreeSet};

use config::{ConfigBuilder, ConfigError, Map, builder::DefaultState};
use serde::Deserialize;

use super::{RunEnvironment, SettingsError};
use crate::domain::access::Permission;

const VARIABLES: &str = "PLAYHOUSE_AUTH__ISSUERS__";
/// Settings that are texts, also where they look like a number.
const TEXTS: [&str; 6] = ["issuer", "audience", "jwks_url", "permissions_claim", "username_claim", "email_claim"];
const LONGEST_NAME: usize = 50;
/// An issuer is asked for a key that is not known once a minute at most: our part of the contract with it.
const SHORTEST_PAUSE_SECONDS: u32 = 60;
const WEEK_SECONDS: u32 = 7 * 24 * 60 * 60;

/// Section `auth.issuers.<name>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct IssuerSettings {
    pub issuer: String,
    pub audience: String,
    pub jwks_url: String,
    #[serde(default = "permissions_claim")]
    pub permissions_claim: String,
    #[serde(default = "username_claim")]
    pub username_claim: String,
    #[serde(default = "email_claim")]
    pub email_claim: String,
    #[serde(default = "grants")]
    pub grants: BTreeSet<Permission>,
    #[serde(default = "refresh_seconds")]
    pub refresh_seconds: u32,
    #[serde(default = "unknown_kid_seconds")]
    pub unknown_kid_seconds: u32,
    #[serde(default = "connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
}

fn permissions_claim() -> String {
    "permissions".to_owned()
}

fn username_claim() -> String {
    "preferred_username".to_owned()
}

fn email_claim() -> String {
    "email".to_owned()
}

/// What lets nobody act for others, or switch the server off.
fn grants() -> BTreeSet<Permission> {
    let kept_here = [Permission::ManageUsers, Permission::OperateServer];
    Permission::ALL.into_iter().filter(|permission| !kept_here.contains(permission)).collect()
}

const fn refresh_seconds() -> u32 {
    3600
}

const fn unknown_kid_seconds() -> u32 {
    60
}

const fn connect_timeout_ms() -> u64 {
    2000
}

const fn deadline_ms() -> u64 {
    5000
}

impl IssuerSettings {
    /// What is wrong first: which setting, and why. Tests need not wait for a minute.
    fn problem(&self, environment: RunEnvironment) -> Option<(&'static str, &'static str)> {
        let shortest = if environment == RunEnvironment::Test { 1 } else { SHORTEST_PAUSE_SECONDS };
        [
            ("issuer", !self.issuer.is_empty() && !self.issuer.contains('\0'), "must not be empty"),
            ("audience", !self.audience.is_empty(), "must not be empty"),
            ("jwks_url", !self.jwks_url.is_empty(), "must not be empty"),
            ("permissions_claim", !self.permissions_claim.is_empty(), "must not be empty"),
            ("refresh_seconds", (1..=WEEK_SECONDS).contains(&self.refresh_seconds), "lies between 1 and 604800"),
            ("unknown_kid_seconds", (shortest..=3600).contains(&self.unknown_kid_seconds), "lies between 60 and 3600"),
            ("connect_timeout_ms", self.connect_timeout_ms >= 1, "is 1 at least"),
            ("deadline_ms", (1..=60_000).contains(&self.deadline_ms), "lies between 1 and 60000"),
        ]
        .into_iter()
        .find_map(|(name, holds, problem)| (!holds).then_some((name, problem)))
    }
}

/// Checks all issuers; `own` is the `iss` of the tokens made here.
pub(super) fn check(
    issuers: &BTreeMap<String, IssuerSettings>,
    own: &str,
    environment: RunEnvironment,
) -> Result<(), SettingsError> {
    let mut known = BTreeSet::from([own]);
    for (name, settings) in issuers {
        let section = format!("auth.issuers.{name}");
        if !is_name(name) {
            return Err(SettingsError::new(section, "its name has 1 to 50 of a-z, 0-9, - and _"));
        }
        if let Some((setting, problem)) = settings.problem(environment) {
            return Err(SettingsError::new(format!("{section}.{setting}"), problem));
        }
        if !known.insert(&settings.issuer) {
            return Err(SettingsError::new(format!("{section}.issuer"), "is that of another issuer, or auth.issuer"));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let ordinary = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(ordinary)
}

/// Takes the texts and lists of issuers out of the variables: their names are not known before, so that the
/// source of variables cannot be told which of them to read how.
pub(super) fn take_variables(
    mut builder: ConfigBuilder<DefaultState>,
    variables: &mut Map<String, String>,
) -> Result<ConfigBuilder<DefaultState>, ConfigError> {
    let names: Vec<String> = variables.keys().filter(|name| name.starts_with(VARIABLES)).cloned().collect();
    for variable in names {
        let path = variable.trim_start_matches(VARIABLES).to_lowercase();
        let Some((issuer, setting)) = path.split_once("__").filter(|(issuer, _)| is_name(issuer)) else { continue };
        let key = format!("auth.issuers.{issuer}.{setting}");
        if TEXTS.contains(&setting) {
            if let Some(value) = variables.remove(&variable) {
                builder = builder.set_override(key, value)?;
            }
        } else if setting == "grants"
            && let Some(value) = variables.remove(&variable)
        {
            let list: Vec<&str> = value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            builder = builder.set_override(key, list)?;
        }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    const ACME: [(&str, &str); 3] = [
        ("PLAYHOUSE_AUTH__ISSUERS__ACME__ISSUER", "https://id.acme.example"),
        ("PLAYHOUSE_AUTH__ISSUERS__ACME__AUDIENCE", "0815"),
        ("PLAYHOUSE_AUTH__ISSUERS__ACME__JWKS_URL", "https://id.acme.example/keys"),
    ];

    fn load(more: &[(&str, &str)]) -> Result<BTreeMap<String, IssuerSettings>, SettingsError> {
        let pairs = ACME.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_variables(pairs.collect()).map(|settings| settings.auth.issuers)
    }

    #[test]
    fn an_issuer_can_be_given_by_variables_alone_and_the_rest_has_defaults() {
        let issuers = load(&[
            ("PLAYHOUSE_AUTH__ISSUERS__ACME__GRANTS", "view:actors, manage:users"),
            ("PLAYHOUSE_AUTH__ISSUERS__ACME__REFRESH_SECONDS", "60"),
            ("PLAYHOUSE_AUTH__ISSUERS__B-2__ISSUER", "https://b.example"),
            ("PLAYHOUSE_AUTH__ISSUERS__B-2__AUDIENCE", "b"),
            ("PLAYHOUSE_AUTH__ISSUERS__B-2__JWKS_URL", "https://b.example/keys"),
        ])
        .unwrap();
        let acme = &issuers["acme"];
        assert_eq!(acme.audience, "0815", "a text stays as it is");
        assert_eq!(acme.grants, BTreeSet::from([Permission::ViewActors, Permission::ManageUsers]));
        assert_eq!((acme.refresh_seconds, acme.permissions_claim.as_str()), (60, "permissions"));
        let other = &issuers["b-2"];
        assert!(other.grants.contains(&Permission::EditCatalogue));
        assert!(!other.grants.contains(&Permission::ManageUsers) && !other.grants.contains(&Permission::OperateServer));
    }

    #[test]
    fn a_wrong_issuer_is_named_in_one_line() {
        let prefix = |name: &str| format!("PLAYHOUSE_AUTH__ISSUERS__{name}");
        for (name, value, expected) in [
            ("ACME__ISSUER", "", "auth.issuers.acme.issuer"),
            ("ACME__ISSUER", "playhouse", "auth.issuers.acme.issuer"),
            ("ACME__AUDIENCE", "", "auth.issuers.acme.audience"),
            ("ACME__GRANTS", "view:actors,fly:planes", "fly:planes"),
            ("ACME__REFRESH_SECONDS", "0", "auth.issuers.acme.refresh_seconds"),
            ("ACME__UNKNOWN_KID_SECONDS", "59", "auth.issuers.acme.unknown_kid_seconds"),
            ("ACME__UNKNOWN_KID_SECONDS", "3601", "auth.issuers.acme.unknown_kid_seconds"),
            ("ACME__DEADLINE_MS", "60001", "auth.issuers.acme.deadline_ms"),
            ("ACME__ISUER", "https://id.acme.example", "isuer"),
            ("OTHER__ISSUER", "https://other.example", "audience"),
        ] {
            let text = load(&[(&prefix(name), value)]).unwrap_err().to_string();
            assert!(text.contains(expected) && !text.contains('\n'), "{name}: {text}");
        }
        let kid = prefix("ACME__UNKNOWN_KID_SECONDS");
        assert!(load(&[(&kid, "60")]).is_ok());
        assert!(load(&[(&kid, "1"), ("PLAYHOUSE_ENV", "test")]).is_ok());
        assert!(load(&[(&kid, "0"), ("PLAYHOUSE_ENV", "test")]).is_err());
        let twice = [
            ("PLAYHOUSE_AUTH__ISSUERS__TWIN__ISSUER", "https://id.acme.example"),
            ("PLAYHOUSE_AUTH__ISSUERS__TWIN__AUDIENCE", "b"),
            ("PLAYHOUSE_AUTH__ISSUERS__TWIN__JWKS_URL", "https://b.example/keys"),
        ];
        let text = load(&twice).unwrap_err().to_string();
        assert!(text.contains("auth.issuers.twin.issuer"), "{text}");
    }
}
