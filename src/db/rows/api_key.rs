//! API keys as rows. The digest of the secret is read nowhere: a key is found by it, and no more.

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::{Insertable, Queryable, QueryableByName, Selectable},
};
use uuid::Uuid;

use crate::{
    db::{DbError, schema::api_keys},
    domain::{access::Permission, api_key::ApiKey},
};

/// What is shown of a key.
#[derive(Debug, Clone, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = api_keys, check_for_backend(Pg))]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ApiKeyRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: String,
    pub permissions: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// A key to be stored.
#[derive(Insertable)]
#[diesel(table_name = api_keys)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct NewApiKeyRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub name: String,
    pub secret_hash: Vec<u8>,
    pub permissions: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = DbError;

    fn try_from(row: ApiKeyRow) -> Result<Self, DbError> {
        Ok(Self {
            id: row.id.into(),
            user_id: row.user_id.into(),
            name: row.name,
            permissions: permissions_from(&row.permissions)?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        })
    }
}

/// Reads the permission names of a row.
///
/// # Errors
/// [`DbError::Fault`] for a name that is unknown here: only known ones are stored.
pub fn permissions_from(names: &[String]) -> Result<Vec<Permission>, DbError> {
    let unknown = |name: &String| {
        DbError::Fault(diesel::result::Error::DeserializationError(format!("unknown permission '{name}'").into()))
    };
    names.iter().map(|name| Permission::parse(name).ok_or_else(|| unknown(name))).collect()
}
