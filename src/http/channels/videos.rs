//! Videos: shown, listed, found, changed, removed, judged; and their bytes.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use bytes::Bytes;

use super::{
    answer::{self, Item, ReactionsDto},
    bodies::ReactionBody,
    refusal::own,
    window::Windowed,
};
use crate::{
    actors::{channels::ChannelsError, files::FilesError},
    domain::{
        channels::{HashPath, Video, VideoChange},
        search::Searched,
    },
    http::{
        State,
        access::{Allowed, Open, UseChannels},
        body::{Json, path_text},
        envelope,
        error::ApiError,
        media::{self, CachePolicy},
        openapi::doc,
        routes::Routes,
    },
};

type Answer = Result<HttpResponse, ApiError>;

const NO_VIDEO: &[(u16, &str)] = &[(404, "No such video")];

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/v/{hash}", read, doc("A video").gives::<Item>().refuses(NO_VIDEO))
        .patch(
            "/v/{hash}",
            change,
            doc("Change one's own video").takes::<VideoChange>().gives::<Item>().refuses(NO_VIDEO),
        )
        .delete("/v/{hash}", remove, doc("Remove one's own video; an owner, any").refuses(NO_VIDEO))
        .put(
            "/v/{hash}/reaction",
            react,
            doc("Say what one thinks of a video").takes::<ReactionBody>().gives::<ReactionsDto>().refuses(NO_VIDEO),
        )
        .get(
            "/video/d/{hash}",
            film,
            doc("The bytes of a video; ranges and conditions of RFC 9110")
                .content("application/octet-stream")
                .refuses(&[(400, "No such video")]),
        )
        .get("/videos/all", all, doc("All videos, newest first").gives::<Item>().pages())
        .get(
            "/videos/channel/{name}",
            of_channel,
            doc("A channel's videos, newest first").gives::<Item>().pages().refuses(&[(404, "No such channel")]),
        )
        .get("/search/{kind}", nothing, doc("Find nothing").gives::<Item>().pages())
        .get(
            "/search/{kind}/{query}",
            search,
            doc("Find videos and channels, best first; `kind` is all, channel or video").gives::<Item>().pages(),
        )
}

/// The `{hash}` of the path. What has not its form names no video.
pub(super) fn hash_path(request: &HttpRequest) -> Result<HashPath, ApiError> {
    let text = request.match_info().get("hash").unwrap_or_default();
    text.parse().map_err(|_| ChannelsError::NoVideo.into())
}

fn shape(video: &Video) -> Bytes {
    answer::bytes(Item::from(video))
}

fn shape_all(videos: &[Video]) -> Bytes {
    answer::bytes(videos.iter().map(Item::from).collect::<Vec<_>>())
}

async fn read(_: Open, state: State, request: HttpRequest) -> Answer {
    let body = state.channels.video(&hash_path(&request)?, shape).await?;
    Ok(envelope::json(StatusCode::OK, body))
}

async fn change(
    allowed: Allowed<UseChannels>,
    state: State,
    request: HttpRequest,
    Json(body): Json<VideoChange>,
) -> Answer {
    let video = state.channels.change(allowed.caller.user_id, hash_path(&request)?, body).await?;
    Ok(answer::ok(Item::from(&video)))
}

async fn remove(allowed: Allowed<UseChannels>, state: State, request: HttpRequest) -> Answer {
    state.channels.remove(&allowed.caller, hash_path(&request)?).await?;
    Ok(answer::done())
}

async fn react(
    allowed: Allowed<UseChannels>,
    state: State,
    request: HttpRequest,
    Json(body): Json<ReactionBody>,
) -> Answer {
    let counts = state.channels.react(allowed.caller.user_id, hash_path(&request)?, body.reaction.0).await?;
    Ok(answer::ok(ReactionsDto::from(counts)))
}

async fn film(_: Open, state: State, request: HttpRequest) -> Answer {
    let no_video = || own(StatusCode::BAD_REQUEST, "no-video");
    let hash = hash_path(&request).map_err(|_| no_video())?;
    let open = state.channels.film(&hash).await.map_err(|error| match error {
        ChannelsError::NoVideo => no_video(),
        other => other.into(),
    })?;
    media::serve(&state, &open, CachePolicy::Public, &request).await.map_err(|error| match error {
        FilesError::NotFound => no_video(),
        other => other.into(),
    })
}

async fn all(_: Open, state: State, Windowed(window): Windowed) -> Answer {
    Ok(envelope::json(StatusCode::OK, state.channels.newest(window, shape_all).await?))
}

async fn of_channel(_: Open, state: State, request: HttpRequest, Windowed(window): Windowed) -> Answer {
    let name = path_text(&request, "name")?;
    Ok(envelope::json(StatusCode::OK, state.channels.newest_of(&name, window, shape_all).await?))
}

async fn nothing(_: Open, request: HttpRequest, _: Windowed) -> Answer {
    searched(&request)?;
    Ok(answer::ok(Vec::<Item<'_>>::new()))
}

async fn search(_: Open, state: State, request: HttpRequest, Windowed(window): Windowed) -> Answer {
    let found = state.channels.search(searched(&request)?, path_text(&request, "query")?, window).await?;
    Ok(answer::ok(found.iter().map(Item::from).collect::<Vec<_>>()))
}

fn searched(request: &HttpRequest) -> Result<Searched, ApiError> {
    let kind = request.match_info().get("kind").and_then(Searched::parse);
    kind.ok_or_else(|| own(StatusCode::BAD_REQUEST, "bad-search-type"))
}
