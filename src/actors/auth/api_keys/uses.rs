//! When keys were last used: noted in memory by requests, stored for many keys at once by a task. A note that
//! cannot be stored waits; it never holds a request up.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::{Db, DbError, queries::api_keys},
    domain::ids::ApiKeyId,
};

/// A key that is used all the time is noted anew after this many seconds only.
const WORTH_NOTING: i64 = 5;
/// Keys whose use is stored by one statement: some milliseconds.
const BATCH: usize = 1_000;
/// Keys that notes are kept of while they cannot be stored.
const MOST_NOTES: usize = 100_000;

/// When a key was last noted, in seconds since 1970.
#[derive(Debug)]
pub(super) struct LastUse(AtomicI64);

impl LastUse {
    /// Known to have been used then.
    pub(super) fn at(time: Option<DateTime<Utc>>) -> Self {
        Self(AtomicI64::new(time.map_or(i64::MIN, |time| time.timestamp())))
    }

    /// Whether a use at `now` is to be noted; it is taken to be. True for one of many at once.
    pub(super) fn is_worth_noting(&self, now: DateTime<Utc>) -> bool {
        let (now, known) = (now.timestamp(), self.0.load(Ordering::Relaxed));
        // A clock that was put back has not been there yet.
        (now < known || now >= known.saturating_add(WORTH_NOTING))
            && self.0.compare_exchange(known, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Notes, and the task that stores them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Uses {
    db: Db,
    notes: Arc<Mutex<HashMap<Uuid, DateTime<Utc>>>>,
}

impl Uses {
    /// Starts the task, which stores what was noted every `every`. Needs a running runtime.
    pub(super) fn start(db: Db, every: Duration) -> Self {
        let uses = Self { db, notes: Arc::default() };
        let storing = uses.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                storing.flush().await;
            }
        });
        uses
    }

    /// Notes a use.
    pub(super) fn note(&self, key: ApiKeyId, at: DateTime<Utc>) {
        self.keep([(key.uuid(), at)]);
    }

    /// Stores what was noted; what cannot be stored is noted as before.
    pub(super) async fn flush(&self) {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner));
        let mut rest: Vec<(Uuid, DateTime<Utc>)> = notes.into_iter().collect();
        while !rest.is_empty() {
            let batch = rest.split_off(rest.len().saturating_sub(BATCH));
            let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = batch.iter().copied().unzip();
            let stored = self.db.run(move |conn| api_keys::note_uses(conn, &ids, &times).map_err(DbError::from)).await;
            if let Err(error) = stored {
                tracing::debug!(%error, "when API keys were used is stored later");
                self.keep(batch);
                self.keep(rest);
                return;
            }
        }
    }

    /// Of two uses of a key the later one stays.
    fn keep(&self, notes: impl IntoIterator<Item = (Uuid, DateTime<Utc>)>) {
        let mut kept = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in notes {
            let has_room = kept.len() < MOST_NOTES;
            match kept.get_mut(&key) {
                Some(known) => *known = at.max(*known),
                None if has_room => {
                    kept.insert(key, at);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_in_some_seconds_and_after_a_clock_was_put_back() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let last = LastUse::at(None);
        assert!(last.is_worth_noting(at(1_000)));
        assert!(!last.is_worth_noting(at(1_000)));
        assert!(!last.is_worth_noting(at(1_004)));
        assert!(last.is_worth_noting(at(1_005)));
        assert!(last.is_worth_noting(at(900)));
        let known = LastUse::at(Some(at(1_000)));
        assert!(!known.is_worth_noting(at(1_003)));
    }
}
