//! How often links to set a password may be asked for: by one address of the network, and for one
//! address of mail.

use std::{net::IpAddr, time::Duration};

use super::AuthError;
use crate::{
    cache::{
        Cache,
        limit::{Count, Limit, whole_seconds},
    },
    domain::text::Email,
    settings::AuthSettings,
};

/// Counts questions. Cheap to clone.
#[derive(Clone)]
pub(super) struct ResetLimit {
    limit: Limit,
    by_address: u32,
    by_email: u32,
}

impl ResetLimit {
    pub(super) fn new(settings: &AuthSettings, cache: Cache) -> Self {
        let window = Duration::from_secs(settings.reset_window_seconds.into());
        Self {
            limit: Limit::new(cache, "resets", window),
            by_address: settings.resets_per_address,
            by_email: settings.resets_per_email,
        }
    }

    /// Counts one question.
    ///
    /// # Errors
    /// [`AuthError::TooManyResets`].
    pub(super) async fn take(&self, address: IpAddr, email: &Email) -> Result<(), AuthError> {
        let counts = [
            Count::of("address", &address.to_canonical().to_string(), self.by_address),
            Count::of("email", &email.as_str().to_lowercase(), self.by_email),
        ];
        let wait = self.limit.take(&counts).await;
        if wait.is_zero() { Ok(()) } else { Err(AuthError::TooManyResets { seconds_left: whole_seconds(wait) }) }
    }
}
