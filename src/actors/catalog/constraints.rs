//! What the catalogue refuses, and which constraint of the schema says so.

use diesel::result::Error as DieselError;

use crate::{actors::files::FilesError, db::DbError};

/// Why the catalogue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No such row, or no such parent.
    #[error("not there")]
    NotFound,
    /// Another row has this value already.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// A row is referred to that is not there.
    #[error("{0}")]
    Reference(WrongReference),
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
const REFERENCES: [(&str, &str, &str); 9] = [
    ("genres_series_genre_id_fkey", "genre_ids", "a genre"),
    ("series_trailer_id_fkey", "trailer_id", "a file"),
    ("series_image_id_fkey", "image_id", "a file"),
    ("seasons_series_id_fkey", "series_id", "a series"),
    ("episodes_season_id_fkey", "season_id", "a season"),
    ("episodes_image_id_fkey", "image_id", "a file"),
    ("episodes_file_id_fkey", "file_id", "a file"),
    ("streams_episode_id_fkey", "episode_id", "an episode"),
    ("streams_file_id_fkey", "file_id", "a file"),
];

impl From<DbError> for CatalogError {
    fn from(error: DbError) -> Self {
        let DbError::Constraint { name } = &error else {
            return if matches!(error, DbError::NotFound) { Self::NotFound } else { Self::Store(error) };
        };
        match name.as_str() {
            "genres_name_key" => return Self::Taken("name"),
            "streams_user_id_fkey" => return Self::Reference(WrongReference { field: "user_id", what: "a user" }),
            _ => {}
        }
        REFERENCES
            .iter()
            .find(|(constraint, ..)| constraint == name)
            .map(|(_, field, what)| Self::Reference(WrongReference { field, what }))
            .unwrap_or(Self::Store(error))
    }
}

/// A database error of the catalogue's queries.
#[must_use]
pub fn refused(error: DieselError) -> CatalogError {
    CatalogError::from(DbError::from(error))
}
