//! What the iptv contract shows.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    actors::auth::{MadeKey, SignedIn, text_of},
    domain::{
        access::{Permission, Role},
        account::User,
        api_key::ApiKey,
        catalog::{Episode, Genre, Season, Series},
        media::StoredFile,
        playback::Stream,
    },
    http::{
        envelope::{time, time_if_any},
        media_links::PlaybackDto,
    },
};

macro_rules! dtos {
    ($($(#[$doc:meta])* $name:ident from $source:ident {
        $($field:ident: $type:ty = |$of:ident| $value:expr,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Serialize, ToSchema)]
        pub(super) struct $name {
            $($field: $type,)+
            #[serde(rename = "createdAt", serialize_with = "time")]
            created_at: DateTime<Utc>,
            #[serde(rename = "updatedAt", serialize_with = "time")]
            updated_at: DateTime<Utc>,
        }

        impl From<&$source> for $name {
            fn from(source: &$source) -> Self {
                Self {
                    $($field: { let $of = source; $value },)+
                    created_at: source.created_at,
                    updated_at: source.updated_at,
                }
            }
        }
    )+};
}

dtos! {
    /// An account.
    UserDto from User {
        id: Uuid = |user| user.id.uuid(),
        first_name: String = |user| user.first_name.clone(),
        last_name: String = |user| user.last_name.clone(),
        email: Option<String> = |user| user.email.clone(),
        username: Option<String> = |user| user.username.clone(),
        roles: Vec<&'static str> = |user| user.roles.iter().copied().map(Role::name).collect(),
    }
    /// A genre.
    GenreDto from Genre {
        id: Uuid = |genre| genre.id.uuid(),
        name: String = |genre| genre.name.clone(),
    }
    /// A series; `genre_id` is the first of `genre_ids`.
    SeriesDto from Series {
        id: Uuid = |series| series.id.uuid(),
        name: String = |series| series.name.clone(),
        description: String = |series| series.description.clone(),
        genre_id: Option<Uuid> = |series| series.genre_ids.first().map(|id| id.uuid()),
        genre_ids: Vec<Uuid> = |series| series.genre_ids.iter().map(|id| id.uuid()).collect(),
        trailer_id: Option<Uuid> = |series| series.trailer_id.map(Into::into),
        image_id: Option<Uuid> = |series| series.image_id.map(Into::into),
        rating: Option<f64> = |series| series.rating,
    }
    /// A season.
    SeasonDto from Season {
        id: Uuid = |season| season.id.uuid(),
        series_id: Uuid = |season| season.series_id.uuid(),
        name: String = |season| season.name.clone(),
        description: String = |season| season.description.clone(),
        number: i32 = |season| season.number,
    }
    /// An episode; `file_id` is the playable medium.
    EpisodeDto from Episode {
        id: Uuid = |episode| episode.id.uuid(),
        season_id: Uuid = |episode| episode.season_id.uuid(),
        name: String = |episode| episode.name.clone(),
        description: String = |episode| episode.description.clone(),
        number: i32 = |episode| episode.number,
        image_id: Option<Uuid> = |episode| episode.image_id.map(Into::into),
        file_id: Option<Uuid> = |episode| episode.file_id.map(Into::into),
        duration_seconds: Option<f64> = |episode| episode.duration_seconds,
    }
    /// A stream: a viewing of an episode, or of a file, by an account. `file_id` is the medium that is played.
    StreamDto from Stream {
        id: Uuid = |stream| stream.id.uuid(),
        user_id: Option<Uuid> = |stream| stream.user_id.map(Into::into),
        episode_id: Option<Uuid> = |stream| stream.episode_id.map(Into::into),
        file_id: Option<Uuid> = |stream| stream.file_id.map(Into::into),
        position_seconds: f64 = |stream| stream.position_seconds,
        state: &'static str = |stream| stream.state.name(),
        watched_seconds: f64 = |stream| stream.watched_seconds,
    }
    /// A stored file; `url` gives its bytes.
    FileDto from StoredFile {
        id: Uuid = |file| file.id.uuid(),
        original_name: String = |file| file.original_name.clone(),
        r#type: &'static str = |file| file.kind.name(),
        mime_type: String = |file| file.mime_type.clone(),
        size: u64 = |file| file.size,
        sha256: String = |file| file.sha256.clone(),
        url: String = |file| format!("/media/{}", file.id),
        owner_id: Option<Uuid> = |file| file.owner_id.map(Into::into),
        state: &'static str = |file| file.state.name(),
        duration_seconds: Option<f64> = |file| file.facts.duration_seconds,
        width: Option<i32> = |file| file.facts.width,
        height: Option<i32> = |file| file.facts.height,
        video_codec: Option<String> = |file| file.facts.video_codec.clone(),
        audio_codec: Option<String> = |file| file.facts.audio_codec.clone(),
    }
}

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyDto {
    id: Uuid,
    user_id: Uuid,
    name: String,
    permissions: Vec<&'static str>,
    #[serde(rename = "createdAt", serialize_with = "time")]
    created_at: DateTime<Utc>,
    #[serde(rename = "expiresAt", serialize_with = "time_if_any")]
    expires_at: Option<DateTime<Utc>>,
    #[serde(rename = "lastUsedAt", serialize_with = "time_if_any")]
    last_used_at: Option<DateTime<Utc>>,
}

impl From<&ApiKey> for KeyDto {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.uuid(),
            user_id: key.user_id.uuid(),
            name: key.name.clone(),
            permissions: key.permissions.iter().copied().map(Permission::name).collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// An API key that was made. `key` is its secret, which is told this once. Not `Debug`: it is the secret.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeKeyDto {
    #[serde(flatten)]
    shown: KeyDto,
    key: String,
}

impl From<&MadeKey> for MadeKeyDto {
    fn from(made: &MadeKey) -> Self {
        Self { shown: KeyDto::from(&made.key), key: text_of(&made.secret).to_owned() }
    }
}

/// A stream that was opened, or after its heartbeat. `playback` is there at the opening, null where there is no
/// medium, and whenever the links that were given before end soon.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenedDto {
    #[serde(flatten)]
    pub(super) stream: StreamDto,
    /// How often the player is to send a heartbeat.
    pub(super) heartbeat_seconds: u32,
    /// Whether it counts as a view.
    pub(super) viewed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) playback: Option<Option<PlaybackDto>>,
}

/// Tokens after a sign-in or a refresh. `expires_in` is the access token's life in seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignInDto {
    token: String,
    refresh_token: String,
    expires_in: u32,
    user: UserDto,
}

impl From<&SignedIn> for SignInDto {
    fn from(signed_in: &SignedIn) -> Self {
        Self {
            token: text_of(&signed_in.tokens.access).to_owned(),
            refresh_token: text_of(&signed_in.tokens.refresh).to_owned(),
            expires_in: signed_in.tokens.expires_in,
            user: UserDto::from(&signed_in.user),
        }
    }
}
