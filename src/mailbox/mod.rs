//! Mailboxes: the ways onto threads of their own ([`Workers`]) and to actors ([`Line`]), bounded, with a
//! deadline, and safe from panics.
//!
//! Facts about actix 0.13 that shape this module: a `SyncArbiter` has no mailbox limit, so a permit
//! is taken first and travels inside the message (it is free when the work ends, not when the
//! caller goes away); and a panic would end a `SyncArbiter` thread for good, so work runs behind
//! `catch_unwind`. Owns no state of the business.

mod line;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
pub use line::Line;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How long work waits for a place in a full queue before it is refused.
const PATIENCE: Duration = Duration::from_millis(100);

/// Why work was not done, or its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No place in the queue: nothing was started.
    #[error("the queue is full")]
    Full,
    /// The deadline passed. The work may still be done; its result is dropped.
    #[error("the deadline passed")]
    Deadline,
    /// The work panicked; the thread goes on.
    #[error("the work panicked")]
    Panicked,
    /// The threads are gone: the process is shutting down.
    #[error("the workers are gone")]
    Closed,
}

/// A closure for one of the threads.
struct Job<S> {
    work: Box<dyn FnOnce(&mut S) + Send>,
    permit: OwnedSemaphorePermit,
}

impl<S: 'static> Message for Job<S> {
    type Result = ();
}

/// One thread and what it owns.
struct Worker<S> {
    state: S,
}

impl<S: Unpin + 'static> Actor for Worker<S> {
    type Context = SyncContext<Self>;
}

impl<S: Unpin + 'static> Handler<Job<S>> for Worker<S> {
    type Result = ();

    fn handle(&mut self, job: Job<S>, _: &mut Self::Context) {
        let Job { work, permit } = job;
        if catch_unwind(AssertUnwindSafe(|| work(&mut self.state))).is_err() {
            tracing::error!("work on a worker thread panicked");
        }
        drop(permit);
    }
}

/// A handle on a fixed number of threads, each with a state `S` of its own. Cheap to clone.
pub struct Workers<S: Unpin + 'static> {
    addr: Addr<Worker<S>>,
    permits: Arc<Semaphore>,
    deadline: Duration,
}

impl<S: Unpin + 'static> Clone for Workers<S> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), permits: Arc::clone(&self.permits), deadline: self.deadline }
    }
}

impl<S: Unpin + 'static> Workers<S> {
    /// Starts `threads` threads. At most `queue` pieces of work wait or run at once, and none is
    /// waited for longer than `deadline`. Needs a running actix system.
    pub fn start<F>(threads: usize, queue: usize, deadline: Duration, state: F) -> Self
    where
        F: Fn() -> S + Send + Sync + 'static,
    {
        Self {
            addr: SyncArbiter::start(threads, move || Worker { state: state() }),
            permits: Arc::new(Semaphore::new(queue)),
            deadline,
        }
    }

    /// Runs `work` on one of the threads and gives its result. Its time begins here, not when this is awaited.
    ///
    /// # Errors
    /// See [`AskError`]. After [`AskError::Deadline`] work that had begun goes on; other work is never begun.
    pub fn run<T, F>(&self, work: F) -> impl Future<Output = Result<T, AskError>>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        self.run_within(self.deadline, work)
    }

    /// As [`Workers::run`], for work with a deadline of its own.
    ///
    /// # Errors
    /// As [`Workers::run`].
    pub fn run_within<T, F>(&self, deadline: Duration, work: F) -> impl Future<Output = Result<T, AskError>>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        let end = tokio::time::Instant::now() + deadline;
        let (answer, result) = oneshot::channel();
        // Boxed before anything is waited for: what waits does not grow by what the work takes along.
        let work = Box::new(move |state: &mut S| {
            if tokio::time::Instant::now() >= end {
                // The caller has had its refusal: what it asks for again must not happen twice.
                return;
            }
            // A caller that went away does not want the result; the work is done all the same.
            drop(answer.send(work(state)));
        });
        async move {
            let permit = match Arc::clone(&self.permits).try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => tokio::time::timeout(PATIENCE.min(deadline), Arc::clone(&self.permits).acquire_owned())
                    .await
                    .map_err(|_| AskError::Full)?
                    .map_err(|_| AskError::Closed)?,
            };
            if !self.addr.connected() {
                return Err(AskError::Closed);
            }
            self.addr.do_send(Job { work, permit });
            tokio::time::timeout_at(end, result).await.map_err(|_| AskError::Deadline)?.map_err(|_| {
                if tokio::time::Instant::now() >= end {
                    // It was not begun any more.
                    AskError::Deadline
                } else if self.addr.connected() {
                    AskError::Panicked
                } else {
                    AskError::Closed
                }
            })
        }
    }

    /// Whether the threads still take work.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.addr.connected()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_panic_does_not_end_the_thread() {
        let workers = Workers::start(1, 4, Duration::from_secs(5), || 7_u32);
        for _ in 0..3 {
            assert_eq!(workers.run(|_| panic!("on purpose")).await, Err::<(), _>(AskError::Panicked));
        }
        assert_eq!(workers.run(|state| *state).await, Ok(7));
    }

    #[actix_web::test]
    async fn a_full_queue_refuses_and_a_lost_caller_keeps_the_permit() {
        let workers = Workers::start(1, 1, Duration::from_millis(50), || ());
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let stuck = workers.run(move |()| gate.recv()).await;
        assert_eq!(stuck.map(drop), Err(AskError::Deadline));
        assert_eq!(workers.run(|()| ()).await, Err(AskError::Full));
        open.send(()).unwrap();
        while workers.run(|()| ()).await.is_err() {}
    }
}
