//! How many bytes an answer will have, before it is read. Lengths of long texts are known without reading them.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Uuid as SqlUuid},
};

use crate::domain::ids::{CollectionId, UserId};

const OF_ONE: &str = "SELECT (SELECT coalesce(sum(octet_length(title) + octet_length(description)), 0) \
            FROM collections WHERE id = $1 AND user_id = $2)::bigint \
        + (SELECT coalesce(sum(octet_length(m.title) + octet_length(m.description) + octet_length(m.genres)), 0) \
            FROM collections c JOIN collection_movies h ON h.collection_id = c.id JOIN movies m ON m.uuid = h.movie_uuid \
            WHERE c.id = $1 AND c.user_id = $2)::bigint AS bytes";

const OF_ALL: &str = "SELECT coalesce(sum(octet_length(title) + octet_length(description)), 0)::bigint AS bytes \
    FROM collections WHERE user_id = $1";

#[derive(QueryableByName)]
struct Extent {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// The bytes of text in a collection of the account, its movies included; 0 where it has no such.
///
/// # Errors
/// Diesel's.
pub fn bytes(conn: &mut PgConnection, account: UserId, id: CollectionId) -> QueryResult<i64> {
    let row: QueryResult<Extent> =
        sql_query(OF_ONE).bind::<SqlUuid, _>(id.uuid()).bind::<SqlUuid, _>(account.uuid()).get_result(conn);
    row.map(|row| row.bytes)
}

/// The bytes of text in the list of the account's collections.
///
/// # Errors
/// Diesel's.
pub fn bytes_of_account(conn: &mut PgConnection, account: UserId) -> QueryResult<i64> {
    let row: QueryResult<Extent> = sql_query(OF_ALL).bind::<SqlUuid, _>(account.uuid()).get_result(conn);
    row.map(|row| row.bytes)
}
