//! What an account has watched: `/me/…`. The account itself, `/me`, is the iptv contract's.

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    actors::{catalog::CatalogError, playback::me::HISTORY},
    domain::{
        ids::StreamId,
        listing::Cursor,
        viewing::{Continued, NextEpisode, Place, Viewing},
    },
    http::{
        State,
        access::{Allowed, UseStreams},
        body::Id,
        envelope::{self, time},
        error::ApiError,
        openapi::doc,
        query::{Limit, ListQuery},
        routes::Routes,
    },
};

type Watching = Allowed<UseStreams>;
type Answer = Result<HttpResponse, ApiError>;

const NOUN: &str = "Viewing";
/// The order of a history where none is asked for; the index `streams_history_idx` has it.
const NEWEST_FIRST: &str = "-createdAt,-id";

/// What to go on with, and the history.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/me/continue-watching",
            continue_watching,
            doc("What one can go on with, newest first").gives::<ContinuedDto>().limited(),
        )
        .get(
            "/me/history",
            history,
            doc("What one has watched, newest first unless `sort` says otherwise")
                .gives::<ViewingDto>()
                .lists(&HISTORY),
        )
        .delete("/me/history", forget_all, doc("Forget all that one has watched; views stay counted"))
        .delete("/me/history/{id}", forget, doc("Forget a viewing; a view stays counted"))
}

fn of(error: CatalogError) -> ApiError {
    ApiError::of_catalog(NOUN, error)
}

async fn continue_watching(allowed: Watching, state: State, Limit(limit): Limit) -> Answer {
    let titles = state.playback.continue_watching(allowed.caller.user_id, limit).await.map_err(of)?;
    let titles: Vec<ContinuedDto> = titles.into_iter().map(ContinuedDto::from).collect();
    Ok(envelope::ok("Titles fetched successfully", titles))
}

async fn history(allowed: Watching, state: State, query: ListQuery) -> Answer {
    let query = query.in_order(NEWEST_FIRST);
    let request = query.against(&HISTORY)?;
    let page = state.playback.history(allowed.caller.user_id, request.clone()).await.map_err(of)?;
    let page = page.map(ViewingDto::from);
    let next = page.next.as_ref().map(Cursor::encode);
    let links = query.links(&request, page.total, next.as_deref());
    Ok(envelope::linked(envelope::page_bytes("Viewings fetched successfully", &request, &page), &links))
}

async fn forget(allowed: Watching, state: State, Id(id): Id<StreamId>) -> Answer {
    state.playback.forget(allowed.caller.user_id, id).await.map_err(of)?;
    Ok(envelope::done("Viewing deleted successfully"))
}

async fn forget_all(allowed: Watching, state: State) -> Answer {
    state.playback.forget_all(allowed.caller.user_id).await.map_err(of)?;
    Ok(envelope::done("History deleted successfully"))
}

/// What is watched. `id` is an episode's id, a video's hash path or a file's id, by `kind`; `image` is the path of
/// a picture.
#[derive(Debug, Serialize, ToSchema)]
struct TitleDto {
    kind: &'static str,
    id: String,
    name: String,
    series_id: Option<Uuid>,
    series_name: Option<String>,
    season_number: Option<i32>,
    episode_number: Option<i32>,
    image: Option<String>,
}

impl From<&Viewing> for TitleDto {
    fn from(viewing: &Viewing) -> Self {
        let (title, names) = (&viewing.title, &viewing.names);
        Self {
            kind: title.kind().name(),
            id: title.name(),
            name: names.name.clone(),
            series_id: title.series.map(Into::into),
            series_name: names.series.clone(),
            season_number: names.season,
            episode_number: names.episode,
            image: viewing.picture(),
        }
    }
}

/// A viewing. `finished`: seen to its end. `viewed`: it counts as a view.
#[derive(Debug, Serialize, ToSchema)]
struct ViewingDto {
    id: Uuid,
    title: TitleDto,
    position_seconds: f64,
    duration_seconds: Option<f64>,
    watched_seconds: f64,
    state: &'static str,
    finished: bool,
    viewed: bool,
    #[serde(rename = "createdAt", serialize_with = "time")]
    created_at: DateTime<Utc>,
    #[serde(rename = "updatedAt", serialize_with = "time")]
    updated_at: DateTime<Utc>,
}

impl From<Viewing> for ViewingDto {
    fn from(viewing: Viewing) -> Self {
        Self {
            title: TitleDto::from(&viewing),
            finished: viewing.is_finished(),
            id: viewing.stream.id.uuid(),
            position_seconds: viewing.stream.position_seconds,
            duration_seconds: viewing.title.duration_seconds,
            watched_seconds: viewing.stream.watched_seconds,
            state: viewing.stream.state.name(),
            viewed: viewing.viewed,
            created_at: viewing.stream.created_at,
            updated_at: viewing.stream.updated_at,
        }
    }
}

/// A title to go on with: at `position_seconds`, or, where it is an episode that is finished, with `next`.
#[derive(Debug, Serialize, ToSchema)]
struct ContinuedDto {
    stream_id: Uuid,
    title: TitleDto,
    position_seconds: f64,
    duration_seconds: Option<f64>,
    finished: bool,
    next: Option<NextDto>,
    #[serde(rename = "updatedAt", serialize_with = "time")]
    updated_at: DateTime<Utc>,
}

/// An episode that follows on another.
#[derive(Debug, Serialize, ToSchema)]
struct NextDto {
    episode_id: Uuid,
    name: String,
    season_number: i32,
    number: i32,
    duration_seconds: Option<f64>,
}

impl From<NextEpisode> for NextDto {
    fn from(next: NextEpisode) -> Self {
        let NextEpisode { id, name, season, number, duration_seconds } = next;
        Self { episode_id: id.uuid(), name, season_number: season, number, duration_seconds }
    }
}

impl From<Continued> for ContinuedDto {
    fn from(Continued { viewing, place }: Continued) -> Self {
        let (position_seconds, next) = match place {
            Place::At(position) => (position, None),
            Place::Next(next) => (0.0, Some(NextDto::from(next))),
        };
        Self {
            stream_id: viewing.stream.id.uuid(),
            title: TitleDto::from(&viewing),
            position_seconds,
            duration_seconds: viewing.title.duration_seconds,
            finished: next.is_some(),
            next,
            updated_at: viewing.stream.updated_at,
        }
    }
}
