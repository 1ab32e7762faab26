//! Writes: work on the database that makes cached answers void.

use diesel::PgConnection;

use crate::{
    cache::{Cache, Scope},
    db::{Db, DbError},
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

/// Moves scopes on when it is dropped: with the work that it travels in.
pub(super) struct Announcement {
    cache: Cache,
    scopes: Vec<Scope>,
}

impl Announcement {
    /// Of `scopes`.
    pub(super) fn of(cache: &Cache, scopes: &[Scope]) -> Self {
        Self { cache: cache.clone(), scopes: scopes.to_vec() }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.cache.moved(&self.scopes);
    }
}
