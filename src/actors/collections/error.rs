//! What can go wrong with collections.

use crate::db::DbError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum CollectionsError {
    /// The account has no such collection.
    #[error("no such collection")]
    NotFound,
    /// The account has as many as it may have.
    #[error("an account may have {0} collections")]
    TooMany(i64),
    /// The account is gone.
    #[error("the account is gone")]
    AccountGone,
    /// The database failed.
    #[error(transparent)]
    Store(DbError),
    /// What was cached is not readable.
    #[error("a cached answer is damaged")]
    Cached,
}

impl From<DbError> for CollectionsError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Constraint { ref name } if name == "collections_user_id_fkey" => Self::AccountGone,
            other => Self::Store(other),
        }
    }
}

impl From<diesel::result::Error> for CollectionsError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}
