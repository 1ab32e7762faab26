//! Draining: which requests still run while the process ends.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use tokio::sync::Notify;

use super::pipelining::Answering;

/// How often the drain looks whether all have ended.
const LOOK: Duration = Duration::from_millis(10);

/// Counts what runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drain {
    inner: Arc<Inner>,
    /// What runs through this handle and its clones.
    running: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The counters of the worker threads.
    workers: Mutex<Vec<Arc<AtomicUsize>>>,
    ending: AtomicBool,
    closed: AtomicBool,
    began: Notify,
}

/// A request that runs, until its body has gone out or the client has left.
#[derive(Debug)]
pub struct Running(Arc<AtomicUsize>);

impl Default for Drain {
    fn default() -> Self {
        Self::counting_for(Arc::default())
    }
}

impl Drain {
    fn counting_for(inner: Arc<Inner>) -> Self {
        let running = Arc::<AtomicUsize>::default();
        inner.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&running));
        Self { inner, running }
    }

    /// A handle for one more worker thread, with a counter that no other core writes to.
    #[must_use]
    pub fn of_worker(&self) -> Self {
        Self::counting_for(Arc::clone(&self.inner))
    }

    /// A request begins, on the thread that this handle is for.
    #[must_use]
    pub fn begin(&self) -> Running {
        // In one order with `closed`: a request sees that, or is seen by who has set it.
        self.running.fetch_add(1, Ordering::SeqCst);
        Running(Arc::clone(&self.running))
    }

    /// Whether the process is ending: a load balancer should send requests elsewhere.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.inner.ending.load(Ordering::Relaxed)
    }

    /// Waits until the process is ending: for answers that would go on for ever.
    pub async fn ending(&self) {
        let mut began = std::pin::pin!(self.inner.began.notified());
        began.as_mut().enable();
        if !self.is_ending() {
            began.await;
        }
    }

    /// Waits until nothing runs any more, at most for `limit`.
    pub async fn run_dry(&self, limit: Duration) {
        self.inner.ending.store(true, Ordering::SeqCst);
        self.inner.began.notify_waiters();
        if tokio::time::timeout(limit, self.dry()).await.is_err() {
            let left = self.running();
            tracing::warn!(left, "requests are cut off: they took longer than the time to shut down");
        }
    }

    /// From here on nothing is answered: connections may be open still, and what came in on them now would be
    /// counted by nobody. Waits for what runs to be answered, at most for `limit`.
    pub async fn close(&self, limit: Duration) {
        self.inner.closed.store(true, Ordering::SeqCst);
        if tokio::time::timeout(limit, self.dry()).await.is_err() {
            tracing::debug!(left = self.running(), "these are not answered");
        }
    }

    async fn dry(&self) {
        while self.running() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives `running` back, as long as requests are answered; then it never returns, and its connection ends with
    /// the process.
    pub async fn unless_closed(&self, running: Running) -> Running {
        if self.inner.closed.load(Ordering::SeqCst) {
            drop(running);
            std::future::pending().await
        } else {
            running
        }
    }

    fn running(&self) -> usize {
        let workers = self.inner.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(|worker| worker.load(Ordering::SeqCst)).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What the request did is done for who sees that it has ended.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// A body whose request runs, and keeps its connection, until it has gone out.
pub struct RunningBody {
    body: BoxBody,
    _running: Running,
    _answering: Option<Answering>,
}

impl RunningBody {
    /// `body` of the request `running`, which its connection is `answering`.
    pub fn new(body: impl MessageBody + 'static, running: Running, answering: Option<Answering>) -> Self {
        Self { body: body.boxed(), _running: running, _answering: answering }
    }
}

impl MessageBody for RunningBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
