//! Movies.

use chrono::Utc;
use diesel::prelude::*;
use uuid::Uuid;

use super::{add_roles, hold_actors};
use crate::{
    db::{
        rows::casting::{MovieChangeRow, NewMovieRow},
        schema::{casting_movies, casting_roles, files},
    },
    domain::{
        casting::{MovieChange, MovieId, NewMovie, ReleaseDate},
        ids::FileId,
        listing::{Field, FieldKind, Listing},
        text::LongTitle,
    },
};

/// What can be asked of a list of movies. Days compare as the numbers that they are written as.
pub static LISTING: Listing = Listing {
    table: "casting_movies",
    columns: "t.number, t.title, t.date_release, t.file_id, t.movie_uuid, ARRAY(SELECT r.actor_number \
        FROM casting_roles r WHERE r.movie_number = t.number ORDER BY r.actor_number) AS actors_id",
    fields: &[
        Field { name: "id", kind: FieldKind::Number, column: "t.number" },
        Field { name: "title", kind: FieldKind::Text, column: "lower(t.title)" },
        Field { name: "date_release", kind: FieldKind::Number, column: "to_char(t.date_release, 'YYYYMMDD')::integer" },
        Field { name: "file_id", kind: FieldKind::Link, column: "t.file_id = {}" },
        Field { name: "uuid", kind: FieldKind::Link, column: "t.movie_uuid = {}" },
    ],
    search: None,
};

const IS_PLAYED_BY: &str =
    "INSERT INTO casting_roles (movie_number, actor_number) SELECT $1, unnest($2) ON CONFLICT DO NOTHING";

/// The kind of a file, which is kept from being removed; `None` where there is none. Comes before all other locks.
///
/// # Errors
/// The database's.
pub fn kind_of_held(conn: &mut PgConnection, file: FileId) -> QueryResult<Option<String>> {
    files::table.find(file.uuid()).select(files::kind).for_key_share().first(conn).optional()
}

/// Adds a movie.
///
/// # Errors
/// The database's; `casting_roles_actor_number_fkey` where an actor is not there; at the end of the transaction
/// `casting_movies_have_an_actor` where none is given.
pub fn insert(conn: &mut PgConnection, new: &NewMovie) -> QueryResult<MovieId> {
    let actors: Vec<i32> = new.actors_id.iter().map(|actor| actor.get()).collect();
    hold_actors(conn, &actors)?;
    let row = NewMovieRow {
        id: Uuid::now_v7(),
        title: new.title.as_str(),
        date_release: new.date_release.date(),
        file_id: new.file_id.map(FileId::uuid),
        movie_uuid: new.uuid.map(|uuid| uuid.0),
    };
    let number: i32 =
        diesel::insert_into(casting_movies::table).values(row).returning(casting_movies::number).get_result(conn)?;
    add_roles(conn, IS_PLAYED_BY, number, &actors)?;
    Ok(MovieId::stored(number))
}

/// Changes a movie; false where there is none.
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: MovieId, change: &MovieChange) -> QueryResult<bool> {
    let actors: Vec<i32> = change.actors_id.iter().map(|actor| actor.get()).collect();
    hold_actors(conn, &actors)?;
    let movie = casting_movies::table.filter(casting_movies::number.eq(id.get()));
    if movie.select(casting_movies::number).for_update().first::<i32>(conn).optional()?.is_none() {
        return Ok(false);
    }
    let others = casting_roles::table
        .filter(casting_roles::movie_number.eq(id.get()))
        .filter(casting_roles::actor_number.ne_all(&actors));
    diesel::delete(others).execute(conn)?;
    add_roles(conn, IS_PLAYED_BY, id.get(), &actors)?;
    let row = MovieChangeRow {
        title: change.title.as_ref().map(LongTitle::as_str),
        date_release: change.date_release.map(ReleaseDate::date),
        file_id: change.file_id.map(|file| file.map(FileId::uuid)),
        movie_uuid: change.uuid.map(|uuid| uuid.map(|uuid| uuid.0)),
    };
    diesel::update(movie).set((casting_movies::updated_at.eq(Utc::now()), row)).execute(conn)?;
    Ok(true)
}

/// Removes a movie; false where there is none. Its actors stay.
///
/// # Errors
/// The database's.
pub fn delete(conn: &mut PgConnection, id: MovieId) -> QueryResult<bool> {
    let movie = casting_movies::table.filter(casting_movies::number.eq(id.get()));
    diesel::delete(movie).execute(conn).map(|removed| removed == 1)
}
