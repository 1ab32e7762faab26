//! How this contract says what went wrong: `{"error": …}`. What is no image is a 400 here, and a store that is away a
//! 500.

use actix_web::http::StatusCode;
use bytes::Bytes;
use serde_json::json;

use crate::{
    actors::images::ImagesError,
    http::{contract::Refusal, error::ApiError},
};

/// A refusal in the contract's words.
#[must_use]
pub fn refusal(error: &ApiError) -> Refusal {
    let message = match error {
        ApiError::Invalid(errors) => {
            let named: Vec<String> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
            named.join("; ")
        }
        ApiError::Unavailable(_) => "The service is temporarily unavailable".to_owned(),
        other => other.to_string(),
    };
    Refusal { status: status(error), body: Bytes::from(json!({"error": message}).to_string()) }
}

fn status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::UnsupportedMediaType(_) => StatusCode::BAD_REQUEST,
        ApiError::Unavailable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        other => other.status(),
    }
}

impl From<ImagesError> for ApiError {
    fn from(error: ImagesError) -> Self {
        match error {
            ImagesError::NotFound => Self::no_such("Image"),
            ImagesError::NotYours => Self::Forbidden("This image is another account's".to_owned()),
            ImagesError::NotAnImage(why) => Self::BadRequest(format!("The file is no image that is taken: {why}")),
            ImagesError::Files(error) => error.into(),
            ImagesError::Store(error) => error.into(),
            ImagesError::TooCostly => Self::Unavailable(Box::new(error)),
            ImagesError::Frame(_) | ImagesError::Kept | ImagesError::Died => Self::Fault(Box::new(error)),
        }
    }
}
