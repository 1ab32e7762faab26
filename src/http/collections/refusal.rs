//! How this contract says what went wrong: with the root's status, `{"detail": …}`, or each wrong field with what is
//! wrong with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use crate::{
    actors::{auth::TokenError, collections::CollectionsError},
    http::{
        contract::Refusal,
        error::{ApiError, FieldError, MOST_ERRORS},
    },
};

/// A refusal in the contract's words.
#[must_use]
pub fn refusal(error: &ApiError) -> Refusal {
    let body = match error {
        ApiError::Invalid(errors) => json!(by_field(errors)),
        ApiError::Own { response, .. } => json!({"detail": response}),
        ApiError::BadRequest(_)
        | ApiError::NoToken
        | ApiError::MalformedToken
        | ApiError::Token(_)
        | ApiError::WrongCredentials { .. }
        | ApiError::Blocked { .. }
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
        | ApiError::Fault(_) => json!({"detail": error.to_string()}),
    };
    Refusal { status: error.status(), body: Bytes::from(body.to_string()) }
}

impl From<CollectionsError> for ApiError {
    fn from(error: CollectionsError) -> Self {
        match error {
            CollectionsError::NotFound => Self::no_such("Collection"),
            CollectionsError::TooMany(most) => Self::Conflict(format!("An account may have {most} collections")),
            CollectionsError::AccountGone => Self::Token(TokenError::Ended),
            CollectionsError::Cached => Self::Fault(Box::new(error)),
            CollectionsError::Store(error) => error.into(),
        }
    }
}

fn by_field(errors: &[FieldError]) -> BTreeMap<&str, Vec<&str>> {
    let mut fields: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for error in errors.iter().take(MOST_ERRORS) {
        fields.entry(&error.field).or_default().push(&error.message);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_a_field_stands_under_its_name() {
        let errors = vec![
            FieldError::new("title", "is too long"),
            FieldError::missing("uuid"),
            FieldError::new("title", "has a line end"),
        ];
        let refusal = refusal(&ApiError::Invalid(errors));
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.body, r#"{"title":["is too long","has a line end"],"uuid":["is required"]}"#);
    }
}
