//! Where bytes live: on the local disk or in a bucket, under names of ours.
//!
//! ```text
//! <media_dir>/<aa>/<bb>/<file id>           the bytes of a stored file, on disk
//! <prefix><file id>                         the same, in the bucket
//! <media_dir>/tmp/<instance>/<file id>      bytes that arrive, and the journal (below)
//! <media_dir>/tmp/<instance>/<file id>.upload   an upload in parts that is no object yet
//! <media_dir>/tmp/<instance>.lock           held (flock) as long as the instance lives
//! ```
//!
//! Where new bytes go, a setting says. They are found wherever they lie: on disk first, which is nearer, then in
//! the bucket, where there is one. Removed, they go from both.
//!
//! Bytes and rows are made and removed in an order that survives `kill -9` at any point, with
//! several processes on one folder. While the two may disagree, a file of that id stands in the
//! instance's own folder: it is the journal. To add: put the bytes in their final place, insert the
//! row, remove the journal's entry. To remove: enter it into the journal, delete the row, remove both.
//! An instance that finds another's folder unlocked settles each entry by the row: without one, the
//! bytes go. Knows no database; who does, says which rows exist. Never blocks the caller's thread.

mod bucket;
mod incoming;
mod journaled;
mod moving;
mod object;
mod patience;
mod place;
mod reader;
mod sweep;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use futures_util::TryStreamExt as _;
use tokio::sync::OwnedSemaphorePermit;

pub use self::{
    bucket::{About, Bucket, BucketError, BucketSettingsError, Looking},
    incoming::{Incoming, Received},
    journaled::Journaled,
    moving::{Alone, Brought, Care, Listed, Movable, times_counted},
    object::{ObjectBytes, ObjectStream},
    patience::until_done,
    reader::{FileBytes, Read},
    sweep::{SweepError, Swept},
};
use self::{
    incoming::Temporary,
    place::{Place, remove, sync_folder},
};
use crate::{domain::ids::FileId, settings::StorageKind};

/// Why bytes were not taken, kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More bytes than allowed.
    #[error("more bytes than the limit of {0}")]
    TooLarge(u64),
    /// The disk, or the quota of our user on it, is full.
    #[error("the disk is full")]
    Full(#[source] io::Error),
    /// No such bytes.
    #[error("no such bytes")]
    NotFound,
    /// The disk failed.
    #[error("the disk failed")]
    Disk(#[source] io::Error),
    /// The bucket failed, or is away.
    #[error(transparent)]
    Bucket(BucketError),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full(error)
            }
            _ => Self::Disk(error),
        }
    }
}

/// Of bytes that are asked for, absence is no failure of the disk.
fn missing(error: StoreError) -> StoreError {
    match error {
        StoreError::Disk(error) if error.kind() == io::ErrorKind::NotFound => StoreError::NotFound,
        other => other,
    }
}

/// Runs blocking work on the threads for it.
async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(StoreError::from)
}

/// Where bytes can be kept besides the media folder, and where new ones go.
#[derive(Debug, Clone)]
pub enum Homes {
    /// The media folder is the only place.
    Disk,
    /// There is a bucket too.
    DiskAndBucket {
        /// The bucket.
        bucket: Bucket,
        /// Where new bytes go.
        new: StorageKind,
    },
}

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    place: Arc<Place>,
}

/// Bytes that are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The file's id.
    pub id: FileId,
    /// How many there should be.
    pub size: u64,
    /// When they came.
    pub modified: SystemTime,
}

/// Stored bytes, ready to be read. Cheap to clone.
#[derive(Debug, Clone)]
pub enum StoredBytes {
    /// On this disk.
    Disk(FileBytes),
    /// In the bucket.
    Bucket(ObjectBytes),
}

impl StoredBytes {
    /// Bytes in all.
    #[must_use]
    pub const fn len(&self) -> u64 {
        match self {
            Self::Disk(bytes) => bytes.len(),
            Self::Bucket(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins to read a part, which is not empty. What has come home from the bucket since it was opened is read there.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Bucket`], the disk's.
    pub async fn part(&self, part: Range<u64>) -> Result<Part, StoreError> {
        match self {
            Self::Disk(bytes) => Ok(Part::Disk(bytes.clone())),
            Self::Bucket(bytes) => match bytes.part(part).await {
                Err(StoreError::NotFound) => bytes.at_home().await.map(Part::Disk),
                begun => begun.map(Part::Bucket),
            },
        }
    }

    /// A descriptor of its own of a file that has the facts of these bytes (length and age), for these alone:
    /// reading through it would move a position that all of them share.
    ///
    /// # Errors
    /// The process has none left.
    pub fn descriptor(&self) -> io::Result<File> {
        match self {
            Self::Disk(bytes) => bytes.descriptor(),
            Self::Bucket(bytes) => bytes.descriptor(),
        }
    }
}

/// Where a part is read.
#[derive(Debug)]
pub enum Part {
    /// From the file, as one goes.
    Disk(FileBytes),
    /// From the bucket, as they come; the first bytes are here.
    Bucket(ObjectStream),
}

/// The bytes of a stored file on this disk, for a tool, under a name of their own: they stay there for it, whatever
/// becomes of the file meanwhile. The name goes when this is dropped.
#[derive(Debug)]
pub struct LocalCopy {
    path: PathBuf,
    _bytes: Temporary,
    /// Of bytes that were fetched for it.
    _place: Option<OwnedSemaphorePermit>,
}

impl LocalCopy {
    /// Where the bytes lie: an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store {
    /// Opens the store below `media_dir`, which is made if it is not there. Blocks; call it at start.
    ///
    /// # Errors
    /// Where folders or the lock cannot be made.
    pub fn open(media_dir: &Path, homes: Homes) -> io::Result<Self> {
        Ok(Self { place: Arc::new(Place::open(media_dir, homes)?) })
    }

    /// Takes in bytes, at most `limit` of them.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub async fn receive(&self, limit: u64) -> Result<Incoming, StoreError> {
        Incoming::begin(Arc::clone(&self.place), FileId::new(), limit).await
    }

    /// Opens bytes for reading. The bucket is not asked before they are read.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the disk's.
    pub async fn read(&self, wanted: Wanted) -> Result<StoredBytes, StoreError> {
        let Wanted { id, size, modified } = wanted;
        let place = Arc::clone(&self.place);
        let opened = blocking(move || match (FileBytes::open(&place.home(id)), place.bucket()) {
            (Err(error), Some(bucket)) if error.kind() == io::ErrorKind::NotFound => {
                let stand_in = Arc::new(place.stand_in(size, modified)?);
                let home = place.home(id);
                Ok(StoredBytes::Bucket(ObjectBytes { bucket: bucket.clone(), id, length: size, stand_in, home }))
            }
            (bytes, _) => Ok(StoredBytes::Disk(bytes?)),
        });
        opened.await.map_err(missing)
    }

    /// The bytes of `id` on this disk, fetched where they are in the bucket alone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], the disk's, the bucket's.
    pub async fn local_copy(&self, wanted: Wanted) -> Result<LocalCopy, StoreError> {
        match self.linked(wanted.id).await {
            Err(StoreError::NotFound) if self.place.bucket().is_some() => {}
            linked => return linked,
        }
        // It may be brought home meanwhile.
        match self.fetched(wanted).await {
            Err(StoreError::NotFound) => self.linked(wanted.id).await,
            fetched => fetched,
        }
    }

    async fn linked(&self, id: FileId) -> Result<LocalCopy, StoreError> {
        let place = Arc::clone(&self.place);
        let linked = blocking(move || {
            let bytes = Temporary::new(Arc::clone(&place), FileId::new());
            fs::hard_link(place.home(id), bytes.path())?;
            Ok(LocalCopy { path: bytes.path(), _bytes: bytes, _place: None })
        });
        linked.await.map_err(missing)
    }

    async fn fetched(&self, wanted: Wanted) -> Result<LocalCopy, StoreError> {
        let StoredBytes::Bucket(bytes) = self.read(wanted).await? else { return Err(StoreError::NotFound) };
        let place = bytes.bucket.place_for(bytes.len()).await?;
        // Under another id: nothing of the file itself is in doubt meanwhile.
        let incoming = self.receive(bytes.len()).await?;
        let fetched = pour(&bytes, incoming, &AtomicU64::default()).await?;
        Ok(LocalCopy { path: fetched.path(), _bytes: fetched.into_temporary(), _place: Some(place) })
    }

    /// Enters `id` into the journal: its bytes and its row may disagree from here on. To remove it, delete the row next;
    /// then [`Journaled::discard`] — or [`Journaled::keep`], where the row has to stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the disk's.
    pub async fn enter(&self, id: FileId) -> Result<Journaled, StoreError> {
        let place = Arc::clone(&self.place);
        let entered = blocking(move || {
            place.enter(id)?;
            sync_folder(&place.own)?;
            Ok(Journaled { place, id })
        });
        entered.await.map_err(missing)
    }

    /// Whether bytes can be stored and read now. Writes and removes a small file, and asks the bucket where there is
    /// one.
    pub async fn is_ready(&self) -> bool {
        let on_disk = match self.receive(1).await {
            Ok(mut incoming) => incoming.write(b"!").await.is_ok() && incoming.finish().await.is_ok(),
            Err(_) => false,
        };
        match self.place.bucket() {
            Some(bucket) => on_disk && bucket.is_ready().await,
            None => on_disk,
        }
    }
}

/// Reads an object whole into `incoming`; `counted` is told the bytes that have come.
async fn pour(bytes: &ObjectBytes, mut incoming: Incoming, counted: &AtomicU64) -> Result<Received, StoreError> {
    if !bytes.is_empty() {
        let mut pieces = bytes.part(0..bytes.len()).await?;
        while let Some(piece) = pieces.try_next().await? {
            incoming.write(&piece).await?;
            counted.fetch_add(u64::try_from(piece.len()).unwrap_or_default(), Ordering::Relaxed);
        }
    }
    incoming.finish().await
}
