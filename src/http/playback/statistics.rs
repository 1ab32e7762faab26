//! Statistics: of the installation, of a title, the most viewed.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    actors::{statistics::InstallationStatistics, tally::NodeStatistics},
    domain::{
        access::Permission,
        channels::HashPath,
        ids::{EpisodeId, FileId, SeriesId},
        playback::TitleKind,
        statistics::{LONGEST_TOP, TitleStatistics, Viewed, Window},
    },
    http::{
        State,
        access::{Allowed, SignedIn, UploadFiles},
        body::Id,
        envelope,
        error::{ApiError, FieldError},
        openapi::{Parameter, Unless, Values, doc},
        query::{pairs, up_to},
        routes::Routes,
    },
};

type Answer = Result<HttpResponse, ApiError>;

/// Entries of a list of the most viewed where nothing else is asked for.
const DEFAULT_LIMIT: u32 = 10;
const KINDS: [&str; 4] =
    [TitleKind::Episodes.name(), TitleKind::Series.name(), TitleKind::Videos.name(), TitleKind::Files.name()];
const WINDOWS: [&str; 5] =
    [Window::Hour.name(), Window::Day.name(), Window::Week.name(), Window::Month.name(), Window::All.name()];
const TOP: &[Parameter] = &[
    Parameter { name: "kind", values: Values::Words(&KINDS), unless: Unless::Wrong },
    Parameter { name: "window", values: Values::Words(&WINDOWS), unless: Unless::Is("24h") },
    Parameter { name: "limit", values: Values::UpTo(LONGEST_TOP), unless: Unless::Is("10") },
];

const TOP_REFUSALS: &[(u16, &str)] = &[(403, "`kind` is `files`, and the permission `upload:files` is missing")];

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/stats", of_installation, doc("What was served and viewed, and who views now").gives::<StatisticsDto>())
        .get(
            "/stats/top",
            top,
            doc("The most viewed titles of a kind").gives::<ViewedDto>().whole().asks(TOP).refuses(TOP_REFUSALS),
        )
        .get("/stats/episodes/{id}", of_episode, doc("Statistics of an episode").gives::<TitleDto>())
        .get("/stats/series/{id}", of_series, doc("Statistics of a series").gives::<TitleDto>())
        .get("/stats/files/{id}", of_file, doc("Statistics of a file").gives::<TitleDto>())
        .get(
            "/stats/videos/{hash}",
            of_video,
            doc("Statistics of a channel's video").gives::<TitleDto>().refuses(&[(400, "No hash path")]),
        )
}

/// Seconds of so many milliseconds.
fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

/// What was served and viewed since the beginning, and who views now. `nodes` are the ones that run now.
#[derive(Debug, Serialize, ToSchema)]
struct StatisticsDto {
    requests: u64,
    bytes: u64,
    views: u64,
    watch_seconds: f64,
    viewers: u64,
    sessions: u64,
    uptime_seconds: u64,
    nodes: Vec<NodeDto>,
}

/// What one node has served and counted since its start, and who views through it now.
#[derive(Debug, Serialize, ToSchema)]
struct NodeDto {
    node: String,
    requests: u64,
    bytes: u64,
    views: u64,
    watch_seconds: f64,
    viewers: u64,
    sessions: u64,
    uptime_seconds: u64,
}

impl From<NodeStatistics> for NodeDto {
    fn from(told: NodeStatistics) -> Self {
        Self {
            node: told.node,
            requests: told.counts.requests,
            bytes: told.counts.bytes,
            views: told.gauges.views,
            watch_seconds: seconds(told.gauges.watched_ms),
            viewers: told.gauges.viewers,
            sessions: told.gauges.sessions,
            uptime_seconds: told.uptime_seconds,
        }
    }
}

impl From<InstallationStatistics> for StatisticsDto {
    fn from(told: InstallationStatistics) -> Self {
        Self {
            requests: told.counts.requests,
            bytes: told.counts.bytes,
            views: told.views,
            watch_seconds: seconds(told.watched_ms),
            viewers: told.viewers,
            sessions: told.sessions,
            uptime_seconds: told.nodes.iter().map(|node| node.uptime_seconds).max().unwrap_or(0),
            nodes: told.nodes.into_iter().map(NodeDto::from).collect(),
        }
    }
}

/// What is known of a title. `days` are the last 30 (UTC), the oldest first.
#[derive(Debug, Serialize, ToSchema)]
struct TitleDto {
    views: u64,
    unique_viewers: u64,
    watch_seconds: f64,
    viewers: u64,
    days: Vec<DayDto>,
}

/// A day's views.
#[derive(Debug, Serialize, ToSchema)]
struct DayDto {
    day: NaiveDate,
    views: u64,
}

impl From<TitleStatistics> for TitleDto {
    fn from(told: TitleStatistics) -> Self {
        Self {
            views: told.views,
            unique_viewers: told.unique_viewers,
            watch_seconds: seconds(told.watched_ms),
            viewers: told.viewers,
            days: told.days.into_iter().map(|(day, views)| DayDto { day, views }).collect(),
        }
    }
}

/// A title and its views.
#[derive(Debug, Serialize, ToSchema)]
struct ViewedDto {
    id: String,
    views: u64,
}

impl From<Viewed> for ViewedDto {
    fn from(viewed: Viewed) -> Self {
        Self { id: viewed.title, views: viewed.views }
    }
}

async fn of_installation(_: SignedIn, state: State) -> Answer {
    let told = state.statistics.of_installation().await?;
    Ok(envelope::ok("Statistics fetched successfully", StatisticsDto::from(told)))
}

async fn of_title(state: &State, kind: TitleKind, title: &str) -> Answer {
    let told = state.statistics.of_title(kind, title).await?;
    Ok(envelope::ok("Statistics fetched successfully", TitleDto::from(told)))
}

async fn of_episode(_: SignedIn, state: State, Id(id): Id<EpisodeId>) -> Answer {
    of_title(&state, TitleKind::Episodes, &id.to_string()).await
}

async fn of_series(_: SignedIn, state: State, Id(id): Id<SeriesId>) -> Answer {
    of_title(&state, TitleKind::Series, &id.to_string()).await
}

async fn of_file(_: Allowed<UploadFiles>, state: State, Id(id): Id<FileId>) -> Answer {
    of_title(&state, TitleKind::Files, &id.to_string()).await
}

async fn of_video(_: SignedIn, state: State, request: HttpRequest) -> Answer {
    let hash: HashPath = (request.match_info().get("hash").unwrap_or_default())
        .parse()
        .map_err(|_| ApiError::field("hash", "must be the hash path of a video"))?;
    of_title(&state, TitleKind::Videos, &hash.to_string()).await
}

async fn top(SignedIn(caller): SignedIn, state: State, asked: Top) -> Answer {
    // Files are not for all to see, nor is which of them are played.
    if asked.kind == TitleKind::Files && !caller.may(Permission::UploadFiles) {
        return Err(ApiError::forbidden());
    }
    let best = state.statistics.top(asked.kind, asked.window, asked.limit).await?;
    let best: Vec<ViewedDto> = best.into_iter().map(ViewedDto::from).collect();
    Ok(envelope::ok("The most viewed fetched successfully", best))
}

/// Which list of the most viewed is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Top {
    kind: TitleKind,
    window: Window,
    limit: u32,
}

impl FromRequest for Top {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(pairs(request.query_string()).and_then(|pairs| Self::read(&pairs)))
    }
}

impl Top {
    fn read(pairs: &[(String, String)]) -> Result<Self, ApiError> {
        let (mut kind, mut window, mut limit) = (None, Window::Day, DEFAULT_LIMIT);
        let mut wrong = Vec::new();
        for (at, (name, value)) in pairs.iter().enumerate() {
            let message = if pairs.iter().take(at).any(|(earlier, _)| earlier == name) {
                Some("is given twice".to_owned())
            } else {
                match name.as_str() {
                    "kind" => take(&mut kind, TitleKind::parse(value).map(Some).ok_or_else(|| one_of(&KINDS))),
                    "window" => take(&mut window, Window::parse(value).ok_or_else(|| one_of(&WINDOWS))),
                    "limit" => take(&mut limit, up_to(LONGEST_TOP, value)),
                    _ => Some("is unknown; this list takes kind, window and limit".to_owned()),
                }
            };
            wrong.extend(message.map(|message| FieldError::new(name.as_str(), message)));
        }
        if !pairs.iter().any(|(name, _)| name == "kind") {
            wrong.push(FieldError::new("kind", "is required"));
        }
        match kind {
            Some(kind) if wrong.is_empty() => Ok(Self { kind, window, limit }),
            Some(_) | None => Err(ApiError::Invalid(wrong)),
        }
    }
}

/// Puts `value` in its place, or says what is wrong.
fn take<T>(place: &mut T, value: Result<T, String>) -> Option<String> {
    value.map(|value| *place = value).err()
}

fn one_of(words: &[&str]) -> String {
    format!("must be one of {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Top, Vec<String>> {
        pairs(query).and_then(|pairs| Top::read(&pairs)).map_err(|error| match error {
            ApiError::Invalid(wrong) => wrong.into_iter().map(|wrong| wrong.field).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn what_is_not_asked_for_is_taken_as_described() {
        let expected = Top { kind: TitleKind::Videos, window: Window::Day, limit: DEFAULT_LIMIT };
        assert_eq!(read("kind=videos"), Ok(expected));
        let described: Vec<_> = TOP.iter().map(|parameter| (parameter.name, parameter.unless)).collect();
        let (window, limit) = (Window::Day.name(), DEFAULT_LIMIT.to_string());
        let expected_defaults =
            [("kind", Unless::Wrong), ("window", Unless::Is(window)), ("limit", Unless::Is(&limit))];
        assert_eq!(described, expected_defaults);
        let all = Top { kind: TitleKind::Files, window: Window::All, limit: 100 };
        assert_eq!(read("limit=100&window=all&kind=files"), Ok(all));
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        for (query, fields) in [
            ("", &["kind"][..]),
            ("kind=", &["kind"]),
            ("kind=Videos", &["kind"]),
            ("kind=all", &["kind"]),
            ("kind=videos&kind=videos", &["kind"]),
            ("kind=videos&window=2h", &["window"]),
            ("kind=videos&limit=0", &["limit"]),
            ("kind=videos&limit=101", &["limit"]),
            ("kind=videos&limit=%2B1", &["limit"]),
            ("kind=videos&limit=1.0", &["limit"]),
            ("kind=videos&page=1", &["page"]),
            ("limit=x&window=&nope", &["limit", "window", "nope", "kind"]),
        ] {
            assert_eq!(read(query), Err(fields.iter().map(|field| (*field).to_owned()).collect()), "{query}");
        }
    }
}
