//! The provider of movies: a third party's list, read page by page over HTTP.
//!
//! Owns the way there and all it takes with a server that is flaky: limits of time and length, retries, a breaker, one
//! call for those who ask for the same at once. Keeps no page, and knows neither our movies nor who asks.

mod breaker;
mod client;
mod joined;
mod page;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use secrecy::ExposeSecret as _;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use self::{
    breaker::{Breaker, Kind, Refused},
    client::{Client, TryError},
    joined::{Joined, Waiters},
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
    /// It was away a moment ago, and is left alone; nothing was sent, or nothing more.
    #[error("The provider of movies is away")]
    Resting {
        /// Seconds until it is worth asking again, 1 at least.
        retry_after: u64,
    },
    /// Too many calls run or wait here: it was not asked, and no word is said of it.
    #[error("Too many requests wait for the provider of movies")]
    Busy,
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

impl ProviderError {
    fn of(error: TryError) -> Self {
        match error {
            TryError::Nonsense(nonsense) => Self::Nonsense(nonsense),
            TryError::NoSuchPage => Self::NoSuchPage,
            passing => Self::Away {
                retry_after: whole_seconds(passing.wait().unwrap_or_default()),
                cause: AwayCause(Arc::new(passing)),
            },
        }
    }

    /// For the metrics.
    const fn name(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Away { .. } => "away",
            Self::Resting { .. } => "refused",
            Self::Busy => "busy",
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
    /// What may wait for a place.
    queue: Semaphore,
    backoff: ExponentialBuilder,
    deadline: Duration,
}

/// Why tries end without a page.
enum Stop {
    /// With the last try's error.
    Tried(TryError),
    /// Others have found the provider away.
    LeftAlone(Refused),
    /// Nobody waits for the page any more.
    Unwanted,
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
            queue: Semaphore::new(settings.queue),
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
        let call = |waiters: Arc<Waiters<Answer>>| async move { calling.call(page, &waiters).await };
        way.joined.call(page, call).await.unwrap_or(Err(ProviderError::Died))
    }
}

impl Way {
    /// `None` where nobody waits for it any more.
    async fn call(&self, page: NonZeroU32, waiters: &Waiters<Answer>) -> Option<Answer> {
        let begin = Instant::now();
        let place = tokio::select! {
            place = self.place(begin) => place,
            () = waiters.gone() => return None,
        };
        let Some(_place) = place else { return Some(Err(ProviderError::Busy)) };
        if !waiters.are_there() {
            return None;
        }
        let ticket = match self.breaker.enter().await {
            Ok(ticket) => ticket,
            Err(refused) => return Some(Err(refused.into())),
        };
        let end = begin + self.deadline;
        let tries = async {
            match ticket.kind {
                Kind::Call => self.tries(page, end, waiters).await,
                Kind::Probe => self.client.page(page).await.map_err(Stop::Tried),
            }
        };
        match timeout_at(end, tries).await.unwrap_or(Err(Stop::Tried(TryError::Late))) {
            Ok(page) => {
                ticket.answered();
                Some(Ok(Arc::new(page)))
            }
            Err(Stop::Tried(error)) => {
                if !error.may_pass() {
                    ticket.answered();
                }
                Some(Err(ProviderError::of(error)))
            }
            Err(Stop::LeftAlone(refused)) => {
                ticket.given_up();
                Some(Err(refused.into()))
            }
            Err(Stop::Unwanted) => {
                ticket.given_up();
                None
            }
        }
    }

    /// A place among the calls that run; none where too many wait for one, or where it would come so late that what
    /// is left of the deadline is no fair time for the provider: our own queue is not its failure.
    async fn place(&self, begin: Instant) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            return Some(place);
        }
        let _turn = self.queue.try_acquire().ok()?;
        timeout_at(begin + self.deadline / 2, self.places.acquire()).await.ok()?.ok()
    }

    /// Tries until one is answered, another is not worth it, or the next could not begin before `end`.
    async fn tries(&self, page: NonZeroU32, end: Instant, waiters: &Waiters<Answer>) -> Result<MoviePage, Stop> {
        let mut pauses = self.backoff.build();
        loop {
            let error = match self.client.page(page).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let Some(pause) = pause(&mut pauses, &error, end).filter(|_| self.breaker.goes_on().is_ok()) else {
                return Err(Stop::Tried(error));
            };
            tracing::debug!(%error, ?pause, "the provider of movies is asked again");
            tokio::time::sleep(pause).await;
            if !waiters.are_there() {
                return Err(Stop::Unwanted);
            }
            self.breaker.goes_on().map_err(Stop::LeftAlone)?;
        }
    }
}

/// How long to wait after `error`; `None` where another try is not worth it, or could not begin before `end`.
fn pause(pauses: &mut ExponentialBackoff, error: &TryError, end: Instant) -> Option<Duration> {
    if !error.may_pass() {
        return None;
    }
    // Full jitter: those who failed together do not come back together.
    let pause = pauses.next()?.mul_f64(rand::random::<f64>());
    let pause = pause.max(error.wait().unwrap_or_default());
    (pause < end.duration_since(Instant::now())).then_some(pause)
}
