//! Writes: work on the database that makes cached answers void.

use std::sync::{Arc, Mutex, PoisonError};

use diesel::{PgConnection, result::Error as DieselError};

use crate::{
    cache::{Cache, Scope},
    db::{Db, DbError, LongWork},
};

/// Runs `work` and moves `scopes` on, whatever becomes of the caller: work that outlives its
/// deadline, whose caller has left, or whose commit was carried out though its answer was lost, is
/// announced all the same. When this returns, the other nodes have been told.
///
/// # Errors
/// What `work` says; the database's.
pub(super) async fn write<T, E, F>(db: &Db, cache: &Cache, scopes: Vec<Scope>, work: F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
    F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
{
    let announcement = Announcement::of(cache, &scopes);
    let done = db
        .run(move |conn| {
            // Dropped when the work has ended, also by a panic.
            let _announcement = announcement;
            work(conn)
        })
        .await;
    cache.invalidate(&scopes).await;
    done
}

/// As [`write()`], for long work, in a transaction, that finds out what else it moves.
///
/// # Errors
/// As [`write()`].
pub(super) async fn write_touching<T, E, F>(db: &LongWork, cache: &Cache, scopes: Vec<Scope>, work: F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<DbError> + From<DieselError> + Send + 'static,
    F: FnOnce(&mut PgConnection, &Touched) -> Result<T, E> + Send + 'static,
{
    let announcement = Announcement::of(cache, &scopes);
    let touched = announcement.touched.clone();
    let done = db
        .run(move |conn| {
            let done = work(conn, &announcement.touched)?;
            // It leaves the transaction with the result: what it announces is committed when it is dropped.
            Ok::<_, E>((done, announcement))
        })
        .await;
    let done = done.map(|(done, _)| done);
    cache.invalidate(&touched.scopes()).await;
    done
}

/// The scopes that a piece of work moves on.
#[derive(Clone)]
pub(super) struct Touched(Arc<Mutex<Vec<Scope>>>);

impl Touched {
    /// These too.
    pub(super) fn add(&self, scopes: impl IntoIterator<Item = Scope>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(scopes);
    }

    fn scopes(&self) -> Vec<Scope> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Moves scopes on when it is dropped: with the work that it travels in.
pub(super) struct Announcement {
    cache: Cache,
    touched: Touched,
}

impl Announcement {
    /// Of `scopes`.
    pub(super) fn of(cache: &Cache, scopes: &[Scope]) -> Self {
        Self { cache: cache.clone(), touched: Touched(Arc::new(Mutex::new(scopes.to_vec()))) }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.cache.moved(&self.touched.scopes());
    }
}
