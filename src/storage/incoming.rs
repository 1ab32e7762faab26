//! Bytes on their way in: written in large pieces on the threads for blocking work, hashed there,
//! the first ones kept for a look. No thread is held while the sender pauses.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{About, Journaled, Place, StoreError, blocking, bucket::Sending, journaled, remove};
use crate::domain::ids::FileId;

/// Bytes that are written at once. Two such buffers at most are held per upload.
const PIECE: usize = 256 * 1024;
/// First bytes that are kept.
const HEAD: usize = 8192;

/// Bytes in the instance's own folder, arriving ones among them; they go when this is dropped.
#[derive(Debug)]
pub(super) struct Temporary {
    place: Arc<Place>,
    id: FileId,
    kept: Kept,
    /// Open while requests may still change the bucket.
    under_way: Option<mpsc::Receiver<()>>,
}

/// How far the bytes are on their way to where they will stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// They are here alone.
    Nowhere,
    /// They are in the bucket, or on their way there.
    Bucket,
    /// The file is the journal's by now, and stays.
    Journal,
}

impl Temporary {
    pub(super) const fn new(place: Arc<Place>, id: FileId) -> Self {
        Self { place, id, kept: Kept::Nowhere, under_way: None }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.place.journal(self.id)
    }

    fn into_journaled(mut self) -> Journaled {
        self.kept = Kept::Journal;
        Journaled { place: Arc::clone(&self.place), id: self.id }
    }

    /// The bytes go from the bucket too, as soon as it lets go of them.
    fn take_back(&mut self) {
        let (place, id, under_way) = (Arc::clone(&self.place), self.id, self.under_way.take());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Some(mut under_way) = under_way {
                    under_way.recv().await;
                }
                journaled::take_back(place, id).await;
            });
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        match self.kept {
            Kept::Journal => return,
            Kept::Bucket => return self.take_back(),
            Kept::Nowhere => {}
        }
        let path = self.path();
        let work = move || {
            if let Err(error) = remove(&path) {
                tracing::warn!(%error, "bytes that were given up stay until the next sweep");
            }
        };
        // To free a large file takes long.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            Err(_) => work(),
        }
    }
}

/// The file and its hash, which travel to the blocking thread and back.
struct Writer {
    file: File,
    hash: Sha256,
}

impl Writer {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hash.update(piece);
        self.file.write_all(piece)
    }
}

type Written = io::Result<(Writer, Vec<u8>)>;

enum State {
    Idle(Writer, Vec<u8>),
    Writing(JoinHandle<Written>),
    Broken,
}

/// Bytes that arrive. Dropped before [`Incoming::finish`], they go.
pub struct Incoming {
    temporary: Temporary,
    limit: u64,
    size: u64,
    head: Vec<u8>,
    /// Filled while the other one is written.
    buffer: Vec<u8>,
    state: State,
}

impl Incoming {
    pub(super) async fn begin(place: Arc<Place>, id: FileId, limit: u64) -> Result<Self, StoreError> {
        let temporary = Temporary::new(place, id);
        let path = temporary.path();
        let file = blocking(move || OpenOptions::new().write(true).create_new(true).open(path)).await?;
        let writer = Writer { file, hash: Sha256::new() };
        let state = State::Idle(writer, Vec::new());
        Ok(Self { temporary, limit, size: 0, head: Vec::new(), buffer: Vec::new(), state })
    }

    /// The id that the file will have.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.temporary.id
    }

    /// Takes no more than `limit` bytes, or what the limit was, whichever is less.
    #[must_use]
    pub fn at_most(mut self, limit: u64) -> Self {
        self.limit = self.limit.min(limit);
        self
    }

    /// Bytes so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The first bytes that came, 8192 at most.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Takes `bytes`; waits while the disk is slower than the sender.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::Full`], or the disk's. Give up then.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.size = self.size.saturating_add(more);
        if self.size > self.limit {
            return Err(StoreError::TooLarge(self.limit));
        }
        let wanted = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend(bytes.iter().take(wanted));
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(PIECE.saturating_sub(self.buffer.len())));
            self.buffer.extend_from_slice(piece);
            bytes = rest;
            if self.buffer.len() >= PIECE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Waits for the piece that is being written.
    async fn idle(&mut self) -> Result<(Writer, Vec<u8>), StoreError> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Idle(writer, spare) => Ok((writer, spare)),
            State::Writing(task) => Ok(task.await.unwrap_or_else(|error| Err(io::Error::other(error)))?),
            State::Broken => Err(StoreError::Disk(io::Error::other("an earlier piece was not written"))),
        }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        // Kept where it is while waiting, so that a cancelled wait loses nothing.
        if let State::Writing(task) = &mut self.state {
            let done = task.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            self.state = State::Broken;
            let (writer, spare) = done?;
            self.state = State::Idle(writer, spare);
        }
        let (mut writer, spare) = self.idle().await?;
        let mut piece = std::mem::replace(&mut self.buffer, spare);
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            writer.write(&piece)?;
            piece.clear();
            Ok((writer, piece))
        }));
        Ok(())
    }

    /// Writes what is left, makes it last (fsync), and gives what came.
    ///
    /// # Errors
    /// As [`Incoming::write`].
    pub async fn finish(mut self) -> Result<Received, StoreError> {
        let (mut writer, _) = self.idle().await?;
        let rest = std::mem::take(&mut self.buffer);
        let digest = blocking(move || {
            writer.write(&rest)?;
            writer.file.sync_all()?;
            Ok(writer.hash.finalize())
        })
        .await?;
        let sha256 = hexadecimal(&digest);
        Ok(Received { temporary: self.temporary, size: self.size, head: self.head, sha256 })
    }
}

/// A digest in lower-case hexadecimal.
pub(super) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
        text
    })
}

/// Bytes that came whole, and are safe on disk. Dropped before [`Received::commit`], they go.
#[derive(Debug)]
pub struct Received {
    temporary: Temporary,
    size: u64,
    head: Vec<u8>,
    sha256: String,
}

impl Received {
    /// The id that the file will have.
    #[must_use]
    pub const fn id(&self) -> FileId {
        self.temporary.id
    }

    /// Where the bytes lie now: an absolute path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.temporary.path()
    }

    /// Bytes in all.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The first bytes, 8192 at most.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// They stay where they are, and go when what this gives is dropped.
    pub(super) fn into_temporary(self) -> Temporary {
        self.temporary
    }

    /// The SHA-256 of the bytes, lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Sends the bytes to where they will stay, where that is the bucket. Dropped before [`Received::commit`], or
    /// while it runs, they go from there too.
    ///
    /// # Errors
    /// The bucket's; give up then.
    pub async fn send(&mut self, about: &About) -> Result<(), StoreError> {
        let (place, id) = (Arc::clone(&self.temporary.place), self.temporary.id);
        let Some(bucket) = place.bucket_for_new() else { return Ok(()) };
        let (under_way, ended) = mpsc::channel(1);
        self.temporary.kept = Kept::Bucket;
        self.temporary.under_way = Some(ended);
        let sending = Sending { note: place.upload_note(id), _under_way: under_way, counted: Arc::default() };
        bucket.put(id, &place.journal(id), about, sending).await
    }

    /// Puts the bytes in their final place, with an entry in the journal. Insert the row next, which says `modified`.
    /// Where that place is the bucket, [`Received::send`] has brought them there.
    ///
    /// # Errors
    /// The disk's; then nothing stays.
    pub async fn commit(self, modified: SystemTime) -> Result<Journaled, StoreError> {
        if self.temporary.kept == Kept::Bucket {
            return Ok(self.temporary.into_journaled());
        }
        self.commit_to_disk(modified).await
    }

    pub(super) async fn commit_to_disk(self, modified: SystemTime) -> Result<Journaled, StoreError> {
        // Travels whole: when the caller goes away, the work is finished or undone all the same.
        let temporary = self.temporary;
        let committed = blocking(move || {
            if let Err(error) = temporary.place.settle_in(temporary.id, modified) {
                remove(&temporary.place.home(temporary.id))?;
                return Err(error);
            }
            Ok(temporary.into_journaled())
        });
        committed.await
    }
}
