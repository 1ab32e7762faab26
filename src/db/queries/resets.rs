//! Links that set a new password. Only digests of their tokens are here. Callers own the transactions.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::{db::schema::password_resets, domain::ids::UserId};

/// Stores a link of an account.
///
/// # Errors
/// Diesel's.
pub fn insert(conn: &mut PgConnection, digest: &[u8], account: Uuid, ends: DateTime<Utc>) -> QueryResult<()> {
    diesel::insert_into(password_resets::table)
        .values((
            password_resets::digest.eq(digest),
            password_resets::user_id.eq(account),
            password_resets::expires_at.eq(ends),
        ))
        .execute(conn)
        .map(drop)
}

/// Whose link this is, while it holds.
///
/// # Errors
/// Diesel's.
pub fn account_of(conn: &mut PgConnection, digest: &[u8], now: DateTime<Utc>) -> QueryResult<Option<Uuid>> {
    password_resets::table
        .find(digest)
        .filter(password_resets::expires_at.gt(now))
        .select(password_resets::user_id)
        .first(conn)
        .optional()
}

/// Uses a link up: true for exactly one transaction that commits.
///
/// # Errors
/// Diesel's.
pub fn take(conn: &mut PgConnection, digest: &[u8], now: DateTime<Utc>) -> QueryResult<bool> {
    let link = password_resets::table.find(digest).filter(password_resets::expires_at.gt(now));
    diesel::delete(link).execute(conn).map(|taken| taken == 1)
}

/// Forgets the links of an account.
///
/// # Errors
/// Diesel's.
pub fn delete_of(conn: &mut PgConnection, account: UserId) -> QueryResult<()> {
    let links = password_resets::table.filter(password_resets::user_id.eq(account.uuid()));
    diesel::delete(links).execute(conn).map(drop)
}

/// Forgets the links whose time is over.
///
/// # Errors
/// Diesel's.
pub fn forget_ended(conn: &mut PgConnection, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::delete(password_resets::table.filter(password_resets::expires_at.le(now))).execute(conn).map(drop)
}
