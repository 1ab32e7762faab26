//! Plays: sessions on public videos, with or without an account. Who has no account holds the session's id,
//! which nobody can guess.

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    actors::{catalog::CatalogError, channels::ChannelsError, playback::Opened},
    domain::{
        catalog::Seconds,
        channels::HashPath,
        ids::{FileId, StreamId},
        playback::{Beat, HEARTBEAT_SECONDS, PlayState, Rate},
    },
    http::{
        State,
        access::{Anyone, UseStreams},
        body::{Json, path_id},
        client_address, envelope,
        error::ApiError,
        media_links::{PlaybackDto, Poster},
        openapi::doc,
        routes::Routes,
    },
};

type Answer = Result<HttpResponse, ApiError>;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/v/{hash}/plays",
            open,
            doc("Open a play of a video; with a token, as its account")
                .gives::<OpenedPlayDto>()
                .creates()
                .refuses(&[(404, "No such video"), (429, "Too many plays from this address; see Retry-After")]),
        )
        .patch(
            "/v/{hash}/plays/{session}",
            beat,
            doc("The heartbeat of a play")
                .takes::<PlayBeat>()
                .gives::<PlayDto>()
                .refuses(&[(404, "No such video, or no such play of it; another account's, too")]),
        )
}

/// A play that was opened.
#[derive(Debug, Serialize, ToSchema)]
struct OpenedPlayDto {
    session: Uuid,
    position_seconds: f64,
    state: &'static str,
    heartbeat_seconds: u32,
    playback: PlaybackDto,
    viewed: bool,
}

/// A play after a heartbeat.
#[derive(Debug, Serialize, ToSchema)]
struct PlayDto {
    session: Uuid,
    position_seconds: f64,
    state: &'static str,
    watched_seconds: f64,
    viewed: bool,
}

/// A heartbeat. Without a state the player plays, or goes on pausing; without a rate, at the last one.
struct PlayBeat {
    position_seconds: Seconds,
    state: Option<PlayState>,
    rate: Option<Rate>,
}

crate::body!(PlayBeat { required position_seconds, changed state, changed rate });

impl From<PlayBeat> for Beat {
    fn from(beat: PlayBeat) -> Self {
        Self { position: beat.position_seconds, state: beat.state, rate: beat.rate }
    }
}

async fn open(Anyone { caller, .. }: Anyone<UseStreams>, state: State, request: HttpRequest) -> Answer {
    let (hash, film) = film(&state, &request).await?;
    state.play_limit.take(client_address(&request, &state)).await?;
    let Opened { stream, viewed, .. } = state.playback.play(caller.as_ref(), film).await.map_err(of)?;
    let session = stream.id.uuid();
    let data = OpenedPlayDto {
        session,
        position_seconds: stream.position_seconds,
        state: stream.state.name(),
        heartbeat_seconds: HEARTBEAT_SECONDS,
        playback: PlaybackDto::public(film, Poster::Shown),
        viewed,
    };
    Ok(envelope::created("Play opened successfully", &format!("/v/{hash}/plays/{session}"), data))
}

async fn beat(
    Anyone { caller, .. }: Anyone<UseStreams>,
    state: State,
    request: HttpRequest,
    Json(body): Json<PlayBeat>,
) -> Answer {
    let session: StreamId = path_id(&request, "session")?;
    let (_, film) = film(&state, &request).await?;
    let beaten = state.playback.beat_play(caller.as_ref(), session, film, body.into()).await;
    let Opened { stream, viewed, .. } = beaten.map_err(of)?;
    let data = PlayDto {
        session: stream.id.uuid(),
        position_seconds: stream.position_seconds,
        state: stream.state.name(),
        watched_seconds: stream.watched_seconds,
        viewed,
    };
    Ok(envelope::ok("Play updated successfully", data))
}

/// The `{hash}` of the path, and the bytes of its video.
async fn film(state: &State, request: &HttpRequest) -> Result<(HashPath, FileId), ApiError> {
    let no_video = || ApiError::no_such("Video");
    let text = request.match_info().get("hash").unwrap_or_default();
    let hash: HashPath = text.parse().map_err(|_| no_video())?;
    let film = state.channels.film_of(&hash).await.map_err(|error| match error {
        ChannelsError::NoVideo => no_video(),
        other => other.into(),
    })?;
    Ok((hash, film))
}

fn of(error: CatalogError) -> ApiError {
    match error {
        // The video was removed at this moment.
        CatalogError::References(_) => ApiError::no_such("Video"),
        other => ApiError::of_catalog("Play", other),
    }
}
