//! What all settings keep to, seen by their names alone: each stands in `config/default.toml`, and each time has
//! bounds.

use std::ops::RangeInclusive;

use config::{Config, Value, ValueKind};

use super::SettingsError;

/// Bounds of times: how the name ends, and what may be given. Ten years, and a day: more is a slip, and far below
/// what a clock can be moved by.
const TIMES: [(&str, RangeInclusive<i64>, &str); 2] = [
    ("_seconds", 0..=315_360_000, "is a whole number, 315360000 (ten years) at most"),
    ("_ms", 0..=86_400_000, "is a whole number, 86400000 (a day) at most"),
];

/// Sections whose parts have names of the operator's choice.
const FREE: [&str; 1] = ["auth.issuers"];

/// Checks the names and the times of `given`.
///
/// # Errors
/// The first setting that `defaults` do not have, or that is no sensible time.
pub(super) fn check(given: &Config, defaults: &Config) -> Result<(), SettingsError> {
    branch("", &given.cache, Some(&defaults.cache))
}

/// Without `defaults` any name may stand here.
fn branch(path: &str, given: &Value, defaults: Option<&Value>) -> Result<(), SettingsError> {
    // A value where a section should be is told when the types are looked at.
    let ValueKind::Table(table) = &given.kind else { return Ok(()) };
    let known = |name: &str| match defaults.map(|defaults| &defaults.kind) {
        Some(ValueKind::Table(defaults)) => defaults.get(name),
        _ => None,
    };
    let mut names: Vec<&String> = table.keys().collect();
    names.sort();
    for (name, value) in names.into_iter().filter_map(|name| table.get_key_value(name)) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let default = known(name);
        if default.is_none() && defaults.is_some() && !FREE.contains(&path.as_str()) {
            return Err(SettingsError::new(path, "there is no such setting"));
        }
        if let Some((_, _, problem)) = TIMES.iter().find(|(end, most, _)| path.ends_with(end) && !fits(value, most)) {
            return Err(SettingsError::new(path, *problem));
        }
        branch(&path, value, default)?;
    }
    Ok(())
}

fn fits(value: &Value, bounds: &RangeInclusive<i64>) -> bool {
    let number = value.clone().into_int();
    match value.kind {
        ValueKind::Float(_) => false,
        ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::I128(_) | ValueKind::U128(_) => {
            number.is_ok_and(|number| bounds.contains(&number))
        }
        // What is no number at all is told when the types are looked at.
        _ => number.map_or(true, |number| bounds.contains(&number)),
    }
}
