//! Pipelined requests (RFC 9112 §9.3.2): a connection's next one is handed over when the last has been answered.
//!
//! The protocol's library decodes ahead, and knows of a connection only what the request said that it decoded last:
//! that it was HEAD, its version, whether the connection stays. With that it frames the answer to the one before: a
//! GET before a HEAD would get a length and no body, a HEAD before a GET a body. So it gets no more to decode than
//! the request that it answers; nor that, while its client takes nothing of what was answered before.
//!
//! Here also ends what the library would wait for without end: the rest of a request that nobody answers. (It waits
//! for the first head of a connection, and no other, with a limit.)

use std::{
    cell::{Cell, RefCell},
    future::Future as _,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use actix_web::{
    dev::{Payload, ServiceRequest},
    http::header,
};
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::framing::{BareLineFeed, Framing};

/// How many bytes are passed over that came in behind the last request.
const PASSED_OVER: usize = 1 << 20;
/// Bytes of them that are read at once.
const PASSED_AT_ONCE: usize = 16 * 1024;

/// A stream whose reader gets one request at a time. Where requests end, `framing` says; that one is answered,
/// the [`Answering`] that it began.
#[derive(Debug)]
pub struct InOrder<T> {
    stream: T,
    order: Order,
    /// What came in after the request that was handed over: at most one read of the stream, which is not looked at
    /// meanwhile.
    held: BytesMut,
    /// A request's end was handed over, and the reader has not had its turn to decode it.
    ended: bool,
    /// How long the rest of a request may take that nobody answers: not yet, as its head is not whole; or no more,
    /// as it was refused before its body had come.
    patience: Duration,
    /// Until when, where there is such a rest.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// The order of a connection's requests, shared by its stream and the one that is answered.
#[derive(Debug, Clone, Default)]
pub struct Order(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    framing: RefCell<Framing>,
    /// A request has come; until then its head is waited for by the library.
    began: Cell<bool>,
    answering: Cell<bool>,
    /// The client does not take what was answered.
    blocked: Cell<bool>,
    /// Who reads the stream, and waits for it or for the order.
    reader: RefCell<Option<Waker>>,
    /// The reader waits for the order.
    awaited: Cell<bool>,
}

/// A request that is answered: until this is dropped, the next of its connection waits.
#[derive(Debug)]
pub struct Answering(Order);

impl Order {
    /// The answer to `request` begins. Nothing where its connection keeps no order.
    #[must_use]
    pub fn begin(request: &ServiceRequest) -> Option<Answering> {
        let order = request.conn_data::<Self>()?.clone();
        order.0.began.set(true);
        order.0.answering.set(true);
        if let Some(body) = body_of(request) {
            *order.0.framing.borrow_mut() = body;
        }
        Some(Answering(order))
    }

    /// Whether the next request has to wait.
    fn is_busy(&self) -> bool {
        (self.0.answering.get() || self.0.blocked.get()) && self.0.framing.borrow().is_between()
    }

    /// Whether a request behind the first, or the first that was refused, is not whole and nobody answers it.
    fn is_left_hanging(&self) -> bool {
        self.0.began.get() && !self.0.answering.get() && !self.0.framing.borrow().is_between()
    }

    /// Notes who is to be woken when something changes that the stream does not tell.
    fn note_reader(&self, cx: &Context<'_>) {
        let mut reader = self.0.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            *reader = Some(cx.waker().clone());
        }
    }

    /// The reader waits for the order.
    fn wait<T>(&self, cx: &Context<'_>) -> Poll<T> {
        self.note_reader(cx);
        self.0.awaited.set(true);
        Poll::Pending
    }

    /// Wakes the reader where it waits for the order, or has to look to the time of what is left hanging now.
    fn tell_reader(&self) {
        if (self.0.awaited.take() || self.is_left_hanging())
            && let Some(reader) = &*self.0.reader.borrow()
        {
            reader.wake_by_ref();
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.answering.set(false);
        self.0.tell_reader();
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
    // A body of no bytes would be none; that of a CONNECT has no length.
    Some(length.filter(|length| *length > 0).map_or(Framing::Endless, Framing::Sized))
}

impl<T> InOrder<T> {
    /// The requests that come in on `stream`, in order; what is left hanging of one may take as long as `patience`.
    pub fn new(stream: T, patience: Duration) -> Self {
        Self { stream, order: Order::default(), held: BytesMut::new(), ended: false, patience, deadline: None }
    }

    /// For the requests of this connection.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order.clone()
    }

    /// Hands over what was held, up to the end of the request: nothing more where that cannot be told.
    fn hand_over_held(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.held.len().min(buffer.remaining());
        let next = self.held.get(..count).unwrap_or_default();
        if let Ok(end) = self.order.0.framing.borrow_mut().end(next) {
            self.ended = end.is_some();
            buffer.put_slice(&self.held.split_to(end.unwrap_or(count)));
        }
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Hands over what `buffer` has got from `from` on, up to the end of the request: nothing where that cannot be told.
    fn hand_over_new(&mut self, buffer: &mut ReadBuf<'_>, from: usize) {
        let end = self.order.0.framing.borrow_mut().end(buffer.filled().get(from..).unwrap_or_default());
        match end {
            Ok(Some(end)) => {
                self.ended = true;
                self.hold_back(buffer, from.saturating_add(end));
            }
            Ok(None) => {}
            Err(BareLineFeed) => buffer.set_filled(from),
        }
    }

    /// Takes from `buffer` what belongs to later requests.
    fn hold_back(&mut self, buffer: &mut ReadBuf<'_>, from: usize) {
        self.held.extend_from_slice(buffer.filled().get(from..).unwrap_or_default());
        buffer.set_filled(from);
    }
}

impl<T: AsyncRead + Unpin> InOrder<T> {
    /// Whether what is left hanging has had its time.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.order.is_left_hanging() {
            self.deadline = None;
            return false;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        deadline.as_mut().poll(cx).is_ready()
    }

    /// Passes over what has come in: with bytes that nobody has read, the kernel would reset the connection, and the
    /// client could lose its last answer.
    fn pass_over(&mut self, cx: &mut Context<'_>) {
        let mut left = PASSED_OVER;
        while left > 0 {
            let mut space = [0; PASSED_AT_ONCE];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => left = left.saturating_sub(buffer.filled().len()),
                Poll::Ready(Ok(()) | Err(_)) | Poll::Pending => return,
            }
        }
    }
}

/// To the reader, no more bytes are the end of what the client sends: it answers what it has, and closes.
impl<T: AsyncRead + Unpin> AsyncRead for InOrder<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_overdue(cx) {
            return Poll::Ready(Ok(()));
        }
        // Once what was handed over is decoded, it is known whether more of it has to come.
        let undecoded = mem::take(&mut this.ended);
        let busy = this.order.is_busy();
        if this.held.is_empty() {
            let before = buffer.filled().len();
            let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
            if read.is_pending() {
                this.order.note_reader(cx);
            }
            ready!(read)?;
            match (buffer.filled().len() == before, undecoded || busy) {
                // All of the request has come, though the library may still have some of it to decode: told now, it
                // would take that for missing.
                (true, _) if busy => return this.order.wait(cx),
                (true, _) => return Poll::Ready(Ok(())),
                (false, true) => this.hold_back(buffer, before),
                (false, false) => {
                    this.hand_over_new(buffer, before);
                    return Poll::Ready(Ok(()));
                }
            }
        } else if !undecoded && !busy {
            this.hand_over_held(buffer);
            return Poll::Ready(Ok(()));
        }
        if !busy {
            cx.waker().wake_by_ref();
        }
        this.order.wait(cx)
    }
}

impl<T: AsyncWrite + Unpin> InOrder<T> {
    /// Notes whether the client takes what is written.
    fn noted<R>(&self, written: Poll<R>) -> Poll<R> {
        if self.order.0.blocked.replace(written.is_pending()) && written.is_ready() {
            self.order.tell_reader();
        }
        written
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for InOrder<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        self.pass_over(cx);
        Poll::Ready(ended)
    }
}
