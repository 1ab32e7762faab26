//! Streams, and the chains that start at one.

use actix_web::HttpResponse;
use uuid::Uuid;

use super::{
    dto::{EpisodeDto, GenreDto, OpenedDto, SeasonDto, SeriesDto, StreamDto, UserDto},
    resources::{Shown, fresh_page},
};
use crate::{
    actors::{
        auth::PlaybackGrant,
        catalog::{CatalogError, Listed as _},
        playback::{
            LISTING, Opened,
            ways::{self, Way},
        },
    },
    domain::{
        catalog::{Episode, Genre, Season, Series},
        ids::{StreamId, UserId},
        playback::{HEARTBEAT_SECONDS, NewStream, Stream, StreamChange},
    },
    http::{
        State,
        access::{Allowed, UseStreams},
        body::{Id, Json},
        envelope,
        error::ApiError,
        media_links::PlaybackDto,
        openapi::doc,
        query::ListQuery,
        routes::Routes,
    },
};

type Streams = Allowed<UseStreams>;
type Answer = Result<HttpResponse, ApiError>;

const NOUN: &str = "Stream";
const FETCHED_ALL: &str = "Streams fetched successfully";

/// Streams, what they lead to, and the streams of an account and of an episode.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post("/streams", create, doc("Open a stream").takes::<NewStream>().gives::<OpenedDto>().creates())
        .get("/streams", list, doc("List one's own streams; an owner, all").gives::<StreamDto>().lists(&LISTING))
        .get("/streams/{id}", read, doc("Read").gives::<StreamDto>())
        .patch("/streams/{id}", change, doc("Change; the heartbeat").takes::<StreamChange>().gives::<OpenedDto>())
        .delete("/streams/{id}", remove, doc("Remove"))
        .get("/streams/{id}/user", user, doc("Whose stream it is").gives::<UserDto>())
        .get("/streams/{id}/episode", episode, doc("The stream's episode").gives::<EpisodeDto>())
        .get("/streams/{id}/episode/season", season, doc("The episode's season").gives::<SeasonDto>())
        .get("/streams/{id}/episode/season/series", series, doc("The season's series").gives::<SeriesDto>())
        .get(
            "/streams/{id}/episode/season/series/genre",
            genres,
            doc("The series' genres").gives::<GenreDto>().lists(Genre::LISTING),
        )
        .get("/users/{id}/streams", of_user, doc("The streams of an account").gives::<StreamDto>().lists(&LISTING))
        .get(
            "/users/{id}/streams/episode",
            episodes_of_user,
            doc("The episodes of an account's streams, each once").gives::<EpisodeDto>().lists(Episode::LISTING),
        )
        .get(
            "/episodes/{id}/streams",
            of_episode,
            doc("The streams of an episode; one's own, an owner all").gives::<StreamDto>().lists(&LISTING),
        )
}

fn of(error: CatalogError) -> ApiError {
    ApiError::of_catalog(NOUN, error)
}

async fn create(allowed: Streams, state: State, Json(new): Json<NewStream>) -> Answer {
    let opened = state.playback.create(&allowed.caller, new).await.map_err(of)?;
    let location = format!("/streams/{}", opened.stream.id);
    let links = match links(&allowed, &state, &opened).await {
        Ok(links) => links,
        Err(error) => {
            state.playback.take_back(opened.stream.id).await;
            return Err(error);
        }
    };
    Ok(envelope::created("Stream created successfully", &location, shown(&opened, Some(links))))
}

/// For the player, where it is to have some.
async fn links(allowed: &Streams, state: &State, opened: &Opened) -> Result<Option<PlaybackDto>, ApiError> {
    let wanted = opened.renew || state.auth.shortens_playback(&allowed.caller);
    let Some(file) = opened.title.file.filter(|_| wanted) else { return Ok(None) };
    let grant = PlaybackGrant { file, stream: opened.stream.id, caller: Some(&allowed.caller) };
    PlaybackDto::granted(state, &grant).await.map(Some)
}

fn shown(opened: &Opened, playback: Option<Option<PlaybackDto>>) -> OpenedDto {
    OpenedDto {
        stream: StreamDto::from(&opened.stream),
        heartbeat_seconds: HEARTBEAT_SECONDS,
        viewed: opened.viewed,
        playback,
    }
}

async fn list(allowed: Streams, state: State, query: ListQuery) -> Answer {
    page(&allowed, &state, &query, None).await
}

async fn read(allowed: Streams, state: State, Id(id): Id<StreamId>) -> Answer {
    let stream = state.playback.one(allowed.viewer(), id).await.map_err(of)?;
    Ok(envelope::ok("Stream fetched successfully", StreamDto::from(&stream)))
}

async fn change(allowed: Streams, state: State, Id(id): Id<StreamId>, Json(change): Json<StreamChange>) -> Answer {
    let changed = state.playback.change(allowed.viewer(), id, change).await.map_err(of)?;
    // It was heard: the links come with a later one.
    let links = links(&allowed, &state, &changed).await.unwrap_or_default();
    Ok(envelope::ok("Stream updated successfully", shown(&changed, links.map(Some))))
}

async fn remove(allowed: Streams, state: State, Id(id): Id<StreamId>) -> Answer {
    state.playback.remove(allowed.viewer(), id).await.map_err(of)?;
    Ok(envelope::done("Stream deleted successfully"))
}

async fn user(allowed: Streams, state: State, Id(id): Id<StreamId>) -> Answer {
    let stream = state.playback.one(allowed.viewer(), id).await.map_err(of)?;
    let owner = stream.user_id.ok_or(CatalogError::NotFound).map_err(of)?;
    let user = state.auth.user(&allowed.caller, owner).await?;
    Ok(envelope::ok("User fetched successfully", UserDto::from(&user)))
}

async fn along<R: Shown>(allowed: Streams, state: State, id: StreamId, way: Way) -> Answer {
    match state.playback.along::<R>(allowed.viewer(), id, way).await {
        Ok(found) => Ok(envelope::ok(R::FETCHED, R::Dto::from(&found))),
        Err(error) => Err(broken_off(&allowed, &state, id, error).await),
    }
}

/// Where a chain ends: at the stream, or at its episode, which the stream of a file has not.
async fn broken_off(allowed: &Streams, state: &State, id: StreamId, error: CatalogError) -> ApiError {
    match error {
        CatalogError::NotFound => {
            let stream = state.playback.one(allowed.viewer(), id).await;
            stream.map_or_else(of, |_| ApiError::no_such(Episode::NOUN))
        }
        other => of(other),
    }
}

async fn episode(allowed: Streams, state: State, Id(id): Id<StreamId>) -> Answer {
    along::<Episode>(allowed, state, id, ways::STREAM_EPISODE).await
}

async fn season(allowed: Streams, state: State, Id(id): Id<StreamId>) -> Answer {
    along::<Season>(allowed, state, id, ways::STREAM_SEASON).await
}

async fn series(allowed: Streams, state: State, Id(id): Id<StreamId>) -> Answer {
    along::<Series>(allowed, state, id, ways::STREAM_SERIES).await
}

async fn genres(allowed: Streams, state: State, Id(id): Id<StreamId>, query: ListQuery) -> Answer {
    let request = query.against(Genre::LISTING)?;
    let below = (ways::STREAM_GENRES, id.uuid());
    match state.playback.list_along::<Genre>(allowed.viewer(), request.clone(), below).await {
        Ok(page) => Ok(fresh_page::<Genre, GenreDto>(&query, &request, page, Genre::FETCHED_ALL)),
        Err(error) => Err(broken_off(&allowed, &state, id, error).await),
    }
}

async fn episodes_of_user(allowed: Streams, state: State, Id(id): Id<UserId>, query: ListQuery) -> Answer {
    own_or_owner(&allowed, id)?;
    let below = Below { way: ways::USER_EPISODES, id: id.uuid(), noun: "User" };
    page_along::<Episode>(&allowed, &state, &query, below).await
}

async fn of_user(allowed: Streams, state: State, Id(id): Id<UserId>, query: ListQuery) -> Answer {
    own_or_owner(&allowed, id)?;
    page(&allowed, &state, &query, Some(Below { way: ways::USER_STREAMS, id: id.uuid(), noun: "User" })).await
}

async fn of_episode(allowed: Streams, state: State, Id(id): Id<Uuid>, query: ListQuery) -> Answer {
    page(&allowed, &state, &query, Some(Below { way: ways::EPISODE_STREAMS, id, noun: "Episode" })).await
}

fn own_or_owner(allowed: &Streams, id: UserId) -> Result<(), ApiError> {
    if allowed.viewer().may_act_for(id) { Ok(()) } else { Err(ApiError::forbidden()) }
}

/// A way from a parent, with the parent's noun.
struct Below {
    way: Way,
    id: Uuid,
    noun: &'static str,
}

async fn page(allowed: &Streams, state: &State, query: &ListQuery, below: Option<Below>) -> Answer {
    let request = query.against(&LISTING)?;
    let noun = below.as_ref().map_or(NOUN, |below| below.noun);
    let below = below.map(|below| (below.way, below.id));
    let page = state.playback.list(allowed.viewer(), request.clone(), below).await;
    let page = page.map_err(|error| ApiError::of_catalog(noun, error))?;
    Ok(fresh_page::<Stream, StreamDto>(query, &request, page, FETCHED_ALL))
}

async fn page_along<R: Shown>(allowed: &Streams, state: &State, query: &ListQuery, below: Below) -> Answer {
    let request = query.against(R::LISTING)?;
    let page = state.playback.list_along::<R>(allowed.viewer(), request.clone(), (below.way, below.id)).await;
    let page = page.map_err(|error| ApiError::of_catalog(below.noun, error))?;
    Ok(fresh_page::<R, R::Dto>(query, &request, page, R::FETCHED_ALL))
}
