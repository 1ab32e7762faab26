//! Password hashes: Argon2id (RFC 9106) on threads of their own, so that sign-ins never hold up a
//! worker. The only place that hashes.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{
        Error as HashError, PasswordHasher as _, PasswordVerifier as _,
        phc::{Output, PasswordHash},
    },
};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::{AuthError, AuthStartError};
use crate::{
    mailbox::{AskError, Workers},
    settings::{AuthSettings, millis},
};

/// Hashes and compares. Cheap to clone.
#[derive(Clone)]
pub(super) struct Passwords {
    workers: Workers<Argon2<'static>>,
    /// What an unknown name's password is compared with: of the settings' cost, and of no password.
    decoy: Arc<str>,
}

impl Passwords {
    /// Starts the threads. Needs a running actix system.
    ///
    /// # Errors
    /// [`AuthStartError::HashParameters`].
    pub(super) fn start(settings: &AuthSettings) -> Result<Self, AuthStartError> {
        let params = Params::new(settings.hash_memory_kib, settings.hash_passes, 1, None)
            .map_err(|error| AuthStartError::HashParameters(error.to_string()))?;
        let decoy = decoy(&params).map_err(|error| AuthStartError::HashParameters(error.to_string()))?;
        let wait = millis(settings.hash_deadline_ms);
        let workers = Workers::start(settings.hash_threads, settings.hash_queue, wait, move || {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        });
        Ok(Self { workers, decoy: decoy.into() })
    }

    /// The hash of a password, as a PHC string with a salt of its own.
    ///
    /// # Errors
    /// [`AuthError::Busy`] where the queue is full or the deadline passes.
    pub(super) async fn hash(&self, password: SecretString) -> Result<String, AuthError> {
        self.workers
            .run(move |argon| argon.hash_password(password.expose_secret().as_bytes()).map(|hash| hash.to_string()))
            .await
            .map_err(refused)?
            .map_err(|error| AuthError::Fault(error.to_string()))
    }

    /// Whether the password is the one of `stored`. For `None` (no such account) it is not, and
    /// finding out costs as much.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(super) async fn verify(&self, password: SecretString, stored: Option<String>) -> Result<bool, AuthError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        let verdict = self
            .workers
            .run(move |argon| argon.verify_password(password.expose_secret().as_bytes(), stored.as_str()))
            .await
            .map_err(refused)?;
        match verdict {
            Ok(()) => Ok(known),
            Err(HashError::PasswordInvalid) => Ok(false),
            Err(error) => Err(AuthError::Fault(error.to_string())),
        }
    }

    /// Whether the settings want other hashes now than when `stored` was made. An account that keeps such a one is told
    /// from none at all by how long its wrong passwords take.
    #[must_use]
    pub(super) fn is_outdated(&self, stored: &str) -> bool {
        // Algorithm, version and cost of a PHC string; its salt and output come after them.
        !stored.split('$').take(4).eq(self.decoy.split('$').take(4))
    }

    /// Whether the threads still take work.
    #[must_use]
    pub(super) fn is_alive(&self) -> bool {
        self.workers.is_alive()
    }
}

/// A hash of these parameters whose output is random: comparing costs the same, start costs nothing.
fn decoy(params: &Params) -> Result<String, HashError> {
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None)?);
    let mut hash: PasswordHash = cheap.hash_password(&rand::random::<[u8; 32]>())?;
    hash.params = params.try_into()?;
    hash.hash = Some(Output::new(&rand::random::<[u8; Params::DEFAULT_OUTPUT_LEN]>()).map_err(HashError::from)?);
    Ok(hash.to_string())
}

fn refused(error: AskError) -> AuthError {
    match error {
        AskError::Full | AskError::Deadline | AskError::Closed => AuthError::Busy,
        AskError::Panicked => AuthError::Fault(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn cheap() -> AuthSettings {
        let mut settings = Settings::from_variables(config::Map::new()).unwrap().auth;
        settings.hash_memory_kib = 64;
        settings.hash_passes = 3;
        settings
    }

    #[actix_web::test]
    async fn only_the_right_password_verifies() {
        let passwords = Passwords::start(&cheap()).unwrap();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=3,p=1$"), "{hash}");
        assert_ne!(passwords.hash("correct horse".into()).await.unwrap(), hash, "each hash has its salt");
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct hors".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
    }

    #[actix_web::test]
    async fn the_decoy_has_the_cost_of_a_real_hash() {
        let passwords = Passwords::start(&cheap()).unwrap();
        let real = passwords.hash("correct horse".into()).await.unwrap();
        let shape = |hash: &str| hash.split('$').map(str::len).collect::<Vec<_>>();
        assert_eq!(shape(&passwords.decoy), shape(&real));
        assert_eq!(passwords.decoy.split('$').nth(3), real.split('$').nth(3));
    }

    #[actix_web::test]
    async fn a_hash_of_another_cost_is_outdated() {
        let passwords = Passwords::start(&cheap()).unwrap();
        assert!(!passwords.is_outdated(&passwords.hash("correct horse".into()).await.unwrap()));
        for other in [AuthSettings { hash_passes: 4, ..cheap() }, AuthSettings { hash_memory_kib: 65, ..cheap() }] {
            let hash = Passwords::start(&other).unwrap().hash("correct horse".into()).await.unwrap();
            assert!(passwords.is_outdated(&hash), "{hash}");
        }
    }

    #[actix_web::test]
    async fn a_full_queue_is_busy() {
        let settings = AuthSettings { hash_threads: 1, hash_queue: 1, hash_deadline_ms: 20, ..cheap() };
        let passwords = Passwords::start(&settings).unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        assert!(passwords.workers.run(move |_| gate.recv().is_ok()).await.is_err());
        assert!(matches!(passwords.hash("correct horse".into()).await, Err(AuthError::Busy)));
        open.send(()).unwrap();
        while passwords.hash("correct horse".into()).await.is_err() {}
    }

    #[actix_web::test]
    async fn a_damaged_hash_is_a_fault_not_a_wrong_password() {
        let passwords = Passwords::start(&cheap()).unwrap();
        assert!(matches!(passwords.verify("x".into(), Some("not a hash".into())).await, Err(AuthError::Fault(_))));
    }
}
