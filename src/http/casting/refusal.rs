//! How this contract says what went wrong: by status and one word for each. It knows no 403, and of a body that cannot
//! be taken it tells two kinds: what is not what was asked for (400), and what is, but cannot be (422).

use actix_web::http::StatusCode;
use bytes::Bytes;
use serde_json::json;

use super::bytes;
use crate::{
    actors::casting::CastingError,
    http::{
        contract::Refusal,
        error::{ApiError, Rule},
    },
};

/// A refusal in the contract's words.
#[must_use]
pub fn refusal(error: &ApiError) -> Refusal {
    let status = status(error);
    let message = match (error, status) {
        (ApiError::Maintenance(message), _) => message.clone(),
        (_, StatusCode::NOT_FOUND) => "resource not found".to_owned(),
        (_, StatusCode::UNPROCESSABLE_ENTITY) => "unprocessable".to_owned(),
        (_, status) => status.canonical_reason().unwrap_or_default().to_lowercase(),
    };
    Refusal { status, body: body(status, &message) }
}

fn body(status: StatusCode, message: &str) -> Bytes {
    bytes(&json!({"success": false, "error": status.as_u16(), "message": message}))
}

fn status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::Invalid(errors) if errors.iter().all(|error| error.rule == Rule::Possible) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        // What is not said to be JSON is not.
        ApiError::UnsupportedMediaType(_) => StatusCode::BAD_REQUEST,
        ApiError::Forbidden(_) => StatusCode::UNAUTHORIZED,
        other => other.status(),
    }
}

impl From<CastingError> for ApiError {
    fn from(error: CastingError) -> Self {
        match error {
            CastingError::NotFound => Self::no_such("Resource"),
            CastingError::Impossible(why) => {
                Self::Own { status: StatusCode::UNPROCESSABLE_ENTITY, response: json!(why.to_string()) }
            }
            CastingError::Overtaken => Self::Unavailable(error.into()),
            CastingError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::FieldError;

    #[test]
    fn a_wrong_type_is_told_before_a_value_that_cannot_be() {
        let impossible = FieldError::breaking(Rule::Possible, "age", "must be less");
        let asked = |errors: Vec<FieldError>| refusal(&ApiError::Invalid(errors)).status.as_u16();
        assert_eq!(asked(vec![impossible.clone()]), 422);
        assert_eq!(asked(vec![impossible.clone(), FieldError::missing("name")]), 400);
        assert_eq!(asked(vec![FieldError::new("nam", "is unknown"), impossible]), 400);
    }

    #[test]
    fn every_status_has_its_words() {
        for (error, status, message) in [
            (ApiError::BadRequest(String::new()), 400, "bad request"),
            (ApiError::UnsupportedMediaType(String::new()), 400, "bad request"),
            (ApiError::NoToken, 401, "unauthorized"),
            (ApiError::forbidden(), 401, "unauthorized"),
            (ApiError::no_such("Actor"), 404, "resource not found"),
            (ApiError::MethodNotAllowed(Vec::new()), 405, "method not allowed"),
            (ApiError::Timeout, 408, "request timeout"),
            (ApiError::TooLarge(String::new()), 413, "payload too large"),
            (ApiError::TooManyRequests { message: String::new(), retry_after: 1 }, 429, "too many requests"),
            (ApiError::Maintenance("Back at noon".to_owned()), 503, "Back at noon"),
            (ApiError::Unavailable("away".into()), 503, "service unavailable"),
            (ApiError::Fault("fault".into()), 500, "internal server error"),
        ] {
            let refusal = refusal(&error);
            assert_eq!(refusal.status.as_u16(), status, "{error}");
            let body: serde_json::Value = serde_json::from_slice(&refusal.body).unwrap();
            assert_eq!(body, json!({"success": false, "error": status, "message": message}), "{error}");
        }
    }
}
