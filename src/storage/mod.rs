//! Where bytes lie: the local disk, under names of ours.
//!
//! ```text
//! <media_dir>/<aa>/<bb>/<file id>           the bytes of a stored file
//! <media_dir>/tmp/<instance>/<file id>      bytes that arrive, and the journal (below)
//! <media_dir>/tmp/<instance>.lock           held (flock) as long as the instance lives
//! ```
//!
//! Bytes and rows are made and removed in an order that survives `kill -9` at any point, with
//! several processes on one folder. While the two may disagree, a link to the bytes stands in the
//! instance's own folder: it is the journal. To add: link the bytes to their final place, insert the
//! row, remove the journal's link. To remove: link into the journal, delete the row, remove both.
//! An instance that finds another's folder unlocked settles each entry by the row: without one, the
//! bytes go. Knows no database; who does, says which rows exist. Never blocks the caller's thread.

mod incoming;
mod reader;
mod sweep;

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

pub use incoming::{Incoming, Received};
pub use reader::{FileBytes, Read};
pub use sweep::{SweepError, Swept};

use crate::domain::ids::FileId;

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

/// The store on the local disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    place: Arc<Place>,
}

/// The folders of one instance.
#[derive(Debug)]
struct Place {
    root: PathBuf,
    /// This instance's folder below `tmp`: arriving bytes and the journal.
    own: PathBuf,
    /// Held until the process ends.
    _lock: File,
}

impl Place {
    fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn journal(&self, id: FileId) -> PathBuf {
        self.own.join(id.to_string())
    }

    /// The last two bytes are random in a `UUIDv7`, so folders fill evenly.
    fn home(&self, id: FileId) -> PathBuf {
        let [.., aa, bb] = *id.uuid().as_bytes();
        self.root.join(format!("{aa:02x}")).join(format!("{bb:02x}")).join(id.to_string())
    }
}

/// Bytes in their final place whose row is not there yet. Dropped without a word, they stay in the
/// journal: nothing is lost or kept wrongly, whatever became of the row.
#[derive(Debug)]
#[must_use = "say what became of the row: keep, discard or leave"]
pub struct Journaled {
    place: Arc<Place>,
    id: FileId,
}

impl Store {
    /// Opens the store below `media_dir`, which is made if it is not there. Blocks; call it at start.
    ///
    /// # Errors
    /// Where folders or the lock cannot be made.
    pub fn open(media_dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(media_dir.join("tmp"))?;
        let root = fs::canonicalize(media_dir)?;
        let own = root.join("tmp").join(Uuid::now_v7().to_string());
        // Locked before the folder is there: no sweep sees the folder unlocked.
        let lock = try_lock(&own.with_extension("lock"))?
            .ok_or_else(|| io::Error::other("a new lock file is held by another process"))?;
        fs::create_dir(&own)?;
        sync_folder(&root.join("tmp"))?;
        Ok(Self { place: Arc::new(Place { root, own, _lock: lock }) })
    }

    /// Takes in bytes, at most `limit` of them.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub async fn receive(&self, limit: u64) -> Result<Incoming, StoreError> {
        Incoming::begin(Arc::clone(&self.place), limit).await
    }

    /// Opens the bytes of `id` for reading.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the disk's.
    pub async fn read(&self, id: FileId) -> Result<FileBytes, StoreError> {
        let path = self.place.home(id);
        blocking(move || FileBytes::open(&path)).await.map_err(missing)
    }

    /// Where the bytes of `id` lie, for a tool that reads them.
    #[must_use]
    pub fn path(&self, id: FileId) -> PathBuf {
        self.place.home(id)
    }

    /// Begins the removal of `id`: its bytes enter the journal. Then delete the row, and
    /// [`Journaled::discard`] — or [`Journaled::keep`], where the row has to stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the disk's.
    pub async fn begin_removal(&self, id: FileId) -> Result<Journaled, StoreError> {
        let place = Arc::clone(&self.place);
        blocking(move || {
            let journal = place.journal(id);
            match fs::hard_link(place.home(id), &journal) {
                // A removal that this process left in doubt.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
            sync_folder(&place.own)?;
            Ok(Journaled { place, id })
        })
        .await
        .map_err(missing)
    }

    /// Whether bytes can be written now. Writes and removes a small file.
    pub async fn is_ready(&self) -> bool {
        match self.receive(1).await {
            Ok(mut incoming) => incoming.write(b"!").await.is_ok() && incoming.finish().await.is_ok(),
            Err(_) => false,
        }
    }
}

impl Journaled {
    /// The file's id.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.id
    }

    /// The row is there: the bytes stay.
    ///
    /// # Errors
    /// The disk's; the entry then stays for the next sweep.
    pub async fn keep(self) -> Result<(), StoreError> {
        blocking(move || remove(&self.place.journal(self.id))).await
    }

    /// There is no row: the bytes go.
    ///
    /// # Errors
    /// The disk's; the entry then stays for the next sweep.
    pub async fn discard(self) -> Result<(), StoreError> {
        blocking(move || {
            let home = self.place.home(self.id);
            remove(&home)?;
            // The journal's link goes last: until then a sweep would repeat this.
            home.parent().map_or(Ok(()), sync_folder)?;
            remove(&self.place.journal(self.id))
        })
        .await
    }
}

/// Removes a file; that it is gone already is no error.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes what happened to a folder's entries last.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The lock file, locked; `None` where another process holds it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use super::*;

    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new() -> Self {
            Self(std::env::temp_dir().join(format!("playhouse-store-{}", Uuid::now_v7())))
        }

        /// Every file below but the locks.
        pub(crate) fn files(&self) -> usize {
            fn count(path: &Path) -> usize {
                let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
                entries
                    .map(|path| if path.is_dir() { count(&path) } else { usize::from(path.extension().is_none()) })
                    .sum()
            }
            count(&self.0)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    async fn arrive(store: &Store, bytes: &[u8]) -> Received {
        let mut incoming = store.receive(1 << 30).await.unwrap();
        incoming.write(bytes).await.unwrap();
        incoming.finish().await.unwrap()
    }

    #[tokio::test]
    async fn bytes_arrive_are_read_and_go() {
        let folder = Folder::new();
        let store = Store::open(&folder.0).unwrap();
        let received = arrive(&store, b"hello").await;
        assert_eq!((received.size(), received.head()), (5, b"hello".as_slice()));
        assert_eq!(received.sha256(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
        let id = received.id();
        assert!(matches!(store.read(id).await, Err(StoreError::NotFound)));
        received.commit().await.unwrap().keep().await.unwrap();
        assert_eq!(store.read(id).await.unwrap().len(), 5);
        assert_eq!(folder.files(), 1);
        store.begin_removal(id).await.unwrap().keep().await.unwrap();
        assert_eq!(folder.files(), 1);
        store.begin_removal(id).await.unwrap().discard().await.unwrap();
        assert_eq!(folder.files(), 0);
        assert!(store.is_ready().await);
        while folder.files() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        let folder = Folder::new();
        let store = Store::open(&folder.0).unwrap();
        let mut incoming = store.receive(1000).await.unwrap();
        assert!(matches!(incoming.write(&[0; 1001]).await, Err(StoreError::TooLarge(1000))));
        drop(incoming);
        drop(arrive(&store, b"unwanted").await);
        let mut half = store.receive(1 << 20).await.unwrap();
        half.write(&vec![7; 700_000]).await.unwrap();
        drop(half);
        arrive(&store, b"refused").await.commit().await.unwrap().discard().await.unwrap();
        while folder.files() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_sweep_settles_what_a_dead_process_left_and_spares_the_living() {
        let folder = Folder::new();
        let dead = Store::open(&folder.0).unwrap();
        let living = Store::open(&folder.0).unwrap();
        let working = arrive(&living, b"in work").await;
        let with_row = arrive(&dead, b"row committed").await.commit().await.unwrap();
        let without_row = arrive(&dead, b"row not committed").await.commit().await.unwrap();
        let stored = arrive(&dead, b"being removed").await.commit().await.unwrap();
        let stored_id = stored.id();
        stored.keep().await.unwrap();
        let removal = dead.begin_removal(stored_id).await.unwrap();
        fs::write(dead.place.journal(FileId::new()), b"only half here").unwrap();
        let rows = HashSet::from([with_row.id()]);
        let keep = with_row.id();
        drop((with_row, without_row, removal, dead));

        let sweeper = Store::open(&folder.0).unwrap();
        let failed = sweeper.sweep(async |_: Vec<FileId>| Err("no database")).await;
        assert!(failed.is_err());
        let swept = sweeper
            .sweep(async |ids: Vec<FileId>| Ok::<_, &str>(ids.into_iter().filter(|id| rows.contains(id)).collect()));
        let swept = swept.await.unwrap();
        assert_eq!((swept.instances, swept.settled, swept.removed), (1, 4, 3));
        assert_eq!(folder.files(), 2, "the kept one, and the one in work");
        assert!(sweeper.read(keep).await.is_ok());
        working.commit().await.unwrap().keep().await.unwrap();
        assert_eq!(fs::read_dir(folder.0.join("tmp")).unwrap().count(), 4, "two folders, two locks");
    }
}
