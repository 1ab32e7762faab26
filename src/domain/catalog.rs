//! The catalogue: genres, series, seasons and episodes.
//! `New…` is what a creation brings; `…Change` what an update brings, `None` leaving a field alone
//! and `Some(None)` clearing it.

use chrono::{DateTime, Utc};

use super::{
    ids::{EpisodeId, FileId, GenreId, SeasonId, SeriesId},
    text::{Description, Name},
};

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "the names say it")]
        pub struct $name { $(pub $field: $type,)+ }
    )+};
}

records! {
    /// A genre; its name is unique without regard to case.
    Genre {
        id: GenreId,
        name: String,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    }
    /// A new genre.
    NewGenre { name: Name, }
    /// A changed genre.
    GenreChange { name: Option<Name>, }

    /// A series. `genre_ids` are in the order in which they were given.
    Series {
        id: SeriesId,
        name: String,
        description: String,
        genre_ids: Vec<GenreId>,
        trailer_id: Option<FileId>,
        image_id: Option<FileId>,
        rating: Option<f64>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    }
    /// A new series.
    NewSeries {
        name: Name,
        description: Option<Description>,
        genre_ids: Vec<GenreId>,
        trailer_id: Option<FileId>,
        image_id: Option<FileId>,
        rating: Option<Rating>,
    }
    /// A changed series.
    SeriesChange {
        name: Option<Name>,
        description: Option<Description>,
        genre_ids: Option<Vec<GenreId>>,
        trailer_id: Option<Option<FileId>>,
        image_id: Option<Option<FileId>>,
        rating: Option<Option<Rating>>,
    }

    /// A season of a series.
    Season {
        id: SeasonId,
        series_id: SeriesId,
        name: String,
        description: String,
        number: i32,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    }
    /// A new season; without a number it gets the next one.
    NewSeason {
        series_id: SeriesId,
        name: Name,
        description: Option<Description>,
        number: Option<Ordinal>,
    }
    /// A changed season.
    SeasonChange {
        series_id: Option<SeriesId>,
        name: Option<Name>,
        description: Option<Description>,
        number: Option<Ordinal>,
    }

    /// An episode of a season.
    Episode {
        id: EpisodeId,
        season_id: SeasonId,
        name: String,
        description: String,
        number: i32,
        image_id: Option<FileId>,
        file_id: Option<FileId>,
        duration_seconds: Option<f64>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
    }
    /// A new episode; without a number it gets the next one, without a duration its file's.
    NewEpisode {
        season_id: SeasonId,
        name: Name,
        description: Option<Description>,
        number: Option<Ordinal>,
        image_id: Option<FileId>,
        file_id: Option<FileId>,
        duration_seconds: Option<Seconds>,
    }
    /// A changed episode.
    EpisodeChange {
        season_id: Option<SeasonId>,
        name: Option<Name>,
        description: Option<Description>,
        number: Option<Ordinal>,
        image_id: Option<Option<FileId>>,
        file_id: Option<Option<FileId>>,
        duration_seconds: Option<Option<Seconds>>,
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($type:ty): $range:expr, $words:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
        pub struct $name($type);

        impl $name {
            /// The rule, in words.
            pub const RULE: &'static str = $words;

            /// Takes a value that lies in the range.
            #[must_use]
            pub fn parse(value: $type) -> Option<Self> {
                $range.contains(&value).then_some(Self(value))
            }

            /// The value.
            #[must_use]
            pub const fn get(self) -> $type {
                self.0
            }
        }
    )+};
}

/// The highest number of a season or an episode.
pub const LAST_ORDINAL: i32 = 1_000_000;

numbers! {
    /// A rating.
    Rating(f64): 0.0..=10.0, "must be a number from 0 to 10";
    /// The number of a season or an episode.
    Ordinal(i32): 0..=LAST_ORDINAL, "must be a whole number from 0 to 1000000";
    /// A length or position in seconds (four years at most).
    Seconds(f64): 0.0..=126_230_400.0, "must be a number of seconds, from 0";
}
