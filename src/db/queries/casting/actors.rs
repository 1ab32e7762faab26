//! Actors.

use std::collections::BTreeSet;

use diesel::prelude::*;
use uuid::Uuid;

use super::{add_roles, is_too_much, lock_movies};
use crate::{
    db::{
        rows::casting::{ActorChangeRow, NewActorRow},
        schema::{casting_actors, casting_roles},
    },
    domain::{
        casting::{ActorChange, ActorId, Age, Gender, MovieId, NewActor},
        listing::{Field, FieldKind, Listing},
        text::ActorName,
    },
};

/// What can be asked of a list of actors.
pub static LISTING: Listing = Listing {
    table: "casting_actors",
    columns: "t.number, t.name, t.age, t.gender, ARRAY(SELECT r.movie_number FROM casting_roles r \
        WHERE r.actor_number = t.number ORDER BY r.movie_number) AS movies_id",
    fields: &[
        Field { name: "id", kind: FieldKind::Number, column: "t.number" },
        Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
        Field { name: "age", kind: FieldKind::Number, column: "t.age" },
        Field { name: "gender", kind: FieldKind::Text, column: "lower(t.gender)" },
    ],
    search: None,
};

const PLAYS_IN: &str =
    "INSERT INTO casting_roles (actor_number, movie_number) SELECT $1, unnest($2) ON CONFLICT DO NOTHING";

const CROWDED: &str = "SELECT EXISTS (SELECT 1 FROM casting_roles mine \
    JOIN casting_roles r ON r.movie_number = mine.movie_number \
    WHERE mine.actor_number = $1 GROUP BY r.movie_number HAVING count(*) > $2) AS yes";

/// Whether a movie of this actor has too many actors now. In the transaction that added the actor's roles.
///
/// # Errors
/// The database's.
pub fn crowd_a_movie(conn: &mut PgConnection, id: ActorId) -> QueryResult<bool> {
    is_too_much(conn, CROWDED, id.get())
}

/// Adds an actor.
///
/// # Errors
/// The database's; `casting_roles_movie_number_fkey` where a movie is not there.
pub fn insert(conn: &mut PgConnection, new: &NewActor) -> QueryResult<ActorId> {
    let row =
        NewActorRow { id: Uuid::now_v7(), name: new.name.as_str(), age: new.age.get(), gender: new.gender.name() };
    let number: i32 =
        diesel::insert_into(casting_actors::table).values(row).returning(casting_actors::number).get_result(conn)?;
    let movies: Vec<i32> = new.movies_id.iter().map(|movie| movie.get()).collect();
    lock_movies(conn, &movies)?;
    add_roles(conn, PLAYS_IN, number, &movies)?;
    Ok(ActorId::stored(number))
}

/// Changes an actor; false where there is none.
///
/// # Errors
/// As [`insert`]; at the end of the transaction `casting_movies_have_an_actor` where a movie would be left without.
pub fn update(conn: &mut PgConnection, id: ActorId, change: &ActorChange) -> QueryResult<bool> {
    if let Some(movies) = &change.movies_id
        && !play_in(conn, id, movies)?
    {
        return Ok(false);
    }
    let row = ActorChangeRow {
        name: change.name.as_ref().map(ActorName::as_str),
        age: change.age.map(Age::get),
        gender: change.gender.map(Gender::name),
    };
    let changed = diesel::update(casting_actors::table.filter(casting_actors::number.eq(id.get())))
        .set((casting_actors::updated_at.eq(diesel::dsl::now), row))
        .execute(conn)?;
    Ok(changed == 1)
}

fn play_in(conn: &mut PgConnection, id: ActorId, movies: &BTreeSet<MovieId>) -> QueryResult<bool> {
    let Some(before) = movies_of_locked(conn, id)? else { return Ok(false) };
    let after: Vec<i32> = movies.iter().map(|movie| movie.get()).collect();
    let touched: BTreeSet<i32> = before.into_iter().chain(after.iter().copied()).collect();
    lock_movies(conn, &touched.into_iter().collect::<Vec<_>>())?;
    let others = casting_roles::table
        .filter(casting_roles::actor_number.eq(id.get()))
        .filter(casting_roles::movie_number.ne_all(&after));
    diesel::delete(others).execute(conn)?;
    add_roles(conn, PLAYS_IN, id.get(), &after)?;
    Ok(true)
}

/// Locks the actor and gives the movies that he or she plays in; `None` where there is no such actor.
fn movies_of_locked(conn: &mut PgConnection, id: ActorId) -> QueryResult<Option<Vec<i32>>> {
    let actor = casting_actors::table.filter(casting_actors::number.eq(id.get())).select(casting_actors::number);
    if actor.for_update().first::<i32>(conn).optional()?.is_none() {
        return Ok(None);
    }
    let roles = casting_roles::table.filter(casting_roles::actor_number.eq(id.get()));
    roles.select(casting_roles::movie_number).load(conn).map(Some)
}

/// Removes an actor; false where there is none.
///
/// # Errors
/// The database's; at the end of the transaction `casting_movies_have_an_actor`, as in [`update`].
pub fn delete(conn: &mut PgConnection, id: ActorId) -> QueryResult<bool> {
    let Some(movies) = movies_of_locked(conn, id)? else { return Ok(false) };
    lock_movies(conn, &movies)?;
    diesel::delete(casting_actors::table.filter(casting_actors::number.eq(id.get()))).execute(conn)?;
    Ok(true)
}
