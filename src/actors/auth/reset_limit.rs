//! How often links to set a password may be asked for: by one address of the network, and for one
//! address of mail. Counted in Redis; with Redis away each node counts by itself.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use moka::sync::Cache as Counts;
use sha2::{Digest as _, Sha256};

use super::AuthError;
use crate::{
    cache::{Cache, keys},
    domain::text::Email,
    settings::AuthSettings,
};

/// Addresses that a node remembers while Redis is away.
const REMEMBERED: u64 = 10_000;

/// Counts questions. Cheap to clone.
#[derive(Clone)]
pub(super) struct ResetLimit {
    cache: Cache,
    window: Duration,
    by_address: u32,
    by_email: u32,
    script: Arc<redis::Script>,
    here: Counts<String, Arc<AtomicU32>>,
}

/// What is counted, and its limit.
struct Count {
    digest: String,
    most: u32,
}

impl ResetLimit {
    pub(super) fn new(settings: &AuthSettings, cache: Cache) -> Self {
        let window = Duration::from_secs(settings.reset_window_seconds.into());
        Self {
            cache,
            window,
            by_address: settings.resets_per_address,
            by_email: settings.resets_per_email,
            script: Arc::new(redis::Script::new(keys::LIMIT_SCRIPT)),
            here: Counts::builder().max_capacity(REMEMBERED).time_to_live(window).build(),
        }
    }

    /// Counts one question.
    ///
    /// # Errors
    /// [`AuthError::TooManyResets`].
    pub(super) async fn take(&self, address: IpAddr, email: &Email) -> Result<(), AuthError> {
        let counts = [
            Count { digest: digest("address", &address.to_canonical().to_string()), most: self.by_address },
            Count { digest: digest("email", &email.as_str().to_lowercase()), most: self.by_email },
        ];
        let wait = match self.shared(&counts).await {
            Some(wait) => wait,
            None => self.here(&counts),
        };
        if wait.is_zero() {
            return Ok(());
        }
        let seconds_left = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        Err(AuthError::TooManyResets { seconds_left })
    }

    /// Asks Redis; `None` where it is away.
    async fn shared(&self, counts: &[Count]) -> Option<Duration> {
        let mut link = self.cache.redis()?;
        let mut call = self.script.prepare_invoke();
        call.arg(u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX));
        for count in counts {
            call.key(self.cache.key(&keys::resets(&count.digest))).arg(count.most);
        }
        match call.invoke_async::<u64>(&mut link).await {
            Ok(wait) => Some(Duration::from_millis(wait)),
            Err(error) => {
                self.cache.report_failure(&error);
                None
            }
        }
    }

    fn here(&self, counts: &[Count]) -> Duration {
        let kept = counts.iter().map(|count| (self.here.get_with(count.digest.clone(), Arc::default), count.most));
        let kept: Vec<(Arc<AtomicU32>, u32)> = kept.collect();
        if kept.iter().any(|(count, most)| count.load(Ordering::Relaxed) >= *most) {
            return self.window;
        }
        for (count, _) in kept {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Duration::ZERO
    }
}

/// Keys have one length and show no address.
fn digest(kind: &str, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{kind}|{text}")))
}
