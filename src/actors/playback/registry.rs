//! The live sessions of this node: the way to each, and how many people they are. Holds no session alive:
//! each lives by itself, and takes its name out when it ends, however it ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::Addr;
use foldhash::fast::RandomState;
use uuid::Uuid;

use super::session::Session;
use crate::{domain::ids::StreamId, mailbox::Line};

/// The registry. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Registry {
    seats: Arc<Mutex<Seats>>,
}

#[derive(Default)]
struct Seats {
    sessions: HashMap<StreamId, Entry, RandomState>,
    viewers: HashMap<Uuid, u32, RandomState>,
    /// Sessions that know who views; others are still asking whether there is such a stream.
    seated: usize,
    next: u64,
}

struct Entry {
    line: Arc<Line<Session>>,
    number: u64,
    viewer: Option<Uuid>,
}

impl Registry {
    /// The way to the session of this id, which `start` starts where there is none.
    pub(super) fn line(&self, id: StreamId, start: impl FnOnce(Place) -> Addr<Session>) -> Arc<Line<Session>> {
        let mut seats = self.lock();
        if let Some(entry) = seats.sessions.get(&id)
            && entry.line.is_open()
        {
            return Arc::clone(&entry.line);
        }
        seats.next += 1;
        let number = seats.next;
        let addr = start(Place { registry: self.clone(), id, number });
        let line = Arc::new(Line::to(&addr));
        seats.leave(id, None);
        seats.sessions.insert(id, Entry { line: Arc::clone(&line), number, viewer: None });
        line
    }

    /// The way to the session of this id, where it lives here.
    pub(super) fn known(&self, id: StreamId) -> Option<Arc<Line<Session>>> {
        self.lock().sessions.get(&id).map(|entry| Arc::clone(&entry.line))
    }

    /// All that live here and know who views.
    pub(super) fn ids(&self) -> Vec<StreamId> {
        let seats = self.lock();
        seats.sessions.iter().filter(|(_, entry)| entry.viewer.is_some()).map(|(id, _)| *id).collect()
    }

    /// Sessions that live here, and how many different viewers they have.
    pub(super) fn live(&self) -> (usize, usize) {
        let seats = self.lock();
        (seats.seated, seats.viewers.len())
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// Takes a session out; with a number only that one.
    fn leave(&mut self, id: StreamId, number: Option<u64>) {
        let is_it = |entry: &Entry| number.is_none_or(|number| entry.number == number);
        if self.sessions.get(&id).is_some_and(is_it)
            && let Some(Entry { viewer: Some(viewer), .. }) = self.sessions.remove(&id)
        {
            self.seated -= 1;
            self.uncount(viewer);
        }
    }

    fn uncount(&mut self, viewer: Uuid) {
        if let Some(count) = self.viewers.get_mut(&viewer) {
            *count -= 1;
            if *count == 0 {
                self.viewers.remove(&viewer);
            }
        }
    }
}

/// Where a session that is started belongs.
pub(super) struct Place {
    registry: Registry,
    id: StreamId,
    number: u64,
}

impl Place {
    /// Takes the place, on the session's own thread: giving it back needs the lock that starting holds.
    pub(super) const fn take(self) -> Seat {
        Seat { place: self }
    }
}

/// A session's place in the registry, given back when it is dropped: at its end, and when it panics.
pub(super) struct Seat {
    place: Place,
}

impl Seat {
    /// Tells who views.
    pub(super) fn viewed_by(&self, viewer: Uuid) {
        let Place { registry, id, number } = &self.place;
        let mut seats = registry.lock();
        let Some(entry) = seats.sessions.get_mut(id).filter(|entry| entry.number == *number) else { return };
        if let Some(before) = entry.viewer.replace(viewer) {
            seats.uncount(before);
        } else {
            seats.seated += 1;
        }
        *seats.viewers.entry(viewer).or_default() += 1;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Place { registry, id, number } = &self.place;
        registry.lock().leave(*id, Some(*number));
    }
}
