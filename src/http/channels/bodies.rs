//! What the channels contract takes.

use chrono::NaiveDate;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    body,
    domain::{
        account::{NewUser, OwnChannel},
        channels::{BirthDate, DatePart, NewVideo, Reaction, VideoChange},
        text::{Email, MiddleName, Name, NewPassword, Username},
    },
    http::{
        body::{Described, FieldValue},
        error::ApiError,
    },
};

/// Who signs up.
pub(super) struct SignUp {
    fname: Name,
    mname: MiddleName,
    lname: Name,
    username: Username,
    email: Email,
    password: NewPassword,
    day: Whole,
    month: Whole,
    year: Whole,
}

body!(SignUp {
    required fname,
    required mname,
    required lname,
    required username,
    required email,
    required password,
    required day,
    required month,
    required year,
});

impl SignUp {
    /// The account, if the birth date is one on the day `today`.
    pub(super) fn account(self, today: NaiveDate) -> Result<NewUser, ApiError> {
        let birth_date = BirthDate::parse(self.year.0, self.month.0, self.day.0, today).map_err(|part| {
            let name = match part {
                DatePart::Day => "day",
                DatePart::Month => "month",
                DatePart::Year => "year",
            };
            ApiError::field(name, "is no day of a birth")
        })?;
        Ok(NewUser {
            username: Some(self.username),
            email: Some(self.email),
            first_name: Some(self.fname),
            middle_name: Some(self.mname),
            last_name: Some(self.lname),
            birth_date: Some(birth_date),
            password: self.password,
            channel: OwnChannel::AtOnce,
        })
    }
}

/// A whole number of a date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole(i64);

impl FieldValue for Whole {
    fn parse(value: &Value) -> Result<Self, String> {
        value.as_i64().map(Self).ok_or_else(|| "must be a whole number".to_owned())
    }

    fn schema() -> Value {
        json!({"type": "integer"})
    }
}

impl Described for Whole {
    fn described() -> Value {
        Self::schema()
    }
}

/// Who signs in.
pub(super) struct SignInBody {
    pub(super) username: String,
    pub(super) password: SecretString,
}

body!(SignInBody { required username, required password });
body!(NewVideo { required title, required description });
body!(VideoChange { changed title, changed description });

/// An opinion.
pub(super) struct ReactionBody {
    pub(super) reaction: Opinion,
}

body!(ReactionBody { required reaction });

/// `like`, `dislike`, or `none`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opinion(pub(super) Option<Reaction>);

impl FieldValue for Opinion {
    fn parse(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("like") => Ok(Self(Some(Reaction::Like))),
            Some("dislike") => Ok(Self(Some(Reaction::Dislike))),
            Some("none") => Ok(Self(None)),
            _ => Err("must be one of like, dislike, none".to_owned()),
        }
    }

    fn schema() -> Value {
        json!({"type": "string", "enum": ["like", "dislike", "none"]})
    }
}

impl Described for Opinion {
    fn described() -> Value {
        Self::schema()
    }
}

/// Who forgot a password.
pub(super) struct Forgotten {
    pub(super) email: Email,
}

body!(Forgotten { required email });

/// A new password, by a link's token.
pub(super) struct Reset {
    pub(super) token: SecretString,
    pub(super) password: NewPassword,
}

body!(Reset { required token, required password });
