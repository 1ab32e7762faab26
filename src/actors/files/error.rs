//! Why a file was not taken, given or removed.

use crate::{
    db::DbError,
    domain::ids::FileId,
    media::probe::ProbeError,
    storage::{StoreError, SweepError},
};

/// What of the catalogue refers to a file, so that it cannot go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferredBy {
    /// As the trailer of a series.
    SeriesTrailer,
    /// As the image of a series.
    SeriesImage,
    /// As the image of an episode.
    EpisodeImage,
    /// As the film of an episode.
    EpisodeFile,
    /// As the bytes of a channel's video.
    Video,
    /// As the thumbnail of a channel's video.
    Thumbnail,
    /// As the picture of a channel.
    ChannelPicture,
    /// As the poster of a film.
    Poster,
    /// As the smaller copy of an image.
    Variant,
    /// As the film of a movie of the casting agency.
    CastMovie,
}

impl ReferredBy {
    /// For the person who tried.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SeriesTrailer => "a series (as its trailer)",
            Self::SeriesImage => "a series (as its image)",
            Self::EpisodeImage => "an episode (as its image)",
            Self::EpisodeFile => "an episode (as its file)",
            Self::Video => "a channel's video",
            Self::Thumbnail => "a channel's video (as its thumbnail)",
            Self::ChannelPicture => "a channel (as its picture)",
            Self::Poster => "a film (as its poster)",
            Self::Variant => "an image (as its smaller copy)",
            Self::CastMovie => "a movie of the casting agency (as its file)",
        }
    }

    pub(super) fn of_constraint(name: &str) -> Option<Self> {
        match name {
            "series_trailer_id_fkey" => Some(Self::SeriesTrailer),
            "series_image_id_fkey" => Some(Self::SeriesImage),
            "episodes_image_id_fkey" => Some(Self::EpisodeImage),
            "episodes_file_id_fkey" => Some(Self::EpisodeFile),
            "videos_file_id_fkey" => Some(Self::Video),
            "videos_thumbnail_id_fkey" => Some(Self::Thumbnail),
            "channels_picture_id_fkey" => Some(Self::ChannelPicture),
            "posters_poster_id_fkey" => Some(Self::Poster),
            "image_variants_variant_id_fkey" => Some(Self::Variant),
            "casting_movies_file_id_fkey" => Some(Self::CastMovie),
            _ => None,
        }
    }
}

/// Why a file was not taken, given or removed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// No such file.
    #[error("no such file")]
    NotFound,
    /// Neither the reader's own nor referred to by the catalogue.
    #[error("the reader may not have this file")]
    Forbidden,
    /// The bytes are of no accepted type, or not readable as what they begin like.
    #[error("the bytes are no accepted media: {0}")]
    Unsupported(String),
    /// The owner would own more than the quota allows.
    #[error("over the quota of {0} bytes")]
    OverQuota(u64),
    /// There is a row, but not its bytes.
    #[error("the bytes of {0} are lost")]
    Lost(FileId),
    /// The account of the owner is gone.
    #[error("the owner's account is gone")]
    OwnerGone,
    /// Something still refers to it.
    #[error("still referred to by {}", .0.text())]
    Referred(ReferredBy),
    /// The probe is away or failed: no fault of the file's.
    #[error("the probe failed")]
    Probe(#[source] ProbeError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A task of ours died.
    #[error("a task died")]
    Died,
}

impl From<StoreError> for FilesError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

impl From<SweepError<DbError>> for FilesError {
    fn from(error: SweepError<DbError>) -> Self {
        match error {
            SweepError::Rows(error) => Self::Db(error),
            SweepError::Store(error) => Self::Store(error),
        }
    }
}

/// The bytes are not what is taken.
pub(super) fn unsupported(why: &str) -> FilesError {
    FilesError::Unsupported(why.to_owned())
}
