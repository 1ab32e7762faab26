//! Pipelined requests (RFC 9112 §9.3.2): a connection's next one is handed over when the last has been answered.
//!
//! The protocol's library decodes ahead, and knows of a connection only what the request said that it decoded last:
//! that it was HEAD, its version, whether the connection stays. With that it frames the answer to the one before: a
//! GET before a HEAD would get a length and no body, a HEAD before a GET a body. So it gets no more to decode than
//! the request that it answers.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use actix_web::{
    dev::{Payload, ServiceRequest},
    http::header,
};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;

/// A stream whose reader gets one request at a time. Where requests end, `framing` says; that one is answered,
/// the [`Answering`] that it began.
#[derive(Debug)]
pub struct InOrder<T> {
    stream: T,
    order: Order,
    /// What came in after the request that was handed over: at most one read of the stream.
    held: BytesMut,
    /// A request's end was handed over, and the reader has not had its turn to decode it.
    ended: bool,
}

/// The order of a connection's requests, shared by its stream and the one that is answered.
#[derive(Debug, Clone, Default)]
pub struct Order(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    framing: RefCell<Framing>,
    answering: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

/// A request that is answered: until this is dropped, the next of its connection waits.
#[derive(Debug)]
pub struct Answering(Order);

impl Order {
    /// The answer to `request` begins. Nothing where its connection keeps no order.
    #[must_use]
    pub fn begin(request: &ServiceRequest) -> Option<Answering> {
        let order = request.conn_data::<Self>()?.clone();
        order.0.answering.set(true);
        if let Some(body) = body_of(request) {
            *order.0.framing.borrow_mut() = body;
        }
        Some(Answering(order))
    }

    /// Whether the next request has to wait.
    fn is_busy(&self) -> bool {
        self.0.answering.get() && self.0.framing.borrow().is_between()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let order = &self.0.0;
        order.answering.set(false);
        if let Some(reader) = order.reader.take() {
            reader.wake();
        }
    }
}

/// How the body of `request` ends, as the library has decided it.
fn body_of(request: &ServiceRequest) -> Option<Framing> {
    if matches!(request.parts().1, Payload::None) {
        return None;
    }
    let headers = request.headers();
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Some(Framing::chunked());
    }
    let upgrades =
        headers.get_all(header::UPGRADE).any(|to| to.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"));
    let length = headers.get(header::CONTENT_LENGTH).filter(|_| !upgrades);
    let length = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
    Some(length.map_or(Framing::Endless, Framing::Sized))
}

impl<T> InOrder<T> {
    /// The requests that come in on `stream`, in order.
    pub fn new(stream: T) -> Self {
        Self { stream, order: Order::default(), held: BytesMut::new(), ended: false }
    }

    /// For the requests of this connection.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order.clone()
    }

    /// Takes from `buffer`, filled anew from `from` on, what belongs to later requests.
    fn hold_back(&mut self, buffer: &mut ReadBuf<'_>, from: usize) {
        self.held.extend_from_slice(buffer.filled().get(from..).unwrap_or_default());
        buffer.set_filled(from);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for InOrder<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let undecoded = mem::take(&mut this.ended);
        let waits = undecoded || this.order.is_busy();
        if this.held.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            if waits {
                this.hold_back(buffer, before);
            }
        }
        if waits {
            this.order.0.reader.replace(Some(cx.waker().clone()));
            if !this.order.is_busy() {
                // Once what was handed over is decoded, it is known whether more of it has to come.
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        if !this.held.is_empty() {
            let count = this.held.len().min(buffer.remaining());
            buffer.put_slice(&this.held.split_to(count));
        }
        let mut framing = this.order.0.framing.borrow_mut();
        let end = framing.end(buffer.filled().get(before..).unwrap_or_default());
        drop(framing);
        if let Some(end) = end {
            this.ended = true;
            let later = mem::take(&mut this.held);
            this.hold_back(buffer, before.saturating_add(end));
            this.held.extend_from_slice(&later);
        }
        if this.held.is_empty() {
            this.held = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for InOrder<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
