//! The playback contract, as far as it stands: the stored bytes, with ranges.

use actix_web::{HttpRequest, HttpResponse};

use super::{
    State,
    access::{Allowed, ViewCatalogue},
    body::Id,
    contract::Contract,
    error::ApiError,
    media::{self, CachePolicy},
    openapi::doc,
    routes::Routes,
};
use crate::domain::ids::FileId;

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    Routes::new(Contract::Playback).get(
        "/media/{id}",
        bytes,
        doc("The stored bytes; ranges and conditions of RFC 9110").content("application/octet-stream"),
    )
}

async fn bytes(
    allowed: Allowed<ViewCatalogue>,
    state: State,
    request: HttpRequest,
    Id(id): Id<FileId>,
) -> Result<HttpResponse, ApiError> {
    let open = state.files.open(id, allowed.reader()).await?;
    media::serve(&state, &open, CachePolicy::Private, &request)
}
