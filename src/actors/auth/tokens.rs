//! Tokens: signed and verified here (HS256, RFC 7519), nowhere else. Knows nothing of accounts.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use foldhash::fast::RandomState;
use jsonwebtoken::{Algorithm, Header, Validation};
use moka::sync::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    clock::Clock,
    error::{AuthError, TokenError},
    keys::SigningKey,
};
use crate::{
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
    verified: Cache<String, Claims, RandomState>,
}

struct Inner {
    key: SigningKey,
    validation: Validation,
    issuer: String,
    audience: String,
    access_seconds: u32,
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
        let verified = Cache::builder()
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
            refresh_seconds: settings.refresh_seconds,
            leeway: i64::try_from(settings.leeway_seconds).unwrap_or(0).min(5),
            clock,
        };
        Self { inner: Arc::new(inner), verified }
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
        Ok(TokenPair { access, refresh, expires_in: self.inner.access_seconds })
    }

    fn sign(&self, grant: &Grant<'_>, kind: TokenKind) -> Result<SecretString, AuthError> {
        let none = Permissions::default();
        let (jti, seconds, permissions) = match kind {
            TokenKind::Access => (Uuid::now_v7(), self.inner.access_seconds, grant.permissions),
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
        let claims = match self.verified.get(token) {
            Some(claims) => claims,
            None => self.decode(token)?,
        };
        self.in_time(&claims)?;
        if claims.typ == kind { Ok(claims) } else { Err(TokenError::WrongKind) }
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
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::EncodingKey;
    use serde_json::{Value, json};

    use super::*;
    use crate::{domain::access::Role, settings::Settings};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    struct Bench {
        tokens: Tokens,
        clock: Clock,
        user: UserId,
    }

    fn bench() -> Bench {
        let settings = Settings::from_variables(config::Map::new()).unwrap().auth;
        let clock = Clock::standing_at(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let key = SigningKey::open(&SECRET.into(), std::path::Path::new("/nowhere")).unwrap();
        Bench { tokens: Tokens::new(&settings, key, clock.clone()), clock, user: UserId::new() }
    }

    impl Bench {
        fn pair(&self) -> TokenPair {
            let permissions = Permissions::of_roles(&[Role::Viewer]);
            let grant = Grant {
                user: self.user,
                epoch: 3,
                permissions: &permissions,
                family: FamilyId::new(),
                refresh_id: Uuid::now_v7(),
                at: self.clock.now(),
            };
            self.tokens.issue(&grant).unwrap()
        }

        fn claims(&self) -> Value {
            json!({
                "sub": self.user, "iat": 1_800_000_000, "exp": 1_800_003_600_i64, "iss": "playhouse",
                "aud": "playhouse", "jti": Uuid::now_v7(), "epoch": 3, "permissions": [], "typ": "access",
                "fam": FamilyId::new(),
            })
        }

        fn verify_signed(&self, claims: &Value) -> Result<Claims, TokenError> {
            self.tokens.verify(&sign(Algorithm::HS256, claims, SECRET), TokenKind::Access)
        }
    }

    fn sign(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn with(mut claims: Value, name: &str, value: Value) -> Value {
        claims[name] = value;
        claims
    }

    #[test]
    fn a_pair_verifies_each_as_its_own_kind() {
        let bench = bench();
        let pair = bench.pair();
        let (access, refresh) = (text_of(&pair.access), text_of(&pair.refresh));
        for _ in 0..2 {
            let claims = bench.tokens.verify(access, TokenKind::Access).unwrap();
            assert_eq!((claims.sub, claims.epoch), (bench.user, 3));
            assert_eq!(bench.tokens.verify(access, TokenKind::Refresh), Err(TokenError::WrongKind));
            assert_eq!(bench.tokens.verify(refresh, TokenKind::Access), Err(TokenError::WrongKind));
        }
        assert!(bench.tokens.verify(refresh, TokenKind::Refresh).is_ok());
    }

    #[test]
    fn a_token_carries_the_claims_of_the_contract() {
        let bench = bench();
        let pair = bench.pair();
        let payload = text_of(&pair.access).split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        for name in ["sub", "iat", "exp", "iss", "aud", "jti", "epoch", "permissions"] {
            assert!(!claims[name].is_null(), "{name}");
        }
        assert_eq!(claims["permissions"], json!(["view:catalogue", "use:streams"]));
    }

    #[test]
    fn it_ends_with_exp_and_the_leeway_also_when_it_is_remembered() {
        let bench = bench();
        let pair = bench.pair();
        let verify = || bench.tokens.verify(text_of(&pair.access), TokenKind::Access);
        assert!(verify().is_ok());
        bench.clock.advance(chrono::Duration::seconds(3604));
        assert!(verify().is_ok());
        bench.clock.advance(chrono::Duration::seconds(1));
        assert_eq!(verify(), Err(TokenError::Expired));
    }

    #[test]
    fn nbf_is_checked_with_the_leeway() {
        let bench = bench();
        let starting = |at: i64| bench.verify_signed(&with(bench.claims(), "nbf", json!(at))).map(drop);
        assert_eq!(starting(1_800_000_005), Ok(()));
        assert_eq!(starting(1_800_000_006), Err(TokenError::NotYetValid));
        assert_eq!(starting(i64::MAX), Err(TokenError::NotYetValid));
    }

    #[test]
    fn wrong_or_missing_claims_are_refused() {
        let bench = bench();
        assert!(bench.verify_signed(&bench.claims()).is_ok());
        for name in ["iss", "aud"] {
            let wrong = with(bench.claims(), name, json!("elsewhere"));
            assert_eq!(bench.verify_signed(&wrong), Err(TokenError::Altered), "{name}");
        }
        for name in ["exp", "iss", "aud", "sub", "jti", "epoch", "typ"] {
            let mut claims = bench.claims();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(bench.verify_signed(&claims), Err(TokenError::Altered), "{name}");
        }
        for (name, value) in
            [("exp", json!("tomorrow")), ("sub", json!("ann")), ("typ", json!("id")), ("nbf", json!("x"))]
        {
            assert_eq!(bench.verify_signed(&with(bench.claims(), name, value)), Err(TokenError::Altered), "{name}");
        }
        assert_eq!(bench.verify_signed(&with(bench.claims(), "exp", json!(i64::MAX))).map(drop), Ok(()));
        assert_eq!(bench.verify_signed(&with(bench.claims(), "exp", json!(0))), Err(TokenError::Expired));
    }

    #[test]
    fn no_other_algorithm_key_or_text_is_taken() {
        let bench = bench();
        let verify = |token: &str| bench.tokens.verify(token, TokenKind::Access);
        let claims = bench.claims();
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(verify(&sign(algorithm, &claims, SECRET)), Err(TokenError::Altered), "{algorithm:?}");
        }
        assert_eq!(
            verify(&sign(Algorithm::HS256, &claims, "another secret of 32 bytes or so")),
            Err(TokenError::Altered)
        );
        let good = sign(Algorithm::HS256, &claims, SECRET);
        let (body, signature) = good.rsplit_once('.').unwrap();
        let payload = body.split_once('.').unwrap().1;
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"None"}"#, r#"{"typ":"JWT"}"#, r#"{"alg":"RS256"}"#] {
            let header = URL_SAFE_NO_PAD.encode(header);
            for end in ["", signature] {
                assert_eq!(verify(&format!("{header}.{payload}.{end}")), Err(TokenError::Altered));
            }
        }
        let other = URL_SAFE_NO_PAD.encode(with(claims, "epoch", json!(4)).to_string());
        let header = good.split('.').next().unwrap();
        for text in
            [String::new(), "a.b.c".into(), body.into(), "x".repeat(5000), format!("{header}.{other}.{signature}")]
        {
            assert_eq!(verify(&text), Err(TokenError::Altered));
        }
    }
}
