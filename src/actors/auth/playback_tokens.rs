//! Playback tokens: a player's leave to read one medium for the time of one session. They stand in the path of
//! the links that players are given (the playback contract, "Media out"), so that no header is needed.
//!
//! Signed with the key of the other tokens, and told from them by their audience: neither is ever taken for
//! the other. One that was made for an account ends as all tokens of that account end. Whether its session
//! has ended is not known here.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, SubsecRound as _, Utc};
use foldhash::fast::RandomState;
use jsonwebtoken::{Algorithm, Header, Validation};
use moka::sync::Cache;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Auth,
    caller::Caller,
    clock::Clock,
    error::{AuthError, TokenError},
    keys::SigningKey,
    standing::Bond,
};
use crate::{
    domain::ids::{ApiKeyId, FamilyId, FileId, StreamId, UserId},
    settings::{AuthSettings, PLAYBACK_AUDIENCE, PlaybackSettings},
};

/// Bytes of verified tokens that are remembered: those of some 10,000 sessions.
const REMEMBERED_BYTES: u64 = 8 * 1024 * 1024;
/// A longer text is no token of ours.
const LONGEST_TOKEN: usize = 1024;

/// For what a token is made.
#[derive(Debug, Clone, Copy)]
pub struct PlaybackGrant<'a> {
    /// The medium.
    pub file: FileId,
    /// The session.
    pub stream: StreamId,
    /// Whose token it is; `None`: nobody's in particular.
    pub caller: Option<&'a Caller>,
}

/// A token for a player.
#[derive(Debug, Clone)]
pub struct PlaybackToken {
    /// The token.
    pub text: SecretString,
    /// Its end; whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// What a token that holds opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaybackClaims {
    /// The medium.
    pub file: FileId,
    /// The session, which may have ended.
    pub stream: StreamId,
}

/// A token as it was verified.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    claims: PlaybackClaims,
    bond: Option<Bond>,
    key: Option<ApiKeyId>,
    exp: i64,
}

#[derive(Serialize)]
struct Payload<'a> {
    sub: FileId,
    aud: &'a str,
    iss: &'a str,
    iat: i64,
    exp: i64,
    jti: Uuid,
    sid: StreamId,
    #[serde(skip_serializing_if = "Option::is_none")]
    acc: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fam: Option<FamilyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<ApiKeyId>,
}

#[derive(Deserialize)]
struct Claims {
    sub: FileId,
    exp: i64,
    sid: StreamId,
    acc: Option<UserId>,
    epoch: Option<i32>,
    fam: Option<FamilyId>,
    key: Option<ApiKeyId>,
}

impl Claims {
    /// An account comes with its epoch, or neither does; a sign-in or a key only with an account.
    fn verified(self) -> Result<Verified, TokenError> {
        let bond = match (self.acc, self.epoch, self.fam, self.key) {
            (Some(account), Some(epoch), family, _) => Some(Bond { account, epoch, family }),
            (None, None, None, None) => None,
            _ => return Err(TokenError::Altered),
        };
        Ok(Verified { claims: PlaybackClaims { file: self.sub, stream: self.sid }, bond, key: self.key, exp: self.exp })
    }
}

/// Signs and verifies. Cheap to clone.
#[derive(Clone)]
pub(super) struct PlaybackTokens {
    inner: Arc<Inner>,
    /// Token text → what it says: players ask often.
    verified: Cache<String, Verified, RandomState>,
}

struct Inner {
    key: SigningKey,
    validation: Validation,
    issuer: String,
    life: chrono::Duration,
    leeway: i64,
    clock: Clock,
}

impl PlaybackTokens {
    /// As the settings say.
    pub(super) fn new(auth: &AuthSettings, playback: &PlaybackSettings, key: SigningKey, clock: Clock) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&auth.issuer]);
        validation.set_audience(&[PLAYBACK_AUDIENCE]);
        // Compared with our own clock.
        validation.validate_exp = false;
        let verified = Cache::builder()
            .max_capacity(REMEMBERED_BYTES)
            .weigher(|token: &String, _| u32::try_from(token.len() + 192).unwrap_or(u32::MAX))
            .time_to_live(Duration::from_secs(playback.token_seconds.into()))
            .build_with_hasher(RandomState::default());
        let inner = Inner {
            key,
            validation,
            issuer: auth.issuer.clone(),
            life: chrono::Duration::seconds(playback.token_seconds.into()),
            leeway: i64::try_from(auth.leeway_seconds).unwrap_or(0).min(5),
            clock,
        };
        Self { inner: Arc::new(inner), verified }
    }

    fn sign(&self, grant: &PlaybackGrant<'_>) -> Result<PlaybackToken, AuthError> {
        let now = self.inner.clock.now().trunc_subsecs(0);
        let full = now + self.inner.life;
        let expires_at = grant.caller.and_then(Caller::token_end).map_or(full, |end| end.min(full));
        let payload = Payload {
            sub: grant.file,
            aud: PLAYBACK_AUDIENCE,
            iss: &self.inner.issuer,
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            jti: Uuid::now_v7(),
            sid: grant.stream,
            acc: grant.caller.map(|caller| caller.user_id),
            // A token that was taken has the epoch of its account.
            epoch: grant.caller.map(|caller| caller.standing.epoch),
            fam: grant.caller.and_then(|caller| caller.family),
            key: grant.caller.and_then(Caller::key),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &self.inner.key.encoding)
            .map(|text| PlaybackToken { text: text.into(), expires_at })
            .map_err(|error| AuthError::Fault(error.to_string()))
    }

    /// What `token` says, if it is one of ours and in time.
    fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        let verified = match self.verified.get(token) {
            Some(verified) => verified,
            None => self.decode(token)?,
        };
        let now = self.inner.clock.now().timestamp();
        if verified.exp.saturating_add(self.inner.leeway) <= now { Err(TokenError::Expired) } else { Ok(verified) }
    }

    fn decode(&self, token: &str) -> Result<Verified, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Altered);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.inner.key.decoding, &self.inner.validation);
        let verified = decoded.map_err(|_| TokenError::Altered)?.claims.verified()?;
        self.verified.insert(token.to_owned(), verified);
        Ok(verified)
    }
}

impl Auth {
    /// Makes a token for the links of a player. It holds for `playback.token_seconds`, and no longer than the
    /// tokens of the caller's account and sign-in would: not after a new password, other roles, a sign-out; nor than
    /// the key, or the token of another issuer, that asked.
    ///
    /// # Errors
    /// [`AuthError::Fault`] where signing fails.
    pub fn sign_playback(&self, grant: &PlaybackGrant<'_>) -> Result<PlaybackToken, AuthError> {
        self.playback.sign(grant)
    }

    /// Whether links that are made for the caller now end before their time, with the caller's own token: then every
    /// answer is to bring new ones, since a newer token may have come.
    #[must_use]
    pub fn shortens_playback(&self, caller: &Caller) -> bool {
        let inner = &self.playback.inner;
        caller.token_end().is_some_and(|end| end < inner.clock.now() + inner.life)
    }

    /// What a playback token opens. With the token and its account in memory it asks no store. Whether the
    /// session lives has to be asked of it.
    ///
    /// # Errors
    /// [`AuthError::Token`]; [`AuthError::Store`] where the account is not in memory and the database is away.
    pub async fn verify_playback(&self, token: &str) -> Result<PlaybackClaims, AuthError> {
        let verified = self.playback.verify(token)?;
        if let Some(bond) = verified.bond {
            self.standings.of(bond).await?;
            if let Some(key) = verified.key {
                self.api_keys.holds(bond.account, key).await?;
            }
        }
        Ok(verified.claims)
    }
}

#[cfg(test)]
mod tests;
