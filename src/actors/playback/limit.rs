//! How many plays an address may open: each takes a row, and whoever asks needs no account.

use std::{net::IpAddr, time::Duration};

use crate::{
    cache::{
        Cache,
        limit::{Count, Limit, whole_seconds},
    },
    settings::PlaybackSettings,
};

/// The address has opened too many plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many plays; again in {seconds_left} seconds")]
pub struct TooManyPlays {
    /// Whole seconds until it may again, 1 at least.
    pub seconds_left: u64,
}

/// Counts plays. Cheap to clone.
#[derive(Clone)]
pub struct PlayLimit {
    limit: Limit,
    most: u32,
}

impl PlayLimit {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: &PlaybackSettings, cache: Cache) -> Self {
        let window = Duration::from_secs(settings.plays_window_seconds.into());
        Self { limit: Limit::new(cache, "plays", window), most: settings.plays_per_address }
    }

    /// Counts one play.
    ///
    /// # Errors
    /// [`TooManyPlays`].
    pub async fn take(&self, address: IpAddr) -> Result<(), TooManyPlays> {
        let count = Count::of("address", &address.to_canonical().to_string(), self.most);
        let wait = self.limit.take(&[count]).await;
        if wait.is_zero() { Ok(()) } else { Err(TooManyPlays { seconds_left: whole_seconds(wait) }) }
    }
}
