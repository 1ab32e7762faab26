//! Plain objects as answers.

use actix_web::{HttpResponse, http::StatusCode, http::header, web};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{collections::Extent, ids::UserId},
    http::{
        State, envelope,
        error::{ApiError, Cause},
        places::{Place, PlacedBody},
    },
};

/// An answer of this status.
///
/// # Errors
/// 500: it cannot be written.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<HttpResponse, ApiError> {
    written(value).map(|bytes| envelope::json(status, bytes))
}

/// A place for an answer of this extent to the account, where it needs one.
///
/// # Errors
/// 503: none is free.
pub(super) async fn place(state: &State, account: UserId, extent: Extent) -> Result<Option<Place>, ApiError> {
    match extent {
        Extent::Ordinary => Ok(None),
        Extent::Large => state.large_answers.take(account).await.map(Some),
    }
}

/// 200 with `value`, in its place until it is sent.
///
/// # Errors
/// As [`json`].
pub(super) async fn placed<T>(value: T, place: Option<Place>) -> Result<HttpResponse, ApiError>
where
    T: Serialize + Send + 'static,
{
    let Some(place) = place else { return json(StatusCode::OK, &value) };
    // The place goes along: the memory is taken though the caller has left.
    let placed = web::block(move || written(&value).map(|bytes| PlacedBody::new(bytes, place)));
    let body = placed.await.map_err(|error| ApiError::Fault(Box::new(error)))??;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(body))
}

fn written<T: Serialize>(value: &T) -> Result<Bytes, ApiError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| ApiError::Fault(Cause::from(error)))
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageDto {
    pub(super) message: &'static str,
}
