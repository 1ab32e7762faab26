//! The edge every request passes, once: its id, security headers, counts, the one log line of a
//! failure; and, further in, the gate of maintenance.

use std::{borrow::Cow, time::Instant};

use actix_http::ConnectionType;
use actix_web::{
    Error,
    body::{BodySize, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode, Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use bytes::Bytes;
use tracing::Instrument as _;
use uuid::{NoContext, Timestamp, Uuid};

use super::{
    State, contract::Contract, cors, counted, drain::RunningBody, error::ApiError, ops::OPEN_IN_MAINTENANCE,
    pipelining::Order,
};
use crate::{provider::ProviderError, telemetry};

/// Carries the request's id back to the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer carries unless its handler says otherwise.
const DEFAULTS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::CACHE_CONTROL, HeaderValue::from_static(NOT_KEPT)),
];

const NOT_KEPT: &str = "no-store";

/// The middleware.
///
/// # Errors
/// Those of the services inside.
pub async fn edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let answering = Order::begin(&request);
    // Without the counter that keeps ids of one moment in order: all threads would wait for it.
    let id = Uuid::new_v7(Timestamp::now(NoContext));
    let state = State::of(request.request())?.clone();
    let running = state.drain.unless_closed(state.drain.begin()).await;
    let method = request.method().clone();
    let span = tracing::debug_span!("request", %id, %method, path = %shown(request.path()));
    // What a service could not even refuse is answered below us; the next of the connection does not wait for that.
    let response = next.call(request).instrument(span.clone()).await.inspect_err(|_| state.tally.count_request())?;
    let running = state.drain.unless_closed(running).await;
    let response = in_our_words(response);
    if response.status().is_server_error() {
        log_failure(&response, id);
    }
    let mut response = in_its_shape(response);
    let status = response.status();
    counted::once(response.request(), &state.tally);
    telemetry::request(&method, status, began.elapsed());
    tracing::debug!(parent: &span, status = status.as_u16(), "answered");
    if response.request().headers().contains_key(header::ORIGIN) || may_be_kept(response.headers()) {
        cors::let_pages_read(response.headers_mut());
    }
    add_headers(response.headers_mut(), id);
    if response.request().version() < Version::HTTP_11 && response.response().body().size() == BodySize::Stream {
        // It knows no chunks (RFC 9112 §6.1): the end of the connection is that of the body.
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    let upgrades = response.request().head().connection_type() == ConnectionType::Upgrade;
    if upgrades || state.drain.is_ending() {
        // To a connection that asked for another protocol the library would say that it gets it. One that is kept busy
        // would keep the process from ending.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response.map_body(|_, body| RunningBody::new(body, running, answering)))
}

/// A preflight is refused by a library.
fn in_our_words<B>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
    let Some(refusal) = response.response().error().and_then(|error| error.as_error()).map(cors::refusal) else {
        return response.map_into_left_body();
    };
    let (request, _) = response.into_parts();
    ServiceResponse::from_err(refusal, request).map_into_right_body()
}

/// Gives a refusal the shape of the contract that its path belongs to. Here, because here everything
/// passes: what handlers refuse, what the router does not find, what is refused in maintenance.
fn in_its_shape<B>(mut response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B, Bytes>> {
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    let refuse = |error| Contract::of(response.request())?.refusal(error);
    let Some(refusal) = error.and_then(refuse) else {
        return response.map_into_left_body();
    };
    *response.response_mut().status_mut() = refusal.status;
    if refusal.status != StatusCode::UNAUTHORIZED {
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
    } else if !response.headers().contains_key(header::WWW_AUTHENTICATE) {
        // A contract that knows no 403 (RFC 6750 §3.1).
        let scope = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scope);
    }
    response.map_body(|_, _| EitherBody::right(refusal.body))
}

/// Refuses in maintenance. Preflights are answered further out, or no page could ask and be told why.
///
/// # Errors
/// Those of the services inside.
pub async fn maintenance<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    // Asked for the others only: health must answer at once also where no store does.
    if !OPEN_IN_MAINTENANCE.contains(&request.path().trim_end_matches('/'))
        && let Some(message) = State::of(request.request())?.operation.refusal().await
    {
        let (request, _) = request.into_parts();
        let error = ApiError::Maintenance(message);
        return Ok(ServiceResponse::from_err(error, request).map_into_right_body());
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// The cause goes here and nowhere else; the client gets the request's id.
fn log_failure<B>(response: &ServiceResponse<B>, id: Uuid) {
    let (status, error) = (response.status().as_u16(), response.response().error());
    let (method, path) = (response.request().method(), shown(response.request().path()));
    match error.and_then(|error| error.as_error::<ApiError>()) {
        // The first is no failure; of the others the log was told when the provider was given up, and at the start.
        Some(
            ApiError::Maintenance(_) | ApiError::Provider(ProviderError::Resting { .. } | ProviderError::NotConfigured),
        ) => {}
        // A handler that answered so on purpose: readiness.
        None if error.is_none() => {}
        Some(ApiError::Unavailable(cause)) => {
            tracing::warn!(request_id = %id, %method, %path, status, cause = chain(cause.as_ref()), "unavailable");
        }
        Some(ApiError::Provider(error)) => {
            tracing::warn!(request_id = %id, %method, %path, status, cause = chain(error), "no movies");
        }
        Some(ApiError::Fault(cause)) => {
            tracing::error!(request_id = %id, %method, %path, status, cause = chain(cause.as_ref()), "a fault of ours");
        }
        _ => {
            let cause = error.map(ToString::to_string);
            tracing::error!(request_id = %id, %method, %path, status, cause, "failed");
        }
    }
}

/// The path as the log may show it: in the links of players it holds a token.
fn shown(path: &str) -> Cow<'_, str> {
    match path.strip_prefix("/play/") {
        Some(rest) => format!("/play/…{}", rest.find('/').and_then(|end| rest.get(end..)).unwrap_or_default()).into(),
        None => path.into(),
    }
}

/// An error and all its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether a handler has said that caches may keep its answer.
fn may_be_kept(headers: &HeaderMap) -> bool {
    headers.get(header::CACHE_CONTROL).is_some_and(|control| control != NOT_KEPT)
}

fn add_headers(headers: &mut HeaderMap, id: Uuid) {
    for (name, value) in DEFAULTS {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if let Ok(id) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
        headers.insert(REQUEST_ID, id);
    }
}
