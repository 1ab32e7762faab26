//! Bringing the bytes of a file from one home to the other, while servers read and remove them. What counts is their
//! hash: a copy whose bytes do not have it is taken away again.

use std::{
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
    About, Bucket, BucketError, Incoming, ObjectBytes, Store, StoreError, blocking, bucket::Sending,
    incoming::hexadecimal, pour,
};
use crate::{domain::ids::FileId, settings::StorageKind};

/// A file that is to be in another home.
#[derive(Debug, Clone)]
pub struct Movable {
    /// Its id.
    pub id: FileId,
    /// Its bytes.
    pub size: u64,
    /// What it is; its hash is the one the bytes must have.
    pub about: About,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// The bytes were copied, and read again.
    Copied,
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

impl Store {
    /// Brings the bytes of `file` to `to`; `counted` is told how many are there, as they come. Those in the other home
    /// stay. (Where there is no bucket, there is no other home.)
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
        let known = bucket.facts(file.id).await?.filter(|facts| facts.size == file.size);
        let is_told = known.as_ref().is_some_and(|facts| facts.sha256.as_ref() == Some(&file.about.sha256));
        if known.is_some() && (is_told && care == Care::Glance || is_right(bucket, file).await?) {
            counted.fetch_add(file.size, Ordering::Relaxed);
            return Ok(Brought::Present);
        }
        let home = self.place.home(file.id);
        let looked = home.clone();
        if !blocking(move || looked.try_exists()).await? {
            return Ok(if known.is_some() { Brought::Damaged } else { Brought::Lost });
        }
        let (under_way, _) = mpsc::channel(1);
        let sending =
            Sending { note: self.place.upload_note(file.id), _under_way: under_way, counted: Arc::clone(counted) };
        bucket.put(file.id, &home, &file.about, sending).await?;
        if is_right(bucket, file).await? {
            return Ok(Brought::Copied);
        }
        bucket.delete(file.id).await?;
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
        let (size, sha256) = (file.size, file.about.sha256.clone());
        let look = move || match fs::metadata(place.home(id)) {
            Ok(facts) if facts.len() == size => {
                // Its hash was looked at before it came to its place.
                Ok(care == Care::Glance || hash_of(&place.home(id))? == sha256)
            }
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        if blocking(look).await? {
            counted.fetch_add(size, Ordering::Relaxed);
            return Ok(Brought::Present);
        }
        if bucket.facts(id).await?.is_none() {
            return Ok(Brought::Lost);
        }
        let incoming = Incoming::begin(Arc::clone(&self.place), id, size).await?;
        let stand_in = Arc::new(self.place.stand_in(size, SystemTime::UNIX_EPOCH)?);
        let bytes = ObjectBytes { bucket: bucket.clone(), id, length: size, stand_in };
        let received = pour(&bytes, incoming, counted).await?;
        if received.sha256() != file.about.sha256 {
            return Ok(Brought::Damaged);
        }
        let place = Arc::clone(&self.place);
        blocking(move || place.clear(id)).await?;
        received.commit_to_disk().await?.keep().await?;
        Ok(Brought::Copied)
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

/// Whether the object's bytes have the hash of the file.
async fn is_right(bucket: &Bucket, file: &Movable) -> Result<bool, StoreError> {
    let mut hash = Sha256::new();
    if file.size > 0 {
        let mut bytes = bucket.get(file.id, 0..file.size).await?;
        loop {
            match bytes.try_next().await {
                Ok(Some(piece)) => hash.update(&piece),
                Ok(None) => break,
                Err(BucketError::Short { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(hexadecimal(&hash.finalize()) == file.about.sha256)
}

/// Blocks.
fn hash_of(path: &Path) -> io::Result<String> {
    let (mut hash, mut file) = (Sha256::new(), File::open(path)?);
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => hash.update(piece.get(..count).unwrap_or_default()),
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}
