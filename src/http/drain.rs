//! Draining: which requests still run while the process ends.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

/// How often the drain looks whether all have ended.
const LOOK: Duration = Duration::from_millis(10);

/// Counts what runs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    running: AtomicUsize,
    ending: AtomicBool,
}

/// A request that runs, until its body has gone out or the client has left.
#[derive(Debug)]
pub struct Running(Drain);

impl Drain {
    /// A request begins.
    #[must_use]
    pub fn begin(&self) -> Running {
        self.inner.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    /// Whether the process is ending: a load balancer should send requests elsewhere.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.inner.ending.load(Ordering::Relaxed)
    }

    /// Waits until nothing runs any more, at most for `limit`.
    pub async fn run_dry(&self, limit: Duration) {
        self.inner.ending.store(true, Ordering::Relaxed);
        let dry = async {
            while self.inner.running.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(limit, dry).await.is_err() {
            let left = self.inner.running.load(Ordering::Relaxed);
            tracing::warn!(left, "requests are cut off: they took longer than the time to shut down");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.inner.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body whose request runs until it has gone out.
pub struct RunningBody {
    body: BoxBody,
    _running: Running,
}

impl RunningBody {
    /// `body` of the request `running`.
    pub fn new(body: impl MessageBody + 'static, running: Running) -> Self {
        Self { body: body.boxed(), _running: running }
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
