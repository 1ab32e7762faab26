//! A part of stored bytes as a response body: one chunk a poll, so a slow reader holds no memory; and a pause
//! after a few, so a fast one does not hold the thread.

use std::{
    io,
    ops::Range,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::Stream as _;
use tokio::task::JoinHandle;

use crate::storage::{FileBytes, ObjectStream, Read};

/// Chunks that a body gives before whatever else waits for the thread has its turn. Fewer cost throughput; with
/// more, hundreds of readers who take all they can get keep each other and everyone else waiting.
const CHUNKS_A_TURN: u8 = 4;

/// The bytes of `part`, from the disk.
pub(super) struct FileBody {
    bytes: FileBytes,
    part: Range<u64>,
    length: u64,
    chunk: usize,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    served: Arc<AtomicU64>,
    /// Chunks since the last pause.
    given: u8,
}

impl FileBody {
    pub(super) fn new(bytes: FileBytes, part: Range<u64>, chunk: usize, served: Arc<AtomicU64>) -> Self {
        let length = part.end.saturating_sub(part.start);
        Self { bytes, part, length, chunk, reading: None, served, given: 0 }
    }

    fn deliver(&mut self, chunk: Bytes) -> Bytes {
        let count = u64::try_from(chunk.len()).unwrap_or_default();
        self.part.start = self.part.start.saturating_add(count);
        self.served.fetch_add(count, Ordering::Relaxed);
        chunk
    }

    const fn left(&self) -> u64 {
        self.part.end.saturating_sub(self.part.start)
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(task) = &mut self.reading {
            let result = ready!(Pin::new(task).poll(cx));
            self.reading = None;
            let result = result.unwrap_or_else(|error| Err(io::Error::other(error)));
            return Poll::Ready(result.map(|chunk| self.deliver(chunk)));
        }
        let most = usize::try_from(self.left()).map_or(self.chunk, |left| left.min(self.chunk));
        match self.bytes.read(self.part.start, most) {
            Ok(Read::Done(chunk)) => Poll::Ready(Ok(self.deliver(chunk))),
            Ok(Read::Reading(task)) => {
                self.reading = Some(task);
                self.poll_chunk(cx)
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl MessageBody for FileBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        if this.left() == 0 {
            return Poll::Ready(None);
        }
        if this.given >= CHUNKS_A_TURN {
            this.given = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = this.poll_chunk(cx);
        this.given = if polled.is_ready() { this.given.saturating_add(1) } else { 0 };
        polled.map(Some)
    }
}

/// The bytes of a part, from the bucket. A part that comes short ends the connection before its length is reached:
/// nobody takes it for the whole.
pub(super) struct ObjectBody {
    bytes: ObjectStream,
    length: u64,
    served: Arc<AtomicU64>,
    /// Chunks since the last pause.
    given: u8,
}

impl ObjectBody {
    pub(super) const fn new(bytes: ObjectStream, served: Arc<AtomicU64>) -> Self {
        Self { length: bytes.left(), bytes, served, given: 0 }
    }
}

impl MessageBody for ObjectBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        if this.given >= CHUNKS_A_TURN {
            this.given = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut this.bytes).poll_next(cx);
        this.given = if polled.is_ready() { this.given.saturating_add(1) } else { 0 };
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            this.served.fetch_add(u64::try_from(chunk.len()).unwrap_or_default(), Ordering::Relaxed);
        }
        polled.map(|item| {
            item.map(|chunk| {
                chunk.map_err(|error| {
                    tracing::warn!(?error, left = this.bytes.left(), "an answer was cut off");
                    io::Error::other(error)
                })
            })
        })
    }
}

/// The length of a body that a HEAD request does not get.
pub(super) struct HeadBody(pub(super) u64);

impl MessageBody for HeadBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        Poll::Ready(None)
    }
}
