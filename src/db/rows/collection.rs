//! Collections and their movies as rows.

use diesel::{
    deserialize::QueryableByName,
    prelude::Queryable,
    sql_types::{Integer, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::domain::collections::{Listed, Movie};

/// A collection, without its movies.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ListedRow {
    pub id: Uuid,
    pub title: String,
    pub description: String,
}

impl From<ListedRow> for Listed {
    fn from(ListedRow { id, title, description }: ListedRow) -> Self {
        Self { id: id.into(), title, description }
    }
}

/// A collection (before the first place), or a movie in its place.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the tables")]
pub struct PlacedRow {
    #[diesel(sql_type = SqlUuid)]
    pub uuid: Uuid,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub description: String,
    #[diesel(sql_type = Text)]
    pub genres: String,
    #[diesel(sql_type = Integer)]
    pub position: i32,
}

impl From<PlacedRow> for Movie {
    fn from(PlacedRow { uuid, title, description, genres, position: _ }: PlacedRow) -> Self {
        Self { uuid: uuid.into(), title, description, genres }
    }
}
