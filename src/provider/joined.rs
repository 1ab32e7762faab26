//! Joined calls: whoever asks for what is being asked for already waits for that answer.
//!
//! Owns what runs, nothing that has ended: an answer goes to those who were waiting for it, and is not kept.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

type Running<T> = HashMap<NonZeroU32, watch::Sender<Option<T>>>;

/// The calls that run, by page.
pub(super) struct Joined<T> {
    running: Arc<Mutex<Running<T>>>,
}

impl<T> Default for Joined<T> {
    fn default() -> Self {
        Self { running: Arc::default() }
    }
}

/// A call's place among those that run, and who waits for it. Left when the call ends, also by a panic.
pub(super) struct Waiters<T> {
    running: Arc<Mutex<Running<T>>>,
    page: NonZeroU32,
    tell: watch::Sender<Option<T>>,
}

impl<T> Waiters<T> {
    /// Whether somebody waits. Where nobody does the place is left: who comes from now on begins another call.
    pub(super) fn are_there(&self) -> bool {
        let mut running = lock(&self.running);
        let are_there = !self.tell.is_closed();
        if !are_there {
            self.leave(&mut running);
        }
        are_there
    }

    /// Waits until nobody does; the place is left then.
    pub(super) async fn gone(&self) {
        loop {
            self.tell.closed().await;
            if !self.are_there() {
                return;
            }
        }
    }

    /// The place may be another call's by now.
    fn leave(&self, running: &mut Running<T>) {
        if running.get(&self.page).is_some_and(|tell| tell.same_channel(&self.tell)) {
            running.remove(&self.page);
        }
    }
}

impl<T> Drop for Waiters<T> {
    fn drop(&mut self) {
        self.leave(&mut lock(&self.running));
    }
}

impl<T: Clone + Send + Sync + 'static> Joined<T> {
    /// What the call for `page` gives: the one that runs, or `begin`'s. The call is a task of its own, so that it
    /// goes on when the request that began it is given up: others may wait for it. It may end with nothing where
    /// [`Waiters`] has said that nobody does. `None` where it died.
    pub(super) async fn call<F>(&self, page: NonZeroU32, begin: impl FnOnce(Arc<Waiters<T>>) -> F) -> Option<T>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut answer = self.running_or(page, begin);
        let told = answer.wait_for(Option::is_some).await.ok()?;
        told.clone()
    }

    fn running_or<F>(&self, page: NonZeroU32, begin: impl FnOnce(Arc<Waiters<T>>) -> F) -> watch::Receiver<Option<T>>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut running = lock(&self.running);
        if let Some(tell) = running.get(&page) {
            return tell.subscribe();
        }
        let (tell, answer) = watch::channel(None);
        running.insert(page, tell.clone());
        let waiters = Arc::new(Waiters { running: Arc::clone(&self.running), page, tell });
        let call = begin(Arc::clone(&waiters));
        tokio::spawn(async move {
            let result = call.await;
            // Before anyone is told: who comes now gets an answer that is younger than its request.
            waiters.leave(&mut lock(&waiters.running));
            waiters.tell.send_replace(result);
        });
        answer
    }
}

fn lock<T>(running: &Mutex<Running<T>>) -> MutexGuard<'_, Running<T>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::{FutureExt as _, future::join_all};
    use tokio::sync::Notify;

    use super::*;

    const FIRST: NonZeroU32 = NonZeroU32::MIN;

    #[tokio::test]
    async fn those_who_ask_for_one_page_at_once_share_one_call_and_the_next_makes_another() {
        let (joined, calls) = (Joined::default(), AtomicU32::new(0));
        let gate = Arc::new(Notify::new());
        let ask = || {
            joined.call(FIRST, |_| {
                let (number, gate) = (calls.fetch_add(1, Ordering::SeqCst), Arc::clone(&gate));
                async move {
                    gate.notified().await;
                    Some(number)
                }
            })
        };
        gate.notify_one();
        assert_eq!(join_all((0..50).map(|_| ask())).await, vec![Some(0); 50]);
        gate.notify_one();
        assert_eq!(ask().await, Some(1));
    }

    #[tokio::test]
    async fn who_began_a_call_may_go_away_and_others_get_its_answer() {
        let joined = Joined::default();
        let gate = Arc::new(Notify::new());
        let waiting = Arc::clone(&gate);
        let mut leader = Box::pin(joined.call(FIRST, |_| async move {
            waiting.notified().await;
            Some(7)
        }));
        assert_eq!((&mut leader).now_or_never(), None);
        let mut follower = Box::pin(joined.call(FIRST, |_| async { Some(8) }));
        assert_eq!((&mut follower).now_or_never(), None);
        drop(leader);
        gate.notify_one();
        assert_eq!(follower.await, Some(7));
    }

    #[tokio::test]
    async fn a_call_that_dies_is_told_and_leaves_its_place() {
        let joined = Joined::<u32>::default();
        assert_eq!(joined.call(FIRST, |_| async { panic!("on purpose") }).await, None);
        assert_eq!(joined.call(FIRST, |_| async { Some(1) }).await, Some(1));
        let other = NonZeroU32::new(2).unwrap();
        let both = tokio::join!(joined.call(FIRST, |_| async { Some(1) }), joined.call(other, |_| async { Some(2) }));
        assert_eq!(both, (Some(1), Some(2)));
    }
    #[tokio::test]
    async fn a_call_hears_that_nobody_waits_any_more_and_who_comes_then_begins_another() {
        let joined = Arc::new(Joined::default());
        let (hand_over, handed) = tokio::sync::oneshot::channel();
        let mut first = Box::pin(joined.call(FIRST, |waiters| async move {
            assert!(waiters.are_there());
            assert!(hand_over.send(Arc::clone(&waiters)).is_ok());
            waiters.gone().await;
            None
        }));
        assert_eq!((&mut first).now_or_never(), None);
        let waiters = handed.await.unwrap();
        let mut second = Box::pin(joined.call(FIRST, |_| async { Some(8) }));
        assert_eq!((&mut second).now_or_never(), None);
        drop(first);
        assert!(waiters.are_there(), "one is left");
        drop(second);
        assert!(!waiters.are_there());
        assert_eq!(joined.call(FIRST, |_| async { Some(9) }).await, Some(9));
        // Its place is another's now, and stays so.
        let mut third = Box::pin(joined.call(FIRST, |_| std::future::pending::<Option<i32>>()));
        assert_eq!((&mut third).now_or_never(), None);
        drop(waiters);
        assert!(lock(&joined.running).contains_key(&FIRST));
    }
}
