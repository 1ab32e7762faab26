//! Collections and the movies they share. A fixed number of statements, whatever the number of movies.
//! Callers own the transactions.
//!
//! Whoever writes locks the account first (where it is made or removed), then collections (several by id), then
//! movies, all of them in one statement in the
//! order of their uuids: so two wait for each other in no circle. A movie is removed with the last collection that
//! holds it, by a statement that begins after the movie was locked: whoever took it meanwhile is seen, and whoever
//! comes later puts it in anew.

mod extent;
mod favourites;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Nullable, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

pub use self::{
    extent::{bytes, bytes_of_account},
    favourites::favourite_genres,
};
use crate::{
    db::{
        rows::collection::{ListedRow, PlacedRow},
        schema::{collection_movies, collections, movies, users},
    },
    domain::{
        collections::{Collection, Movie, Movies, NewMovie},
        ids::{CollectionId, UserId},
        text::{Description, GenreNames, LongTitle},
    },
};

/// The collections of an account, the oldest first.
///
/// # Errors
/// Diesel's.
pub fn of_account(conn: &mut PgConnection, account: UserId) -> QueryResult<Vec<ListedRow>> {
    collections::table
        .filter(collections::user_id.eq(account.uuid()))
        // Ids are ordered by time.
        .order(collections::id)
        .select((collections::id, collections::title, collections::description))
        .load(conn)
}

/// One statement, so that what is shown was there at one moment.
const SHOWN: &str = "SELECT id AS uuid, title, description, '' AS genres, -1 AS position \
        FROM collections WHERE id = $1 AND user_id = $2 \
    UNION ALL SELECT m.uuid, m.title, m.description, m.genres, h.position \
        FROM collections c JOIN collection_movies h ON h.collection_id = c.id JOIN movies m ON m.uuid = h.movie_uuid \
        WHERE c.id = $1 AND c.user_id = $2 \
    ORDER BY position";

/// A collection of the account with its movies; `None` where it has no such.
///
/// # Errors
/// Diesel's.
pub fn shown(conn: &mut PgConnection, account: UserId, id: CollectionId) -> QueryResult<Option<Collection>> {
    let rows: Vec<PlacedRow> =
        sql_query(SHOWN).bind::<SqlUuid, _>(id.uuid()).bind::<SqlUuid, _>(account.uuid()).load(conn)?;
    let mut rows = rows.into_iter();
    let Some(PlacedRow { title, description, .. }) = rows.next() else { return Ok(None) };
    Ok(Some(Collection { title, description, movies: rows.map(Movie::from).collect() }))
}

/// Locks a collection of the account until the transaction ends; false where it has no such.
///
/// # Errors
/// Diesel's.
pub fn lock(conn: &mut PgConnection, account: UserId, id: CollectionId) -> QueryResult<bool> {
    let own = collections::table.find(id.uuid()).filter(collections::user_id.eq(account.uuid()));
    own.select(collections::id).for_update().first::<Uuid>(conn).optional().map(|found| found.is_some())
}

/// How many collections the account has. It makes no others until the transaction ends; `None` where it is gone.
///
/// # Errors
/// Diesel's.
pub fn count_locked(conn: &mut PgConnection, account: UserId) -> QueryResult<Option<i64>> {
    let row = users::table.find(account.uuid()).select(users::id).for_no_key_update();
    if row.first::<Uuid>(conn).optional()?.is_none() {
        return Ok(None);
    }
    collections::table.filter(collections::user_id.eq(account.uuid())).count().get_result(conn).map(Some)
}

/// Stores a collection without movies.
///
/// # Errors
/// Diesel's; `collections_user_id_fkey` where the account is gone.
pub fn insert(
    conn: &mut PgConnection,
    account: UserId,
    (title, description): (&LongTitle, &Description),
) -> QueryResult<CollectionId> {
    let id = CollectionId::new();
    diesel::insert_into(collections::table)
        .values((
            collections::id.eq(id.uuid()),
            collections::user_id.eq(account.uuid()),
            collections::title.eq(title.as_str()),
            collections::description.eq(description.as_str()),
        ))
        .execute(conn)?;
    Ok(id)
}

/// Changes title and description, as far as they are given, and when the collection was changed.
///
/// # Errors
/// Diesel's.
pub fn update(
    conn: &mut PgConnection,
    id: CollectionId,
    (title, description): (Option<&LongTitle>, Option<&Description>),
) -> QueryResult<()> {
    diesel::update(collections::table.find(id.uuid()))
        .set((
            title.map(|title| collections::title.eq(title.as_str())),
            description.map(|text| collections::description.eq(text.as_str())),
            collections::updated_at.eq(diesel::dsl::now),
        ))
        .execute(conn)
        .map(drop)
}

/// Takes up the movies, and locks them together with those the collection holds already. One that is there gets what
/// is said of it now; of genres nothing may be said ($6).
const TAKE_UP: &str = "INSERT INTO movies (uuid, title, description, genres) \
    SELECT uuid, title, description, coalesce(genres, '') FROM ( \
        SELECT n.* FROM unnest($1, $2, $3, $4) AS n (uuid, title, description, genres) \
        UNION ALL SELECT m.uuid, m.title, m.description, m.genres \
            FROM collection_movies h JOIN movies m ON m.uuid = h.movie_uuid \
            WHERE h.collection_id = $5 AND m.uuid <> ALL ($1) \
    ) asked ORDER BY uuid \
    ON CONFLICT (uuid) DO UPDATE SET title = excluded.title, description = excluded.description, \
        genres = CASE WHEN excluded.uuid = ANY ($6) THEN movies.genres ELSE excluded.genres END, updated_at = now() \
    WHERE excluded.uuid = ANY ($1) AND ((movies.title, movies.description) \
        IS DISTINCT FROM (excluded.title, excluded.description) \
        OR movies.genres <> excluded.genres AND excluded.uuid <> ALL ($6)) \
    RETURNING uuid";

const PLACE: &str = "INSERT INTO collection_movies (collection_id, movie_uuid, position) \
    SELECT $1, n.uuid, n.place::integer FROM unnest($2) WITH ORDINALITY AS n (uuid, place) \
    ON CONFLICT (collection_id, movie_uuid) DO UPDATE SET position = excluded.position \
    WHERE collection_movies.position <> excluded.position";

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
}

/// Gives a collection, which is locked, these movies in place of those it has. Gives the movies that are new or
/// have changed.
///
/// # Errors
/// Diesel's.
pub fn fill(conn: &mut PgConnection, id: CollectionId, given: Movies) -> QueryResult<Vec<Uuid>> {
    let Columns { uuids, titles, descriptions, genres, silent } = given.into_vec().into_iter().collect();
    let changed: Vec<Key> = sql_query(TAKE_UP)
        .bind::<Array<SqlUuid>, _>(&uuids)
        .bind::<Array<Text>, _>(&titles)
        .bind::<Array<Text>, _>(&descriptions)
        .bind::<Array<Nullable<Text>>, _>(&genres)
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<Array<SqlUuid>, _>(&silent)
        .load(conn)?;
    let held = collection_movies::table.filter(collection_movies::collection_id.eq(id.uuid()));
    let dropped: Vec<Uuid> = diesel::delete(held.filter(collection_movies::movie_uuid.ne_all(&uuids)))
        .returning(collection_movies::movie_uuid)
        .get_results(conn)?;
    sql_query(PLACE).bind::<SqlUuid, _>(id.uuid()).bind::<Array<SqlUuid>, _>(&uuids).execute(conn)?;
    remove_unheld(conn, &dropped)?;
    Ok(changed.into_iter().map(|row| row.uuid).collect())
}

/// Up to `most` accounts but this one whose collections hold these movies.
///
/// # Errors
/// Diesel's.
pub fn holders(conn: &mut PgConnection, account: UserId, (changed, most): (&[Uuid], i64)) -> QueryResult<Vec<UserId>> {
    let holders: Vec<Uuid> = collection_movies::table
        .inner_join(collections::table.on(collections::id.eq(collection_movies::collection_id)))
        .filter(collection_movies::movie_uuid.eq_any(changed))
        .filter(collections::user_id.ne(account.uuid()))
        .select(collections::user_id)
        .distinct()
        .limit(most)
        .load(conn)?;
    Ok(holders.into_iter().map(UserId::from).collect())
}

/// Removes a collection, which is locked.
///
/// # Errors
/// Diesel's.
pub fn remove(conn: &mut PgConnection, id: CollectionId) -> QueryResult<()> {
    remove_locked(conn, &[id.uuid()])
}

/// Removes the collections of an account, which is locked.
///
/// # Errors
/// Diesel's.
pub fn remove_of(conn: &mut PgConnection, account: UserId) -> QueryResult<()> {
    let own = collections::table.filter(collections::user_id.eq(account.uuid())).order(collections::id);
    let ids: Vec<Uuid> = own.select(collections::id).for_update().load(conn)?;
    if ids.is_empty() { Ok(()) } else { remove_locked(conn, &ids) }
}

fn remove_locked(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<()> {
    let held = collection_movies::table
        .filter(collection_movies::collection_id.eq_any(ids))
        .select(collection_movies::movie_uuid);
    let held: Vec<Uuid> = movies::table
        .filter(movies::uuid.eq_any(held))
        .order(movies::uuid)
        .select(movies::uuid)
        .for_update()
        .load(conn)?;
    diesel::delete(collections::table.filter(collections::id.eq_any(ids))).execute(conn)?;
    remove_unheld(conn, &held)
}

/// Removes those of these movies, which are locked, that no collection holds.
fn remove_unheld(conn: &mut PgConnection, uuids: &[Uuid]) -> QueryResult<()> {
    use diesel::dsl::{exists, not};
    if uuids.is_empty() {
        return Ok(());
    }
    let held = collection_movies::table.filter(collection_movies::movie_uuid.eq(movies::uuid));
    let unheld = movies::table.filter(movies::uuid.eq_any(uuids)).filter(not(exists(held)));
    diesel::delete(unheld).execute(conn).map(drop)
}

/// Movies by columns.
#[derive(Default)]
struct Columns {
    uuids: Vec<Uuid>,
    titles: Vec<String>,
    descriptions: Vec<String>,
    genres: Vec<Option<String>>,
    /// Of whose genres nothing is said.
    silent: Vec<Uuid>,
}

impl FromIterator<NewMovie> for Columns {
    fn from_iter<I: IntoIterator<Item = NewMovie>>(movies: I) -> Self {
        let mut columns = Self::default();
        for NewMovie { uuid, title, description, genres } in movies {
            columns.uuids.push(uuid.uuid());
            columns.titles.push(title.into_string());
            columns.descriptions.push(description.into_string());
            if genres.is_none() {
                columns.silent.push(uuid.uuid());
            }
            columns.genres.push(genres.map(GenreNames::into_string));
        }
        columns
    }
}
