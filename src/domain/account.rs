//! Accounts: who people are.

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    access::Role,
    channels::BirthDate,
    ids::UserId,
    text::{Email, MiddleName, Name, NewPassword, Username},
};

/// An account as others may see it: no hash, no epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct User {
    pub id: UserId,
    pub username: Option<String>,
    pub email: Option<String>,
    pub first_name: String,
    pub middle_name: String,
    pub last_name: String,
    pub birth_date: Option<NaiveDate>,
    pub roles: Vec<Role>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What a registration brings; at least one of `username` and `email` is present.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewUser {
    pub username: Option<Username>,
    pub email: Option<Email>,
    pub first_name: Option<Name>,
    pub middle_name: Option<MiddleName>,
    pub last_name: Option<Name>,
    pub birth_date: Option<BirthDate>,
    pub password: NewPassword,
    pub channel: OwnChannel,
}

/// When an account gets its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnChannel {
    /// With its first video.
    #[default]
    WithFirstVideo,
    /// With the account, which needs a username.
    AtOnce,
}

/// What changes on an account; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct UserChange {
    pub first_name: Option<Name>,
    pub last_name: Option<Name>,
    pub username: Option<Username>,
    pub email: Option<Email>,
    pub password: Option<NewPassword>,
    pub roles: Option<Vec<Role>>,
}
