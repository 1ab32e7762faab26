//! The numbers of now for whoever listens: one sample a second for all listeners of a node, and none while
//! nobody listens. Who does not take them in time is let go.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Notify, broadcast};

/// Samples that a listener may lie behind.
const BEHIND: usize = 8;

/// The numbers of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Sample {
    pub viewers: u64,
    pub views: u64,
    pub requests: u64,
    pub bytes: u64,
}

/// A moment, as all listeners get it.
#[derive(Debug)]
pub struct Event {
    /// `None`: Redis has no answer now.
    sample: Option<Sample>,
    shaped: OnceLock<Bytes>,
}

impl Event {
    fn of(sample: Option<Sample>) -> Arc<Self> {
        Arc::new(Self { sample, shaped: OnceLock::new() })
    }

    /// Its bytes, made by `shape` for the first who asks; the others get the same.
    #[must_use]
    pub fn bytes(&self, shape: fn(Option<&Sample>) -> Bytes) -> Bytes {
        let made = || {
            metrics::counter!("playhouse_statistics_events_total").increment(1);
            shape(self.sample.as_ref())
        };
        self.shaped.get_or_init(made).clone()
    }
}

/// So many listen to this node already.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0} listen to this node already")]
pub struct TooManyListeners(usize);

/// Where samples come from and go to.
pub(super) struct Events {
    sender: broadcast::Sender<Arc<Event>>,
    /// The last sample, while somebody listens. Its lock is held to begin to listen and to tell a sample, so
    /// that a listener gets each once.
    latest: Mutex<Option<Arc<Event>>>,
    woken: Notify,
    listeners: Arc<AtomicUsize>,
    most: usize,
}

/// Somebody who listens.
pub struct Listener {
    first: Option<Arc<Event>>,
    events: broadcast::Receiver<Arc<Event>>,
    _place: Place,
}

/// The place of a listener.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Listener {
    /// The next event: the last one at once, then each as it comes. `None` ends it: it lay too far behind.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                metrics::counter!("playhouse_statistics_listeners_dropped_total").increment(1);
                None
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Events {
    /// For `most` listeners.
    pub(super) fn new(most: usize) -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            latest: Mutex::default(),
            woken: Notify::new(),
            listeners: Arc::default(),
            most,
        }
    }

    /// Who listens now.
    pub(super) fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    pub(super) fn listen(&self) -> Result<Listener, TooManyListeners> {
        let place = Place(Arc::clone(&self.listeners));
        if self.listeners.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(TooManyListeners(self.most));
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = Listener { first: latest.clone(), events: self.sender.subscribe(), _place: place };
        drop(latest);
        self.woken.notify_one();
        Ok(listener)
    }

    /// Takes a sample each `every` while somebody listens; never ends.
    pub(super) async fn run<F: Future<Output = Option<Sample>>>(&self, every: Duration, sample: impl Fn() -> F) {
        loop {
            self.woken.notified().await;
            let mut ticks = tokio::time::interval(every);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if !self.is_heard() {
                    break;
                }
                self.tell(Event::of(sample().await));
            }
        }
    }

    /// Whether somebody listens; where nobody does, the last sample is of no use to the next who comes.
    fn is_heard(&self) -> bool {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = self.sender.receiver_count() > 0;
        if !heard {
            *latest = None;
        }
        heard
    }

    fn tell(&self, event: Arc<Event>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(Arc::clone(&event));
        // An error: nobody listens any more, which the next round sees.
        drop(self.sender.send(event));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// Events with samples that count up, and how many were taken.
    fn counting(most: usize) -> (Arc<Events>, Arc<AtomicU64>) {
        let (events, taken) = (Arc::new(Events::new(most)), Arc::new(AtomicU64::new(0)));
        let (running, counter) = (Arc::clone(&events), Arc::clone(&taken));
        tokio::spawn(async move {
            let sample = || {
                let views = counter.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Some(Sample { viewers: 0, views, requests: 0, bytes: 0 }))
            };
            running.run(EVERY, sample).await;
        });
        (events, taken)
    }

    fn shape(sample: Option<&Sample>) -> Bytes {
        Bytes::from(sample.map(|sample| sample.views.to_string()).unwrap_or_default())
    }

    const EVERY: Duration = Duration::from_millis(5);

    fn number(event: Option<Arc<Event>>) -> u64 {
        let bytes = event.expect("an event").bytes(shape);
        std::str::from_utf8(&bytes).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn all_who_listen_get_the_same_samples_and_nobody_costs_any() {
        let (events, taken) = counting(10);
        tokio::time::sleep(EVERY * 10).await;
        assert_eq!(taken.load(Ordering::Relaxed), 0);
        let mut early = events.listen().unwrap();
        assert_eq!([number(early.next().await), number(early.next().await)], [0, 1]);
        let mut late = events.listen().unwrap();
        let (first, second) = (late.next().await.unwrap(), late.next().await.unwrap());
        assert_eq!([number(Some(first)), number(Some(Arc::clone(&second)))], [1, 2]);
        let same = early.next().await.unwrap();
        assert!(Arc::ptr_eq(&same, &second));
        assert_eq!(same.bytes(|_| Bytes::from("anew")), "2", "it was shaped a second time");
        drop((early, late));
        tokio::time::sleep(EVERY * 10).await;
        let before = taken.load(Ordering::Relaxed);
        tokio::time::sleep(EVERY * 10).await;
        assert_eq!(taken.load(Ordering::Relaxed), before);
        // Whoever comes after a pause gets no old numbers.
        assert_eq!(number(events.listen().unwrap().next().await), before);
    }

    #[tokio::test]
    async fn who_lies_too_far_behind_is_let_go_and_so_is_who_finds_no_place() {
        let (events, taken) = counting(1);
        let mut slow = events.listen().unwrap();
        assert!(events.listen().is_err());
        assert!(slow.next().await.is_some());
        while taken.load(Ordering::Relaxed) < 30 {
            tokio::time::sleep(EVERY).await;
        }
        assert!(slow.next().await.is_none());
        drop(slow);
        assert_eq!(events.listeners(), 0);
        assert!(events.listen().is_ok());
    }
}
