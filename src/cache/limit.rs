//! How often something may be done, by all nodes together: counted in Redis, in windows that begin with their
//! first action. While Redis is away each node counts by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use moka::sync::Cache as Counts;
use sha2::{Digest as _, Sha256};

use super::{Cache, keys};

/// Counts that a node remembers while Redis is away.
const REMEMBERED: u64 = 10_000;

/// Counts actions. Cheap to clone.
#[derive(Clone)]
pub struct Limit {
    cache: Cache,
    what: &'static str,
    window: Duration,
    script: Arc<redis::Script>,
    here: Counts<String, Arc<Here>>,
}

/// What this node has counted in a window.
struct Here {
    began: Instant,
    taken: AtomicU32,
}

/// One of the counts that an action is counted in, and its limit.
#[derive(Debug, Clone)]
pub struct Count {
    /// Names it; of one length, and shows nothing of who acts.
    pub digest: String,
    /// Actions within the window.
    pub most: u32,
}

impl Count {
    /// The count of `who`, a name of this kind.
    #[must_use]
    pub fn of(kind: &str, who: &str, most: u32) -> Self {
        Self { digest: URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{kind}|{who}"))), most }
    }
}

impl Limit {
    /// Counts `what` in windows of this length.
    #[must_use]
    pub fn new(cache: Cache, what: &'static str, window: Duration) -> Self {
        let script = Arc::new(redis::Script::new(keys::LIMIT_SCRIPT));
        let here = Counts::builder().max_capacity(REMEMBERED).time_to_live(window).build();
        Self { cache, what, window, script, here }
    }

    /// Counts one action in all of `counts`, or in none where one is at its limit. Gives how long it then has
    /// to wait; zero where it was counted.
    pub async fn take(&self, counts: &[Count]) -> Duration {
        match self.take_in_redis(counts).await {
            Some(wait) => wait,
            None => self.take_here(counts),
        }
    }

    async fn take_in_redis(&self, counts: &[Count]) -> Option<Duration> {
        let mut link = self.cache.redis()?;
        let mut call = self.script.prepare_invoke();
        call.arg(u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX));
        for count in counts {
            call.key(self.cache.key(&keys::limit(self.what, &count.digest))).arg(count.most);
        }
        match call.invoke_async::<u64>(&mut link).await {
            Ok(wait) => Some(Duration::from_millis(wait)),
            Err(error) => {
                self.cache.report_failure(&error);
                None
            }
        }
    }

    fn take_here(&self, counts: &[Count]) -> Duration {
        let begin = || Arc::new(Here { began: Instant::now(), taken: AtomicU32::new(0) });
        let kept = counts.iter().map(|count| (self.here.get_with_by_ref(&count.digest, begin), count.most));
        let kept: Vec<(Arc<Here>, u32)> = kept.collect();
        let full = kept.iter().filter(|(here, most)| here.taken.load(Ordering::Relaxed) >= *most);
        let left = |here: &Here| self.window.saturating_sub(here.began.elapsed()).max(Duration::from_millis(1));
        if let Some(wait) = full.map(|(here, _)| left(here)).max() {
            return wait;
        }
        for (here, _) in kept {
            here.taken.fetch_add(1, Ordering::Relaxed);
        }
        Duration::ZERO
    }
}

/// For `Retry-After`: whole seconds, so that who waits them has waited long enough.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}
