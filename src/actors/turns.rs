//! Work that is done once for all who ask for it at the same time on this node, or one after the other.

use std::{future::Future, hash::Hash, sync::Arc, time::Duration};

use foldhash::fast::RandomState;
use moka::sync::Cache as Held;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// What a node knows to be asked for.
const REMEMBERED: u64 = 10_000;
/// What nobody asks for is forgotten after so long, and so is what was in vain.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// A turn, until it is dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Whose turn it is, by what is worked on. Cheap to clone.
#[derive(Clone)]
pub(super) struct Turns<K>(Held<K, Arc<Mutex<()>>, RandomState>);

impl<K: Hash + Eq + Send + Sync + 'static> Turns<K> {
    pub(super) fn new() -> Self {
        let held = Held::builder().max_capacity(REMEMBERED).time_to_idle(FORGOTTEN);
        Self(held.build_with_hasher(RandomState::default()))
    }

    /// Waits until nobody else works on `key`, then does `work`: it looks first whether there is anything left to
    /// do. Goes on where the caller goes away, because others may wait for it. `None`: it died.
    pub(super) fn take<T, W>(&self, key: K, work: W) -> impl Future<Output = Option<T>>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        // Boxed at once: most who might have to do it do not, and would carry the room for it.
        let work = Box::pin(work);
        async move {
            let turn = self.wait(key).await;
            let done = tokio::spawn(async move {
                let _turn = turn;
                work.await
            });
            done.await.ok()
        }
    }

    /// Waits until nobody else has the turn of `key`; it is over when what this gives is dropped.
    pub(super) async fn wait(&self, key: K) -> Turn {
        self.0.get_with(key, Arc::default).lock_owned().await
    }
}

/// What was worked on in vain: it is not tried again before it is forgotten. Cheap to clone.
#[derive(Clone)]
pub(super) struct InVain<K>(Held<K, (), RandomState>);

impl<K: Hash + Eq + Send + Sync + 'static> InVain<K> {
    pub(super) fn new() -> Self {
        let held = Held::builder().max_capacity(REMEMBERED).time_to_live(FORGOTTEN);
        Self(held.build_with_hasher(RandomState::default()))
    }

    pub(super) fn add(&self, key: K) {
        self.0.insert(key, ());
    }

    pub(super) fn has(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }
}
