//! Viewings as rows: of the view `viewings`, which joins a stream with all that names its title.

use diesel::{
    QueryableByName,
    sql_types::{Bool, Double, Integer, Nullable, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::StreamRow;
use crate::domain::{
    playback::{Stream, Title},
    viewing::{Names, NextEpisode, Viewing},
};

/// A viewing.
#[derive(Debug, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the view")]
pub struct ViewingRow {
    #[diesel(embed)]
    pub stream: StreamRow,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub series_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub video: Option<String>,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub series_name: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub season_number: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub episode_number: Option<i32>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub image_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub owner_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Double>)]
    pub duration_seconds: Option<f64>,
    #[diesel(sql_type = Bool)]
    pub viewed: bool,
}

impl From<ViewingRow> for Viewing {
    fn from(row: ViewingRow) -> Self {
        let stream = Stream::from(row.stream);
        Self {
            title: Title {
                file: stream.file_id,
                episode: stream.episode_id,
                series: row.series_id.map(Into::into),
                video: row.video,
                duration_seconds: row.duration_seconds,
                owner: row.owner_id.map(Into::into),
            },
            stream,
            names: Names {
                name: row.name,
                series: row.series_name,
                season: row.season_number,
                episode: row.episode_number,
                image: row.image_id.map(Into::into),
            },
            viewed: row.viewed,
        }
    }
}

/// An episode that follows on another.
#[derive(Debug, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the tables")]
pub struct NextEpisodeRow {
    /// The other.
    #[diesel(sql_type = SqlUuid)]
    pub after: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Integer)]
    pub season_number: i32,
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = Nullable<Double>)]
    pub duration_seconds: Option<f64>,
}

impl From<NextEpisodeRow> for NextEpisode {
    fn from(row: NextEpisodeRow) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            season: row.season_number,
            number: row.number,
            duration_seconds: row.duration_seconds,
        }
    }
}

/// A stream that was removed from a history.
#[derive(Debug, QueryableByName)]
pub struct ForgottenRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Whether its session may be known somewhere yet.
    #[diesel(sql_type = Bool)]
    pub recent: bool,
}
