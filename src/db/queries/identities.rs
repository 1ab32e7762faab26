//! Who an account is to another issuer of tokens: `iss` and `sub`. Callers own the transactions.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::{db::schema::identities, domain::ids::UserId};

/// What is known of somebody.
#[derive(Debug, Clone, Copy, Queryable)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct IdentityRow {
    /// None: the account was removed, or is being made.
    pub user_id: Option<Uuid>,
    pub valid_from: Option<DateTime<Utc>>,
}

/// Somebody who was here before.
///
/// # Errors
/// Diesel's.
pub fn find(conn: &mut PgConnection, issuer: &str, subject: &str) -> QueryResult<Option<IdentityRow>> {
    let row = identities::table.find((issuer, subject));
    row.select((identities::user_id, identities::valid_from)).first(conn).optional()
}

/// Somebody who may be new; nobody else gets the row until the transaction ends.
///
/// # Errors
/// Diesel's.
pub fn claim(conn: &mut PgConnection, issuer: &str, subject: &str) -> QueryResult<IdentityRow> {
    diesel::insert_into(identities::table)
        .values((identities::issuer.eq(issuer), identities::subject.eq(subject)))
        .on_conflict_do_nothing()
        .execute(conn)?;
    let row = identities::table.find((issuer, subject));
    row.select((identities::user_id, identities::valid_from)).for_update().first(conn)
}

/// Binds somebody to their account.
///
/// # Errors
/// Diesel's.
pub fn bind(conn: &mut PgConnection, issuer: &str, subject: &str, account: UserId) -> QueryResult<()> {
    diesel::update(identities::table.find((issuer, subject)))
        .set(identities::user_id.eq(account.uuid()))
        .execute(conn)
        .map(drop)
}

/// Tokens that were made until now open nothing any more: neither this account nor, once it is removed, a new one.
///
/// # Errors
/// Diesel's.
pub fn end_tokens_of(conn: &mut PgConnection, account: UserId, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(identities::table.filter(identities::user_id.eq(account.uuid())))
        .set(identities::valid_from.eq(now))
        .execute(conn)
        .map(drop)
}
