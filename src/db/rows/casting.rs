//! Rows of the casting agency.

use chrono::NaiveDate;
use diesel::{
    AsChangeset, Insertable, QueryableByName,
    sql_types::{Array, Date, Integer, Nullable, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::{
    db::schema::{casting_actors, casting_movies},
    domain::casting::{Actor, ActorId, Movie, MovieId},
};

/// A row of `casting_actors`, with the actor's movies.
#[derive(Debug, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the migrations")]
pub struct ActorRow {
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Integer)]
    pub age: i32,
    #[diesel(sql_type = Text)]
    pub gender: String,
    #[diesel(sql_type = Array<Integer>)]
    pub movies_id: Vec<i32>,
}

/// A row of `casting_movies`, with the movie's actors.
#[derive(Debug, QueryableByName)]
#[expect(missing_docs, reason = "the columns of the migrations")]
pub struct MovieRow {
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Date)]
    pub date_release: NaiveDate,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub file_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub movie_uuid: Option<Uuid>,
    #[diesel(sql_type = Array<Integer>)]
    pub actors_id: Vec<i32>,
}

/// An actor that is added.
#[derive(Debug, Insertable)]
#[diesel(table_name = casting_actors)]
#[expect(missing_docs, reason = "the columns of the migrations")]
pub struct NewActorRow<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub age: i32,
    pub gender: &'static str,
}

/// What changes of an actor; `None` stays.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = casting_actors)]
#[expect(missing_docs, reason = "the columns of the migrations")]
pub struct ActorChangeRow<'a> {
    pub name: Option<&'a str>,
    pub age: Option<i32>,
    pub gender: Option<&'static str>,
}

/// A movie that is added.
#[derive(Debug, Insertable)]
#[diesel(table_name = casting_movies)]
#[expect(missing_docs, reason = "the columns of the migrations")]
pub struct NewMovieRow<'a> {
    pub id: Uuid,
    pub title: &'a str,
    pub date_release: NaiveDate,
    pub file_id: Option<Uuid>,
    pub movie_uuid: Option<Uuid>,
}

/// What changes of a movie; `None` stays, `Some(None)` clears.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = casting_movies)]
#[expect(missing_docs, reason = "the columns of the migrations")]
pub struct MovieChangeRow<'a> {
    pub title: Option<&'a str>,
    pub date_release: Option<NaiveDate>,
    pub file_id: Option<Option<Uuid>>,
    pub movie_uuid: Option<Option<Uuid>>,
}

impl From<ActorRow> for Actor {
    fn from(row: ActorRow) -> Self {
        let ActorRow { number, name, age, gender, movies_id } = row;
        let movies_id = movies_id.into_iter().map(MovieId::stored).collect();
        Self { id: ActorId::stored(number), name, age, gender, movies_id }
    }
}

impl From<MovieRow> for Movie {
    fn from(row: MovieRow) -> Self {
        let MovieRow { number, title, date_release, file_id, movie_uuid, actors_id } = row;
        Self {
            id: MovieId::stored(number),
            title,
            date_release,
            actors_id: actors_id.into_iter().map(ActorId::stored).collect(),
            file_id: file_id.map(Into::into),
            uuid: movie_uuid.map(Into::into),
        }
    }
}
