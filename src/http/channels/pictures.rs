//! Thumbnails of videos, and pictures of channels.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

use super::{answer, refusal::own, videos::hash_path};
use crate::{
    actors::{
        channels::{ChannelPicture, ChannelsError},
        files::FilesError,
    },
    http::{
        State,
        access::{Allowed, Open, UseChannels},
        body::path_text,
        error::ApiError,
        media::{self, CachePolicy, SANDBOX},
        openapi::doc,
        routes::Routes,
        upload::{self, UploadError},
    },
};

type Answer = Result<HttpResponse, ApiError>;

const NO_CHANNEL: &[(u16, &str)] = &[(404, "No such channel")];

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/thumbnails/{hash}",
            thumbnail,
            doc("The thumbnail of a video").content("image/jpeg").refuses(&[(404, "None")]),
        )
        .get("/channel/picture/{name}", picture, doc("The picture of a channel").content("image/*").refuses(NO_CHANNEL))
        .put(
            "/channel/picture",
            set_picture,
            doc("Set the picture of one's own channel")
                .takes_bytes("image/*")
                .refuses(&[(413, "Too large, or over the account's quota")]),
        )
        .delete(
            "/channel/{name}",
            remove,
            doc("Remove one's own channel with its videos; an owner, any").refuses(NO_CHANNEL),
        )
}

async fn thumbnail(_: Open, state: State, request: HttpRequest) -> Answer {
    let none = || own(StatusCode::NOT_FOUND, "no-thumbnails");
    let hash = hash_path(&request).map_err(|_| none())?;
    let open = state.channels.thumbnail_of(&hash).await.map_err(|error| match error {
        ChannelsError::NoVideo => none(),
        other => other.into(),
    })?;
    media::serve(&state, &open, CachePolicy::Public, &request).await.map_err(|error| match error {
        FilesError::NotFound => none(),
        other => other.into(),
    })
}

async fn picture(_: Open, state: State, request: HttpRequest) -> Answer {
    match state.channels.picture(&path_text(&request, "name")?).await? {
        ChannelPicture::Set(open) => Ok(media::serve(&state, &open, CachePolicy::PublicChanging, &request).await?),
        ChannelPicture::Generated(png) => Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "image/png"))
            .insert_header((header::CACHE_CONTROL, CachePolicy::PublicChanging.header()))
            .insert_header((header::CONTENT_SECURITY_POLICY, SANDBOX))
            .body(png)),
    }
}

async fn set_picture(
    allowed: Allowed<UseChannels>,
    state: State,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let not_an_image = || own(StatusCode::BAD_REQUEST, "not-an-image");
    let limit = state.settings.channels.picture_limit_bytes;
    upload::check_length(&request, limit)?;
    let account = allowed.caller.user_id;
    let incoming = state.channels.begin_picture(account, upload::least_bytes(&request)).await?.at_most(limit);
    let idle = Duration::from_millis(state.settings.http.upload_idle_timeout_ms);
    let incoming = upload::receive_raw(payload, incoming, idle).await.map_err(|error| match error {
        UploadError::NoFile | UploadError::Unsupported => not_an_image(),
        other => other.into(),
    })?;
    state.channels.set_picture(account, incoming).await?;
    Ok(answer::done())
}

async fn remove(allowed: Allowed<UseChannels>, state: State, request: HttpRequest) -> Answer {
    state.channels.remove_channel(&allowed.caller, &path_text(&request, "name")?).await?;
    Ok(answer::done())
}
