//! Reading stored bytes: from the page cache without leaving the caller's thread, else on a
//! thread for blocking work.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, IoSliceMut},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

/// Buffers that a thread keeps for its next reads: at most so many.
const SPARE_BUFFERS: usize = 8;
/// Smaller reads get a buffer of their own size.
const SMALL: usize = 16 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An initialised buffer that returns to its thread's spare ones.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    /// One of at least `size` bytes. Spare ones are hot in the processor's cache and need no zeroing.
    fn take(size: usize) -> Self {
        let spare = if size > SMALL { SPARE.with_borrow_mut(Vec::pop) } else { None };
        let bytes = spare.filter(|bytes| bytes.len() >= size).unwrap_or_else(|| vec![0; size]);
        Self { bytes, filled: 0 }
    }

    fn space(&mut self, size: usize) -> &mut [u8] {
        self.bytes.get_mut(..size).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() > SMALL {
            let bytes = std::mem::take(&mut self.bytes);
            // The thread may be ending.
            if SPARE
                .try_with(|spare| {
                    let mut spare = spare.borrow_mut();
                    if spare.len() < SPARE_BUFFERS {
                        spare.push(bytes);
                    }
                })
                .is_err()
            {
                tracing::trace!("the thread is ending");
            }
        }
    }
}

/// The bytes of a stored file, open for reading. Cheap to clone; stays readable when the file goes.
#[derive(Debug, Clone)]
pub struct FileBytes {
    file: Arc<File>,
    length: u64,
}

/// What a read gave.
#[derive(Debug)]
pub enum Read {
    /// At least one byte.
    Done(Bytes),
    /// The page cache has a hole here: a thread reads.
    Reading(JoinHandle<io::Result<Bytes>>),
}

impl FileBytes {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length })
    }

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

    /// A descriptor of its own of the same file, for its facts; reading through it would move a
    /// position that all of them share.
    ///
    /// # Errors
    /// The process has none left.
    pub fn descriptor(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Reads up to `most` bytes from `offset`: at once where the page cache has them (perhaps
    /// fewer), else on a thread. Needs a tokio runtime.
    ///
    /// # Errors
    /// The disk's; `UnexpectedEof` beyond the end.
    pub fn read(&self, offset: u64, most: usize) -> io::Result<Read> {
        let mut buffer = Buffer::take(most);
        match preadv2(&*self.file, &mut [IoSliceMut::new(buffer.space(most))], offset, ReadWriteFlags::NOWAIT) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer.filled = count;
                Ok(Read::Done(Bytes::from_owner(buffer)))
            }
            // Not in the cache; or a file system, a kernel or a sandbox that lacks the flag.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::INTR) => {
                let file = Arc::clone(&self.file);
                Ok(Read::Reading(tokio::task::spawn_blocking(move || read_waiting(&file, offset, most, buffer))))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn read_waiting(file: &File, offset: u64, most: usize, mut buffer: Buffer) -> io::Result<Bytes> {
    loop {
        match file.read_at(buffer.space(most), offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer.filled = count;
                return Ok(Bytes::from_owner(buffer));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
