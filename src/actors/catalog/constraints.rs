//! What the catalogue refuses, and which constraint of the schema says so.

use diesel::result::Error as DieselError;

use super::references::noun;
use crate::{
    actors::files::FilesError,
    db::{DbError, queries::references::Referent},
};

/// Why the catalogue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No such row, or no such parent.
    #[error("not there")]
    NotFound,
    /// Another row has this value already.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// Rows are referred to that are not there: one at least.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    References(Vec<WrongReference>),
    /// The caller may not.
    #[error("forbidden")]
    Forbidden,
    /// A medium that is to be played cannot be looked at.
    #[error(transparent)]
    Medium(FilesError),
    /// What was cached cannot be read: a fault of ours.
    #[error("a cached page is malformed")]
    Cached,
    /// The store's.
    #[error(transparent)]
    Store(DbError),
}

/// A reference to a row that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} refers to {what} that is not there")]
pub struct WrongReference {
    /// The field, as contracts call it.
    pub field: &'static str,
    /// What it should refer to.
    pub what: &'static str,
}

/// The constraints of the catalogue's tables and what breaking each means.
const REFERENCES: [(&str, &str, Referent); 10] = [
    ("genres_series_genre_id_fkey", "genre_ids", Referent::Genre),
    ("series_trailer_id_fkey", "trailer_id", Referent::File),
    ("series_image_id_fkey", "image_id", Referent::File),
    ("seasons_series_id_fkey", "series_id", Referent::Series),
    ("episodes_season_id_fkey", "season_id", Referent::Season),
    ("episodes_image_id_fkey", "image_id", Referent::File),
    ("episodes_file_id_fkey", "file_id", Referent::File),
    ("streams_episode_id_fkey", "episode_id", Referent::Episode),
    ("streams_file_id_fkey", "file_id", Referent::File),
    ("streams_user_id_fkey", "user_id", Referent::User),
];

impl From<DbError> for CatalogError {
    fn from(error: DbError) -> Self {
        let DbError::Constraint { name } = &error else {
            return if matches!(error, DbError::NotFound) { Self::NotFound } else { Self::Store(error) };
        };
        if name == "genres_name_key" {
            return Self::Taken("name");
        }
        match REFERENCES.iter().find(|(constraint, ..)| constraint == name) {
            Some((_, field, to)) => Self::References(vec![WrongReference { field, what: noun(*to) }]),
            None => Self::Store(error),
        }
    }
}

/// A database error of the catalogue's queries.
#[must_use]
pub fn refused(error: DieselError) -> CatalogError {
    CatalogError::from(DbError::from(error))
}
