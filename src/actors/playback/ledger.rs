//! The ledger: views and positions on their way to Postgres, in groups. While one group is under way the
//! next one gathers, so a commit serves many, and one alone does not wait. What was answered is stored.
//!
//! A group whose outcome is unknown (its deadline passed, its connection broke) may be stored or not: it is
//! refused, and telling it again is right in both cases (`db::queries::ledger`). Owns no rule of what a view is.

mod batch;
mod clerk;
mod notes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use tokio::sync::oneshot::{self, Receiver};

#[cfg(test)]
pub(crate) use self::clerk::longest_flush;
use self::{
    batch::{Ask, Save},
    clerk::{Asked, Clerk, Flush, Note},
};
use crate::{
    db::{
        Db, DbError,
        queries::ledger::{Heard, Posted},
    },
    domain::playback::{Progress, View, Viewed},
    settings::PlaybackSettings,
};

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    clerk: Addr<Clerk>,
    committed: Arc<Committed>,
}

impl Ledger {
    /// Starts the ledger; `poke` is called after each commit that moved a sum, on a database thread. Needs a
    /// running actix system.
    pub fn start(db: Db, poke: impl Fn() + Send + Sync + 'static, settings: &PlaybackSettings) -> Self {
        let committed =
            Arc::new(Committed { views: AtomicU64::new(0), watched_ms: AtomicU64::new(0), poke: Box::new(poke) });
        let clerk = Clerk::begin(db, Arc::clone(&committed), Duration::from_secs(settings.save_seconds));
        Self { clerk, committed }
    }

    /// Counts a view; it is in Postgres when this returns. Of one account and title one an hour counts.
    /// Counted is also what was counted before, by this node or another.
    ///
    /// # Errors
    /// [`DbError::Away`]: it may be counted or not; ask again.
    pub async fn count(&self, view: View) -> Result<Viewed, DbError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Count(view, answer), answered).await
    }

    /// Notes progress of which the heartbeat came `age` ago: it is stored within the time of the settings, if
    /// nothing later is. While Postgres is away it is kept, the latest of a session.
    pub fn note(&self, progress: Progress, age: Duration) {
        // Where this many come at once, the next heartbeat is as good.
        drop(self.clerk.try_send(Note(Heard::new(progress, age))));
    }

    /// Stores progress of which the heartbeat came `age` ago; done when this returns.
    ///
    /// # Errors
    /// `NotFound`: the stream is gone. [`DbError::Away`]: it may be stored or not; ask again.
    pub async fn save(&self, progress: Progress, age: Duration) -> Result<(), DbError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Save(Save { heard: Heard::new(progress, age), answer, refused: 0 }), answered).await
    }

    /// Stores all notes; for a stop. Where Postgres does not take them it is tried for some seconds.
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        let left = match self.clerk.send(Flush(done)).await {
            Ok(()) => is_done.await.ok(),
            Err(_) => None,
        };
        match left {
            Some(0) => {}
            Some(left) => tracing::warn!(left, "the last positions of sessions were not stored: Postgres is away"),
            None => tracing::warn!("the ledger is gone: its last notes are lost"),
        }
    }

    /// Whether the ledger still takes anything.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.clerk.connected()
    }

    /// Views and milliseconds of watch time that this process has committed.
    #[must_use]
    pub fn committed(&self) -> (u64, u64) {
        (self.committed.views.load(Ordering::Relaxed), self.committed.watched_ms.load(Ordering::Relaxed))
    }

    async fn ask<T>(&self, ask: Ask, answered: Receiver<Result<T, DbError>>) -> Result<T, DbError> {
        self.clerk.try_send(Asked(ask)).map_err(|error| DbError::Away(error.to_string()))?;
        answered.await.map_err(|_| DbError::Away("the ledger is gone".to_owned()))?
    }
}

struct Committed {
    views: AtomicU64,
    watched_ms: AtomicU64,
    poke: Box<dyn Fn() + Send + Sync>,
}

impl Committed {
    /// On the database thread, so that a commit is counted also where its deadline has passed.
    fn add(&self, posted: &Posted) {
        if posted.views > 0 || posted.watched_ms > 0 {
            self.views.fetch_add(posted.views, Ordering::Relaxed);
            self.watched_ms.fetch_add(posted.watched_ms, Ordering::Relaxed);
            (self.poke)();
        }
    }
}
