//! What pages of other origins may ask for, and see of an answer.

use actix_cors::Cors;
use actix_web::http::{Method, header};

use super::edge;

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
