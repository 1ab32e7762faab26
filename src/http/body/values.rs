//! The values that fields of a body can have, and their schemas.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::FieldValue;
use crate::domain::{
    access::{Permission, Role},
    api_key::KeyLife,
    catalog::{Ordinal, Rating, Seconds},
    ids::{EpisodeId, FileId, GenreId, ProviderMovieId, SeasonId, SeriesId, UserId},
    playback::{PlayState, Rate},
    text::{ActorName, Description, Email, GenreNames, LongTitle, MiddleName, Name, NewPassword, Title, Username},
};

/// Most elements of an array in a body.
const LONGEST_ARRAY: usize = 1000;

fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a string".to_owned())
}

macro_rules! text_values {
    ($($name:ident { $($extra:tt)* };)+) => {$(
        impl FieldValue for $name {
            fn parse(value: &Value) -> Result<Self, String> {
                Self::parse(string(value)?).map_err(|rule| rule.0)
            }

            fn schema() -> Value {
                json!({"type": "string", "minLength": Self::LENGTH.0, "maxLength": Self::LENGTH.1, $($extra)*})
            }
        }
    )+};
}

text_values! {
    Name {};
    MiddleName {};
    Title {};
    LongTitle {};
    GenreNames {};
    ActorName {};
    Description {};
    Email { "format": "email" };
    Username { "pattern": "^[A-Za-z0-9_.-]+$" };
    NewPassword { "format": "password" };
}

macro_rules! id_values {
    ($($name:ident),+) => {$(
        impl FieldValue for $name {
            fn parse(value: &Value) -> Result<Self, String> {
                string(value)?.parse().map_err(|_: uuid::Error| "must be a UUID".to_owned())
            }

            fn schema() -> Value {
                json!({"type": "string", "format": "uuid"})
            }
        }
    )+};
}

id_values!(UserId, GenreId, SeriesId, SeasonId, EpisodeId, FileId, ProviderMovieId);

macro_rules! word_values {
    ($($name:ident),+) => {$(
        impl FieldValue for $name {
            fn parse(value: &Value) -> Result<Self, String> {
                let rule = || format!("must be one of {}", Self::ALL.map(Self::name).join(", "));
                string(value).ok().and_then(Self::parse).ok_or_else(rule)
            }

            fn schema() -> Value {
                json!({"type": "string", "enum": Self::ALL.map(Self::name)})
            }
        }
    )+};
}

word_values!(PlayState, Role, Permission);

impl FieldValue for Rating {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_f64().and_then(Self::parse).ok_or_else(|| Self::RULE.to_owned())
    }

    fn schema() -> Value {
        json!({"type": "number", "minimum": 0, "maximum": 10})
    }
}

impl FieldValue for Seconds {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_f64().and_then(Self::parse).ok_or_else(|| Self::RULE.to_owned())
    }

    fn schema() -> Value {
        json!({"type": "number", "minimum": 0})
    }
}

impl FieldValue for Rate {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_f64().and_then(Self::parse).ok_or_else(|| Self::RULE.to_owned())
    }

    fn schema() -> Value {
        json!({"type": "number", "minimum": 0.1, "maximum": 4})
    }
}

impl FieldValue for Ordinal {
    fn parse(value: &Value) -> Result<Self, String> {
        value
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .and_then(Self::parse)
            .ok_or_else(|| Self::RULE.to_owned())
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": 1_000_000})
    }
}

impl FieldValue for KeyLife {
    fn parse(value: &Value) -> Result<Self, String> {
        let (shortest, longest) = Self::BOUNDS;
        let rule = || format!("must be a whole number of seconds from {shortest} to {longest}");
        value.as_u64().and_then(Self::parse).ok_or_else(rule)
    }

    fn schema() -> Value {
        let (shortest, longest) = Self::BOUNDS;
        json!({"type": "integer", "minimum": shortest, "maximum": longest})
    }
}

impl FieldValue for bool {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "must be true or false".to_owned())
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

/// Free text of at most 1,000 characters.
impl FieldValue for String {
    fn parse(value: &Value) -> Result<Self, String> {
        let text = string(value)?;
        if text.contains('\0') || text.chars().count() > 1000 {
            return Err("must have 1000 characters at most, and no NUL".to_owned());
        }
        Ok(text.to_owned())
    }

    fn schema() -> Value {
        json!({"type": "string", "maxLength": 1000})
    }
}

/// A secret to be compared, not kept: any string that is not absurdly long.
impl FieldValue for SecretString {
    fn parse(value: &Value) -> Result<Self, String> {
        let text = string(value)?;
        if text.len() > 8192 { Err("is too long".to_owned()) } else { Ok(text.into()) }
    }

    fn schema() -> Value {
        json!({"type": "string", "format": "password"})
    }
}

impl<T: FieldValue + PartialEq> FieldValue for Vec<T> {
    fn parse(value: &Value) -> Result<Self, String> {
        let values = value.as_array().ok_or_else(|| "must be an array".to_owned())?;
        if values.len() > LONGEST_ARRAY {
            return Err(format!("must have {LONGEST_ARRAY} elements at most"));
        }
        let mut parsed: Self = Self::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            let element = T::parse(value).map_err(|message| format!("[{at}] {message}"))?;
            if parsed.contains(&element) {
                return Err(format!("[{at}] is there twice"));
            }
            parsed.push(element);
        }
        Ok(parsed)
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema(), "maxItems": LONGEST_ARRAY, "uniqueItems": true})
    }
}

fn described_set(items: &Value) -> Value {
    let description = "A set: what is named twice counts once";
    json!({"type": "array", "items": items, "maxItems": LONGEST_ARRAY, "description": description})
}

/// An array that is taken as a set: what is there twice counts once.
impl<T: FieldValue + Ord> FieldValue for BTreeSet<T> {
    fn parse(value: &Value) -> Result<Self, String> {
        let values = value.as_array().ok_or_else(|| "must be an array".to_owned())?;
        if values.len() > LONGEST_ARRAY {
            return Err(format!("must have {LONGEST_ARRAY} elements at most"));
        }
        let parsed = values.iter().enumerate();
        parsed.map(|(at, value)| T::parse(value).map_err(|message| format!("[{at}] {message}"))).collect()
    }

    fn schema() -> Value {
        described_set(&T::schema())
    }
}

/// A value somewhere below `Option`s.
pub trait Described {
    /// Its schema.
    fn described() -> Value;
}

macro_rules! described {
    ($($name:ty),+) => {$(
        impl Described for $name {
            fn described() -> Value {
                <Self as FieldValue>::schema()
            }
        }
    )+};
}

described!(
    Name,
    MiddleName,
    Title,
    LongTitle,
    GenreNames,
    ActorName,
    Description,
    Email,
    Username,
    NewPassword,
    UserId,
    GenreId,
    SeriesId,
    SeasonId,
    EpisodeId,
    FileId,
    ProviderMovieId,
    Rating,
    Seconds,
    Ordinal,
    Rate,
    PlayState,
    Role,
    Permission,
    KeyLife,
    bool,
    String,
    SecretString
);

impl<T: Described> Described for Option<T> {
    fn described() -> Value {
        T::described()
    }
}

impl<T: Described> Described for Vec<T> {
    fn described() -> Value {
        json!({"type": "array", "items": T::described(), "maxItems": LONGEST_ARRAY, "uniqueItems": true})
    }
}

impl<T: Described> Described for BTreeSet<T> {
    fn described() -> Value {
        described_set(&T::described())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_a_set_and_its_schema_says_so() {
        let id = GenreId::new().to_string();
        let twice = json!([id, id]);
        assert_eq!(<BTreeSet<GenreId> as FieldValue>::parse(&twice).unwrap().len(), 1);
        for schema in [<BTreeSet<GenreId> as FieldValue>::schema(), BTreeSet::<GenreId>::described()] {
            assert_eq!(schema["description"], "A set: what is named twice counts once");
        }
    }
}
