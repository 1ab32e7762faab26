//! Tokens of other issuers: verified here by the issuer's keys, and what they open.
//!
//! A token says who its bearer is to the issuer (`iss` and `sub`) and what they may do here. The first is an account,
//! made when it is needed; the second holds for the request that brings the token, and is stored nowhere.

mod account;
mod claims;
mod unique;

use std::{sync::Arc, time::Duration};

use foldhash::fast::RandomState;
use moka::sync::Cache;

use self::claims::{Claims, Unverified};
use super::{Auth, AuthError, Caller, Clock, TokenError, caller::Rights};
use crate::{
    domain::ids::UserId,
    issuers::{Issuer, Issuers, KeyError},
    settings::AuthSettings,
};

/// Bytes of verified tokens that are remembered.
const REMEMBERED_BYTES: u64 = 4 * 1024 * 1024;
/// What a remembered token takes beside its text, about.
const CLAIMS_BYTES: usize = 1024;
/// A token is verified again after this.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);
/// Accounts that are kept by who they are to their issuers.
const KNOWN_ACCOUNTS: u64 = 10_000;

/// Who is told from their tokens, and what was found before. Cheap to clone.
#[derive(Clone)]
pub(super) struct External {
    issuers: Issuers,
    clock: Clock,
    leeway: i64,
    verified: Cache<String, Remembered, RandomState>,
    /// Never changes while the account is there: its id is never anyone else's.
    known: Cache<Arc<(String, String)>, UserId, RandomState>,
}

/// A token that was verified with keys of this version.
#[derive(Clone)]
struct Remembered {
    claims: Arc<Claims>,
    issuer: Arc<Issuer>,
    version: u32,
}

impl External {
    /// Knows nobody yet.
    pub(super) fn new(settings: &AuthSettings, issuers: Issuers, clock: Clock) -> Self {
        let verified = Cache::builder()
            .max_capacity(REMEMBERED_BYTES)
            .weigher(|token: &String, _| u32::try_from(token.len() + CLAIMS_BYTES).unwrap_or(u32::MAX))
            .time_to_live(REMEMBERED_FOR)
            .build_with_hasher(RandomState::default());
        let known = Cache::builder().max_capacity(KNOWN_ACCOUNTS).build_with_hasher(RandomState::default());
        let leeway = i64::try_from(settings.leeway_seconds).unwrap_or(0).min(5);
        Self { issuers, clock, leeway, verified, known }
    }

    /// What the token says, verified and in time. `None` where it says of no issuer here that it made it.
    ///
    /// # Errors
    /// [`AuthError::Token`]; [`AuthError::IssuerAway`] while its issuer has given no keys.
    async fn verified(&self, token: &str) -> Result<Option<Arc<Claims>>, AuthError> {
        let remembered = self.verified.get(token).filter(|known| known.issuer.version() == known.version);
        let claims = if let Some(known) = remembered {
            known.claims
        } else {
            let Some(unverified) = Unverified::read(token) else { return Ok(None) };
            // What is not proven chooses whose keys have to prove it, and nothing else.
            let issuer = unverified.iss().and_then(|iss| self.issuers.called(iss));
            let Some(issuer) = issuer else { return Ok(None) };
            let found = verify(&unverified, issuer).await?;
            self.verified.insert(token.to_owned(), found.clone());
            found.claims
        };
        self.in_time(&claims)?;
        Ok(Some(claims))
    }

    /// RFC 7519, sections 4.1.4 to 4.1.6. A token from the future is refused too: it would outlive the removal of
    /// its account.
    fn in_time(&self, claims: &Claims) -> Result<(), TokenError> {
        let now = self.clock.now().timestamp();
        if claims.exp.saturating_add(self.leeway) <= now {
            return Err(TokenError::Expired);
        }
        let starts = [claims.nbf, claims.iat].into_iter().flatten().max();
        match starts {
            Some(start) if start > now.saturating_add(self.leeway) => Err(TokenError::NotYetValid),
            _ => Ok(()),
        }
    }
}

/// The claims, and by which keys they are proven. The algorithm is the key's; the token has to name the same.
async fn verify(token: &Unverified<'_>, issuer: &Arc<Issuer>) -> Result<Remembered, AuthError> {
    let (kid, algorithm) = token.key()?;
    let claims = Claims::read(token, &issuer.settings)?;
    let found = issuer.key(kid).await.map_err(|error| match error {
        KeyError::Unknown => TokenError::Altered.into(),
        KeyError::Away => AuthError::IssuerAway(error),
    })?;
    if algorithm == found.key.algorithm() && found.key.verifies(token.message, token.signature) {
        Ok(Remembered { claims: Arc::new(claims), issuer: Arc::clone(issuer), version: found.version })
    } else {
        Err(TokenError::Altered.into())
    }
}

impl Auth {
    /// Who sends a token of another issuer; `None` where it is none of theirs. With token and account in memory it
    /// asks no store.
    ///
    /// # Errors
    /// As [`Auth::authenticate`]; [`AuthError::IssuerAway`].
    pub(super) async fn external_caller(&self, token: &str) -> Result<Option<Caller>, AuthError> {
        // Our own tokens pay for other issuers with one look into memory, and with nothing where there are none.
        if self.external.issuers.is_empty() || self.tokens.remembers(token) {
            return Ok(None);
        }
        let Some(claims) = self.external.verified(token).await? else { return Ok(None) };
        let (user_id, standing) = self.external_account(&claims).await?;
        let rights = Rights::Token { permissions: Arc::clone(&claims.permissions), exp: claims.exp };
        Ok(Some(Caller { user_id, family: None, standing, rights }))
    }
}
