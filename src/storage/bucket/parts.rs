//! A file on its way into the bucket: in one piece, or in parts that become one object when all have come.
//!
//! A part is read and signed on a thread for blocking work: to hash it takes some milliseconds. A place
//! (`storage.parallel_parts`) bounds how many are in memory. An upload in parts is noted on disk before its first
//! part goes out, so that whoever settles what a dead process left can give it up in the bucket too.

use std::{
    fs::{self, File},
    future::Future,
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path as FilePath, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use object_store::{
    Attributes, MultipartId, ObjectStore as _, PutMultipartOptions, PutOptions, PutPayload,
    multipart::{MultipartStore as _, PartId},
    path::Path as Key,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinHandle,
};

use super::{Bucket, BucketError, missing};
use crate::storage::{StoreError, blocking, remove, until_done};

/// Parts an upload may have (S3).
const MOST_PARTS: u64 = 10_000;
/// Parts of one file that travel at the same time.
const OF_A_FILE: usize = 2;

/// What is to be sent.
pub(super) struct Parcel<'a> {
    pub(super) key: Key,
    pub(super) path: &'a FilePath,
    pub(super) attributes: Attributes,
    pub(super) sending: Sending,
}

/// What others need to know of a parcel on its way.
#[derive(Clone)]
pub(in crate::storage) struct Sending {
    /// The file that names an upload in parts until it is one object.
    pub(in crate::storage) note: PathBuf,
    /// Held by every request that may still change the bucket, also where nobody waits for it any more: who wants to
    /// take back what was sent waits until all are gone.
    pub(in crate::storage) _under_way: mpsc::Sender<()>,
    /// Told the bytes that have arrived.
    pub(in crate::storage) counted: Arc<AtomicU64>,
}

type Sent<T> = JoinHandle<Result<T, StoreError>>;

/// Sends a file whole.
pub(super) async fn send(bucket: &Bucket, parcel: Parcel<'_>) -> Result<(), StoreError> {
    let Parcel { key, path, attributes, sending } = parcel;
    let path = path.to_owned();
    let opened = move || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((Arc::new(file), size))
    };
    let (file, size) = blocking(opened).await?;
    let ordinary = u64::try_from(bucket.0.part_bytes).unwrap_or(u64::MAX);
    let part = ordinary.max(size.div_ceil(MOST_PARTS));
    if size <= part {
        let client = bucket.0.patient.clone();
        let options = PutOptions { attributes, ..PutOptions::default() };
        let put = async move |payload| client.put_opts(&key, payload, options).await.map(drop);
        return ended(carry(bucket, file, 0..size, put, sending).await).await;
    }
    let mut upload = Upload::begin(bucket, key, attributes, sending).await?;
    let mut start = 0;
    while start < size {
        let end = size.min(start.saturating_add(part));
        upload.send(Arc::clone(&file), start..end).await?;
        start = end;
    }
    upload.complete().await
}

/// Gives up an upload in parts; that it is gone already is no error.
pub(super) async fn give_up(bucket: &Bucket, key: &Key, upload: &MultipartId) -> Result<(), StoreError> {
    match bucket.0.patient.abort_multipart(key, upload).await.map_err(StoreError::from).map_err(missing) {
        Err(StoreError::NotFound) => Ok(()),
        other => other,
    }
}

/// Reads a part and sends it by `put`, on a thread of its own as soon as a place is free.
async fn carry<T, P, F>(bucket: &Bucket, file: Arc<File>, part: Range<u64>, put: P, sending: Sending) -> Sent<T>
where
    T: Send + 'static,
    P: FnOnce(PutPayload) -> F + Send + 'static,
    F: Future<Output = object_store::Result<T>>,
{
    let place = place(bucket).await;
    let (runtime, bucket) = (Handle::current(), bucket.clone());
    tokio::task::spawn_blocking(move || {
        let _place = place?;
        let bytes = read(&file, part).map_err(BucketError::Unread)?;
        let length = u64::try_from(bytes.len()).unwrap_or_default();
        let sent = runtime.block_on(put(bytes.into()))?;
        sending.counted.fetch_add(length, Ordering::Relaxed);
        bucket.0.arrived.fetch_add(1, Ordering::Relaxed);
        // Until here.
        drop(sending);
        Ok(sent)
    })
}

/// A place for a part in memory. It is waited for as long as others' parts arrive: a bucket that hangs holds all
/// places, and who waits for one has waited for it.
async fn place(bucket: &Bucket) -> Result<OwnedSemaphorePermit, BucketError> {
    let mut place = std::pin::pin!(Arc::clone(&bucket.0.parts).acquire_owned());
    loop {
        let arrived = bucket.0.arrived.load(Ordering::Relaxed);
        match tokio::time::timeout(bucket.0.timeout, &mut place).await {
            Ok(place) => return place.map_err(|_| BucketError::GivenUp),
            Err(_) if bucket.0.arrived.load(Ordering::Relaxed) == arrived => {
                return Err(BucketError::Silent(bucket.0.timeout));
            }
            Err(_) => {}
        }
    }
}

fn read(file: &File, part: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(part.end.saturating_sub(part.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, part.start)?;
    Ok(bytes)
}

async fn ended<T>(sent: Sent<T>) -> Result<T, StoreError> {
    sent.await.map_err(|_| BucketError::GivenUp)?
}

/// An upload that is no object yet. Dropped, it is given up, here and in the bucket.
struct Upload {
    bucket: Bucket,
    key: Key,
    id: MultipartId,
    /// The oldest first.
    travelling: Vec<Sent<PartId>>,
    sent: usize,
    arrived: Vec<PartId>,
    is_whole: bool,
    sending: Sending,
}

impl Upload {
    async fn begin(bucket: &Bucket, key: Key, attributes: Attributes, sending: Sending) -> Result<Self, StoreError> {
        let (bucket, options) = (bucket.clone(), PutMultipartOptions { attributes, ..PutMultipartOptions::default() });
        // Where nobody waits for it any more, it ends all the same, and what it began is given up.
        let begun = tokio::spawn(async move {
            let id = bucket.0.patient.create_multipart_opts(&key, options).await?;
            let (travelling, arrived) = (Vec::new(), Vec::new());
            let upload = Self { bucket, key, id, travelling, sent: 0, arrived, is_whole: false, sending };
            let (note, text) = (upload.sending.note.clone(), upload.id.clone());
            blocking(move || fs::write(note, text)).await?;
            Ok(upload)
        });
        ended(begun).await
    }

    async fn send(&mut self, file: Arc<File>, part: Range<u64>) -> Result<(), StoreError> {
        if self.travelling.len() >= OF_A_FILE {
            self.await_oldest().await?;
        }
        let (client, key, id, number) = (self.bucket.0.patient.clone(), self.key.clone(), self.id.clone(), self.sent);
        self.sent += 1;
        let put = async move |payload| client.put_part(&key, &id, number, payload).await;
        self.travelling.push(carry(&self.bucket, file, part, put, self.sending.clone()).await);
        Ok(())
    }

    /// The task stays where it is until it has ended, so that a wait that is given up loses nothing.
    async fn await_oldest(&mut self) -> Result<(), StoreError> {
        let Some(oldest) = self.travelling.first_mut() else { return Ok(()) };
        let ended = oldest.await;
        self.travelling.remove(0);
        self.arrived.push(ended.map_err(|_| BucketError::GivenUp)??);
        Ok(())
    }

    async fn complete(mut self) -> Result<(), StoreError> {
        while !self.travelling.is_empty() {
            self.await_oldest().await?;
        }
        let parts = std::mem::take(&mut self.arrived);
        let (client, key, id) = (self.bucket.0.patient.clone(), self.key.clone(), self.id.clone());
        let sending = self.sending.clone();
        let completed = tokio::spawn(async move {
            let _sending = sending;
            Ok(client.complete_multipart(&key, &id, parts).await.map(drop)?)
        });
        ended(completed).await?;
        self.is_whole = true;
        let note = self.sending.note.clone();
        blocking(move || remove(&note)).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_whole {
            return;
        }
        let (bucket, key, id) = (self.bucket.clone(), self.key.clone(), self.id.clone());
        let (travelling, sending) = (std::mem::take(&mut self.travelling), self.sending.clone());
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            // A part that comes after the end would stay.
            for part in travelling {
                drop(ended(part).await);
            }
            let note = sending.note.clone();
            // Nothing makes an object of the parts any more.
            drop(sending);
            // A process that ends before leaves it to the next sweep.
            until_done("parts of an upload stay for now", || give_up(&bucket, &key, &id)).await;
            blocking(move || remove(&note)).await.unwrap_or_default();
        });
    }
}
