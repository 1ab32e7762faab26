//! What can go wrong with images.

use crate::{
    actors::files::FilesError,
    db::DbError,
    media::{frame::FrameError, probe::ProbeError},
};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// No such image, or none that the reader may see.
    #[error("no such image")]
    NotFound,
    /// It is another's.
    #[error("it is another account's")]
    NotYours,
    /// The bytes are no image that is taken.
    #[error("the bytes are no image: {0}")]
    NotAnImage(String),
    /// To make it smaller takes longer than it may.
    #[error("to make it smaller takes too long")]
    TooCostly,
    /// It cannot be made smaller now, or failed by a fault of ours.
    #[error("no smaller copy could be made")]
    Frame(#[source] FrameError),
    /// A file was not taken, given or removed.
    #[error(transparent)]
    Files(FilesError),
    /// The database failed.
    #[error(transparent)]
    Store(DbError),
    /// What was kept is not what was put there.
    #[error("a kept answer cannot be read")]
    Kept,
    /// A task of ours died.
    #[error("a task died")]
    Died,
}

impl From<DbError> for ImagesError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NotFound => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

impl From<FilesError> for ImagesError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::NotFound | FilesError::Forbidden => Self::NotFound,
            FilesError::Unsupported(why) => Self::NotAnImage(why),
            FilesError::Db(DbError::Constraint { ref name }) if name == "images_owner_id_fkey" => {
                Self::Files(FilesError::OwnerGone)
            }
            other => Self::Files(other),
        }
    }
}

impl From<FrameError> for ImagesError {
    /// Of an image that was taken once: what cannot be read of it is our fault.
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Timeout => Self::TooCostly,
            FrameError::Unavailable(why) => Self::Files(FilesError::Probe(ProbeError::Unavailable(why))),
            other => Self::Frame(other),
        }
    }
}
