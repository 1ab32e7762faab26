//! Why the bucket did not do what was asked, and what of that may pass.

use std::time::Duration;

use crate::storage::StoreError;

/// S3's word for a bucket that is not there, which it says with the status of an object that is not.
const NO_BUCKET: &str = "NoSuchBucket";

/// Why the bucket did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// It answered with an error, or not at all; or refused our keys.
    #[error("the bucket failed")]
    Failed(#[source] object_store::Error),
    /// It did not answer in time.
    #[error("the bucket did not answer within {0:?}")]
    Silent(Duration),
    /// It gave other bytes than were asked for.
    #[error("the bucket gave {given} bytes where {wanted} were asked for")]
    Short {
        /// Bytes that came.
        given: u64,
        /// Bytes that should have come.
        wanted: u64,
    },
    /// Others' files used all places for too long.
    #[error("no place came free within {0:?}")]
    Busy(Duration),
    /// The bytes that were to be sent could not be read.
    #[error("the bytes to send could not be read")]
    Unread(#[source] std::io::Error),
    /// The work was given up: the process stops.
    #[error("sending was given up")]
    GivenUp,
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        Self::Bucket(BucketError::Failed(error))
    }
}

/// Of an object that is asked for, absence is no failure of the bucket; that of the bucket itself is.
pub(super) fn missing(error: StoreError) -> StoreError {
    match error {
        StoreError::Bucket(BucketError::Failed(object_store::Error::NotFound { source, .. }))
            if !source.to_string().contains(NO_BUCKET) =>
        {
            StoreError::NotFound
        }
        other => other,
    }
}

impl From<BucketError> for StoreError {
    fn from(error: BucketError) -> Self {
        Self::Bucket(error)
    }
}

/// Why the settings of the bucket do not do; its text is one line.
#[derive(Debug, thiserror::Error)]
#[error("wrong setting storage.endpoint: {0}")]
pub struct BucketSettingsError(pub(super) String);

/// Whether it may go better the next time.
pub(super) fn is_passing(error: &StoreError) -> bool {
    match error {
        StoreError::Bucket(BucketError::Failed(error)) => !matches!(
            error,
            object_store::Error::NotFound { .. }
                | object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }
                | object_store::Error::InvalidPath { .. }
        ),
        StoreError::Bucket(BucketError::Silent(_) | BucketError::Short { .. }) => true,
        StoreError::Bucket(BucketError::Busy(_) | BucketError::Unread(_) | BucketError::GivenUp)
        | StoreError::NotFound
        | StoreError::TooLarge(_)
        | StoreError::Full(_)
        | StoreError::Disk(_) => false,
    }
}
