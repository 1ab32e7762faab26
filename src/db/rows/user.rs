//! Accounts as rows. The password's hash is in a row of its own, so that no list ever reads it.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{
    pg::Pg,
    prelude::{AsChangeset, Insertable, Queryable, QueryableByName, Selectable},
};
use uuid::Uuid;

use crate::{
    db::{DbError, schema::users},
    domain::{access::Role, account::User},
};

/// What is shown of an account.
#[derive(Debug, Clone, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = users, check_for_backend(Pg))]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct UserRow {
    pub id: Uuid,
    pub username: Option<String>,
    pub email: Option<String>,
    pub first_name: String,
    pub middle_name: String,
    pub last_name: String,
    pub birth_date: Option<NaiveDate>,
    pub roles: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The columns of [`UserRow`], for statements that are composed as text.
pub const USER_COLUMNS: &str = r#""users"."id", "users"."username", "users"."email", "users"."first_name", "users"."middle_name", "users"."last_name", "users"."birth_date", "users"."roles", "users"."created_at", "users"."updated_at""#;

impl TryFrom<UserRow> for User {
    type Error = DbError;

    fn try_from(row: UserRow) -> Result<Self, DbError> {
        Ok(Self {
            id: row.id.into(),
            username: row.username,
            email: row.email,
            first_name: row.first_name,
            middle_name: row.middle_name,
            last_name: row.last_name,
            birth_date: row.birth_date,
            roles: roles_from(&row.roles)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Reads the role names of a row. A name that is unknown here is a fault: the schema lists them.
///
/// # Errors
/// [`DbError::Fault`] for an unknown name.
pub fn roles_from(names: &[String]) -> Result<Vec<Role>, DbError> {
    names
        .iter()
        .map(|name| {
            Role::parse(name).ok_or_else(|| {
                DbError::Fault(diesel::result::Error::DeserializationError(format!("unknown role '{name}'").into()))
            })
        })
        .collect()
}

/// An account with what a sign-in compares. Not `Debug`: it holds the hash.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(Pg))]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct CredentialsRow {
    #[diesel(embed)]
    pub user: UserRow,
    /// None: the account signs in elsewhere.
    pub password_hash: Option<String>,
    pub epoch: i32,
    /// Since when the account is shut; none: it is not.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// An account to be stored; the rest of the columns have defaults.
#[derive(Insertable)]
#[diesel(table_name = users)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct NewUserRow {
    pub id: Uuid,
    pub username: Option<String>,
    pub email: Option<String>,
    pub first_name: String,
    pub middle_name: String,
    pub last_name: String,
    pub birth_date: Option<NaiveDate>,
    pub password_hash: Option<String>,
    pub roles: Vec<String>,
}

/// What changes on an account; `None` leaves a column as it is.
#[derive(Default, AsChangeset)]
#[diesel(table_name = users)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct UserChangeRow {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub username: Option<String>,
    pub email: Option<String>,
    pub password_hash: Option<String>,
    pub roles: Option<Vec<String>>,
    pub epoch: Option<i32>,
    /// `Some(None)` opens the account again.
    pub disabled_at: Option<Option<DateTime<Utc>>>,
}

#[cfg(test)]
mod tests {
    use diesel::{QueryDsl as _, SelectableHelper as _};

    use super::*;

    #[test]
    fn the_text_of_the_columns_is_what_diesel_selects() {
        let statement = diesel::debug_query::<Pg, _>(&users::table.select(UserRow::as_select())).to_string();
        assert!(statement.starts_with(&format!("SELECT {USER_COLUMNS} FROM")), "{statement}");
        assert!(!statement.contains("password_hash"));
    }
}
