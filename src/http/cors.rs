//! What pages of other origins may ask for, and see of an answer.

use actix_cors::{Cors, CorsError};
use actix_web::http::{Method, header};

use super::{edge, error::ApiError};

/// Every origin may call; credentials travel in the header, never in cookies.
pub fn cors() -> Cors {
    Cors::default()
        .allow_any_origin()
        .send_wildcard()
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_any_header()
        .expose_headers([
            header::CONTENT_DISPOSITION,
            header::CONTENT_RANGE,
            header::CONTENT_LENGTH,
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            edge::REQUEST_ID,
        ])
        // The answer does not depend on the origin.
        .disable_vary_header()
        .max_age(86400)
}

/// What a preflight that is refused is told.
#[must_use]
pub fn refusal(error: &CorsError) -> ApiError {
    ApiError::BadRequest(
        match error {
            CorsError::MethodNotAllowed => "Access-Control-Request-Method names a method that no path has",
            CorsError::MissingRequestMethod | CorsError::BadRequestMethod => {
                "Access-Control-Request-Method must name a method"
            }
            CorsError::BadRequestHeaders => "Access-Control-Request-Headers must name headers",
            _ => "The preflight is malformed",
        }
        .to_owned(),
    )
}
