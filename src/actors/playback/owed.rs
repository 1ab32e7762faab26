//! Ends and returns that rows could not be told of while Postgres was away: the last one of each session. The
//! sweep tells them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::state::SessionState;
use crate::domain::ids::StreamId;

/// Sessions that wait at most. The rows of those beyond end when they fall silent.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct Owed {
    states: Mutex<HashMap<StreamId, SessionState>>,
}

impl Owed {
    /// To be told as soon as Postgres answers; instead of what the session owed before.
    pub(super) fn put(&self, id: StreamId, state: SessionState) {
        let mut states = self.lock();
        if states.len() < MOST || states.contains_key(&id) {
            states.insert(id, state);
        }
    }

    /// As many as `most`.
    pub(super) fn some(&self, most: usize) -> Vec<(StreamId, SessionState)> {
        self.lock().iter().take(most).map(|(id, state)| (*id, state.clone())).collect()
    }

    /// The row was told of this.
    pub(super) fn settle(&self, id: StreamId, told: &SessionState) {
        if let Entry::Occupied(entry) = self.lock().entry(id)
            && entry.get() == told
        {
            entry.remove();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, SessionState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
