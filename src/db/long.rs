//! Work that can take long: how much of it there is at a time, and how long it may take. Half of the threads do it at
//! most, so that the others are left to everyone else; half of those do work with a deadline of its own, so that
//! searches go on beside it.

use std::{sync::Arc, time::Duration};

use diesel::{
    Connection as _, PgConnection, QueryResult, connection::SimpleConnection as _, result::Error as DieselError,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{Db, DbError};

/// How long a search waits for its turn.
const SEARCH_WAIT: Duration = Duration::from_millis(500);
/// Part of its time that work may wait for one lock, while it holds a thread.
const LOCK_SHARE: u32 = 4;

/// Turns for long work. Cheap to clone.
#[derive(Clone)]
pub(super) struct Turns {
    long: Arc<Semaphore>,
    slow: Arc<Semaphore>,
}

/// A turn, until it is dropped.
pub(super) struct Turn {
    _long: OwnedSemaphorePermit,
    _slow: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Over so many threads.
    pub(super) fn over(threads: usize) -> Self {
        let turns = |most: usize| Arc::new(Semaphore::new(most.max(1)));
        Self { long: turns(threads / 2), slow: turns(threads / 4) }
    }

    pub(super) async fn search(&self) -> Result<Turn, DbError> {
        let long = taken(&self.long, Instant::now() + SEARCH_WAIT).await?;
        Ok(Turn { _long: long, _slow: None })
    }

    async fn slow(&self, end: Instant) -> Result<Turn, DbError> {
        let slow = taken(&self.slow, end).await?;
        Ok(Turn { _long: taken(&self.long, end).await?, _slow: Some(slow) })
    }
}

async fn taken(turns: &Arc<Semaphore>, end: Instant) -> Result<OwnedSemaphorePermit, DbError> {
    let busy = || DbError::Away("too much long work at a time".to_owned());
    timeout_at(end, Arc::clone(turns).acquire_owned()).await.map_err(|_| busy())?.map_err(|_| busy())
}

/// The database for work with a deadline of its own. Cheap to clone.
#[derive(Clone)]
pub struct LongWork {
    db: Db,
    deadline: Duration,
}

impl LongWork {
    /// Work on `db` that has `deadline`, the wait for its turn included.
    #[must_use]
    pub const fn new(db: Db, deadline: Duration) -> Self {
        Self { db, deadline }
    }

    /// Runs `work` in a transaction.
    ///
    /// # Errors
    /// What `work` says; [`DbError::Away`] where there is no answer in time, or a lock is held for too long.
    pub async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<DieselError> + Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
    {
        let end = Instant::now() + self.deadline;
        let turn = self.db.turns.slow(end).await?;
        let work = move |conn: &mut PgConnection| {
            let _turn = turn;
            conn.transaction(|conn| {
                limit(conn, end.saturating_duration_since(Instant::now()))?;
                work(conn)
            })
        };
        self.db.run_within(end.saturating_duration_since(Instant::now()), work).await
    }
}

/// Limits what the transaction waits for; in place of what the connection has.
fn limit(conn: &mut PgConnection, left: Duration) -> QueryResult<()> {
    // Zero would be no limit.
    let (statement, lock) = (left.as_millis().max(1), (left / LOCK_SHARE).as_millis().max(1));
    conn.batch_execute(&format!("SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}"))
}
