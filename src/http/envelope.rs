//! The envelope `{status, response, message, data}`: the shape of the iptv and playback contracts,
//! and the default of the root.

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use super::error::{ApiError, FieldError, MOST_ERRORS};
use crate::domain::listing::{ListRequest, Page, Position};

#[derive(Serialize)]
struct Success<'a, T> {
    status: u16,
    response: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

/// How far a list goes. `page` is null in a walk by cursor.
#[derive(Debug, Serialize)]
pub struct Pagination {
    page: Option<u32>,
    limit: u32,
    total: u64,
    pages: u64,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Failure<'a> {
    status: u16,
    response: &'a str,
    message: String,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}

/// Serialising our own types cannot fail; were it to, the body is empty and the test of that type fails.
fn bytes(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

/// The bytes of a success.
pub fn success_bytes<T: Serialize>(status: StatusCode, message: &str, data: Option<T>) -> Bytes {
    bytes(&Success { status: status.as_u16(), response: reason(status), message, data, pagination: None })
}

/// The bytes of a page.
pub fn page_bytes<T: Serialize>(message: &str, request: &ListRequest, page: &Page<T>) -> Bytes {
    let status = StatusCode::OK;
    let number = match request.position {
        Position::Page(number) => Some(number),
        Position::After(_) => None,
    };
    bytes(&Success {
        status: status.as_u16(),
        response: reason(status),
        message,
        data: Some(&page.items),
        pagination: Some(Pagination {
            page: number,
            limit: request.limit,
            total: page.total,
            pages: page.total.div_ceil(u64::from(request.limit)),
            next_cursor: page.next.as_ref().map(crate::domain::listing::Cursor::encode),
        }),
    })
}

/// A response with these bytes of JSON.
pub fn json(status: StatusCode, body: Bytes) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body)
}

/// 200 with these bytes of a page, and its links.
#[must_use]
pub fn linked(body: Bytes, links: &str) -> HttpResponse {
    let mut response = json(StatusCode::OK, body);
    if let Ok(links) = HeaderValue::from_str(links) {
        response.headers_mut().insert(header::LINK, links);
    }
    response
}

/// RFC 3339 in UTC, to the microsecond: how times are written.
///
/// # Errors
/// The serializer's.
pub fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// As [`time`], or null.
///
/// # Errors
/// The serializer's.
pub fn time_if_any<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// 200 with `data`.
pub fn ok<T: Serialize>(message: &str, data: T) -> HttpResponse {
    json(StatusCode::OK, success_bytes(StatusCode::OK, message, Some(data)))
}

/// 200 without data.
#[must_use]
pub fn done(message: &str) -> HttpResponse {
    json(StatusCode::OK, success_bytes::<()>(StatusCode::OK, message, None))
}

/// 201 with `data`, and where it is.
pub fn created<T: Serialize>(message: &str, location: &str, data: T) -> HttpResponse {
    let mut response = json(StatusCode::CREATED, success_bytes(StatusCode::CREATED, message, Some(data)));
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status();
        let errors: &[FieldError] = if let Self::Invalid(errors) = self { errors } else { &[] };
        let errors = errors.get(..MOST_ERRORS).unwrap_or(errors);
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        add_headers(&mut response, self);
        response.body(bytes(&Failure {
            status: status.as_u16(),
            response: reason(status),
            message: message(self),
            errors,
        }))
    }
}

/// A validation error names its first field, for clients that show only the message.
fn message(error: &ApiError) -> String {
    match error {
        ApiError::Invalid(errors) => match errors.first() {
            Some(first) => format!("Validation failed: {} {}", first.field, first.message),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

fn add_headers(response: &mut HttpResponseBuilder, error: &ApiError) {
    if let Some(seconds) = error.retry_after() {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    match error {
        ApiError::MethodNotAllowed(allowed) => {
            let names: Vec<&str> = allowed.iter().map(actix_web::http::Method::as_str).collect();
            response.insert_header((header::ALLOW, names.join(", ")));
        }
        ApiError::NoToken => {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        ApiError::MalformedToken | ApiError::Token(_) | ApiError::WrongCredentials { .. } => {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""));
        }
        // What was not read of the body must not be taken for the next request.
        ApiError::Timeout | ApiError::TooLarge(_) => {
            response.force_close();
        }
        _ => {}
    }
}
