//! How a JSON body arrives: its type, its size, its time, and where it is parsed.

use std::time::Duration;

use actix_web::{
    HttpMessage as _, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderValue},
    web,
};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::{Body, Fields};
use crate::{
    http::{
        State,
        access::{Access as _, SignedIn},
        error::ApiError,
        places::Place,
    },
    settings::Settings,
};

/// A larger body is parsed on a thread where nobody waits for the next request.
const PARSED_AT_ONCE: usize = 256 * 1024;
/// Most values in a body: each takes memory, however short it is written.
const MOST_VALUES: usize = 200_000;

/// How large a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodySize {
    /// As `http.json_limit_bytes` says.
    Ordinary,
    /// As `collections.json_limit_bytes` says; of an account that may have one of the places for such.
    Large,
}

impl BodySize {
    const fn limit(self, settings: &Settings) -> usize {
        match self {
            Self::Ordinary => settings.http.json_limit_bytes,
            Self::Large => settings.collections.json_limit_bytes,
        }
    }
}

/// The body of a request.
///
/// # Errors
/// 400, 408, 413, 415; for a large one also 401, and 503 where too many large ones come at a time.
pub(super) async fn read<T: Body>(request: &HttpRequest, payload: Payload) -> Result<T, ApiError> {
    let state = State::of(request)?;
    is_json(request)?;
    let limit = T::SIZE.limit(&state.settings);
    let wait = Duration::from_millis(state.settings.http.body_timeout_ms);
    let whole = Arriving { state, limit, place: None, body: BytesMut::new() }.whole(request, payload);
    let Arriving { body, place, .. } = tokio::time::timeout(wait, whole).await.map_err(|_| ApiError::Timeout)??;
    if let Some(place) = place {
        // What was read of it takes memory until the request is answered.
        request.extensions_mut().insert(place);
    }
    if body.len() <= PARSED_AT_ONCE {
        return parse(&body);
    }
    let parsed = web::block(move || parse(&body));
    parsed.await.map_err(|error| ApiError::Fault(Box::new(error)))?
}

/// A body, as far as it has come.
struct Arriving<'a> {
    state: &'a State,
    limit: usize,
    place: Option<Place>,
    body: BytesMut,
}

impl Arriving<'_> {
    async fn whole(mut self, request: &HttpRequest, mut payload: Payload) -> Result<Self, ApiError> {
        let declared = declared_length(request, u64::try_from(self.limit).unwrap_or(u64::MAX))?;
        let declared = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::BadRequest("The body broke off".to_owned()))?;
            let length = self.body.len() + chunk.len();
            if length > self.limit {
                return Err(too_large(u64::try_from(self.limit).unwrap_or(u64::MAX)));
            }
            if length > self.state.settings.http.json_limit_bytes && self.place.is_none() {
                let SignedIn(caller) = SignedIn::check(request).await?;
                self.place = Some(self.state.large_bodies.take(caller.user_id).await?);
                // One that grows by itself takes up to twice its size.
                self.body.reserve(declared.saturating_sub(self.body.len()));
            }
            self.body.extend_from_slice(&chunk);
        }
        Ok(self)
    }
}

fn parse<T: Body>(body: &[u8]) -> Result<T, ApiError> {
    if values(body) > MOST_VALUES {
        return Err(ApiError::BadRequest(format!("The body holds more than {MOST_VALUES} values")));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Fields::read(map),
        Ok(_) => Err(ApiError::BadRequest("The body must be a JSON object".to_owned())),
        Err(_) => Err(ApiError::BadRequest("The body is not valid JSON".to_owned())),
    }
}

/// How many values a text of JSON holds, or some more.
fn values(text: &[u8]) -> usize {
    let (mut count, mut inside, mut escaped) = (1_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

fn is_json(request: &HttpRequest) -> Result<(), ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::UnsupportedMediaType("The body must be application/json".to_owned()));
    }
    // A body that was compressed would be read as if it were not (RFC 9110 §15.5.16).
    if request.headers().get_all(header::CONTENT_ENCODING).any(|coding| !is_identity(coding)) {
        return Err(ApiError::UnsupportedMediaType("The body must not have a Content-Encoding".to_owned()));
    }
    Ok(())
}

fn is_identity(coding: &HeaderValue) -> bool {
    coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")
}

/// Refuses a declared length over `limit` before a byte is read.
///
/// # Errors
/// 413; 400 where the length is no number.
pub fn declared_length(request: &HttpRequest, limit: u64) -> Result<Option<u64>, ApiError> {
    let Some(length) = request.headers().get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length: u64 = length
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| ApiError::BadRequest("Content-Length is not a number".to_owned()))?;
    if length > limit { Err(too_large(limit)) } else { Ok(Some(length)) }
}

fn too_large(limit: u64) -> ApiError {
    ApiError::TooLarge(format!("The body is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (text, count) in [
            ("{}", 2),
            (r#"{"a": [1, 2, 3]}"#, 5),
            (r#"{"a": "[,,,{", "b": "\\\",,,["}"#, 3),
            (r#"{"a": "\\", "b": 1}"#, 3),
        ] {
            assert_eq!(values(text.as_bytes()), count, "{text}");
        }
    }
}
