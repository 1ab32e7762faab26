//! Joined calls: whoever asks for what is being asked for already waits for that answer.
//!
//! Owns what runs, nothing that has ended: an answer goes to those who were waiting for it, and is not kept.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

type Running<T> = HashMap<NonZeroU32, watch::Receiver<Option<T>>>;

/// The calls that run, by page.
pub(super) struct Joined<T> {
    running: Arc<Mutex<Running<T>>>,
}

impl<T> Default for Joined<T> {
    fn default() -> Self {
        Self { running: Arc::default() }
    }
}

/// The place of a call among those that run. Left when the call ends, also by a panic.
struct Place<T> {
    running: Arc<Mutex<Running<T>>>,
    page: NonZeroU32,
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.page);
    }
}

impl<T: Clone + Send + Sync + 'static> Joined<T> {
    /// What the call for `page` gives: the one that runs, or `begin`'s. The call is a task of its own, so that it
    /// goes on when the request that began it is given up: others may wait for it. `None` where it died.
    pub(super) async fn call<F>(&self, page: NonZeroU32, begin: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut answer = self.running_or(page, begin);
        let told = answer.wait_for(Option::is_some).await.ok()?;
        told.clone()
    }

    fn running_or<F>(&self, page: NonZeroU32, begin: impl FnOnce() -> F) -> watch::Receiver<Option<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = lock(&self.running);
        if let Some(answer) = running.get(&page) {
            return answer.clone();
        }
        let (tell, answer) = watch::channel(None);
        running.insert(page, answer.clone());
        let place = Place { running: Arc::clone(&self.running), page };
        let call = begin();
        tokio::spawn(async move {
            let result = call.await;
            // Before anyone is told: who comes now gets an answer that is younger than its request.
            drop(place);
            tell.send_replace(Some(result));
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
            joined.call(FIRST, || {
                let (number, gate) = (calls.fetch_add(1, Ordering::SeqCst), Arc::clone(&gate));
                async move {
                    gate.notified().await;
                    number
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
        let mut leader = Box::pin(joined.call(FIRST, || async move {
            waiting.notified().await;
            7
        }));
        assert_eq!((&mut leader).now_or_never(), None);
        let mut follower = Box::pin(joined.call(FIRST, || async { 8 }));
        assert_eq!((&mut follower).now_or_never(), None);
        drop(leader);
        gate.notify_one();
        assert_eq!(follower.await, Some(7));
    }

    #[tokio::test]
    async fn a_call_that_dies_is_told_and_leaves_its_place() {
        let joined = Joined::<u32>::default();
        assert_eq!(joined.call(FIRST, || async { panic!("on purpose") }).await, None);
        assert_eq!(joined.call(FIRST, || async { 1 }).await, Some(1));
        let other = NonZeroU32::new(2).unwrap();
        let both = tokio::join!(joined.call(FIRST, || async { 1 }), joined.call(other, || async { 2 }));
        assert_eq!(both, (Some(1), Some(2)));
    }
}
