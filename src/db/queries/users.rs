//! Accounts. Callers own the transactions.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _,
    QueryResult, RunQueryDsl as _, SelectableHelper as _,
    dsl::{exists, sql},
    sql_types::{Bool, Nullable, Text},
};
use uuid::Uuid;

use super::families::FamilyRow;
use crate::{
    db::{
        rows::user::{CredentialsRow, NewUserRow, UserChangeRow, UserRow},
        schema::{identities, installation, token_families, users},
    },
    domain::{
        ids::UserId,
        listing::{Field, FieldKind, Listing},
    },
};

/// What can be asked of a list of accounts.
pub static LISTING: Listing = Listing {
    table: "users",
    columns: "t.id, t.username, t.email, t.first_name, t.middle_name, t.last_name, t.birth_date, t.roles, \
        t.created_at, t.updated_at",
    fields: &[
        Field { name: "id", kind: FieldKind::Id, column: "t.id" },
        Field { name: "first_name", kind: FieldKind::Text, column: "lower(t.first_name)" },
        Field { name: "last_name", kind: FieldKind::Text, column: "lower(t.last_name)" },
        Field { name: "email", kind: FieldKind::Text, column: "coalesce(lower(t.email), '')" },
        Field { name: "username", kind: FieldKind::Text, column: "coalesce(lower(t.username), '')" },
        Field { name: "roles", kind: FieldKind::Member, column: "lower({}) = ANY(t.roles)" },
        Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
        Field { name: "updatedAt", kind: FieldKind::Time, column: "t.updated_at" },
    ],
    search: Some("(t.first_name || ' ' || t.last_name || ' ' || coalesce(t.username, ''))"),
};

#[diesel::declare_sql_function]
extern "SQL" {
    /// The index `users_username_key` and `users_email_key` are on.
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
}

/// The account of this id.
///
/// # Errors
/// Diesel's.
pub fn find(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<UserRow>> {
    users::table.find(id.uuid()).select(UserRow::as_select()).first(conn).optional()
}

/// The account of this id with its hash.
///
/// # Errors
/// Diesel's.
pub fn credentials(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<CredentialsRow>> {
    users::table.find(id.uuid()).select(CredentialsRow::as_select()).first(conn).optional()
}

/// As [`credentials`], and no other transaction changes the row until this one ends.
///
/// # Errors
/// Diesel's.
pub fn credentials_locked(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<CredentialsRow>> {
    users::table.find(id.uuid()).select(CredentialsRow::as_select()).for_no_key_update().first(conn).optional()
}

/// Locks an account that is to be removed: nobody refers to it anew until the transaction ends.
///
/// # Errors
/// `NotFound` where it is gone; Diesel's.
pub fn lock_for_removal(conn: &mut PgConnection, id: UserId) -> QueryResult<()> {
    users::table.find(id.uuid()).select(users::id).for_update().first::<Uuid>(conn).map(drop)
}

/// The account whose e-mail address (`name` has an `@`) or username this is, without regard to case.
///
/// # Errors
/// Diesel's.
pub fn credentials_by_name(conn: &mut PgConnection, name: &str) -> QueryResult<Option<CredentialsRow>> {
    let rows = users::table.select(CredentialsRow::as_select());
    if name.contains('@') {
        rows.filter(lower(users::email).eq(lower(name))).first(conn).optional()
    } else {
        rows.filter(lower(users::username).eq(lower(name))).first(conn).optional()
    }
}

/// Claims the ownership of the installation: true for exactly one transaction that commits.
///
/// # Errors
/// Diesel's.
pub fn claim_ownership(conn: &mut PgConnection) -> QueryResult<bool> {
    diesel::update(installation::table.filter(installation::owner_claimed.eq(false)))
        .set(installation::owner_claimed.eq(true))
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Whether accounts other than `own` have this e-mail address, and this username, without regard to case.
///
/// # Errors
/// Diesel's.
pub fn taken(
    conn: &mut PgConnection,
    email: Option<&str>,
    username: Option<&str>,
    own: Option<UserId>,
) -> QueryResult<(bool, bool)> {
    let others = || users::table.filter(users::id.ne(own.map_or(Uuid::nil(), UserId::uuid)));
    let email = exists(others().filter(lower(users::email).eq(lower(email))));
    let username = exists(others().filter(lower(users::username).eq(lower(username))));
    diesel::select((email, username)).get_result(conn)
}

/// Stores an account.
///
/// # Errors
/// Diesel's; `users_email_key` and `users_username_key` where the name is taken.
pub fn insert(conn: &mut PgConnection, row: &NewUserRow) -> QueryResult<UserRow> {
    diesel::insert_into(users::table).values(row).returning(UserRow::as_returning()).get_result(conn)
}

/// Changes an account.
///
/// # Errors
/// As [`insert`]; `NotFound` where it is gone.
pub fn update(conn: &mut PgConnection, id: UserId, change: &UserChangeRow) -> QueryResult<UserRow> {
    diesel::update(users::table.find(id.uuid()))
        .set((users::updated_at.eq(diesel::dsl::now), change))
        .returning(UserRow::as_returning())
        .get_result(conn)
}

/// Puts another hash of the same password in place of `before`, where the password was not changed since.
///
/// # Errors
/// Diesel's.
pub fn renew_hash(conn: &mut PgConnection, id: UserId, before: &str, hash: &str) -> QueryResult<()> {
    diesel::update(users::table.find(id.uuid()).filter(users::password_hash.eq(before)))
        .set(users::password_hash.eq(hash))
        .execute(conn)
        .map(drop)
}

/// Removes an account with all that goes with it; false where it is gone already.
///
/// # Errors
/// Diesel's.
pub fn delete(conn: &mut PgConnection, id: UserId) -> QueryResult<bool> {
    diesel::delete(users::table.find(id.uuid())).execute(conn).map(|rows| rows == 1)
}

/// The owners whose accounts are not disabled, locked until the transaction ends. In the order of their ids, so that two
/// transactions never wait for each other.
///
/// # Errors
/// Diesel's.
pub fn owners_locked(conn: &mut PgConnection) -> QueryResult<Vec<UserId>> {
    let ids: Vec<Uuid> = users::table
        // The very words of the partial index `users_owners_idx`.
        .filter(sql::<Bool>("'owner' = ANY (roles)"))
        .filter(users::disabled_at.is_null())
        .order(users::id)
        .select(users::id)
        .for_update()
        .load(conn)?;
    Ok(ids.into_iter().map(UserId::from).collect())
}

/// Accounts in the order in which they were made, from behind `after` on, `most` of them at most; each with the
/// time since which it is disabled.
///
/// # Errors
/// Diesel's.
pub fn in_order(
    conn: &mut PgConnection,
    after: Option<UserId>,
    most: i64,
) -> QueryResult<Vec<(UserRow, Option<DateTime<Utc>>)>> {
    users::table
        .filter(users::id.gt(after.map_or(Uuid::nil(), UserId::uuid)))
        .order(users::id)
        .limit(most)
        .select((UserRow::as_select(), users::disabled_at))
        .load(conn)
}

/// What a token is compared with.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns of the tables")]
pub struct Standing {
    pub epoch: i32,
    pub roles: Vec<String>,
    pub disabled_at: Option<DateTime<Utc>>,
    /// Of who the account is to another issuer.
    pub valid_from: Option<DateTime<Utc>>,
    pub families: Vec<FamilyRow>,
}

/// The epoch, the roles, the token families of an account, and which tokens of another issuer it takes, in one
/// statement. An account is nobody or one person to other issuers.
///
/// # Errors
/// Diesel's.
pub fn standing(conn: &mut PgConnection, id: UserId) -> QueryResult<Option<Standing>> {
    type Row = (i32, Vec<String>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<FamilyRow>);
    let rows: Vec<Row> = users::table
        .left_join(token_families::table)
        .left_join(identities::table)
        .filter(users::id.eq(id.uuid()))
        .select((
            users::epoch,
            users::roles,
            users::disabled_at,
            identities::valid_from.nullable(),
            (token_families::id, token_families::expires_at).nullable(),
        ))
        .load(conn)?;
    let mut standing = None;
    for (epoch, roles, disabled_at, valid_from, family) in rows {
        let known =
            standing.get_or_insert_with(|| Standing { epoch, roles, disabled_at, valid_from, families: Vec::new() });
        known.families.extend(family);
    }
    Ok(standing)
}
