//! What can go wrong with a request, before a contract gives it its shape: the one table of statuses. `below` has what
//! the errors of the layers below become.

mod below;

use std::error::Error as StdError;

use actix_web::http::{Method, StatusCode};
use chrono::{DateTime, Utc};

use crate::{actors::auth::TokenError, provider::ProviderError};

/// Characters of a name that are given back.
const LONGEST_NAME: usize = 100;
/// Wrong fields that are told of at once.
pub const MOST_ERRORS: usize = 50;

/// A field, parameter or part that was refused, and why, in words for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Its name on the wire.
    pub field: String,
    /// What it breaks.
    pub message: String,
    /// Of which kind that is, for contracts that tell the kinds apart.
    #[serde(skip)]
    pub rule: Rule,
}

/// The kinds of rules that a field can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It has to be there.
    Present,
    /// Another has it already.
    Unique,
    /// It has to be known, and of its type.
    Valid,
    /// Its value, which is of its type, has to be one that can be.
    Possible,
}

impl FieldError {
    /// The value of `field` breaks the rule in `message`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::breaking(Rule::Valid, field, message)
    }

    /// `field` is missing.
    pub fn missing(field: impl Into<String>) -> Self {
        Self::breaking(Rule::Present, field, "is required")
    }

    /// `field` breaks a rule of this kind, which `message` says.
    pub fn breaking(rule: Rule, field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut field: String = field.into();
        if let Some((end, _)) = field.char_indices().nth(LONGEST_NAME) {
            field.truncate(end);
        }
        Self { field, message: message.into(), rule }
    }
}

/// The cause of a fault, for the log.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: fields or parameters, all of them at once.
    #[error("Validation failed")]
    Invalid(Vec<FieldError>),
    /// 400: the request as a whole.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no token.
    #[error("Access denied. No token provided.")]
    NoToken,
    /// 401: what is no token by its form.
    #[error("Malformed Authorization header: expected 'Bearer <token>'")]
    MalformedToken,
    /// 401: a token that does not hold.
    #[error("{}", token_text(*.0))]
    Token(TokenError),
    /// 401: an unknown name or a wrong password.
    #[error("Invalid email or password. Tries left: {tries_left}.")]
    WrongCredentials {
        /// Wrong tries that remain.
        tries_left: u32,
    },
    /// 429: too many wrong passwords.
    #[error("Too many wrong tries. Try again in {seconds_left} seconds.")]
    Blocked {
        /// Whole seconds until the end.
        seconds_left: u64,
        /// The end.
        until: DateTime<Utc>,
    },
    /// 403: a valid token without the right.
    #[error("{0}")]
    Forbidden(String),
    /// 404.
    #[error("{0}")]
    NotFound(String),
    /// 405: these would do.
    #[error("Method not allowed")]
    MethodNotAllowed(Vec<Method>),
    /// 408: the body did not come in time.
    #[error("The request body did not arrive in time")]
    Timeout,
    /// 409: what is there is in the way.
    #[error("{0}")]
    Conflict(String),
    /// 413.
    #[error("{0}")]
    TooLarge(String),
    /// 415.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// 429.
    #[error("{message}")]
    TooManyRequests {
        /// What happened.
        message: String,
        /// Seconds until it is worth trying again.
        retry_after: u64,
    },
    /// An answer that only one contract knows, in its own words.
    #[error("{response}")]
    Own {
        /// Its status, below 500.
        status: StatusCode,
        /// What the client is told.
        response: serde_json::Value,
    },
    /// 503: switched off on purpose.
    #[error("{0}")]
    Maintenance(String),
    /// 502 or 503: the provider of movies gives none.
    #[error("{0}")]
    Provider(ProviderError),
    /// 503: a store that is needed, or a queue, has no answer now.
    #[error("The service is temporarily unavailable")]
    Unavailable(#[source] Cause),
    /// 500: a fault of ours.
    #[error("Internal server error")]
    Fault(#[source] Cause),
}

impl ApiError {
    /// The one table from kind to status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoToken | Self::MalformedToken | Self::Token(_) | Self::WrongCredentials { .. } => {
                StatusCode::UNAUTHORIZED
            }
            Self::Own { status, .. } => *status,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } | Self::Blocked { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Maintenance(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Provider(error) => Self::status_of_provider(error),
            Self::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn status_of_provider(error: &ProviderError) -> StatusCode {
        match error {
            ProviderError::NotConfigured
            | ProviderError::Away { .. }
            | ProviderError::Resting { .. }
            | ProviderError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            ProviderError::Nonsense(_) => StatusCode::BAD_GATEWAY,
            ProviderError::NoSuchPage => StatusCode::NOT_FOUND,
            ProviderError::Died => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds for `Retry-After`, where it helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after, .. } => Some(*retry_after),
            Self::Blocked { seconds_left, .. } => Some(*seconds_left),
            Self::Maintenance(_) | Self::Provider(ProviderError::NotConfigured) => Some(30),
            Self::Unavailable(_) | Self::Provider(ProviderError::Busy) => Some(1),
            Self::Provider(ProviderError::Away { retry_after, .. } | ProviderError::Resting { retry_after }) => {
                Some(*retry_after)
            }
            Self::Invalid(_)
            | Self::BadRequest(_)
            | Self::NoToken
            | Self::MalformedToken
            | Self::Token(_)
            | Self::WrongCredentials { .. }
            | Self::Own { .. }
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed(_)
            | Self::Timeout
            | Self::Conflict(_)
            | Self::TooLarge(_)
            | Self::UnsupportedMediaType(_)
            | Self::Provider(ProviderError::Nonsense(_) | ProviderError::NoSuchPage | ProviderError::Died)
            | Self::Fault(_) => None,
        }
    }

    /// One wrong field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// Others have these fields' values already.
    #[must_use]
    pub fn taken(fields: &[&str]) -> Self {
        let error = |field: &&str| FieldError::breaking(Rule::Unique, *field, "is already taken");
        Self::Invalid(fields.iter().map(error).collect())
    }

    /// The right is missing.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::Forbidden("Access denied. You do not have the right to do this.".to_owned())
    }

    /// `noun` is not there.
    #[must_use]
    pub fn no_such(noun: &str) -> Self {
        Self::NotFound(format!("{noun} not found"))
    }
}

const fn token_text(error: TokenError) -> &'static str {
    match error {
        TokenError::Altered | TokenError::NotYetValid | TokenError::WrongKind => "Invalid token.",
        TokenError::Expired => "The token has expired.",
        TokenError::Ended => "The token has been ended. Sign in again.",
        TokenError::UnknownKey => "The API key is unknown, or was revoked.",
        TokenError::Replayed => "The refresh token was used before. Sign in again.",
    }
}
