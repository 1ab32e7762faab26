//! Files: bytes and their rows, taken in, given out and removed together.
//!
//! A handle, no actor: nothing here has to happen in order. What would leave bytes and row at
//! odds when a caller goes away runs as a task of its own; what the database leaves in doubt (no
//! answer in time) is settled by its rows as soon as it answers again.

mod error;
mod intake;
mod moving;
mod removal;
mod settle;

use std::{collections::HashSet, sync::Arc, time::Duration};

use foldhash::fast::RandomState;
use moka::sync::Cache as Held;

use crate::{
    actors::{auth::Caller, pages::page, turns::Turns},
    cache::{Cache, Kind, Scope, Stamp},
    db::{Db, DbError, listing::ListQuery, queries::files, rows::file::FileRow},
    domain::{
        access::Permission,
        ids::{FileId, UserId},
        listing::{ListRequest, Page},
        media::StoredFile,
    },
    media::{frame::Framer, probe::Prober},
    settings::{ImageSettings, MediaSettings, millis},
    storage::{Incoming, LocalCopy, Looking, Store, StoreError, StoredBytes, Wanted},
};

pub use self::{
    error::{FilesError, ReferredBy},
    intake::{Arrival, Examined, Made, NotKept, Stop},
    moving::{Extent, Moved, Mover, Progress, Source, StorageKind},
    removal::{RemoveFiles, remove_later},
};
pub use crate::db::queries::files::{LISTING, Shown};

/// Files that are held open; each takes a descriptor.
const OPEN_FILES: u64 = 256;
/// How long a row and its bytes are held; on a node that cannot hear the others, also how long a change
/// may stay unseen.
const OPEN_TIME: Duration = Duration::from_secs(2);

/// Who wants to read.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    /// Sees every file (editors and owners).
    Everything,
    /// Sees what is shown there, and their own.
    Account(UserId, Shown),
}

impl Reader {
    /// The caller, by what they may do now.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        if caller.may(Permission::UploadFiles) {
            return Self::Everything;
        }
        let (catalogue, casting) = (caller.may(Permission::ViewCatalogue), caller.may(Permission::ViewMovies));
        Self::Account(caller.user_id, Shown { catalogue, casting })
    }

    /// Whether a file of this owner, that is shown there, is open to the reader.
    fn sees(self, owner: Option<UserId>, shown: Shown) -> bool {
        match self {
            Self::Everything => true,
            Self::Account(id, looks) => {
                owner == Some(id) || (looks.catalogue && shown.catalogue) || (looks.casting && shown.casting)
            }
        }
    }
}

/// A file that may be read.
#[derive(Debug)]
pub struct OpenFile {
    /// Its row.
    pub file: StoredFile,
    /// Its bytes.
    pub bytes: StoredBytes,
    shown: Shown,
}

impl OpenFile {
    fn is_open_to(&self, reader: Reader) -> bool {
        reader.sees(self.file.owner_id, self.shown)
    }
}

/// Where rows and bytes are.
pub struct FileStores {
    /// The rows.
    pub db: Db,
    /// What tells the nodes of changes.
    pub cache: Cache,
    /// The bytes.
    pub store: Store,
}

/// What looks at bytes that have come.
pub struct Examiners {
    /// Sound and moving pictures.
    pub prober: Prober,
    /// Images.
    pub framer: Framer,
}

/// What the right to read `id` depends on: the file, and all that may refer to it.
const fn scopes(id: FileId) -> [Scope; 5] {
    [
        Scope::Row(Kind::Files, id.uuid()),
        Scope::List(Kind::Series),
        Scope::List(Kind::Episodes),
        Scope::List(Kind::Videos),
        Scope::List(Kind::Casting),
    ]
}

/// What the lists of files depend on: the files, and what shows them to those who do not see every file.
const LISTS: [Scope; 4] =
    [Scope::List(Kind::Files), Scope::List(Kind::Series), Scope::List(Kind::Episodes), Scope::List(Kind::Casting)];

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    db: Db,
    store: Store,
    prober: Prober,
    framer: Framer,
    limit: u64,
    image_limit: u64,
    subtitle_limit: u64,
    quota: u64,
    cache: Cache,
    /// By who has something decoded.
    accounts: Turns<UserId>,
    patience: Duration,
    open: Held<FileId, (Option<Stamp>, Arc<OpenFile>), RandomState>,
}

impl Files {
    /// A handle on these.
    #[must_use]
    pub fn new(stores: FileStores, examiners: Examiners, settings: &MediaSettings, images: &ImageSettings) -> Self {
        let FileStores { db, cache, store } = stores;
        let Examiners { prober, framer } = examiners;
        let open =
            Held::builder().max_capacity(OPEN_FILES).time_to_live(OPEN_TIME).build_with_hasher(RandomState::default());
        let (limit, quota) = (settings.max_upload_bytes, settings.account_quota_bytes);
        let (image_limit, subtitle_limit) = (images.max_bytes, settings.max_subtitle_bytes);
        let (accounts, patience) = (Turns::new(), millis(settings.tool_wait_ms));
        Self { db, store, prober, framer, limit, image_limit, subtitle_limit, quota, cache, accounts, patience, open }
    }

    /// The most bytes a file may have.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Begins to take in a file of `owner_id`, which will have `least` bytes or more.
    ///
    /// # Errors
    /// [`FilesError::OverQuota`] where less than that is left of the quota, or nothing; the store's; the database's.
    pub async fn receive(&self, owner_id: UserId, least: u64) -> Result<Incoming, FilesError> {
        let mut limit = self.limit;
        if self.quota > 0 {
            let owned =
                self.db.run(move |conn| files::owned_bytes(conn, owner_id.uuid()).map_err(DbError::from)).await?;
            let left = self.quota.saturating_sub(u64::try_from(owned).unwrap_or_default());
            if left < least.max(1) {
                return Err(FilesError::OverQuota(self.quota));
            }
            limit = limit.min(left);
        }
        Ok(self.store.receive(limit).await?)
    }

    /// Opens `id` for `reader`. What is held open serves again for a moment, while neither the file
    /// nor what refers to it has changed; a refusal is always fresh.
    ///
    /// # Errors
    /// [`FilesError::NotFound`], [`FilesError::Forbidden`], the store's, the database's.
    pub async fn open(&self, id: FileId, reader: Reader) -> Result<Arc<OpenFile>, FilesError> {
        let stamp = self.cache.stamp(&scopes(id));
        if let Some((held, open)) = self.open.get(&id)
            && held == stamp
            && open.is_open_to(reader)
        {
            return Ok(open);
        }
        let (row, shown) = self.look_up(id).await?;
        let file = StoredFile::from(row);
        let bytes = match self.store.read(wanted(&file)).await {
            Ok(bytes) if file.size == bytes.len() => bytes,
            Ok(_) | Err(StoreError::NotFound) => return Err(self.without_bytes(id).await),
            Err(other) => return Err(other.into()),
        };
        let open = Arc::new(OpenFile { file, bytes, shown });
        if !open.is_open_to(reader) {
            return Err(FilesError::Forbidden);
        }
        self.open.insert(id, (stamp, Arc::clone(&open)));
        self.let_go_in_time();
        Ok(open)
    }

    /// Why there are no bytes of `id`: it was removed meanwhile, or they are lost, which is our fault.
    pub async fn without_bytes(&self, id: FileId) -> FilesError {
        self.open.invalidate(&id);
        self.look_up(id).await.map_or_else(|gone| gone, |_| FilesError::Lost(id))
    }

    /// Where a reader of `open` is to go for the bytes, if anywhere: a link into the bucket that has them.
    ///
    /// # Errors
    /// The store's.
    pub async fn link(&self, open: &OpenFile, how: Looking) -> Result<Option<String>, FilesError> {
        match &open.bytes {
            StoredBytes::Disk(_) => Ok(None),
            StoredBytes::Bucket(bytes) => Ok(bytes.link(how, &open.file.mime_type).await?),
        }
    }

    /// What is held closes after its time also where nobody asks again: an open file keeps its room on
    /// the disk when it is removed, and closing may take long.
    fn let_go_in_time(&self) {
        let held = self.open.clone();
        tokio::spawn(async move {
            tokio::time::sleep(OPEN_TIME + OPEN_TIME / 10).await;
            tokio::task::spawn_blocking(move || held.run_pending_tasks()).await
        });
    }

    async fn look_up(&self, id: FileId) -> Result<(FileRow, Shown), FilesError> {
        self.db
            .run(move |conn| -> Result<_, DbError> {
                Ok((files::find(conn, id.uuid())?, files::shown(conn, id.uuid())?))
            })
            .await
            .map_err(not_found)
    }

    /// What is known of `id`.
    ///
    /// # Errors
    /// [`FilesError::NotFound`], [`FilesError::Forbidden`], the database's.
    pub async fn one(&self, reader: Reader, id: FileId) -> Result<StoredFile, FilesError> {
        let (row, shown) = self.look_up(id).await?;
        let file = StoredFile::from(row);
        if reader.sees(file.owner_id, shown) { Ok(file) } else { Err(FilesError::Forbidden) }
    }

    /// The files that `reader` may see.
    ///
    /// # Errors
    /// The database's.
    pub async fn list(&self, reader: Reader, request: ListRequest) -> Result<Page<StoredFile>, FilesError> {
        let narrow = match reader {
            Reader::Everything => Vec::new(),
            Reader::Account(id, looks) => vec![files::seen_by(id.uuid(), looks)],
        };
        let query = ListQuery { listing: &files::LISTING, request, narrow, parent: None };
        let page: Result<Page<FileRow>, FilesError> = page(&self.db, &self.cache, query, &LISTS).await;
        Ok(page?.map(StoredFile::from))
    }

    /// Whether bytes can be stored now.
    pub async fn is_ready(&self) -> bool {
        self.store.is_ready().await
    }

    /// The bytes of `file` on this disk, for a tool that reads them. Drop it when the tool is done.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] where the file was removed meanwhile, [`FilesError::Lost`] where its bytes are gone; the
    /// store's.
    pub async fn local_copy(&self, file: &StoredFile) -> Result<LocalCopy, FilesError> {
        match self.store.local_copy(wanted(file)).await {
            Err(StoreError::NotFound) => Err(self.without_bytes(file.id).await),
            copy => Ok(copy?),
        }
    }

    /// Removes the row and the bytes of `id`, with what was made of it. Whoever reads at this moment may read on.
    ///
    /// # Errors
    /// [`FilesError::NotFound`], [`FilesError::Referred`], the store's, the database's.
    pub async fn remove(&self, id: FileId) -> Result<(), FilesError> {
        let files = self.clone();
        tokio::spawn(async move { files.remove_with_row(id).await }).await.map_err(|_| FilesError::Died)?
    }

    /// Forgets what is held open of `id`, and the totals of lists, here and on every node: it is gone.
    async fn forget(&self, id: FileId) {
        self.open.invalidate(&id);
        self.cache.invalidate(&[Scope::Row(Kind::Files, id.uuid()), Scope::List(Kind::Files)]).await;
    }
}

/// Those of `ids` that have rows.
async fn with_rows(db: &Db, ids: Vec<FileId>) -> Result<HashSet<FileId>, DbError> {
    let ids: Vec<_> = ids.into_iter().map(FileId::uuid).collect();
    let rows = db.run(move |conn| files::which_exist(conn, &ids).map_err(DbError::from)).await?;
    Ok(rows.into_iter().map(FileId::from).collect())
}

fn wanted(file: &StoredFile) -> Wanted {
    Wanted { id: file.id, size: file.size, modified: file.created_at.into() }
}

fn not_found(error: DbError) -> FilesError {
    match error {
        DbError::NotFound => FilesError::NotFound,
        other => FilesError::Db(other),
    }
}

/// The row of a file that is not stored yet.
fn row_of(file: &StoredFile) -> FileRow {
    FileRow::from(file)
}
