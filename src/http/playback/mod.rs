//! The playback contract, as far as it stands: the stored bytes, with ranges.

use actix_web::{HttpRequest, HttpResponse};

use super::{
    State,
    access::{Allowed, ViewCatalogue},
    body::Id,
    error::ApiError,
    media::{CachePolicy, MediaAnswer},
    openapi::doc,
    routes::Routes,
};
use crate::domain::ids::FileId;

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    Routes::new("playback").get(
        "/media/{id}",
        media,
        doc("The stored bytes; ranges and conditions of RFC 9110").content("application/octet-stream"),
    )
}

async fn media(
    allowed: Allowed<ViewCatalogue>,
    state: State,
    request: HttpRequest,
    Id(id): Id<FileId>,
) -> Result<HttpResponse, ApiError> {
    let open = state.files.open(id, allowed.reader()).await?;
    MediaAnswer {
        bytes: &open.bytes,
        content_type: &open.file.mime_type,
        sha256: &open.file.sha256,
        cache: CachePolicy::Private,
        chunk_bytes: state.settings.media.chunk_bytes,
        served: state.tally.bytes_served(),
    }
    .respond(&request)
    .map_err(|error| ApiError::Fault(error.into()))
}
