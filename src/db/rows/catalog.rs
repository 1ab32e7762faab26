//! Rows of the catalogue.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Double, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::domain::{
    catalog::{Episode, Genre, Season, Series},
    ids::GenreId,
    playback::{PlayState, Stream},
};

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty as $sql:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, QueryableByName)]
        #[expect(missing_docs, reason = "the columns of the migrations")]
        pub struct $name { $(#[diesel(sql_type = $sql)] pub $field: $type,)+ }
    )+};
}

rows! {
    /// A row of `genres`.
    GenreRow {
        id: Uuid as SqlUuid,
        name: String as Text,
        created_at: DateTime<Utc> as Timestamptz,
        updated_at: DateTime<Utc> as Timestamptz,
    }
    /// A row of `series`, with its genres.
    SeriesRow {
        id: Uuid as SqlUuid,
        name: String as Text,
        description: String as Text,
        genre_ids: Vec<Uuid> as Array<SqlUuid>,
        trailer_id: Option<Uuid> as Nullable<SqlUuid>,
        image_id: Option<Uuid> as Nullable<SqlUuid>,
        rating: Option<f64> as Nullable<Double>,
        created_at: DateTime<Utc> as Timestamptz,
        updated_at: DateTime<Utc> as Timestamptz,
    }
    /// A row of `seasons`.
    SeasonRow {
        id: Uuid as SqlUuid,
        series_id: Uuid as SqlUuid,
        name: String as Text,
        description: String as Text,
        number: i32 as Integer,
        created_at: DateTime<Utc> as Timestamptz,
        updated_at: DateTime<Utc> as Timestamptz,
    }
    /// A row of `episodes`.
    EpisodeRow {
        id: Uuid as SqlUuid,
        season_id: Uuid as SqlUuid,
        name: String as Text,
        description: String as Text,
        number: i32 as Integer,
        image_id: Option<Uuid> as Nullable<SqlUuid>,
        file_id: Option<Uuid> as Nullable<SqlUuid>,
        duration_seconds: Option<f64> as Nullable<Double>,
        created_at: DateTime<Utc> as Timestamptz,
        updated_at: DateTime<Utc> as Timestamptz,
    }
    /// A row of `streams`.
    StreamRow {
        id: Uuid as SqlUuid,
        user_id: Option<Uuid> as Nullable<SqlUuid>,
        episode_id: Option<Uuid> as Nullable<SqlUuid>,
        file_id: Option<Uuid> as Nullable<SqlUuid>,
        position_seconds: f64 as Double,
        state: String as Text,
        watched_ms: i64 as BigInt,
        created_at: DateTime<Utc> as Timestamptz,
        updated_at: DateTime<Utc> as Timestamptz,
    }
}

impl From<GenreRow> for Genre {
    fn from(row: GenreRow) -> Self {
        Self { id: row.id.into(), name: row.name, created_at: row.created_at, updated_at: row.updated_at }
    }
}

impl From<SeriesRow> for Series {
    fn from(row: SeriesRow) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            description: row.description,
            genre_ids: row.genre_ids.into_iter().map(GenreId::from).collect(),
            trailer_id: row.trailer_id.map(Into::into),
            image_id: row.image_id.map(Into::into),
            rating: row.rating,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<SeasonRow> for Season {
    fn from(row: SeasonRow) -> Self {
        Self {
            id: row.id.into(),
            series_id: row.series_id.into(),
            name: row.name,
            description: row.description,
            number: row.number,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<EpisodeRow> for Episode {
    fn from(row: EpisodeRow) -> Self {
        Self {
            id: row.id.into(),
            season_id: row.season_id.into(),
            name: row.name,
            description: row.description,
            number: row.number,
            image_id: row.image_id.map(Into::into),
            file_id: row.file_id.map(Into::into),
            duration_seconds: row.duration_seconds,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<StreamRow> for Stream {
    fn from(row: StreamRow) -> Self {
        Self {
            id: row.id.into(),
            user_id: row.user_id.map(Into::into),
            episode_id: row.episode_id.map(Into::into),
            file_id: row.file_id.map(Into::into),
            position_seconds: row.position_seconds,
            // The database takes no other state than these.
            state: PlayState::parse(&row.state).unwrap_or(PlayState::Ended),
            watched_seconds: Duration::from_millis(row.watched_ms.unsigned_abs()).as_secs_f64(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
