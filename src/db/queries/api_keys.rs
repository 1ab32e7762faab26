//! API keys. Only digests of their secrets are here. Callers own the transactions.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::count_star,
    prelude::*,
    sql_query,
    sql_types::{Array, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::{
    db::{
        rows::api_key::{ApiKeyRow, NewApiKeyRow},
        schema::api_keys,
    },
    domain::{
        ids::{ApiKeyId, UserId},
        listing::{Field, FieldKind, Listing},
    },
};

/// What can be asked of a list of keys.
pub static LISTING: Listing = Listing {
    table: "api_keys",
    columns: "t.id, t.user_id, t.name, t.permissions, t.expires_at, t.last_used_at, t.created_at",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "user_id", kind: FieldKind::Id, column: "t.user_id" },
        Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
        Field { name: "permissions", kind: FieldKind::Member, column: "lower({}) = ANY(t.permissions)" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
    ],
    search: None,
};

/// What a request by a key is compared with.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns of the tables")]
pub struct LiveKeyRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub permissions: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Stores a key.
///
/// # Errors
/// Diesel's; `api_keys_user_id_fkey` where the account is gone.
pub fn insert(conn: &mut PgConnection, row: &NewApiKeyRow) -> QueryResult<ApiKeyRow> {
    diesel::insert_into(api_keys::table).values(row).returning(ApiKeyRow::as_returning()).get_result(conn)
}

/// The key of this id.
///
/// # Errors
/// Diesel's.
pub fn find(conn: &mut PgConnection, id: ApiKeyId) -> QueryResult<Option<ApiKeyRow>> {
    api_keys::table.find(id.uuid()).select(ApiKeyRow::as_select()).first(conn).optional()
}

/// Whose key has the secret of this digest.
///
/// # Errors
/// Diesel's.
pub fn account_of(conn: &mut PgConnection, digest: &[u8]) -> QueryResult<Option<Uuid>> {
    let keys = api_keys::table.filter(api_keys::secret_hash.eq(digest));
    keys.select(api_keys::user_id).first(conn).optional()
}

/// The key whose secret has this digest.
///
/// # Errors
/// Diesel's.
pub fn live(conn: &mut PgConnection, digest: &[u8]) -> QueryResult<Option<LiveKeyRow>> {
    api_keys::table
        .filter(api_keys::secret_hash.eq(digest))
        .select((api_keys::id, api_keys::user_id, api_keys::permissions, api_keys::expires_at, api_keys::last_used_at))
        .first(conn)
        .optional()
}

/// How many keys the account has, those whose time is over included.
///
/// # Errors
/// Diesel's.
pub fn count_of(conn: &mut PgConnection, user: UserId) -> QueryResult<i64> {
    api_keys::table.filter(api_keys::user_id.eq(user.uuid())).select(count_star()).first(conn)
}

/// Removes the account's keys whose time is over.
///
/// # Errors
/// Diesel's.
pub fn delete_ended_of(conn: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<usize> {
    let keys = api_keys::table.filter(api_keys::user_id.eq(user.uuid()));
    diesel::delete(keys.filter(api_keys::expires_at.le(now))).execute(conn)
}

/// Removes a key; false where it is gone already.
///
/// # Errors
/// Diesel's.
pub fn delete(conn: &mut PgConnection, id: ApiKeyId) -> QueryResult<bool> {
    diesel::delete(api_keys::table.find(id.uuid())).execute(conn).map(|rows| rows == 1)
}

/// Notes when keys were used, as far as that is later than what is known. Waits for nobody: a key that
/// another transaction holds (one that removes it, or another node that notes its use) is left out.
///
/// # Errors
/// Diesel's.
pub fn note_uses(conn: &mut PgConnection, ids: &[Uuid], times: &[DateTime<Utc>]) -> QueryResult<usize> {
    sql_query(
        "WITH uses AS (SELECT * FROM unnest($1, $2) AS u (id, at)), \
              held AS (SELECT k.id FROM api_keys k WHERE k.id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED) \
         UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, uses.at) \
         FROM held JOIN uses USING (id) WHERE k.id = held.id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Timestamptz>, _>(times)
    .execute(conn)
}
