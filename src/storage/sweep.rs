//! Settling what dead processes left: each entry of their journals is decided by its row.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Bucket, Place, Store, StoreError, blocking,
    place::{FACTS, UPLOAD, remove, try_lock},
};
use crate::domain::ids::FileId;

/// Entries that are asked about at once.
const BATCH: usize = 500;

/// What a sweep did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Dead processes whose folders were settled.
    pub instances: usize,
    /// Entries found in them.
    pub settled: usize,
    /// Of these, the ones without a row, whose bytes were removed.
    pub removed: usize,
    /// Dead processes whose folders wait for the bucket to be back.
    pub left: usize,
}

/// Why a sweep ended early. What it had settled is settled.
#[derive(Debug, thiserror::Error)]
pub enum SweepError<E> {
    /// Whether the rows exist could not be told.
    #[error("the rows could not be read")]
    Rows(E),
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A dead process's folder, and the lock that makes us its heir.
struct Estate {
    folder: PathBuf,
    entries: Vec<FileId>,
    /// Uploads in parts that were under way.
    uploads: Vec<FileId>,
    lock: File,
}

impl Estate {
    const fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.uploads.is_empty()
    }
}

impl Store {
    /// Settles the folders of dead processes; where the bucket is away, those that need it are left. `exists` gives
    /// those of the ids whose rows exist, after every insertion that was under way has ended.
    ///
    /// # Errors
    /// See [`SweepError`].
    pub async fn sweep<E, F, R>(&self, exists: F) -> Result<Swept, SweepError<E>>
    where
        F: Fn(Vec<FileId>) -> R,
        R: Future<Output = Result<HashSet<FileId>, E>>,
    {
        let place = Arc::clone(&self.place);
        let mut swept = Swept::default();
        for folder in blocking(move || others(&place)).await? {
            let Some(estate) = blocking(move || take_over(folder)).await? else { continue };
            // Nobody waits at the start for a bucket that is away.
            let is_away = swept.left > 0 || !estate.is_empty() && !self.bucket_is_ready().await;
            if is_away && !estate.is_empty() {
                swept.left += 1;
                continue;
            }
            match self.settle_estate(&estate, &exists, &mut swept).await {
                Err(SweepError::Store(error @ StoreError::Bucket(_))) => {
                    tracing::warn!(error = ?error, "what dead processes left stays until the bucket is back");
                    swept.left += 1;
                    continue;
                }
                settled => settled?,
            }
            swept.instances += 1;
            blocking(move || close(estate)).await?;
        }
        Ok(swept)
    }

    async fn bucket_is_ready(&self) -> bool {
        match self.place.bucket() {
            Some(bucket) => bucket.is_ready().await,
            None => true,
        }
    }

    async fn settle_estate<E, F, R>(&self, estate: &Estate, exists: &F, swept: &mut Swept) -> Result<(), SweepError<E>>
    where
        F: Fn(Vec<FileId>) -> R,
        R: Future<Output = Result<HashSet<FileId>, E>>,
    {
        if let Some(bucket) = self.place.bucket() {
            for id in &estate.uploads {
                give_up(bucket, *id, estate.folder.join(id.to_string()).with_extension(UPLOAD)).await?;
            }
        }
        for batch in estate.entries.chunks(BATCH) {
            let batch = batch.to_vec();
            let rows = exists(batch.clone()).await.map_err(SweepError::Rows)?;
            if let Some(bucket) = self.place.bucket() {
                for id in batch.iter().filter(|id| !rows.contains(id)) {
                    bucket.delete(*id).await?;
                }
            }
            swept.settled += batch.len();
            swept.removed += batch.iter().filter(|id| !rows.contains(id)).count();
            let (place, folder) = (Arc::clone(&self.place), estate.folder.clone());
            blocking(move || batch.into_iter().try_for_each(|id| settle(&place, &folder, id, &rows))).await?;
        }
        Ok(())
    }
}

async fn give_up(bucket: &Bucket, id: FileId, note: PathBuf) -> Result<(), StoreError> {
    let read = note.clone();
    let upload = blocking(move || fs::read_to_string(read)).await?;
    // Empty: the process died before it had written it, so no part went out.
    if !upload.is_empty() {
        bucket.give_up(id, &upload).await?;
    }
    blocking(move || remove(&note)).await
}

/// The folders of all instances but this one.
fn others(place: &Place) -> io::Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(place.tmp())?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(entries.into_iter().filter(|path| path.is_dir() && *path != place.own).collect())
}

fn take_over(folder: PathBuf) -> io::Result<Option<Estate>> {
    let Some(lock) = try_lock(&folder.with_extension("lock"))? else { return Ok(None) };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        // Another heir was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let names: Vec<String> = entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let uploads = names.iter().filter_map(|name| name.strip_suffix(UPLOAD)?.strip_suffix('.')?.parse().ok()).collect();
    // The process died before it could take their names.
    let nameless = names.iter().filter(|name| name.strip_suffix(FACTS).is_some_and(|name| name.ends_with('.')));
    nameless.into_iter().try_for_each(|name| remove(&folder.join(name)))?;
    let entries = names.iter().filter_map(|name| name.parse().ok()).collect();
    Ok(Some(Estate { folder, entries, uploads, lock }))
}

fn settle(place: &Place, folder: &Path, id: FileId, rows: &HashSet<FileId>) -> io::Result<()> {
    if !rows.contains(&id) {
        place.clear(id)?;
    }
    remove(&folder.join(id.to_string()))
}

fn close(estate: Estate) -> io::Result<()> {
    match fs::remove_dir(&estate.folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            tracing::warn!("a folder of a dead process holds what is not ours, and stays");
            return Ok(());
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    remove(&estate.folder.with_extension("lock"))?;
    drop(estate.lock);
    Ok(())
}
