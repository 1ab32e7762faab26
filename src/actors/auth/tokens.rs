//! Tokens: signed and verified here (HS256, RFC 7519), nowhere else. Knows nothing of accounts.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use foldhash::fast::RandomState;
use jsonwebtoken::{Algorithm, Header, Validation};
use moka::sync::Cache as Moka;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    clock::Clock,
    error::{AuthError, TokenError},
    keys::SigningKey,
    sign_in::AccessLife,
    standing::Bond,
};
use crate::{
    cache::Fronted,
    domain::{
        access::Permissions,
        ids::{FamilyId, UserId},
    },
    settings::AuthSettings,
};

/// Bytes of verified tokens that are remembered.
const REMEMBERED_BYTES: u64 = 4 * 1024 * 1024;
/// A longer text is no token of ours.
const LONGEST_TOKEN: usize = 4096;

/// What a token is for; its claim `typ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TokenKind {
    /// Opens routes.
    Access,
    /// Gives a new pair, once.
    Refresh,
}

/// What a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    /// The account.
    pub(super) sub: UserId,
    /// Seconds since 1970 at which it ends.
    pub(super) exp: i64,
    /// Seconds since 1970 before which it is not valid.
    pub(super) nbf: Option<i64>,
    /// This token's own id.
    pub(super) jti: Uuid,
    /// The account's epoch when it was issued.
    pub(super) epoch: i32,
    /// What it is for.
    pub(super) typ: TokenKind,
    /// The sign-in it follows from.
    pub(super) fam: Option<FamilyId>,
}

impl Claims {
    /// What they say of the account.
    pub(super) const fn bond(&self) -> Bond {
        Bond { account: self.sub, epoch: self.epoch, family: self.fam }
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    sub: UserId,
    iat: i64,
    exp: i64,
    iss: &'a str,
    aud: &'a str,
    jti: Uuid,
    epoch: i32,
    permissions: &'a Permissions,
    typ: TokenKind,
    fam: FamilyId,
}

/// For whom, and after which sign-in, a pair is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant<'a> {
    /// The account.
    pub(super) user: UserId,
    /// Its epoch, read before the decision to issue: one raised since ends these tokens too.
    pub(super) epoch: i32,
    /// What the token says its bearer may do.
    pub(super) permissions: &'a Permissions,
    /// The sign-in.
    pub(super) family: FamilyId,
    /// `jti` of the refresh token.
    pub(super) refresh_id: Uuid,
    /// Now.
    pub(super) at: DateTime<Utc>,
    /// How long the access token lives.
    pub(super) life: AccessLife,
}

/// A pair for the client.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// Opens routes.
    pub access: SecretString,
    /// Gives the next pair, once.
    pub refresh: SecretString,
    /// Seconds the access token lives.
    pub expires_in: u32,
}

/// Signs and verifies. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tokens {
    inner: Arc<Inner>,
    /// Token text → claims. The map compares whole texts under a secret hash, so a lookup tells
    /// nothing about other tokens; it saves the signature and the JSON of a request.
    verified: Fronted<String, Claims>,
}

struct Inner {
    key: SigningKey,
    validation: Validation,
    issuer: String,
    audience: String,
    access_seconds: u32,
    long_access_seconds: u32,
    refresh_seconds: u32,
    leeway: i64,
    clock: Clock,
}

impl Tokens {
    /// As the settings say.
    #[must_use]
    pub(super) fn new(settings: &AuthSettings, key: SigningKey, clock: Clock) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        // Compared with our own clock in `in_time`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let verified = Moka::builder()
            .max_capacity(REMEMBERED_BYTES)
            .weigher(|token: &String, _| u32::try_from(token.len() + 128).unwrap_or(u32::MAX))
            .time_to_live(Duration::from_secs(settings.access_seconds.into()))
            .build_with_hasher(RandomState::default());
        let inner = Inner {
            key,
            validation,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            access_seconds: settings.access_seconds,
            long_access_seconds: settings.channel_access_seconds,
            refresh_seconds: settings.refresh_seconds,
            leeway: i64::try_from(settings.leeway_seconds).unwrap_or(0).min(5),
            clock,
        };
        Self { inner: Arc::new(inner), verified: Fronted::new(verified, |claims| Some(*claims)) }
    }

    /// When a refresh token that is made at `at` ends.
    #[must_use]
    pub(super) fn refresh_end(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at + chrono::Duration::seconds(self.inner.refresh_seconds.into())
    }

    /// Makes a pair.
    ///
    /// # Errors
    /// [`AuthError::Fault`] where signing fails.
    pub(super) fn issue(&self, grant: &Grant<'_>) -> Result<TokenPair, AuthError> {
        let access = self.sign(grant, TokenKind::Access)?;
        let refresh = self.sign(grant, TokenKind::Refresh)?;
        Ok(TokenPair { access, refresh, expires_in: self.access_seconds(grant.life) })
    }

    fn access_seconds(&self, life: AccessLife) -> u32 {
        match life {
            AccessLife::Short => self.inner.access_seconds,
            AccessLife::Long => self.inner.long_access_seconds,
        }
    }

    fn sign(&self, grant: &Grant<'_>, kind: TokenKind) -> Result<SecretString, AuthError> {
        let none = Permissions::default();
        let (jti, seconds, permissions) = match kind {
            TokenKind::Access => (Uuid::now_v7(), self.access_seconds(grant.life), grant.permissions),
            TokenKind::Refresh => (grant.refresh_id, self.inner.refresh_seconds, &none),
        };
        let iat = grant.at.timestamp();
        let payload = Payload {
            sub: grant.user,
            iat,
            exp: iat.saturating_add(seconds.into()),
            iss: &self.inner.issuer,
            aud: &self.inner.audience,
            jti,
            epoch: grant.epoch,
            permissions,
            typ: kind,
            fam: grant.family,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &self.inner.key.encoding)
            .map(SecretString::from)
            .map_err(|error| AuthError::Fault(error.to_string()))
    }

    /// What `token` says, if it is one of ours, of this kind, and in time. Whether the account
    /// still takes it is not known here.
    ///
    /// # Errors
    /// [`TokenError`], but neither `Ended` nor `Replayed`.
    pub(super) fn verify(&self, token: &str, kind: TokenKind) -> Result<Claims, TokenError> {
        let claims = match self.verified.get(token, |_| true) {
            Some(claims) => claims,
            None => self.decode(token)?,
        };
        self.in_time(&claims)?;
        if claims.typ == kind { Ok(claims) } else { Err(TokenError::WrongKind) }
    }

    /// Whether it is one of ours that was verified a while ago.
    pub(super) fn remembers(&self, token: &str) -> bool {
        self.verified.has(token)
    }

    fn decode(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Altered);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.inner.key.decoding, &self.inner.validation)
            .map_err(|_| TokenError::Altered)?
            .claims;
        if claims.typ == TokenKind::Access {
            self.verified.insert(token.to_owned(), claims);
        }
        Ok(claims)
    }

    /// RFC 7519, sections 4.1.4 and 4.1.5.
    fn in_time(&self, claims: &Claims) -> Result<(), TokenError> {
        let now = self.inner.clock.now().timestamp();
        if claims.exp.saturating_add(self.inner.leeway) <= now {
            return Err(TokenError::Expired);
        }
        match claims.nbf {
            Some(start) if start > now.saturating_add(self.inner.leeway) => Err(TokenError::NotYetValid),
            _ => Ok(()),
        }
    }
}

/// The token as the client sends it.
#[must_use]
pub fn text_of(token: &SecretString) -> &str {
    token.expose_secret()
}

#[cfg(test)]
mod tests;
