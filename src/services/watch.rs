//! Private stores that die while the server runs are started again: nobody else would.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Cancel, Home, Postgres, PostgresPlan, Redis, RedisPlan, ServiceError};

/// How often it is looked whether the stores run.
const LOOK: Duration = Duration::from_millis(250);
/// Pauses after a restart that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A store process, with what starts it again.
#[derive(Debug)]
pub(super) struct Kept<P, S> {
    pub(super) plan: P,
    pub(super) store: Option<S>,
}

/// The stores this process runs. Dropped, they stop; the home's lock goes last.
#[derive(Debug)]
pub(super) struct Stores {
    pub(super) postgres: Option<Kept<PostgresPlan, Postgres>>,
    pub(super) redis: Option<Kept<RedisPlan, Redis>>,
    pub(super) home: Home,
}

impl Stores {
    /// Starts again what has ended; each whatever becomes of the other.
    fn mend(&mut self, cancel: &Cancel) -> Result<(), ServiceError> {
        let Self { postgres, redis, home } = self;
        let redis =
            redis.as_mut().map_or(Ok(()), |kept| kept.mend(Redis::has_ended, |plan| Redis::start(home, plan, cancel)));
        if let Some(running) = postgres.as_ref().and_then(|kept| kept.store.as_ref()) {
            running.end_what_is_ending();
        }
        let postgres = postgres
            .as_mut()
            .map_or(Ok(()), |kept| kept.mend(Postgres::has_ended, |plan| Postgres::start(home, plan, cancel)));
        redis.and(postgres)
    }
}

impl<P, S> Kept<P, S> {
    fn mend(
        &mut self,
        has_ended: fn(&S) -> bool,
        start: impl FnOnce(&P) -> Result<S, ServiceError>,
    ) -> Result<(), ServiceError> {
        if self.store.as_ref().is_some_and(|store| !has_ended(store)) {
            return Ok(());
        }
        tracing::error!("a private store has ended; starting it again");
        self.store = None;
        self.store = Some(start(&self.plan)?);
        Ok(())
    }
}

/// Watches the stores from a thread of its own. Dropping it stops watch and stores.
#[derive(Debug)]
pub(super) struct Watch {
    stores: Arc<Mutex<Stores>>,
    cancel: Cancel,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn over(stores: Stores) -> Result<Self, ServiceError> {
        let (stores, cancel) = (Arc::new(Mutex::new(stores)), Cancel::default());
        let (watched, cancelled) = (Arc::clone(&stores), cancel.clone());
        let thread = thread::Builder::new()
            .name("stores-watch".to_owned())
            .spawn(move || watch(&watched, &cancelled))
            .map_err(ServiceError::io("start a thread that watches", "the stores"))?;
        Ok(Self { stores, cancel, thread: Some(thread) })
    }

    pub(super) fn stores(&self) -> MutexGuard<'_, Stores> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watch(stores: &Mutex<Stores>, cancel: &Cancel) {
    let mut pause = LOOK;
    while cancel.check().is_ok() {
        thread::park_timeout(pause);
        if cancel.check().is_err() {
            break;
        }
        match stores.lock().unwrap_or_else(PoisonError::into_inner).mend(cancel) {
            Ok(()) => pause = LOOK,
            Err(ServiceError::Cancelled) => break,
            Err(error) => {
                pause = (pause * 2).min(LONGEST_PAUSE);
                tracing::error!(%error, "a private store does not start again");
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A watch that panicked has nothing more to say.
            drop(thread.join());
        }
    }
}
