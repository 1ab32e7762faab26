//! Playback: a stream is one viewing (a session). What a heartbeat earns, when a view counts, where a
//! viewing goes on. Source of the rules: the playback contract (docs/API.md, "Playback").

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    catalog::Seconds,
    ids::{EpisodeId, FileId, SeriesId, StreamId, UserId},
};

/// How often a player is asked to send a heartbeat.
pub const HEARTBEAT_SECONDS: u32 = 5;
/// A session without a heartbeat for this long has ended.
pub const LONGEST_SILENCE: Duration = Duration::from_mins(2);
/// What a position may be ahead of the clock, in seconds: heartbeats arrive a little late or early.
const SLACK: f64 = 2.0;
/// Watch time of a view, in seconds; half of the length where that is less.
const VIEW_SECONDS: f64 = 10.0;
/// Shorter titles begin anew each time, in seconds.
const SHORTEST_RESUMED: f64 = 300.0;
/// Whoever has seen less than this part has not begun.
pub const BEGUN: f64 = 0.05;
/// Whoever has seen more has finished.
const FINISHED: f64 = 0.9;

/// What a player does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PlayState {
    Playing,
    Paused,
    Ended,
}

impl PlayState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Playing, Self::Paused, Self::Ended];

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// How fast a title is played; 1 is its own pace.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(f64);

impl Rate {
    /// The title's own pace.
    pub const NORMAL: Self = Self(1.0);
    /// The rule, in words.
    pub const RULE: &'static str = "must be a number from 0.1 to 4";

    /// Takes a rate that players offer.
    #[must_use]
    pub fn parse(value: f64) -> Option<Self> {
        (0.1..=4.0).contains(&value).then_some(Self(value))
    }
}

/// A heartbeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beat {
    /// Where the player is.
    pub position: Seconds,
    /// What it does; where it does not say: it goes on playing, and a pause lasts while it does not move.
    pub state: Option<PlayState>,
    /// How fast it plays; where it does not say: as before.
    pub rate: Option<Rate>,
}

/// What is played, under the names that clients know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Title {
    /// The medium; an episode may have none yet.
    pub file: Option<FileId>,
    /// The episode.
    pub episode: Option<EpisodeId>,
    /// Its series.
    pub series: Option<SeriesId>,
    /// The hash path of a channel's video.
    pub video: Option<String>,
    /// Length, where it is known.
    pub duration_seconds: Option<f64>,
    /// Whose title it is: the uploader of the medium. Never a viewer that counts.
    pub owner: Option<UserId>,
}

/// A kind of title that statistics are kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TitleKind {
    Episodes,
    Series,
    Videos,
    Files,
}

impl TitleKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Episodes, Self::Series, Self::Videos, Self::Files];

    /// The name in paths, in Redis and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Episodes => "episodes",
            Self::Series => "series",
            Self::Videos => "videos",
            Self::Files => "files",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Title {
    /// What it is shown as.
    #[must_use]
    pub const fn kind(&self) -> TitleKind {
        match (self.episode, &self.video) {
            (Some(_), _) => TitleKind::Episodes,
            (None, Some(_)) => TitleKind::Videos,
            (None, None) => TitleKind::Files,
        }
    }

    /// What a view is a view of: the episode, else the video, else the file.
    #[must_use]
    pub fn name(&self) -> String {
        let video = || self.video.clone();
        let file = || self.file.map(|id| id.to_string());
        self.episode.map(|id| id.to_string()).or_else(video).or_else(file).unwrap_or_default()
    }

    /// Every title whose statistics a view of this one moves.
    pub fn counted_as(&self) -> impl Iterator<Item = (TitleKind, String)> {
        [
            (TitleKind::Episodes, self.episode.map(|id| id.to_string())),
            (TitleKind::Series, self.series.map(|id| id.to_string())),
            (TitleKind::Videos, self.video.clone()),
            (TitleKind::Files, self.file.map(|id| id.to_string())),
        ]
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, name?)))
    }

    /// The watch time of a view, in seconds.
    #[must_use]
    pub fn view_seconds(&self) -> f64 {
        match self.duration_seconds {
            Some(length) if length > 0.0 => VIEW_SECONDS.min(length / 2.0),
            Some(_) | None => VIEW_SECONDS,
        }
    }

    /// Where a viewing that was left at `position` (in seconds) goes on.
    #[must_use]
    pub fn resume(&self, position: f64) -> Resume {
        let Some(length) = self.duration_seconds.filter(|length| *length > 0.0) else {
            return Resume::At(position);
        };
        if position > length * FINISHED {
            Resume::Finished
        } else if position < length * BEGUN || length < SHORTEST_RESUMED {
            Resume::Anew
        } else {
            Resume::At(position)
        }
    }
}

/// Where a viewing goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resume {
    /// Hardly begun, or short: from the beginning.
    Anew,
    /// At this position, in seconds.
    At(f64),
    /// It was seen to its end: from the beginning, or with the next.
    Finished,
}

impl Resume {
    /// In seconds.
    #[must_use]
    pub const fn position(self) -> f64 {
        match self {
            Self::At(position) => position,
            Self::Anew | Self::Finished => 0.0,
        }
    }
}

/// The course of a session. Its clock is the server's and never goes back: the time since some fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Where the player was last, in seconds.
    pub position: f64,
    /// Watch time, in seconds.
    pub watched: f64,
    /// What it did last.
    pub state: PlayState,
    /// How fast.
    pub rate: Rate,
    /// How far positions may yet run ahead of the clock, in seconds.
    slack: f64,
    /// When it was last heard of.
    pub at: Duration,
}

impl Watch {
    /// A session that is opened at `position` at the time `now`.
    #[must_use]
    pub const fn begin(position: f64, now: Duration) -> Self {
        Self { position, watched: 0.0, state: PlayState::Playing, rate: Rate::NORMAL, slack: SLACK, at: now }
    }

    /// Takes a heartbeat that came at `now`; `length` is the title's in seconds.
    ///
    /// Credited is the advance of the position, at most the server's own elapsed time × rate + 2 s; the 2 s
    /// are lent once and come back as time passes, so many heartbeats at once earn no more than one. A
    /// longer advance is a seek and earns nothing, as does one within a pause.
    pub fn beat(&mut self, beat: &Beat, now: Duration, length: Option<f64>) {
        let position = beat.position.get().min(length.filter(|length| *length > 0.0).unwrap_or(f64::MAX));
        let rate = beat.rate.unwrap_or(self.rate);
        let advance = position - self.position;
        let state = beat.state.unwrap_or(match self.state {
            PlayState::Paused if advance <= 0.0 => PlayState::Paused,
            PlayState::Playing | PlayState::Paused | PlayState::Ended => PlayState::Playing,
        });
        if earns(self.state, state) {
            let elapsed = now.saturating_sub(self.at).min(LONGEST_SILENCE).as_secs_f64();
            self.credit(advance, elapsed * self.rate.0.max(rate.0));
        }
        *self = Self { position, state, rate, at: self.at.max(now), ..*self };
    }

    fn credit(&mut self, advance: f64, played: f64) {
        let credit = if advance <= played + SLACK { advance.clamp(0.0, played + self.slack) } else { 0.0 };
        self.watched += credit;
        self.slack = (self.slack + played - credit).clamp(0.0, SLACK);
    }

    /// Whether the watch time makes a view of `title`.
    #[must_use]
    pub fn is_view_of(&self, title: &Title) -> bool {
        self.watched >= title.view_seconds()
    }

    /// Watch time in whole milliseconds.
    #[must_use]
    pub fn watched_ms(&self) -> i64 {
        i64::try_from(Duration::try_from_secs_f64(self.watched).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
    }
}

const fn earns(before: PlayState, now: PlayState) -> bool {
    match (before, now) {
        (PlayState::Playing, _) | (PlayState::Paused, PlayState::Playing | PlayState::Ended) => true,
        (PlayState::Paused, PlayState::Paused) | (PlayState::Ended, _) => false,
    }
}

/// Whether a session's view has been told to the ledger, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Viewed {
    /// Not yet.
    Open,
    /// It counts.
    Counted,
    /// It does not: the account viewed the title within the hour, or the title is its own.
    Refused,
}

/// Who views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewedBy {
    /// An account.
    Account(UserId),
    /// Nobody in particular: the session stands for itself.
    Session(StreamId),
}

/// A view as the ledger takes it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct View {
    pub stream: StreamId,
    pub by: ViewedBy,
    pub title: Title,
}

/// How far a session is, as the ledger saves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The session.
    pub stream: StreamId,
    /// Its course; `watch.at` is by the clock of this process.
    pub watch: Watch,
    /// What is watched.
    pub title: Title,
}

/// A stream, as clients see it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Stream {
    pub id: StreamId,
    /// `None`: a play of nobody in particular.
    pub user_id: Option<UserId>,
    pub episode_id: Option<EpisodeId>,
    /// The medium that is played.
    pub file_id: Option<FileId>,
    pub position_seconds: f64,
    pub state: PlayState,
    pub watched_seconds: f64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What a new stream plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Played {
    Episode(EpisodeId),
    File(FileId),
}

/// A new stream; `user_id` is the caller's unless an owner names another, the position where the account
/// left the title unless one is given.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewStream {
    pub user_id: Option<UserId>,
    pub played: Played,
    pub position_seconds: Option<Seconds>,
}

/// A changed stream: a heartbeat where it tells a position, a state or a rate.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StreamChange {
    pub user_id: Option<UserId>,
    pub episode_id: Option<EpisodeId>,
    pub position_seconds: Option<Seconds>,
    pub state: Option<PlayState>,
    pub rate: Option<Rate>,
}

#[cfg(test)]
mod tests;
