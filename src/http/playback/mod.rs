//! The playback contract, as far as it stands: the stored bytes, with ranges, for accounts and for players; plays
//! of public videos; what an account has watched; statistics.

mod events;
mod me;
mod play;
mod plays;
mod statistics;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};

use super::{
    State,
    access::{AllowedEither, ViewCatalogue, ViewMovies},
    body::Id,
    contract::Contract,
    error::ApiError,
    media::{self, CachePolicy},
    openapi::doc,
    routes::Routes,
};
use crate::{actors::files::Reader, domain::ids::FileId, storage::Looking};

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    let routes = Routes::new(Contract::Playback).get(
        "/media/{id}",
        bytes,
        doc("The stored bytes; ranges and conditions of RFC 9110").content("application/octet-stream"),
    );
    let routes = plays::routes(play::routes(me::routes(routes)));
    events::routes(statistics::routes(routes))
}

async fn bytes(
    allowed: AllowedEither<ViewCatalogue, ViewMovies>,
    state: State,
    request: HttpRequest,
    Id(id): Id<FileId>,
) -> Result<HttpResponse, ApiError> {
    let open = state.files.open(id, Reader::of(&allowed.caller)).await?;
    let how = if *request.method() == Method::HEAD { Looking::Head } else { Looking::Get };
    if let Some(link) = state.files.link(&open, how).await? {
        return Ok(HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, link)).finish());
    }
    Ok(media::serve(&state, &open, CachePolicy::Private, &request).await?)
}
