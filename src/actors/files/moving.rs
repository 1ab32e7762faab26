//! Bringing all files from one store to the other, while servers go on. Run again, it goes on where it was: what is
//! there already is passed over.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::PgConnection;
use futures_util::{StreamExt as _, stream};

use super::{FilesError, intake::about, with_rows};
pub use crate::settings::StorageKind;
use crate::{
    db::{Db, DbError, LongWork, queries::files},
    domain::{ids::FileId, media::StoredFile},
    storage::{Alone, Brought, Care, Listed, Movable, Store, times_counted},
};

/// Files whose rows are read at once.
const PAGE: u32 = 200;
/// How long it may take to count all files: of some millions, some seconds.
const COUNTING: Duration = Duration::from_mins(2);
/// Files that travel at the same time.
const TOGETHER: usize = 4;

/// What becomes of the bytes where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// They stay.
    Keep,
    /// They go, once the copy was read and is right.
    Remove,
}

/// How far it is. Shared with who shows it.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
    seen: AtomicU64,
    passed: AtomicU64,
    travelling: Mutex<HashMap<FileId, Travelling>>,
}

#[derive(Debug)]
struct Travelling {
    size: u64,
    passed: Arc<AtomicU64>,
}

/// How far it is at one moment; all zero before it has begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Files that were seen to.
    pub seen: u64,
    /// Files there are.
    pub files: u64,
    /// Bytes of files that were seen to, whatever came of it, and of those on their way as far as they have come.
    pub passed: u64,
    /// Bytes there are.
    pub bytes: u64,
}

impl Progress {
    /// How far it is now, on its way to `to`.
    #[must_use]
    pub fn extent(&self, to: StorageKind) -> Extent {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let travelling = self.travelling();
        let come = travelling.values().map(|file| (of(&file.passed) / times_counted(to)).min(file.size)).sum::<u64>();
        Extent { seen: of(&self.seen), files: of(&self.files), passed: of(&self.passed) + come, bytes: of(&self.bytes) }
    }

    fn travelling(&self) -> MutexGuard<'_, HashMap<FileId, Travelling>> {
        self.travelling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, id: FileId, size: u64) -> Arc<AtomicU64> {
        let passed = Arc::new(AtomicU64::default());
        self.travelling().insert(id, Travelling { size, passed: Arc::clone(&passed) });
        passed
    }

    fn end(&self, id: FileId) {
        let mut travelling = self.travelling();
        let size = travelling.remove(&id).map_or(0, |file| file.size);
        self.passed.fetch_add(size, Ordering::Relaxed);
        self.seen.fetch_add(1, Ordering::Relaxed);
    }
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Files that were copied.
    pub copied: u64,
    /// Files that were there.
    pub present: u64,
    /// Files that were removed by servers meanwhile.
    pub gone: u64,
    /// Files whose bytes are nowhere.
    pub lost: Vec<FileId>,
    /// Files whose bytes do not have their hash: they were left as they are.
    pub damaged: Vec<FileId>,
}

/// Where to, what becomes of the bytes where they were, and what was there at the beginning.
struct Destination {
    to: StorageKind,
    source: Source,
    listed: Listed,
}

/// The hand that moves. It needs no server, and disturbs none.
pub struct Mover {
    db: Db,
    store: Store,
    _alone: Alone,
}

impl Mover {
    /// Over these.
    #[must_use]
    pub const fn new(db: Db, store: Store, alone: Alone) -> Self {
        Self { db, store, _alone: alone }
    }

    /// Brings all files to `to`.
    ///
    /// # Errors
    /// The database's, the store's; what was brought is there, so it is worth running again.
    pub async fn run(&self, to: StorageKind, source: Source, progress: &Progress) -> Result<Moved, FilesError> {
        // Runs that died have left what they were about.
        self.store.sweep(|ids| with_rows(&self.db, ids)).await.map_err(FilesError::from)?;
        let count = |conn: &mut PgConnection| files::extent(conn).map_err(DbError::from);
        let extent = LongWork::new(self.db.clone(), COUNTING).run(count).await?;
        progress.files.store(extent.0, Ordering::Relaxed);
        progress.bytes.store(extent.1, Ordering::Relaxed);
        let to = Destination { to, source, listed: self.store.listed(to).await? };
        let (mut moved, mut after) = (Moved::default(), None);
        loop {
            let rows = self.db.run(move |conn| files::after(conn, after, PAGE).map_err(DbError::from)).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id);
            self.move_page(rows.into_iter().map(StoredFile::from).collect(), &to, progress, &mut moved).await?;
        }
        Ok(moved)
    }

    async fn move_page(
        &self,
        page: Vec<StoredFile>,
        destination: &Destination,
        progress: &Progress,
        moved: &mut Moved,
    ) -> Result<(), FilesError> {
        let Destination { to, source, ref listed } = *destination;
        let care = match source {
            Source::Keep => Care::Glance,
            Source::Remove => Care::Read,
        };
        let mut brought = stream::iter(page)
            .map(async |file| {
                let listed = listed.get(&file.id).copied();
                let modified = file.created_at.into();
                let movable = Movable { id: file.id, size: file.size, modified, listed, about: about(&file) };
                let passed = progress.begin(file.id, file.size);
                let result = self.store.bring(to, &movable, care, &passed).await;
                progress.end(file.id);
                (file.id, result)
            })
            .buffer_unordered(TOGETHER);
        let (mut done, mut failed) = (Vec::new(), None);
        while let Some((id, result)) = brought.next().await {
            match result {
                Ok(brought) => done.push((id, brought)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        drop(brought);
        self.settle(done, to, source, moved).await?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What servers removed meanwhile goes again; of the rest the source goes, where it is to go.
    async fn settle(
        &self,
        done: Vec<(FileId, Brought)>,
        to: StorageKind,
        source: Source,
        moved: &mut Moved,
    ) -> Result<(), FilesError> {
        let rows = with_rows(&self.db, done.iter().map(|(id, _)| *id).collect()).await?;
        for (id, brought) in done {
            let is_there = rows.contains(&id);
            let has_copy = matches!(brought, Brought::Copied(_) | Brought::Present);
            match brought {
                Brought::Copied(journaled) if is_there => {
                    journaled.keep().await?;
                    moved.copied += 1;
                }
                Brought::Copied(journaled) => journaled.discard().await?,
                Brought::Present if is_there => moved.present += 1,
                Brought::Lost if is_there => moved.lost.push(id),
                Brought::Damaged if is_there => moved.damaged.push(id),
                Brought::Present => self.store.take_from(to, id).await?,
                Brought::Lost | Brought::Damaged => {}
            }
            moved.gone += u64::from(!is_there);
            if is_there && source == Source::Remove && has_copy {
                let from = match to {
                    StorageKind::S3 => StorageKind::Local,
                    StorageKind::Local => StorageKind::S3,
                };
                self.store.take_from(from, id).await?;
            }
        }
        Ok(())
    }
}
