//! Movies.

use diesel::prelude::*;
use uuid::Uuid;

use super::{add_roles, hold_actors, is_too_much};
use crate::{
    db::{
        queries::files::lock,
        rows::casting::{MovieChangeRow, NewMovieRow},
        schema::{casting_movies, casting_roles, files},
    },
    domain::{
        casting::{MovieChange, MovieId, NewMovie, ReleaseDate},
        ids::{FileId, ProviderMovieId},
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

const OVERWORKED: &str = "SELECT EXISTS (SELECT 1 FROM casting_roles mine \
    JOIN casting_roles r ON r.actor_number = mine.actor_number \
    WHERE mine.movie_number = $1 GROUP BY r.actor_number HAVING count(*) > $2) AS yes";

/// Whether an actor of this movie plays in too many now. In the transaction that added the movie's roles.
///
/// # Errors
/// The database's.
pub fn overwork_an_actor(conn: &mut PgConnection, id: MovieId) -> QueryResult<bool> {
    is_too_much(conn, OVERWORKED, id.get())
}

/// Locks the file that a movie names and the one that it will name instead, and gives them. Comes before all other
/// locks, so the movie may be given another until it is locked itself.
///
/// # Errors
/// The database's.
pub fn lock_files(conn: &mut PgConnection, id: MovieId, next: Option<FileId>) -> QueryResult<Vec<Uuid>> {
    let movie = casting_movies::table.filter(casting_movies::number.eq(id.get()));
    let now: Option<Option<Uuid>> = movie.select(casting_movies::file_id).first(conn).optional()?;
    let both: Vec<Uuid> = now.flatten().into_iter().chain(next.map(FileId::uuid)).collect();
    lock(conn, &both)?;
    Ok(both)
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
        movie_uuid: new.uuid.map(ProviderMovieId::uuid),
    };
    let number: i32 =
        diesel::insert_into(casting_movies::table).values(row).returning(casting_movies::number).get_result(conn)?;
    add_roles(conn, IS_PLAYED_BY, number, &actors)?;
    Ok(MovieId::stored(number))
}

/// Changes a movie, and gives the file that it names no more; `None` where there is no such movie. Where the file may
/// change, after [`lock_files`].
///
/// # Errors
/// As [`insert`].
pub fn update(conn: &mut PgConnection, id: MovieId, change: &MovieChange) -> QueryResult<Option<Vec<Uuid>>> {
    let actors: Vec<i32> = change.actors_id.iter().map(|actor| actor.get()).collect();
    hold_actors(conn, &actors)?;
    let movie = casting_movies::table.filter(casting_movies::number.eq(id.get()));
    let before: Option<Option<Uuid>> = movie.select(casting_movies::file_id).for_update().first(conn).optional()?;
    let Some(before) = before else { return Ok(None) };
    let others = casting_roles::table
        .filter(casting_roles::movie_number.eq(id.get()))
        .filter(casting_roles::actor_number.ne_all(&actors));
    diesel::delete(others).execute(conn)?;
    add_roles(conn, IS_PLAYED_BY, id.get(), &actors)?;
    let row = MovieChangeRow {
        title: change.title.as_ref().map(LongTitle::as_str),
        date_release: change.date_release.map(ReleaseDate::date),
        file_id: change.file_id.map(|file| file.map(FileId::uuid)),
        movie_uuid: change.uuid.map(|uuid| uuid.map(ProviderMovieId::uuid)),
    };
    let after: Option<Uuid> = diesel::update(movie)
        .set((casting_movies::updated_at.eq(diesel::dsl::now), row))
        .returning(casting_movies::file_id)
        .get_result(conn)?;
    Ok(Some(before.into_iter().filter(|file| after != Some(*file)).collect()))
}

/// Removes a movie, and gives the file that it named; `None` where there is no such movie. Its actors stay. After
/// [`lock_files`].
///
/// # Errors
/// The database's.
pub fn delete(conn: &mut PgConnection, id: MovieId) -> QueryResult<Option<Vec<Uuid>>> {
    let movie = casting_movies::table.filter(casting_movies::number.eq(id.get()));
    let file: Option<Option<Uuid>> =
        diesel::delete(movie).returning(casting_movies::file_id).get_result(conn).optional()?;
    Ok(file.map(|file| file.into_iter().collect()))
}
