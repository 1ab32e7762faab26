//! What players read. The right to it stands in the path: the id of a file that is public, or a token that was
//! made for one viewing. Whatever is wrong with it is said in one way: 403.

use actix_web::{HttpRequest, HttpResponse};

use crate::{
    actors::{
        auth::AuthError,
        files::{FilesError, Reader},
        posters::PosterError,
    },
    domain::ids::FileId,
    http::{
        State,
        access::Open,
        error::ApiError,
        media::{self, CachePolicy},
        openapi::doc,
        routes::Routes,
    },
};

type Answer = Result<HttpResponse, ApiError>;

const NO_LEAVE: &[(u16, &str)] = &[
    (403, "The link does not hold: wrong, over its time, or its session, account or medium is gone"),
    (404, "The medium has no such part"),
];

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/play/{ref}/file",
            file,
            doc("The stored bytes, for a player; ranges and conditions of RFC 9110")
                .content("application/octet-stream")
                .refuses(NO_LEAVE),
        )
        .get(
            "/play/{ref}/poster.jpg",
            poster,
            doc("The picture that a player shows before it plays").content("image/jpeg").refuses(NO_LEAVE),
        )
}

/// A medium that may be read, and who may keep a copy.
struct Leave {
    file: FileId,
    cache: CachePolicy,
}

impl Leave {
    /// By the `{ref}` of the path.
    async fn of(state: &State, request: &HttpRequest) -> Result<Self, ApiError> {
        let text = request.match_info().get("ref").unwrap_or_default();
        if let Ok(file) = text.parse::<FileId>() {
            let is_public = state.channels.is_film(file).await?;
            return is_public.then_some(Self { file, cache: CachePolicy::Public }).ok_or_else(no_leave);
        }
        let claims = state.auth.verify_playback(text).await.map_err(|error| match error {
            AuthError::Token(_) => no_leave(),
            other => other.into(),
        })?;
        let is_open = state.playback.is_open(claims.stream, claims.file).await?;
        is_open.then_some(Self { file: claims.file, cache: CachePolicy::Private }).ok_or_else(no_leave)
    }
}

/// The same for all, so that nobody learns which.
fn no_leave() -> ApiError {
    ApiError::Forbidden("This link does not hold, or does not hold any more".to_owned())
}

async fn file(_: Open, state: State, request: HttpRequest) -> Answer {
    let leave = Leave::of(&state, &request).await?;
    let open = state.files.open(leave.file, Reader::Everything).await.map_err(gone_or)?;
    media::serve(&state, &open, leave.cache, &request).await.map_err(gone_or)
}

fn gone_or(error: FilesError) -> ApiError {
    match error {
        FilesError::NotFound => no_leave(),
        other => other.into(),
    }
}

async fn poster(_: Open, state: State, request: HttpRequest) -> Answer {
    let leave = Leave::of(&state, &request).await?;
    let open = state.posters.of(leave.file).await.map_err(|error| match error {
        PosterError::NoFilm => no_leave(),
        PosterError::Files(error) => gone_or(error),
        other => other.into(),
    })?;
    media::serve(&state, &open, leave.cache, &request).await.map_err(gone_or)
}
