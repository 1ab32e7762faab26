//! The links that a player is given, the same in every contract that opens sessions.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{State, error::ApiError};
use crate::{
    actors::auth::{PlaybackGrant, PlaybackToken, text_of},
    domain::ids::FileId,
};

/// Where a player finds the medium. A form that there is not is null.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlaybackDto {
    hls: Option<String>,
    dash: Option<String>,
    file: String,
    poster: Option<String>,
    storyboard: Option<String>,
    /// Until when the links hold; null: as long as the medium is public.
    #[serde(serialize_with = "time")]
    expires_at: Option<DateTime<Utc>>,
}

impl PlaybackDto {
    /// Links to a medium that anyone may see.
    #[must_use]
    pub fn public(file: FileId, poster: Poster) -> Self {
        Self::of(&file.to_string(), poster, None)
    }

    /// Links that hold by this token.
    fn tokened(token: &PlaybackToken, poster: Poster) -> Self {
        Self::of(text_of(&token.text), poster, Some(token.expires_at))
    }

    /// Links for a session, by a new token. Where it cannot be told whether there is a poster, there is none:
    /// what was opened or heard is not refused for a picture.
    ///
    /// # Errors
    /// 500 where signing fails.
    pub async fn granted(state: &State, grant: &PlaybackGrant<'_>) -> Result<Self, ApiError> {
        let poster = Poster::of(state, grant.file).await.unwrap_or(Poster::None);
        Ok(Self::tokened(&state.auth.sign_playback(grant)?, poster))
    }

    fn of(name: &str, poster: Poster, expires_at: Option<DateTime<Utc>>) -> Self {
        let poster = match poster {
            Poster::Shown => Some(format!("/play/{name}/poster.jpg")),
            Poster::None => None,
        };
        Self { hls: None, dash: None, file: format!("/play/{name}/file"), poster, storyboard: None, expires_at }
    }
}

/// Whether a medium shows a picture before it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poster {
    /// It does.
    Shown,
    /// There is nothing to show.
    None,
}

impl Poster {
    /// Of this medium.
    ///
    /// # Errors
    /// 404 where there is no such file; 503.
    pub async fn of(state: &State, file: FileId) -> Result<Self, ApiError> {
        Ok(if state.posters.has_one(file).await? { Self::Shown } else { Self::None })
    }
}

/// RFC 3339 in UTC.
#[expect(clippy::ref_option, reason = "serde gives it so")]
fn time<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true)).serialize(serializer)
}
