//! A part of a file as a response body: one chunk a poll, so a slow reader holds no memory.

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
use tokio::task::JoinHandle;

use crate::storage::{FileBytes, Read};

/// The bytes of `part`.
pub(super) struct FileBody {
    bytes: FileBytes,
    part: Range<u64>,
    length: u64,
    chunk: usize,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    served: Arc<AtomicU64>,
}

impl FileBody {
    pub(super) fn new(bytes: FileBytes, part: Range<u64>, chunk: usize, served: Arc<AtomicU64>) -> Self {
        let length = part.end.saturating_sub(part.start);
        Self { bytes, part, length, chunk, reading: None, served }
    }

    fn deliver(&mut self, chunk: Bytes) -> Bytes {
        let count = u64::try_from(chunk.len()).unwrap_or_default();
        self.part.start = self.part.start.saturating_add(count);
        self.served.fetch_add(count, Ordering::Relaxed);
        chunk
    }
}

impl MessageBody for FileBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        if let Some(task) = &mut this.reading {
            let result = ready!(Pin::new(task).poll(cx));
            this.reading = None;
            let result = result.unwrap_or_else(|error| Err(io::Error::other(error)));
            return Poll::Ready(Some(result.map(|chunk| this.deliver(chunk))));
        }
        let left = this.part.end.saturating_sub(this.part.start);
        if left == 0 {
            return Poll::Ready(None);
        }
        let most = usize::try_from(left).map_or(this.chunk, |left| left.min(this.chunk));
        match this.bytes.read(this.part.start, most) {
            Ok(Read::Done(chunk)) => Poll::Ready(Some(Ok(this.deliver(chunk)))),
            Ok(Read::Reading(task)) => {
                this.reading = Some(task);
                Pin::new(this).poll_next(cx)
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
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
