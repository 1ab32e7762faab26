//! Other issuers of tokens: their public keys, fetched over HTTP and kept in memory.
//!
//! Owns when an issuer is asked: in the background, and, for a key that is not known, on demand and rarely. What an
//! issuer gave last is kept for as long as it gives nothing else. Knows no tokens and no accounts.

mod client;
mod keys;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use self::{client::Client, keys::KeySet};
pub use self::{
    client::IssuerAddressError,
    keys::{LONGEST_KID, PublicKey},
};
use crate::settings::IssuerSettings;

/// An issuer that is away is asked again after a second, then two, and so on up to this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// All issuers of the settings. Cheap to clone.
#[derive(Clone)]
pub struct Issuers {
    /// By their `iss`.
    known: Arc<BTreeMap<String, Arc<Issuer>>>,
}

impl Issuers {
    /// Whether they can be started with these settings; starts nothing, asks nobody.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn check(settings: &BTreeMap<String, IssuerSettings>) -> Result<(), IssuerAddressError> {
        settings.iter().try_for_each(|(name, settings)| Issuer::new(name, settings).map(drop))
    }

    /// Starts to ask each for its keys, in the background; waits for none. Needs a running runtime.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn start(settings: &BTreeMap<String, IssuerSettings>) -> Result<Self, IssuerAddressError> {
        let mut known = BTreeMap::new();
        for (name, settings) in settings {
            known.insert(settings.issuer.clone(), Arc::new(Issuer::new(name, settings)?));
        }
        for issuer in known.values() {
            tokio::spawn(keep_fresh(Arc::downgrade(issuer)));
        }
        Ok(Self { known: Arc::new(known) })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The issuer that calls itself so, exactly.
    #[must_use]
    pub fn called(&self, iss: &str) -> Option<&Arc<Issuer>> {
        self.known.get(iss)
    }
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The issuer has no usable key of this name, as far as was heard.
    #[error("the issuer has no such key")]
    Unknown,
    /// The issuer has given no keys yet.
    #[error("the issuer of the token has given no keys yet")]
    Away,
}

/// A key, and which set of keys it is from.
#[derive(Debug, Clone)]
pub struct FoundKey {
    /// The key.
    pub key: PublicKey,
    /// See [`Issuer::version`].
    pub version: u32,
}

/// One issuer.
pub struct Issuer {
    /// Its section of the settings.
    pub settings: IssuerSettings,
    name: String,
    client: Client,
    kept: ArcSwapOption<Kept>,
    asking: Mutex<Asking>,
    /// Requests in a row that gave no keys.
    failures: AtomicU32,
}

struct Kept {
    keys: KeySet,
    version: u32,
}

/// The request for keys that runs, and when the last for an unknown key began.
#[derive(Default)]
struct Asking {
    /// Closed when the request has ended, however it did.
    running: Option<watch::Receiver<()>>,
    on_demand: Option<Instant>,
}

/// Why the issuer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// It is time.
    Refresh,
    /// A token names a key that is not known.
    UnknownKey,
}

impl Issuer {
    fn new(name: &str, settings: &IssuerSettings) -> Result<Self, IssuerAddressError> {
        Ok(Self {
            client: Client::new(name, settings)?,
            settings: settings.clone(),
            name: name.to_owned(),
            kept: ArcSwapOption::empty(),
            asking: Mutex::default(),
            failures: AtomicU32::new(0),
        })
    }

    /// Changes when the set of keys does; 0 before there is one. What was verified under another version has to be
    /// verified again.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.kept.load().as_ref().map_or(0, |kept| kept.version)
    }

    /// The key of this name. One that is not known is asked for, at most once in `unknown_kid_seconds`, whoever
    /// asks; all who need the answer wait for the same request, for twice `deadline_ms` at most.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn key(self: &Arc<Self>, kid: &str) -> Result<FoundKey, KeyError> {
        // A request that was running may have read the keys before the new one was there. Then one more.
        for _ in 0..2 {
            if let Ok(found) = self.find(kid) {
                return Ok(found);
            }
            self.ask(Occasion::UnknownKey).await;
        }
        self.find(kid)
    }

    fn find(&self, kid: &str) -> Result<FoundKey, KeyError> {
        let kept = self.kept.load();
        let kept = kept.as_ref().ok_or(KeyError::Away)?;
        let key = kept.keys.find(kid).ok_or(KeyError::Unknown)?;
        Ok(FoundKey { key: key.clone(), version: kept.version })
    }

    /// Until the request that runs has ended; begins one where none runs and one may.
    async fn ask(self: &Arc<Self>, occasion: Occasion) {
        let Some(mut running) = self.running_or_begun(occasion) else { return };
        // Nothing is ever sent: this ends when the other side is dropped.
        while running.changed().await.is_ok() {}
    }

    fn running_or_begun(self: &Arc<Self>, occasion: Occasion) -> Option<watch::Receiver<()>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = asking.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Some(running.clone());
        }
        if occasion == Occasion::UnknownKey {
            let pause = Duration::from_secs(self.settings.unknown_kid_seconds.into());
            if asking.on_demand.is_some_and(|began| began.elapsed() < pause) {
                return None;
            }
            asking.on_demand = Some(Instant::now());
        }
        let (ends, running) = watch::channel(());
        asking.running = Some(running.clone());
        let issuer = Arc::clone(self);
        // A task of its own: who began it may go, others wait for it.
        tokio::spawn(async move {
            issuer.fetch().await;
            drop(ends);
        });
        Some(running)
    }

    async fn fetch(&self) {
        let outcome = match self.client.keys().await {
            Ok(keys) => {
                self.keep(keys);
                if self.failures.swap(0, Ordering::Relaxed) > 0 {
                    tracing::info!(issuer = self.name, "the issuer of tokens is back");
                }
                "fetched"
            }
            Err(error) => {
                if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(issuer = self.name, ?error, "no keys from the issuer of tokens: those known stay");
                } else {
                    tracing::debug!(issuer = self.name, ?error, "still no keys from the issuer of tokens");
                }
                "failed"
            }
        };
        let issuer = self.name.clone();
        metrics::counter!("playhouse_issuer_fetches_total", "issuer" => issuer, "outcome" => outcome).increment(1);
    }

    /// Called by one at a time: the request that runs.
    fn keep(&self, keys: KeySet) {
        let before = self.kept.load();
        if before.as_ref().is_some_and(|before| before.keys == keys) {
            return;
        }
        let (issuer, count) = (self.name.as_str(), keys.len());
        if count == 0 {
            tracing::warn!(issuer, "the issuer publishes no usable key: none of its tokens is taken");
        } else {
            tracing::info!(issuer, count, "the issuer's keys are new");
        }
        let version = before.as_ref().map_or(0, |before| before.version).wrapping_add(1).max(1);
        self.kept.store(Some(Arc::new(Kept { keys, version })));
    }

    /// How long until the next request in the background. Random in part, so that nodes do not ask in step.
    fn pause(&self) -> Duration {
        let refresh = Duration::from_secs(self.settings.refresh_seconds.into());
        let longest = match self.failures.load(Ordering::Relaxed) {
            0 => refresh,
            failures => Duration::from_secs(1 << (failures - 1).min(6)).min(LONGEST_PAUSE).min(refresh),
        };
        longest.mul_f64(0.8 + 0.2 * rand::random::<f64>())
    }
}

/// Asks for the keys again and again, until the issuer is dropped.
async fn keep_fresh(issuer: Weak<Issuer>) {
    loop {
        let Some(there) = issuer.upgrade() else { return };
        there.ask(Occasion::Refresh).await;
        let pause = there.pause();
        drop(there);
        tokio::time::sleep(pause).await;
    }
}
