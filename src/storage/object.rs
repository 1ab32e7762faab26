//! Reading an object of the bucket: what stands in for its file, and its bytes as they come. No more is read than
//! is asked for, and no faster than it is taken.

use std::{
    fs::File,
    future::Future as _,
    io,
    ops::Range,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};
use tokio::time::{Sleep, sleep};

use super::{
    Bucket, FileBytes, StoreError, blocking,
    bucket::{BucketError, Looking},
    missing,
};
use crate::domain::ids::FileId;

/// An object that can be read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ObjectBytes {
    pub(super) bucket: Bucket,
    pub(super) id: FileId,
    pub(super) length: u64,
    /// An empty file on disk of that length and age, which nobody reads.
    pub(super) stand_in: Arc<File>,
    /// Where its bytes would lie on this disk.
    pub(super) home: PathBuf,
}

impl ObjectBytes {
    /// Bytes in all.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A descriptor of a file that has the object's length and age, for these facts alone.
    ///
    /// # Errors
    /// The process has none left.
    pub fn descriptor(&self) -> io::Result<File> {
        self.stand_in.try_clone()
    }

    /// Begins to read a part that is not empty. When this returns, its first bytes have come.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Bucket`].
    pub(super) async fn part(&self, part: Range<u64>) -> Result<ObjectStream, StoreError> {
        self.bucket.get(self.id, part).await
    }

    /// The bytes on this disk, to which they may have been brought.
    pub(super) async fn at_home(&self) -> Result<FileBytes, StoreError> {
        let home = self.home.clone();
        blocking(move || FileBytes::open(&home)).await.map_err(missing)
    }

    /// A link to the object, where readers are sent to such.
    ///
    /// # Errors
    /// [`StoreError::Bucket`].
    pub async fn link(&self, how: Looking, mime_type: &str) -> Result<Option<String>, StoreError> {
        self.bucket.link(how, self.id, mime_type).await
    }
}

/// The bytes of a part as they come from the bucket. Ends with an error where they end early; then nothing of what
/// was given is to be taken for the whole.
pub struct ObjectStream {
    first: Option<Bytes>,
    rest: BoxStream<'static, object_store::Result<Bytes>>,
    wanted: u64,
    given: u64,
    /// How long the bucket may be silent while it is waited for.
    patience: Duration,
    silence: Option<Pin<Box<Sleep>>>,
}

impl ObjectStream {
    pub(super) const fn new(
        first: Bytes,
        rest: BoxStream<'static, object_store::Result<Bytes>>,
        wanted: u64,
        patience: Duration,
    ) -> Self {
        Self { first: Some(first), rest, wanted, given: 0, patience, silence: None }
    }

    /// Bytes that are still to come.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.wanted.saturating_sub(self.given)
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, BucketError> {
        self.given = self.given.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.given > self.wanted {
            return Err(BucketError::Short { given: self.given, wanted: self.wanted });
        }
        Ok(bytes)
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BucketError>>> {
        match self.rest.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.silence = None;
                Poll::Ready(Some(self.count(bytes)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BucketError::Failed(error)))),
            Poll::Ready(None) => Poll::Ready(Some(Err(BucketError::Short { given: self.given, wanted: self.wanted }))),
            Poll::Pending => {
                let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(self.patience)));
                silence.as_mut().poll(cx).map(|()| Some(Err(BucketError::Silent(self.patience))))
            }
        }
    }
}

impl Stream for ObjectStream {
    type Item = Result<Bytes, BucketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(this.count(first)));
        }
        if this.left() == 0 {
            return Poll::Ready(None);
        }
        this.poll_rest(cx)
    }
}

impl std::fmt::Debug for ObjectStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectStream").field("wanted", &self.wanted).field("given", &self.given).finish_non_exhaustive()
    }
}
