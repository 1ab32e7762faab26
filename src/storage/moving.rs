//! Bringing the bytes of a file from one home to the other, while servers read and remove them. What counts is their
//! hash: a copy whose bytes do not have it is taken away again.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{
    About, Bucket, BucketError, Incoming, Journaled, ObjectBytes, Store, StoreError, blocking, bucket::Sending,
    incoming::hexadecimal, place::try_lock, pour,
};
use crate::{domain::ids::FileId, settings::StorageKind};

/// A file that is to be in another home.
#[derive(Debug, Clone)]
pub struct Movable {
    /// Its id.
    pub id: FileId,
    /// Its bytes.
    pub size: u64,
    /// When they came.
    pub modified: SystemTime,
    /// Bytes that [`Store::listed`] found of it.
    pub listed: Option<u64>,
    /// What it is; its hash is the one the bytes must have.
    pub about: About,
}

/// What came of it.
#[derive(Debug)]
pub enum Brought {
    /// The bytes were copied, and read again. Until it is said whether the row is there still, they are in the journal.
    Copied(Journaled),
    /// They were there.
    Present,
    /// They are in neither home.
    Lost,
    /// They do not have their hash.
    Damaged,
}

/// How closely a copy that is there already is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// By what is known of it.
    Glance,
    /// It is read.
    Read,
}

/// How often [`Store::bring`] counts a byte: when it has come to `to`, and in a bucket once more, when it was read again.
#[must_use]
pub const fn times_counted(to: StorageKind) -> u64 {
    match to {
        StorageKind::S3 => 2,
        StorageKind::Local => 1,
    }
}

/// Held by the one that moves; two of them would take from each other what they have just brought.
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

/// Bytes that are in a home, by their ids.
pub type Listed = HashMap<FileId, u64>;

impl Store {
    /// Lets one move at a time over this media folder, until what this gives is dropped. `None`: another one does.
    /// Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn move_alone(&self) -> io::Result<Option<Alone>> {
        Ok(try_lock(&self.place.move_lock())?.map(|lock| Alone { _lock: lock }))
    }

    /// What the bucket has now; of the disk nothing is listed, because it is as easily asked.
    ///
    /// # Errors
    /// The bucket's.
    pub async fn listed(&self, home: StorageKind) -> Result<Listed, StoreError> {
        match (home, self.place.bucket()) {
            (StorageKind::S3, Some(bucket)) => bucket.list().try_collect().await,
            (StorageKind::S3, None) | (StorageKind::Local, _) => Ok(Listed::new()),
        }
    }

    /// Brings the bytes of `file` to `to`; `counted` is told of those that travel, as they do, each as often as [`times_counted`] says.
    /// Those in the other home stay. (Where there is no bucket, there is no other home.)
    ///
    /// # Errors
    /// The disk's, the bucket's; then it is worth trying again.
    pub async fn bring(
        &self,
        to: StorageKind,
        file: &Movable,
        care: Care,
        counted: &Arc<AtomicU64>,
    ) -> Result<Brought, StoreError> {
        let Some(bucket) = self.place.bucket() else { return Ok(Brought::Present) };
        match to {
            StorageKind::S3 => self.bring_to(bucket, file, care, counted).await,
            StorageKind::Local => self.bring_home(bucket, file, care, counted).await,
        }
    }

    async fn bring_to(
        &self,
        bucket: &Bucket,
        file: &Movable,
        care: Care,
        counted: &Arc<AtomicU64>,
    ) -> Result<Brought, StoreError> {
        // An object is there when it is whole, and its bytes were signed on their way.
        let is_listed = file.listed == Some(file.size);
        let whole = times_counted(StorageKind::S3);
        if is_listed && (care == Care::Glance || is_right(bucket, file, whole, counted).await?) {
            return Ok(Brought::Present);
        }
        let home = self.place.home(file.id);
        let looked = home.clone();
        if !blocking(move || looked.try_exists()).await? {
            // A server may have brought it since the list was made.
            return Ok(match bucket.size_of(file.id).await? {
                None => Brought::Lost,
                Some(size) if size == file.size && is_right(bucket, file, whole, counted).await? => Brought::Present,
                Some(_) => Brought::Damaged,
            });
        }
        let (looked, sha256) = (home.clone(), file.about.sha256.clone());
        // What is wrong here does not travel. What is signed on its way comes right, or not at all.
        if blocking(move || hash_of(&looked, &AtomicU64::default())).await? != sha256 {
            return Ok(Brought::Damaged);
        }
        // What was read and is wrong is sent anew.
        counted.store(0, Ordering::Relaxed);
        // The row may go meanwhile; then whoever settles this entry takes the copy away.
        let journaled = self.enter(file.id).await?;
        let (under_way, _) = mpsc::channel(1);
        let sending =
            Sending { note: self.place.upload_note(file.id), _under_way: under_way, counted: Arc::clone(counted) };
        bucket.put(file.id, &home, &file.about, sending).await?;
        if is_right(bucket, file, 1, counted).await? {
            return Ok(Brought::Copied(journaled));
        }
        bucket.delete(file.id).await?;
        journaled.keep().await?;
        Ok(Brought::Damaged)
    }

    async fn bring_home(
        &self,
        bucket: &Bucket,
        file: &Movable,
        care: Care,
        counted: &Arc<AtomicU64>,
    ) -> Result<Brought, StoreError> {
        let (place, id) = (Arc::clone(&self.place), file.id);
        let (size, sha256, told) = (file.size, file.about.sha256.clone(), Arc::clone(counted));
        let look = move || match fs::metadata(place.home(id)) {
            Ok(facts) if facts.len() == size => {
                // Its hash was looked at before it came to its place.
                Ok(care == Care::Glance || hash_of(&place.home(id), &told)? == sha256)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        if blocking(look).await? {
            return Ok(Brought::Present);
        }
        match bucket.size_of(id).await? {
            None => return Ok(Brought::Lost),
            Some(there) if there != size => return Ok(Brought::Damaged),
            Some(_) => {}
        }
        counted.store(0, Ordering::Relaxed);
        let incoming = Incoming::begin(Arc::clone(&self.place), id, size).await?;
        let place = Arc::clone(&self.place);
        let stand_in = Arc::new(blocking(move || place.stand_in(size, SystemTime::UNIX_EPOCH)).await?);
        let bytes = ObjectBytes { bucket: bucket.clone(), id, length: size, stand_in, home: self.place.home(id) };
        let received = pour(&bytes, incoming, counted).await?;
        if received.sha256() != file.about.sha256 {
            return Ok(Brought::Damaged);
        }
        let place = Arc::clone(&self.place);
        blocking(move || place.clear(id)).await?;
        Ok(Brought::Copied(received.commit_to_disk(file.modified).await?))
    }

    /// Removes the bytes of `id` from one home alone.
    ///
    /// # Errors
    /// The disk's, the bucket's.
    pub async fn take_from(&self, from: StorageKind, id: FileId) -> Result<(), StoreError> {
        match (from, self.place.bucket()) {
            (StorageKind::S3, Some(bucket)) => bucket.delete(id).await,
            (StorageKind::S3, None) => Ok(()),
            (StorageKind::Local, _) => {
                let place = Arc::clone(&self.place);
                blocking(move || place.clear(id)).await
            }
        }
    }
}

/// Whether the object's bytes have the hash of the file; `counted` is told of each, so many `times`.
async fn is_right(bucket: &Bucket, file: &Movable, times: u64, counted: &AtomicU64) -> Result<bool, StoreError> {
    let mut hash = Sha256::new();
    if file.size > 0 {
        let mut bytes = bucket.get(file.id, 0..file.size).await?;
        loop {
            match bytes.try_next().await {
                Ok(Some(piece)) => {
                    hash.update(&piece);
                    counted.fetch_add(u64::try_from(piece.len()).unwrap_or_default() * times, Ordering::Relaxed);
                }
                Ok(None) => break,
                Err(BucketError::Short { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(hexadecimal(&hash.finalize()) == file.about.sha256)
}

/// `counted` is told of what was read. Blocks.
fn hash_of(path: &Path, counted: &AtomicU64) -> io::Result<String> {
    let (mut hash, mut file) = (Sha256::new(), File::open(path)?);
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => {
                hash.update(piece.get(..count).unwrap_or_default());
                counted.fetch_add(u64::try_from(count).unwrap_or_default(), Ordering::Relaxed);
            }
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}
