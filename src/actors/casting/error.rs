//! Why the casting agency did not do what was asked, and which constraint of the schema says so.

use crate::db::DbError;
#[cfg(doc)]
use crate::domain::casting::MOST_ROLES;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum CastingError {
    /// No such actor or movie.
    #[error("not there")]
    NotFound,
    /// What was asked for cannot be.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// Another change of the movie came between, again and again.
    #[error("other changes came between")]
    Overtaken,
    /// The database failed.
    #[error(transparent)]
    Store(DbError),
}

/// What cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A movie without an actor.
    #[error("a movie would be without an actor")]
    NoActor,
    /// An actor who is not there.
    #[error("an actor is not there")]
    NoSuchActor,
    /// A movie that is not there.
    #[error("a movie is not there")]
    NoSuchMovie,
    /// A movie with more than [`MOST_ROLES`] actors, or an actor with more movies.
    #[error("a movie or an actor would have too many roles")]
    TooManyRoles,
    /// A file that is not there, or is neither video nor sound.
    #[error("the file cannot be played")]
    NotPlayable,
}

impl From<DbError> for CastingError {
    fn from(error: DbError) -> Self {
        let DbError::Constraint { name } = &error else {
            return if matches!(error, DbError::NotFound) { Self::NotFound } else { Self::Store(error) };
        };
        match name.as_str() {
            "casting_movies_have_an_actor" => Impossible::NoActor.into(),
            "casting_roles_actor_number_fkey" => Impossible::NoSuchActor.into(),
            "casting_roles_movie_number_fkey" => Impossible::NoSuchMovie.into(),
            "casting_movies_file_id_fkey" => Impossible::NotPlayable.into(),
            _ => Self::Store(error),
        }
    }
}

impl From<diesel::result::Error> for CastingError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}
