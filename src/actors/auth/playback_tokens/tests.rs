//! Which playback tokens are taken, as far as no account is asked.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::{
    actors::auth::{
        sign_in::AccessLife,
        tokens::{Grant, TokenKind, Tokens},
    },
    domain::access::Permissions,
    settings::Settings,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct Bench {
    playback: PlaybackTokens,
    access: Tokens,
    clock: Clock,
}

fn bench() -> Bench {
    let settings = Settings::from_variables(config::Map::new()).unwrap();
    let clock = Clock::standing_at(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let key = SigningKey::open(&SECRET.into(), std::path::Path::new("/nowhere")).unwrap();
    let playback = PlaybackTokens::new(&settings.auth, &settings.playback, key.clone(), clock.clone());
    Bench { playback, access: Tokens::new(&settings.auth, key, clock.clone()), clock }
}

fn grant() -> PlaybackGrant<'static> {
    PlaybackGrant { file: FileId::new(), stream: StreamId::new(), caller: None }
}

fn claims_of(token: &PlaybackToken) -> Value {
    let payload = token.text.expose_secret().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn sign(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

#[test]
fn a_token_says_what_it_was_made_for_until_its_end() {
    let bench = bench();
    let grant = grant();
    let token = bench.playback.sign(&grant).unwrap();
    let claims = claims_of(&token);
    assert_eq!(claims["sub"], json!(grant.file));
    assert_eq!(claims["sid"], json!(grant.stream));
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!("playback"), &json!("playhouse")));
    assert_eq!(claims["exp"], token.expires_at.timestamp());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 14_400);
    assert!(claims.get("acc").is_none() && claims.get("epoch").is_none() && claims.get("fam").is_none());

    let text = token.text.expose_secret();
    for _ in 0..2 {
        let verified = bench.playback.verify(text).unwrap();
        assert_eq!(verified.claims, PlaybackClaims { file: grant.file, stream: grant.stream });
        assert_eq!(verified.bond, None);
    }
    bench.clock.advance(chrono::Duration::seconds(14_400 + 4));
    assert!(bench.playback.verify(text).is_ok(), "clocks of nodes differ a little");
    bench.clock.advance(chrono::Duration::seconds(1));
    assert_eq!(bench.playback.verify(text).unwrap_err(), TokenError::Expired, "also one that is remembered");
}

#[test]
fn a_token_that_was_not_made_so_is_not_taken() {
    let bench = bench();
    let good = claims_of(&bench.playback.sign(&grant()).unwrap());
    let verify = |text: &str| bench.playback.verify(text).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(verify(&sign(Algorithm::HS256, &good, SECRET)), Ok(()), "else the rest proves nothing");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        sign(Algorithm::HS256, &claims, SECRET)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        sign(Algorithm::HS256, &claims, SECRET)
    };
    let account = json!(UserId::new());
    for (what, token) in [
        ("another secret", sign(Algorithm::HS256, &good, "fedcba9876543210fedcba9876543210")),
        ("HS512", sign(Algorithm::HS512, &good, SECRET)),
        ("the audience of the others", with("aud", json!("playhouse"))),
        ("no audience", without("aud")),
        ("another issuer", with("iss", json!("nobody"))),
        ("no issuer", without("iss")),
        ("no end", without("exp")),
        ("no session", without("sid")),
        ("no medium", without("sub")),
        ("a medium that is no id", with("sub", json!("../../etc/passwd"))),
        ("an account without an epoch", with("acc", account)),
        ("an epoch without an account", with("epoch", json!(1))),
        ("a sign-in without an account", with("fam", json!(FamilyId::new()))),
        ("nothing", String::new()),
        ("too long", "x".repeat(LONGEST_TOKEN + 1)),
    ] {
        assert_eq!(verify(&token), Err(TokenError::Altered.to_string()), "{what}");
    }
}

#[test]
fn neither_kind_of_token_is_taken_for_the_other() {
    let bench = bench();
    let permissions = Permissions::default();
    let pair = bench
        .access
        .issue(&Grant {
            user: UserId::new(),
            epoch: 1,
            permissions: &permissions,
            family: FamilyId::new(),
            refresh_id: Uuid::now_v7(),
            at: bench.clock.now(),
            life: AccessLife::Short,
        })
        .unwrap();
    for token in [&pair.access, &pair.refresh] {
        assert_eq!(bench.playback.verify(token.expose_secret()).unwrap_err(), TokenError::Altered);
    }
    let token = bench.playback.sign(&grant()).unwrap();
    for kind in [TokenKind::Access, TokenKind::Refresh] {
        assert_eq!(bench.access.verify(token.text.expose_secret(), kind).unwrap_err(), TokenError::Altered);
    }
}
