//! A row of `streams`, as a session goes on from it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::Queryable;
use uuid::Uuid;

use crate::domain::playback::{LONGEST_SILENCE, PlayState, Played};

/// As it stands in the table, with what is told along.
#[derive(Debug, Queryable)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct SessionRow {
    pub user_id: Option<Uuid>,
    pub episode_id: Option<Uuid>,
    pub file_id: Option<Uuid>,
    pub position_seconds: f64,
    pub state: String,
    pub watched_ms: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Since the last heartbeat.
    pub age_seconds: f64,
    /// Whether it counted as a view.
    pub viewed: bool,
}

impl SessionRow {
    /// What is played; `None` for what the table's constraints forbid.
    #[must_use]
    pub fn played(&self) -> Option<Played> {
        let episode = self.episode_id.map(|id| Played::Episode(id.into()));
        episode.or_else(|| self.file_id.map(|id| Played::File(id.into())))
    }

    /// How long ago its last heartbeat came; no longer than a session is silent.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::try_from_secs_f64(self.age_seconds).unwrap_or_default().min(LONGEST_SILENCE)
    }

    /// What the player did last.
    #[must_use]
    pub fn play_state(&self) -> PlayState {
        PlayState::parse(&self.state).unwrap_or(PlayState::Ended)
    }

    /// Watch time in seconds.
    #[must_use]
    pub fn watched_seconds(&self) -> f64 {
        Duration::from_millis(self.watched_ms.unsigned_abs()).as_secs_f64()
    }
}
