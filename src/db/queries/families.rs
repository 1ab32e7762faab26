//! Token families: the refresh tokens that follow from one sign-in. Callers own the transactions.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, PgConnection, QueryDsl as _, QueryResult, Queryable, RunQueryDsl as _,
};
use uuid::Uuid;

use crate::{
    db::schema::token_families,
    domain::ids::{FamilyId, UserId},
};

/// A family and its end.
#[derive(Debug, Clone, Copy, Queryable)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct FamilyRow {
    pub id: Uuid,
    pub expires_at: DateTime<Utc>,
}

/// A family to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = token_families)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct NewFamilyRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub current_token: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The next token of a family.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Succession {
    pub family: FamilyId,
    pub user: UserId,
    pub used: Uuid,
    pub next: Uuid,
    pub now: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Stores a family.
///
/// # Errors
/// Diesel's; `token_families_user_id_fkey` where the account is gone.
pub fn insert(conn: &mut PgConnection, row: &NewFamilyRow) -> QueryResult<()> {
    diesel::insert_into(token_families::table).values(row).execute(conn).map(drop)
}

/// The account's families, the newest first.
///
/// # Errors
/// Diesel's.
pub fn of_user(conn: &mut PgConnection, user: UserId) -> QueryResult<Vec<FamilyRow>> {
    token_families::table
        .filter(token_families::user_id.eq(user.uuid()))
        .order((token_families::created_at.desc(), token_families::id.desc()))
        .select((token_families::id, token_families::expires_at))
        .load(conn)
}

/// Spends `used` and puts `next` in its place: true for exactly one caller.
///
/// # Errors
/// Diesel's.
pub fn succeed(conn: &mut PgConnection, step: &Succession) -> QueryResult<bool> {
    let current = token_families::table
        .find(step.family.uuid())
        .filter(token_families::user_id.eq(step.user.uuid()))
        .filter(token_families::current_token.eq(step.used))
        .filter(token_families::expires_at.gt(step.now));
    diesel::update(current)
        .set((token_families::current_token.eq(step.next), token_families::expires_at.eq(step.expires_at)))
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Ends one family of the account; false where it had ended.
///
/// # Errors
/// Diesel's.
pub fn delete(conn: &mut PgConnection, user: UserId, family: FamilyId) -> QueryResult<bool> {
    let family = token_families::table.find(family.uuid()).filter(token_families::user_id.eq(user.uuid()));
    diesel::delete(family).execute(conn).map(|rows| rows == 1)
}

/// Ends these families.
///
/// # Errors
/// Diesel's.
pub fn delete_these(conn: &mut PgConnection, families: &[Uuid]) -> QueryResult<usize> {
    diesel::delete(token_families::table.filter(token_families::id.eq_any(families))).execute(conn)
}

/// Ends all families of the account.
///
/// # Errors
/// Diesel's.
pub fn delete_of_user(conn: &mut PgConnection, user: UserId) -> QueryResult<usize> {
    diesel::delete(token_families::table.filter(token_families::user_id.eq(user.uuid()))).execute(conn)
}
