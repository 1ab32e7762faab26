//! What can go wrong with accounts, sign-ins and tokens. Each contract has one table from here to
//! its statuses and texts.

use chrono::{DateTime, Utc};

use super::keys::KeyError;
use crate::{db::DbError, domain::access::Permission, issuers};

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours: malformed, changed, of another algorithm, issuer or audience, or
    /// without a claim it must have.
    #[error("the token is not one of ours")]
    Altered,
    /// Its `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` is still to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A refresh token where an access token belongs, or the other way round.
    #[error("the token is of the other kind")]
    WrongKind,
    /// Ended before its time: signed out, password or roles changed, account gone.
    #[error("the token has been ended")]
    Ended,
    /// A refresh token that was used before. Its whole family has ended.
    #[error("the refresh token was used before")]
    Replayed,
    /// An API key that nobody has, or that was revoked.
    #[error("the API key is not known")]
    UnknownKey,
}

/// What other accounts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Taken {
    /// The e-mail address.
    #[error("the e-mail address is")]
    Email,
    /// The username.
    #[error("the username is")]
    Username,
    /// The one and the other.
    #[error("the e-mail address and the username are")]
    Both,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Other accounts have what was to be this one's.
    #[error("{0} taken")]
    Taken(Taken),
    /// Unknown name or wrong password; nobody learns which.
    #[error("wrong credentials, {tries_left} tries left")]
    WrongCredentials {
        /// Wrong tries that remain for this address and name.
        tries_left: u32,
    },
    /// Too many wrong tries from this address for this name.
    #[error("blocked for {seconds_left} seconds")]
    Blocked {
        /// Whole seconds until the end, 1 at least.
        seconds_left: u64,
        /// The end.
        until: DateTime<Utc>,
    },
    /// Too many passwords wait to be hashed: try again.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// Changing one's own password or e-mail address needs the current password.
    #[error("the current password is missing")]
    CurrentPasswordMissing,
    /// The current password is wrong.
    #[error("the current password is wrong, {tries_left} tries left")]
    CurrentPasswordWrong {
        /// Wrong tries that remain for this address and account.
        tries_left: u32,
    },
    /// Too many links to set a password were asked for.
    #[error("too many reset links; again in {seconds_left} seconds")]
    TooManyResets {
        /// Whole seconds, 1 at least.
        seconds_left: u64,
    },
    /// A link's token that is unknown, used or over.
    #[error("the reset token does not hold")]
    WrongResetToken,
    /// The last owner can be neither demoted nor removed.
    #[error("the last owner stays")]
    LastOwner,
    /// No such account.
    #[error("no such account")]
    NotFound,
    /// No such API key.
    #[error("no such API key")]
    NoSuchKey,
    /// A key may do no more than its maker.
    #[error("the maker of the key lacks {}", .0.name())]
    BeyondMaker(Permission),
    /// Only an account that has its permissions here, by its roles, makes keys: what a token from elsewhere
    /// allows is known while it is there alone.
    #[error("the caller's permissions come with their token")]
    RightsFromElsewhere,
    /// As many keys as an account may have.
    #[error("the account has {0} keys")]
    TooManyKeys(i64),
    /// The account has no password here, so this of it cannot be changed here.
    #[error("the account signs in elsewhere")]
    SignsInElsewhere {
        /// What was to be changed.
        field: &'static str,
    },
    /// Another issuer's token cannot be verified yet.
    #[error("a token could not be verified")]
    IssuerAway(#[source] issuers::KeyError),
    /// The caller may not.
    #[error("not allowed")]
    Forbidden,
    /// The token is not taken.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The database.
    #[error("the store failed")]
    Store(#[source] DbError),
    /// A fault of ours in hashing or signing.
    #[error("a fault in hashing or signing: {0}")]
    Fault(String),
}

impl From<DbError> for AuthError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NotFound => Self::NotFound,
            DbError::Constraint { ref name } => match name.as_str() {
                "users_email_key" => Self::Taken(Taken::Email),
                "users_username_key" => Self::Taken(Taken::Username),
                _ => Self::Store(error),
            },
            DbError::Away(_) | DbError::Fault(_) | DbError::Panicked => Self::Store(error),
        }
    }
}

impl From<diesel::result::Error> for AuthError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

/// Why the accounts cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AuthStartError {
    /// No key to sign tokens with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Argon2 does not take the parameters.
    #[error("wrong setting auth.hash_memory_kib or auth.hash_passes: {0}")]
    HashParameters(String),
}
