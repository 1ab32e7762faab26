//! What the collections contract takes.

use serde_json::{Value, json};

use crate::{
    body,
    domain::{
        account::{NewUser, OwnChannel},
        collections::{CollectionChange, MOST_MOVIES, Movies, NewCollection, NewMovie},
        text::{NewPassword, Username},
    },
    http::body::{Body as _, Described, FieldValue, elements},
};

/// Who registers.
pub(super) struct Registration {
    username: Username,
    password: NewPassword,
}

body!(Registration { required username, required password });

impl From<Registration> for NewUser {
    fn from(Registration { username, password }: Registration) -> Self {
        Self {
            username: Some(username),
            email: None,
            first_name: None,
            middle_name: None,
            last_name: None,
            birth_date: None,
            password,
            channel: OwnChannel::WithFirstVideo,
        }
    }
}

body!(NewMovie { required uuid, required title, required description, optional genres });
body!(NewCollection [Large] { required title, required description, required movies });
body!(CollectionChange [Large] { changed title, changed description, changed movies });

impl FieldValue for Movies {
    fn parse(value: &Value) -> Result<Self, String> {
        Self::parse_parts(value).map_err(|rules| rules.join("; "))
    }

    fn parse_parts(value: &Value) -> Result<Self, Vec<String>> {
        Self::new(elements(value)?).map_err(|rule| vec![rule.0])
    }

    fn schema() -> Value {
        json!({"type": "array", "items": NewMovie::schema(), "maxItems": MOST_MOVIES})
    }
}

impl Described for Movies {
    fn described() -> Value {
        <Self as FieldValue>::schema()
    }
}
