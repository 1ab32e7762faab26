//! How this contract says what went wrong: one table from an error to status and words.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::answer;
use crate::{
    actors::{auth::TokenError, channels::ChannelsError},
    http::{
        contract::Refusal,
        error::{ApiError, FieldError, Rule},
    },
    media::frame::FrameError,
};

/// A refusal in the contract's words.
#[must_use]
pub fn refusal(error: &ApiError) -> Refusal {
    let (status, response) = words(error);
    Refusal { status, body: answer::bytes(response) }
}

fn words(error: &ApiError) -> (StatusCode, Value) {
    match error {
        ApiError::Invalid(errors) => (StatusCode::BAD_REQUEST, field(errors)),
        ApiError::NoToken => (StatusCode::BAD_REQUEST, json!("token")),
        ApiError::MalformedToken => (StatusCode::BAD_REQUEST, json!("bad-token")),
        ApiError::Token(error) => token(*error),
        ApiError::WrongCredentials { tries_left } => (StatusCode::PAYMENT_REQUIRED, json!({"try-left": tries_left})),
        ApiError::Blocked { seconds_left, until } => {
            (StatusCode::FORBIDDEN, json!({"blocked-until": until.timestamp(), "seconds-left": seconds_left}))
        }
        ApiError::Own { status, response } => (*status, response.clone()),
        ApiError::BadRequest(_)
        | ApiError::Forbidden(_)
        | ApiError::NotFound(_)
        | ApiError::MethodNotAllowed(_)
        | ApiError::Timeout
        | ApiError::Conflict(_)
        | ApiError::TooLarge(_)
        | ApiError::UnsupportedMediaType(_)
        | ApiError::TooManyRequests { .. }
        | ApiError::Maintenance(_)
        | ApiError::Provider(_)
        | ApiError::Unavailable(_)
        | ApiError::Fault(_) => (error.status(), json!(error.to_string())),
    }
}

/// A missing field before a wrong one, and a wrong one before one whose value another has.
fn field(errors: &[FieldError]) -> Value {
    let first = |rules: &[Rule]| errors.iter().find(|error| rules.contains(&error.rule)).map(|error| &error.field);
    match (first(&[Rule::Present]), first(&[Rule::Valid, Rule::Possible]), first(&[Rule::Unique])) {
        (Some(missing), _, _) => json!({"missing-key": missing}),
        (None, Some(wrong), _) => json!({"invalid-field": wrong}),
        (None, None, taken) => json!(taken.map_or("", String::as_str)),
    }
}

/// An ended token asks of a client what an expired one does: to sign in again.
fn token(error: TokenError) -> (StatusCode, Value) {
    match error {
        TokenError::Altered | TokenError::NotYetValid | TokenError::WrongKind => {
            (StatusCode::BAD_REQUEST, json!("bad-token"))
        }
        TokenError::Expired | TokenError::Ended | TokenError::Replayed | TokenError::UnknownKey => {
            (StatusCode::UNAUTHORIZED, json!("token expire"))
        }
    }
}

/// An answer in words that only this contract has.
pub(super) fn own(status: StatusCode, response: impl Into<Value>) -> ApiError {
    ApiError::Own { status, response: response.into() }
}

impl From<ChannelsError> for ApiError {
    fn from(error: ChannelsError) -> Self {
        match error {
            ChannelsError::NoVideo => own(StatusCode::NOT_FOUND, "video"),
            ChannelsError::NoChannel => own(StatusCode::NOT_FOUND, "channel"),
            ChannelsError::NotYours => Self::forbidden(),
            ChannelsError::AlreadyUploaded => own(StatusCode::CONFLICT, "already-uploaded"),
            ChannelsError::NotAVideo(_) => own(StatusCode::BAD_REQUEST, "not-a-video"),
            ChannelsError::NotAnImage(_) => own(StatusCode::BAD_REQUEST, "not-an-image"),
            ChannelsError::AccountGone => Self::Token(TokenError::Ended),
            ChannelsError::Frame(FrameError::Unavailable(_)) => Self::Unavailable(Box::new(error)),
            ChannelsError::Frame(_) | ChannelsError::Cached => Self::Fault(Box::new(error)),
            ChannelsError::Files(error) => error.into(),
            ChannelsError::Store(error) => error.into(),
        }
    }
}
