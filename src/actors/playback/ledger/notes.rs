//! Progress that may wait a little before it is stored: the latest of each session.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::Instant,
};

use crate::{db::queries::ledger::Heard, domain::ids::StreamId};

/// Sessions whose progress waits at most; a note of one more displaces the oldest.
const MOST: usize = 100_000;

/// Ordered by when they are due.
#[derive(Default)]
pub(super) struct Notes {
    latest: HashMap<StreamId, Heard>,
    /// Of each session that has a note, and of some that have none any more.
    due: VecDeque<(Instant, StreamId)>,
}

impl Notes {
    /// Takes a note, to be stored at `due`, or with the earlier one of the same session. The later heartbeat
    /// stays. `due` is never before that of an earlier call.
    pub(super) fn put(&mut self, heard: Heard, due: Instant) {
        let stream = heard.progress.stream;
        match self.latest.entry(stream) {
            Entry::Occupied(mut entry) if !heard.is_before(entry.get()) => drop(entry.insert(heard)),
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => {
                entry.insert(heard);
                self.due.push_back((due, stream));
            }
        }
        while self.due.len() > MOST {
            if let Some((_, oldest)) = self.due.pop_front() {
                self.latest.remove(&oldest);
            }
        }
    }

    /// Takes a note that could not be stored; the later heartbeat stays. It is due as soon as any are.
    pub(super) fn put_back(&mut self, heard: Heard) {
        let stream = heard.progress.stream;
        match self.latest.entry(stream) {
            Entry::Occupied(mut entry) if entry.get().is_before(&heard) => drop(entry.insert(heard)),
            Entry::Vacant(entry) if self.due.len() < MOST => {
                entry.insert(heard);
                self.due.push_front((Instant::now(), stream));
            }
            Entry::Occupied(_) | Entry::Vacant(_) => {}
        }
    }

    /// The oldest note that is due at `now`.
    pub(super) fn take(&mut self, now: Instant) -> Option<Heard> {
        while self.due.front().is_some_and(|(due, _)| *due <= now) {
            let (_, stream) = self.due.pop_front()?;
            if let Some(heard) = self.latest.remove(&stream) {
                return Some(heard);
            }
        }
        None
    }

    /// Forgets the note of a session of which something later, or the same, is stored.
    pub(super) fn settle(&mut self, stored: &Heard) {
        if let Entry::Occupied(entry) = self.latest.entry(stored.progress.stream)
            && !stored.is_before(entry.get())
        {
            entry.remove();
        }
    }

    /// How many sessions have one.
    pub(super) fn len(&self) -> usize {
        self.latest.len()
    }

    /// Makes all of them due at `now`.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.due.iter_mut().for_each(|(due, _)| *due = (*due).min(now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::playback::{Progress, Title, Watch};

    fn heard(stream: StreamId, position: f64, age: u64) -> Heard {
        let title = Title { file: None, episode: None, series: None, video: None, duration_seconds: None, owner: None };
        let watch = Watch::begin(position, Duration::ZERO);
        Heard::new(Progress { stream, watch, title }, Duration::from_secs(age))
    }

    fn positions(notes: &mut Notes, now: Instant) -> Vec<f64> {
        std::iter::from_fn(|| notes.take(now)).map(|heard| heard.progress.watch.position).collect()
    }

    #[test]
    fn the_latest_of_each_is_due_when_the_first_was() {
        let (mut notes, now) = (Notes::default(), Instant::now());
        let (one, other) = (StreamId::new(), StreamId::new());
        let later = now + Duration::from_secs(1);
        notes.put(heard(one, 1.0, 9), now);
        notes.put(heard(other, 2.0, 9), later);
        notes.put(heard(one, 3.0, 5), later);
        notes.put(heard(one, 4.0, 7), later);
        assert_eq!(positions(&mut notes, now), [3.0]);
        assert_eq!((positions(&mut notes, now).len(), notes.len()), (0, 1));
        notes.hurry(now);
        assert_eq!(positions(&mut notes, now), [2.0]);
    }

    #[test]
    fn what_is_stored_takes_older_notes_along() {
        let (mut notes, now) = (Notes::default(), Instant::now());
        let (one, other) = (StreamId::new(), StreamId::new());
        notes.put(heard(one, 1.0, 9), now);
        notes.put(heard(other, 2.0, 5), now);
        notes.settle(&heard(one, 5.0, 7));
        notes.settle(&heard(other, 5.0, 7));
        assert_eq!(positions(&mut notes, now), [2.0]);
    }

    #[test]
    fn memory_has_a_bound() {
        let (mut notes, now) = (Notes::default(), Instant::now());
        for _ in 0..MOST + 10 {
            notes.put(heard(StreamId::new(), 0.0, 0), now);
        }
        assert_eq!((notes.len(), notes.due.len()), (MOST, MOST));
        // A session that is stored and noted again and again takes no more room.
        let stream = StreamId::new();
        for _ in 0..MOST + 10 {
            notes.put(heard(stream, 0.0, 0), now);
            notes.settle(&heard(stream, 0.0, 0));
        }
        assert!(notes.due.len() <= MOST);
    }
}
