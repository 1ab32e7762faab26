//! The casting agency: actors, movies, and who plays in which. Within transactions that callers own.
//!
//! All writers take their locks in one order, so that no two wait for each other: a file, actors by number, movies
//! by number. A role comes and goes only under the lock of its movie. Who has locked an actor for update knows all
//! of that actor's movies: none can be added meanwhile. Who adds roles has locked the movie and all of its new actors, so
//! that both sides can be counted. A movie's file that goes is locked with the one that comes, before all else. That a movie keeps an actor is asked of the schema at the
//! end of the transaction; every movie it could ask about is locked by then.

pub mod actors;
pub mod movies;

use diesel::{
    pg::Pg,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer},
};

use crate::{
    db::schema::{casting_actors, casting_movies},
    domain::{casting::MOST_ROLES, listing::Listing},
};

/// Reads the row of this number, as the listing shows it.
///
/// # Errors
/// `NotFound`; the database's.
pub fn find<R>(conn: &mut PgConnection, listing: &'static Listing, number: i32) -> QueryResult<R>
where
    R: QueryableByName<Pg> + 'static,
{
    let Listing { columns, table, .. } = listing;
    sql_query(format!("SELECT {columns} FROM {table} t WHERE t.number = $1"))
        .bind::<Integer, _>(number)
        .get_result(conn)
}

/// Keeps these actors from being removed and from getting roles elsewhere. Those that are not there are found out when
/// a role refers to them.
fn hold_actors(conn: &mut PgConnection, numbers: &[i32]) -> QueryResult<()> {
    let held: QueryResult<Vec<i32>> = casting_actors::table
        .filter(casting_actors::number.eq_any(numbers))
        .order(casting_actors::number)
        .select(casting_actors::number)
        .for_no_key_update()
        .load(conn);
    held.map(drop)
}

/// Locks these movies; those that are not there are found out as in [`hold_actors`].
fn lock_movies(conn: &mut PgConnection, numbers: &[i32]) -> QueryResult<()> {
    let locked: QueryResult<Vec<i32>> = casting_movies::table
        .filter(casting_movies::number.eq_any(numbers))
        .order(casting_movies::number)
        .select(casting_movies::number)
        .for_update()
        .load(conn);
    locked.map(drop)
}

/// Adds the roles that are not there yet: of one in each, by a statement with the one as `$1` and the others as `$2`.
fn add_roles(conn: &mut PgConnection, statement: &'static str, one: i32, others: &[i32]) -> QueryResult<()> {
    sql_query(statement).bind::<Integer, _>(one).bind::<Array<Integer>, _>(others).execute(conn).map(drop)
}

#[derive(QueryableByName)]
struct Asked {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

/// Whether one side has more than the most roles: asked by a statement with the one as `$1` and the most as `$2`.
fn is_too_much(conn: &mut PgConnection, statement: &'static str, one: i32) -> QueryResult<bool> {
    let most = i64::try_from(MOST_ROLES).unwrap_or(i64::MAX);
    let asked = sql_query(statement).bind::<Integer, _>(one).bind::<BigInt, _>(most);
    asked.get_result::<Asked>(conn).map(|asked| asked.yes)
}
