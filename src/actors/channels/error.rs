//! What can go wrong with channels and their videos.

use crate::{actors::files::FilesError, db::DbError, media::frame::FrameError};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ChannelsError {
    /// No such video, or none that has been uploaded.
    #[error("no such video")]
    NoVideo,
    /// No such channel.
    #[error("no such channel")]
    NoChannel,
    /// It is another's.
    #[error("it is another account's")]
    NotYours,
    /// The bytes of the video have come already.
    #[error("the video has been uploaded already")]
    AlreadyUploaded,
    /// The bytes are no video with a frame that can be decoded.
    #[error("the bytes are no video: {0}")]
    NotAVideo(String),
    /// The bytes are no image.
    #[error("the bytes are no image: {0}")]
    NotAnImage(String),
    /// The account is gone.
    #[error("the account is gone")]
    AccountGone,
    /// Frames cannot be made now, or failed by a fault of ours.
    #[error("no frame could be made")]
    Frame(#[source] FrameError),
    /// A file was not taken or given.
    #[error(transparent)]
    Files(FilesError),
    /// The database failed.
    #[error(transparent)]
    Store(DbError),
    /// What was cached is not readable.
    #[error("a cached answer is damaged")]
    Cached,
}

impl From<DbError> for ChannelsError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Constraint { ref name } if name == "videos_channel_id_fkey" => Self::NoChannel,
            DbError::Constraint { ref name } if name == "channels_user_id_fkey" => Self::AccountGone,
            other => Self::Store(other),
        }
    }
}

impl From<diesel::result::Error> for ChannelsError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

impl From<FilesError> for ChannelsError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::OwnerGone => Self::AccountGone,
            other => Self::Files(other),
        }
    }
}
