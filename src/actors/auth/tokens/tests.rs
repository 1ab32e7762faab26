//! Tokens that hold, and those that do not.

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
            life: AccessLife::Short,
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
    assert_eq!(
        claims["permissions"],
        json!(["view:catalogue", "use:streams", "use:channels", "use:collections", "use:images"])
    );
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
    for (name, value) in [("exp", json!("tomorrow")), ("sub", json!("ann")), ("typ", json!("id")), ("nbf", json!("x"))]
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
    assert_eq!(verify(&sign(Algorithm::HS256, &claims, "another secret of 32 bytes or so")), Err(TokenError::Altered));
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
    for text in [String::new(), "a.b.c".into(), body.into(), "x".repeat(5000), format!("{header}.{other}.{signature}")]
    {
        assert_eq!(verify(&text), Err(TokenError::Altered));
    }
}
