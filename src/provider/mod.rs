//! The provider of movies: a third party's list, read page by page over HTTP.
//!
//! Owns the way there and all it takes with a server that is flaky: limits of time and length, retries, a breaker, one
//! call for those who ask for the same at once. Keeps no page, and knows neither our movies nor who asks.

mod breaker;
mod client;
mod joined;
mod page;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use secrecy::ExposeSecret as _;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use self::{
    breaker::{Breaker, Kind, Refused},
    client::{Client, TryError},
    joined::Joined,
};
pub use self::{
    client::{Nonsense, ProviderAddressError},
    page::MoviePage,
};
use crate::settings::{ProviderSettings, millis};

/// Why there is no page. Cheap to clone; says nothing of addresses, credentials or what the provider wrote.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderError {
    /// The settings name no provider.
    #[error("No provider of movies is configured")]
    NotConfigured,
    /// No try has helped.
    #[error("The provider of movies is away")]
    Away {
        /// Seconds until it is worth asking again, 1 at least.
        retry_after: u64,
        /// Why the last try failed.
        #[source]
        cause: AwayCause,
    },
    /// It was away a moment ago, and is left alone; nothing was sent.
    #[error("The provider of movies is away")]
    Resting {
        /// Seconds until it is worth asking again, 1 at least.
        retry_after: u64,
    },
    /// It has no page of this number.
    #[error("No such page")]
    NoSuchPage,
    /// It answers, but not with a page.
    #[error("The provider of movies gave an answer that cannot be used")]
    Nonsense(#[source] Nonsense),
    /// Our side of the call died.
    #[error("The call to the provider died")]
    Died,
}

/// The last cause, shared by all who wait for one call.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub struct AwayCause(Arc<dyn std::error::Error + Send + Sync>);

/// A call could not begin: as many as may run were running.
#[derive(Debug, thiserror::Error)]
#[error("too many calls run")]
struct Crowded;

impl ProviderError {
    fn away(wait: Option<Duration>, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Away { retry_after: whole_seconds(wait.unwrap_or_default()), cause: AwayCause(Arc::new(cause)) }
    }

    /// For the metrics.
    const fn name(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Away { .. } => "away",
            Self::Resting { .. } => "refused",
            Self::NoSuchPage => "no_such_page",
            Self::Nonsense(_) => "nonsense",
            Self::Died => "died",
        }
    }
}

impl From<Refused> for ProviderError {
    fn from(Refused(wait): Refused) -> Self {
        Self::Resting { retry_after: whole_seconds(wait) }
    }
}

/// Rounded up, and 1 at least.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

type Answer = Result<Arc<MoviePage>, ProviderError>;

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Provider {
    way: Option<Arc<Way>>,
}

struct Way {
    client: Client,
    breaker: Breaker,
    joined: Joined<Answer>,
    places: Semaphore,
    backoff: ExponentialBuilder,
    deadline: Duration,
}

impl Provider {
    /// Whether it can be started with these settings; starts nothing.
    ///
    /// # Errors
    /// The setting that is wrong.
    pub fn check(settings: &ProviderSettings) -> Result<(), ProviderAddressError> {
        if settings.base_url.expose_secret().is_empty() { Ok(()) } else { Client::new(settings).map(drop) }
    }

    /// Connects to nobody yet. Needs a running actix system.
    ///
    /// # Errors
    /// As [`Provider::check`].
    pub fn start(settings: &ProviderSettings) -> Result<Self, ProviderAddressError> {
        if settings.base_url.expose_secret().is_empty() {
            return Ok(Self { way: None });
        }
        let way = Way {
            client: Client::new(settings)?,
            breaker: Breaker::start(settings),
            joined: Joined::default(),
            places: Semaphore::new(settings.parallel),
            backoff: ExponentialBuilder::new()
                .with_min_delay(millis(settings.backoff_ms))
                .with_max_delay(millis(settings.backoff_most_ms))
                .with_max_times(settings.retries),
            deadline: millis(settings.deadline_ms),
        };
        Ok(Self { way: Some(Arc::new(way)) })
    }

    /// Asks the provider for a page, within `provider.deadline_ms`, waiting and retries included. Who asks for a
    /// page that is being asked for gets the same answer.
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn page(&self, page: NonZeroU32) -> Result<Arc<MoviePage>, ProviderError> {
        let answer = self.ask(page).await;
        let outcome = answer.as_ref().map_or_else(ProviderError::name, |_| "answered");
        metrics::counter!("playhouse_provider_pages_total", "outcome" => outcome).increment(1);
        answer
    }

    async fn ask(&self, page: NonZeroU32) -> Answer {
        let way = self.way.as_ref().ok_or(ProviderError::NotConfigured)?;
        if let Some(refused) = way.breaker.refusal() {
            return Err(refused.into());
        }
        let calling = Arc::clone(way);
        let call = || async move { calling.call(page).await.map(Arc::new) };
        way.joined.call(page, call).await.unwrap_or(Err(ProviderError::Died))
    }
}

impl Way {
    async fn call(&self, page: NonZeroU32) -> Result<MoviePage, ProviderError> {
        let end = Instant::now() + self.deadline;
        let Ok(Ok(_place)) = timeout_at(end, self.places.acquire()).await else {
            return Err(ProviderError::away(None, Crowded));
        };
        let ticket = self.breaker.enter().await?;
        let tries = async {
            match ticket.kind {
                Kind::Call => self.tries(page, end).await,
                Kind::Probe => self.client.page(page).await,
            }
        };
        match timeout_at(end, tries).await.unwrap_or(Err(TryError::Late)) {
            Err(error) if error.may_pass() => Err(ProviderError::away(error.wait(), error)),
            answer => {
                ticket.answered();
                answer.map_err(|error| match error {
                    TryError::Nonsense(nonsense) => ProviderError::Nonsense(nonsense),
                    TryError::NoSuchPage => ProviderError::NoSuchPage,
                    passing => ProviderError::away(None, passing),
                })
            }
        }
    }

    /// Tries until one is answered, another is not worth it, or the next could not begin before `end`.
    async fn tries(&self, page: NonZeroU32, end: Instant) -> Result<MoviePage, TryError> {
        (|| self.client.page(page))
            .retry(self.backoff)
            .when(|error: &TryError| error.may_pass() && self.breaker.is_closed())
            .adjust(|error, delay| {
                // Full jitter: those who failed together do not come back together.
                let delay = delay?.mul_f64(rand::random::<f64>());
                let delay = delay.max(error.wait().unwrap_or_default());
                (delay < end.duration_since(Instant::now())).then_some(delay)
            })
            .notify(|error, delay| tracing::debug!(%error, ?delay, "the provider of movies is asked again"))
            .await
    }
}
