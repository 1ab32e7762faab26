//! Tokens that pretend: each differs from one that is taken in one thing.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::house;
use crate::support::{
    app::{Answer, App},
    issuer::{Issuer, KEYS, Key, keys, publishing},
    stores::count,
    tokens::{SECRET, with},
};

/// HS256 with this secret under a header that names the algorithm `alg`.
fn symmetric(secret: &[u8], header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
    format!("{message}.{signature}")
}

/// With this in place of the signature.
fn signed_by(token: &str, signature: &str) -> String {
    let (message, _) = token.rsplit_once('.').expect("three parts");
    format!("{message}.{signature}")
}

/// What one who knows the public key alone can make of it.
fn of_the_public_key(rsa: &Key, claims: &Value) -> Vec<(String, String)> {
    let der = rsa.public();
    let lines = |kind: &str| format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----", STANDARD.encode(&der));
    let jwk = rsa.jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let mut secrets = vec![
        ("DER", der.clone()),
        ("JWK", jwk.to_string().into_bytes()),
        ("modulus", modulus),
        ("modulus as text", jwk["n"].as_str().unwrap().as_bytes().to_vec()),
        ("nothing", Vec::new()),
        ("our own secret", SECRET.as_bytes().to_vec()),
    ];
    for (kind, text) in [("PEM", lines("RSA PUBLIC KEY")), ("PEM of SPKI", lines("PUBLIC KEY"))] {
        secrets.push((kind, text.clone().into_bytes()));
        secrets.push((kind, format!("{text}\n").into_bytes()));
    }
    let mut tokens = Vec::new();
    for (what, secret) in secrets {
        for alg in ["HS256", "RS256"] {
            let header = json!({"alg": alg, "typ": "JWT", "kid": rsa.kid});
            tokens.push((format!("{alg} by {what}"), symmetric(&secret, &header, claims)));
        }
    }
    tokens
}

/// Headers that would lead elsewhere, each rightly signed by `key`.
fn headers(key: &Key, elsewhere: &str) -> Vec<Value> {
    let good = json!({"alg": key.algorithm(), "typ": "JWT", "kid": key.kid});
    let own = Key::ed25519(&key.kid);
    [
        ("alg", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("HS256")),
        ("alg", json!("RS512")),
        ("alg", json!("PS256")),
        ("alg", json!("RS256 ")),
        ("alg", json!(["RS256"])),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("kid", json!(1)),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("/etc/passwd")),
        ("kid", json!("' OR '1'='1' --")),
        ("kid", json!("'; DROP TABLE users; --")),
        ("kid", json!("rsa\0")),
        ("kid", json!("x".repeat(10_000))),
        ("kid", json!("x".repeat(256))),
        ("jwk", own.jwk()),
        ("jku", json!(elsewhere)),
        ("x5u", json!(elsewhere)),
        ("x5c", json!([STANDARD.encode(own.public())])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("typ", json!("logout+jwt")),
    ]
    .into_iter()
    .map(|(name, value)| with(&good, name, value))
    .collect()
}

async fn refused(app: &App, what: &str, token: &str) {
    let answer = Answer::of(app.client.get(app.url("/genres")).bearer_auth(token)).await;
    let text = String::from_utf8_lossy(&answer.bytes);
    assert_eq!(answer.status, 401, "{what}: {text}");
    assert_eq!(answer.json()["response"], "Unauthorized", "{what}");
    assert!(answer.header("www-authenticate").is_some(), "{what}");
}

#[actix_web::test]
async fn what_only_the_public_key_was_needed_for_is_refused() {
    let [rsa, p256, ed25519] = keys();
    let issuer = Issuer::start("acme", &keys().each_ref()).await;
    let (db, app) = house(&issuer);
    let claims = issuer.claims("ann", &["view:catalogue"]);
    for (what, token) in of_the_public_key(rsa, &claims) {
        refused(&app, &what, &token).await;
    }
    for key in [p256, ed25519] {
        let header = json!({"alg": "HS256", "kid": key.kid});
        refused(&app, "HS256 by a point", &symmetric(&key.public(), &header, &claims)).await;
    }
    let good = p256.token(&claims);
    let zeros = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0; bytes]);
    for (what, token) in [
        ("64 zeros", signed_by(&good, &zeros(64))),
        ("no signature", signed_by(&good, "")),
        ("RSA, zeros", signed_by(&rsa.token(&claims), &zeros(256))),
        ("Ed25519, zeros", signed_by(&ed25519.token(&claims), &zeros(64))),
        (
            "another token's signature",
            signed_by(&good, p256.token(&issuer.claims("bob", &[])).rsplit_once('.').unwrap().1),
        ),
        ("alg none", {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": "rsa"}).to_string());
            format!("{header}.{}.", good.split('.').nth(1).unwrap())
        }),
    ] {
        refused(&app, what, &token).await;
    }
    // Signed by a key, under the name of another or for the algorithm of another.
    for (signer, named) in [(rsa, p256), (p256, ed25519), (ed25519, rsa)] {
        for alg in [signer.algorithm(), named.algorithm()] {
            let header = json!({"alg": alg, "kid": named.kid});
            refused(&app, "another's name", &signer.token_under(&header, &claims)).await;
        }
    }
    let twin = Key::p256(&p256.kid);
    refused(&app, "a key of the same name", &twin.token(&claims)).await;
    assert_eq!(count(&mut db.connect(), "users"), 0, "a refused token made an account");
    for key in keys() {
        assert_eq!(app.taken(&key.token(&claims)).await, 200, "else the refusals above prove nothing");
    }
}

#[actix_web::test]
async fn a_header_leads_nowhere() {
    let issuer = Issuer::start("acme", &keys().each_ref()).await;
    let elsewhere = Issuer::start("elsewhere", &[&keys()[0]]).await;
    let (db, app) = house(&issuer);
    let claims = issuer.claims("ann", &["view:catalogue"]);
    assert_eq!(app.taken(&keys()[0].token(&claims)).await, 200, "else the refusals below prove nothing");
    issuer.answer(publishing(&keys().each_ref())).await;
    for key in keys() {
        for header in headers(key, &format!("{}{KEYS}", elsewhere.url())) {
            refused(&app, &header.to_string(), &key.token_under(&header, &claims)).await;
        }
        let twice = format!(r#"{{"alg":"{0}","kid":"{1}","alg":"{0}"}}"#, key.algorithm(), key.kid);
        refused(&app, "alg twice", &key.token_of(&twice, &claims.to_string())).await;
    }
    // The attacker's own key, brought along.
    let own = Key::ed25519("ed25519");
    let header = json!({"alg": "EdDSA", "kid": "ed25519", "jwk": own.jwk()});
    refused(&app, "an embedded key", &own.token_under(&header, &claims)).await;
    assert_eq!(elsewhere.asked().await, 0);
    assert_eq!(issuer.asked().await, 1, "one request for all unknown names");
    assert_eq!(count(&mut db.connect(), "users"), 1);
}

#[actix_web::test]
async fn claims_that_are_wrong_or_stand_twice_are_refused() {
    let key = &keys()[1];
    let issuer = Issuer::start("acme", &[key]).await;
    let (db, app) = house(&issuer);
    let good = issuer.claims("ann", &["view:catalogue"]);
    let now = Utc::now().timestamp();
    for (name, value) in [
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("aud", json!("playhouse")),
        ("aud", Value::Null),
        ("iss", json!("https://acme.example/")),
        ("iss", json!("HTTPS://ACME.EXAMPLE")),
        ("iss", json!("playhouse")),
        ("iss", json!(["https://acme.example"])),
        ("iss", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", json!(0)),
        ("exp", json!((now + 60).to_string())),
        ("exp", Value::Null),
        ("nbf", json!(now + 60)),
        ("nbf", json!("now")),
        ("iat", json!(now + 60)),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", json!("a\0b")),
        ("sub", json!("x".repeat(256))),
    ] {
        refused(&app, &format!("{name}: {value}"), &key.token(&with(&good, name, value.clone()))).await;
    }
    let header = json!({"alg": "ES256", "kid": key.kid}).to_string();
    let text = good.to_string();
    for twice in [
        text.replacen('{', r#"{"iss":"https://acme.example","#, 1),
        text.replacen('{', r#"{"sub":"owner","#, 1),
        text.replacen('{', r#"{"\u0073ub":"owner","#, 1),
        text.replacen('{', r#"{"permissions":["manage:users"],"#, 1),
        text.replacen('{', r#"{"a":{"b":1,"b":2},"#, 1),
    ] {
        refused(&app, &twice, &key.token_of(&header, &twice)).await;
    }
    refused(&app, "more than 8 KiB", &key.token(&with(&good, "x", json!("x".repeat(8192))))).await;
    refused(&app, "no JSON", &key.token_of(&header, "ann")).await;
    assert_eq!(count(&mut db.connect(), "users"), 0, "a refused token made an account");
    for (name, value) in [
        ("aud", json!(["another", "playhouse-tests"])),
        ("exp", json!(f64::from(u32::MAX) + 0.5)),
        ("nbf", json!(now - 60)),
        ("x", json!("x".repeat(5000))),
        ("jti", json!(Uuid::new_v4())),
        ("sub", json!("' OR 1=1; --")),
    ] {
        assert_eq!(app.taken(&key.token(&with(&good, name, value))).await, 200, "{name}");
    }
}
