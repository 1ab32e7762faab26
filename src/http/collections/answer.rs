//! Plain objects as answers.

use actix_web::{HttpResponse, http::StatusCode};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::envelope;

/// An answer of this status.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> HttpResponse {
    // Writing a value of ours cannot fail.
    envelope::json(status, serde_json::to_vec(value).map(Bytes::from).unwrap_or_default())
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageDto {
    pub(super) message: &'static str,
}
