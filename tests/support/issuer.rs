//! Another issuer of tokens: keys of its own, and an HTTP server of the test's that publishes them.

use std::{net::TcpListener, sync::OnceLock};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate, matchers::path};

use super::{
    app::{Answer, App, Plan},
    people::Person,
};

/// Where its keys are, below its address.
pub const KEYS: &str = "/.well-known/jwks.json";
/// `aud` of tokens for us.
pub const AUDIENCE: &str = "playhouse-tests";

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key that signs tokens.
pub struct Key {
    pub kid: String,
    pair: Pair,
}

/// Bytes of RSA's modulus stand here in the DER of a public key of 2048 bits (RFC 8017 §A.1.1).
const MODULUS: std::ops::Range<usize> = 9..265;

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub fn rsa(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")) }
    }

    pub fn p256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { kid: kid.to_owned(), pair: Pair::P256(pair) }
    }

    pub fn ed25519(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Pair::Ed25519(Ed25519KeyPair::generate().expect("a key")) }
    }

    pub const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public half, as the library gives it: for RSA the DER, else the point.
    pub fn public(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::P256(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The public half, to be published.
    pub fn jwk(&self) -> Value {
        let public = self.public();
        let mut jwk = match &self.pair {
            Pair::Rsa(_) => json!({"kty": "RSA", "n": base64(&public[MODULUS]), "e": "AQAB"}),
            Pair::P256(_) => {
                json!({"kty": "EC", "crv": "P-256", "x": base64(&public[1..33]), "y": base64(&public[33..])})
            }
            Pair::Ed25519(_) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&public)}),
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        jwk
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.token_under(&json!({"alg": self.algorithm(), "typ": "JWT", "kid": self.kid}), claims)
    }

    /// A token with this header, rightly signed.
    pub fn token_under(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token of these texts, rightly signed.
    pub fn token_of(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", base64(header), base64(payload));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).expect("a signature");
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message.as_bytes()).expect("a signature").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", base64(signature))
    }
}

/// One of each kind, called `rsa`, `p256` and `ed25519`; the same for all tests.
pub fn keys() -> &'static [Key; 3] {
    static KEYS: OnceLock<[Key; 3]> = OnceLock::new();
    KEYS.get_or_init(|| [Key::rsa("rsa"), Key::p256("p256"), Key::ed25519("ed25519")])
}

/// An answer with the public halves.
pub fn publishing(keys: &[&Key]) -> ResponseTemplate {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    ResponseTemplate::new(200).set_body_json(json!({"keys": keys}))
}

/// Somebody whose tokens are taken.
pub struct Issuer {
    /// Its section of the settings.
    pub name: String,
    address: std::net::SocketAddr,
    server: Mutex<Option<MockServer>>,
}

impl Issuer {
    /// One that publishes `keys`.
    pub async fn start(name: &str, keys: &[&Key]) -> Self {
        let issuer = Self::away(name);
        issuer.come(publishing(keys)).await;
        issuer
    }

    /// One that does not listen yet.
    pub fn away(name: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        Self { name: name.to_owned(), address, server: Mutex::new(None) }
    }

    /// `iss` of its tokens.
    pub fn iss(&self) -> String {
        format!("https://{}.example", self.name)
    }

    /// Where the server is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens, and answers by `respond`.
    pub async fn come(&self, respond: impl Respond + 'static) {
        let listener = TcpListener::bind(self.address).expect("the port is free again");
        let server = MockServer::builder().listener(listener).start().await;
        Mock::given(path(KEYS)).respond_with(respond).mount(&server).await;
        *self.server.lock().await = Some(server);
    }

    /// Stops listening.
    pub async fn go(&self) {
        self.server.lock().await.take();
    }

    /// From now on it answers by `respond`, and counts anew.
    pub async fn answer(&self, respond: impl Respond + 'static) {
        let server = self.server.lock().await;
        let server = server.as_ref().expect("it listens");
        server.reset().await;
        Mock::given(path(KEYS)).respond_with(respond).mount(server).await;
    }

    /// How many requests have come since the last change.
    pub async fn asked(&self) -> usize {
        let server = self.server.lock().await;
        server.as_ref().expect("it listens").received_requests().await.expect("they are recorded").len()
    }

    /// Claims of a token for us that holds for ten minutes.
    pub fn claims(&self, subject: &str, permissions: &[&str]) -> Value {
        let now = Utc::now().timestamp();
        json!({
            "iss": self.iss(),
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + 600,
            "permissions": permissions,
        })
    }

    /// Somebody with a token of this issuer; the account is not asked for.
    pub fn person(&self, key: &Key, subject: &str, permissions: &[&str]) -> Person {
        bearing(key.token(&self.claims(subject, permissions)))
    }
}

/// Somebody of whom only the token is known.
pub fn bearing(token: String) -> Person {
    Person { id: String::new(), email: String::new(), token, refresh_token: String::new() }
}

impl Plan {
    /// With this issuer; unknown keys are asked for once an hour unless the test says otherwise.
    pub fn with_issuer(self, issuer: &Issuer) -> Self {
        self.with_of(issuer, "ISSUER", &issuer.iss())
            .with_of(issuer, "AUDIENCE", AUDIENCE)
            .with_of(issuer, "JWKS_URL", &format!("{}{KEYS}", issuer.url()))
            .with_of(issuer, "UNKNOWN_KID_SECONDS", "3600")
    }

    /// With a setting of this issuer.
    pub fn with_of(self, issuer: &Issuer, setting: &str, value: &str) -> Self {
        let name = format!("PLAYHOUSE_AUTH__ISSUERS__{}__{setting}", issuer.name.to_uppercase());
        self.with(&name, value)
    }
}

impl App {
    /// The status that a token gets where any valid one would do.
    pub async fn taken(&self, token: &str) -> u16 {
        Answer::of(self.client.get(self.url("/me")).bearer_auth(token)).await.status
    }

    /// The id of the account behind a token that holds.
    #[track_caller]
    pub fn account(&self, person: &Person) -> impl Future<Output = String> {
        let request = self.client.get(self.url("/me")).bearer_auth(&person.token);
        async move { Answer::of(request).await.data(200)["id"].as_str().expect("an id").to_owned() }
    }
}
