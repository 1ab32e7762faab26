//! What the casting contract takes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    body,
    domain::{
        casting::{ActorChange, ActorId, Age, Gender, MovieChange, MovieId, NewActor, NewMovie, ReleaseDate},
        text::ActorName,
    },
    http::body::{Body, Described, FieldValue, Fields},
};

body!(ActorChange { changed name, changed age, changed gender, changed movies_id });
body!(NewMovie { required title, required date_release, required actors_id, optional file_id, optional uuid });
body!(MovieChange {
    changed title,
    changed date_release,
    required actors_id,
    clearable file_id,
    clearable uuid,
});

/// As an actor comes: the movies may be left out.
struct ActorBody {
    name: ActorName,
    age: Age,
    gender: Gender,
    movies_id: Option<BTreeSet<MovieId>>,
}

body!(ActorBody { required name, required age, required gender, changed movies_id });

impl Body for NewActor {
    fn read(fields: &mut Fields) -> Option<Self> {
        let ActorBody { name, age, gender, movies_id } = ActorBody::read(fields)?;
        Some(Self { name, age, gender, movies_id: movies_id.unwrap_or_default() })
    }

    fn schema() -> Value {
        ActorBody::schema()
    }
}

/// The whole number, where it is one of ours.
fn whole(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

macro_rules! id_values {
    ($($name:ident),+) => {$(
        impl FieldValue for $name {
            fn parse(value: &Value) -> Result<Self, String> {
                whole(value).and_then(Self::new).ok_or_else(|| "must be an id: a whole number from 1".to_owned())
            }

            fn schema() -> Value {
                json!({"type": "integer", "minimum": 1, "maximum": i32::MAX})
            }
        }
    )+};
}

id_values!(ActorId, MovieId);

impl FieldValue for Age {
    fn parse(value: &Value) -> Result<Self, String> {
        let (least, most) = Self::RANGE;
        whole(value).and_then(Self::new).ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": Self::RANGE.0, "maximum": Self::RANGE.1})
    }
}

impl FieldValue for Gender {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_str().and_then(Self::parse).ok_or_else(|| "must be M or F".to_owned())
    }

    fn schema() -> Value {
        json!({"type": "string", "enum": Self::ALL.map(Self::name)})
    }
}

impl FieldValue for ReleaseDate {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_str().and_then(Self::parse).ok_or_else(|| "must be a day, as YYYYMMDD".to_owned())
    }

    fn schema() -> Value {
        json!({"type": "string", "pattern": "^[0-9]{8}$", "examples": ["20200330"]})
    }
}

macro_rules! described {
    ($($name:ident),+) => {$(
        impl Described for $name {
            fn described() -> Value {
                <Self as FieldValue>::schema()
            }
        }
    )+};
}

described!(ActorId, MovieId, Age, Gender, ReleaseDate);
