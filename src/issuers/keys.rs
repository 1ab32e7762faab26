//! Keys that signatures are verified with, as a JWK set (RFC 7517, RFC 7518 §6, RFC 8037) gives them.
//!
//! Only keys whose algorithm is certain are taken, and that algorithm is the key's own: nothing that a token says
//! chooses it. What is not taken is passed over, so that an issuer may publish keys for other purposes too.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Keys of a set that are looked at; a longer set is refused.
const MOST_KEYS: usize = 100;
/// Bytes of a key's name (`kid`), in a set and in a token.
pub const LONGEST_KID: usize = 255;
/// Fewest and most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Bytes of an RSA exponent; 65537 has three.
const LONGEST_EXPONENT: usize = 4;
/// Bytes of a coordinate of P-256, and of a public key of Ed25519.
const COORDINATE: usize = 32;

/// A key that a signature can be verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RS256: RSASSA-PKCS1-v1_5 with SHA-256.
    Rsa {
        /// The modulus, big-endian, without leading zeros.
        modulus: Vec<u8>,
        /// The exponent, likewise.
        exponent: Vec<u8>,
    },
    /// ES256: ECDSA on P-256 with SHA-256; the point, uncompressed (SEC 1 §2.3.3).
    P256(Vec<u8>),
    /// `EdDSA` on Ed25519.
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// The one algorithm it is for, as `alg` names it.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// Whether `signature` (base64url) is this key's under `message`, by this key's algorithm.
    #[must_use]
    pub fn verifies(&self, message: &str, signature: &str) -> bool {
        let (key, algorithm) = match self {
            Self::Rsa { modulus, exponent } => {
                (DecodingKey::from_rsa_raw_components(modulus, exponent), Algorithm::RS256)
            }
            Self::P256(point) => (DecodingKey::from_ec_der(point), Algorithm::ES256),
            Self::Ed25519(key) => (DecodingKey::from_ed_der(key), Algorithm::EdDSA),
        };
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false)
    }

    fn read(jwk: &Jwk) -> Option<Self> {
        let for_signatures = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => Self::rsa(jwk),
            ("EC", Some("P-256")) => Self::p256(jwk),
            ("OKP", Some("Ed25519")) => coordinate(jwk.x.as_deref()).map(Self::Ed25519),
            _ => None,
        }?;
        let is_its_own = jwk.alg.as_deref().is_none_or(|named| named == key.algorithm());
        (for_signatures && is_its_own).then_some(key)
    }

    fn rsa(jwk: &Jwk) -> Option<Self> {
        let (modulus, exponent) = (number(jwk.n.as_deref())?, number(jwk.e.as_deref())?);
        let spare = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
        let bits = modulus.len() * 8 - spare;
        let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
        let is_large = exponent != [1] && exponent.len() <= LONGEST_EXPONENT;
        (RSA_BITS.contains(&bits) && is_odd && is_large).then_some(Self::Rsa { modulus, exponent })
    }

    fn p256(jwk: &Jwk) -> Option<Self> {
        let mut point = vec![4];
        point.extend(coordinate(jwk.x.as_deref())?);
        point.extend(coordinate(jwk.y.as_deref())?);
        Some(Self::P256(point))
    }
}

/// A big-endian number without its leading zeros.
fn number(text: Option<&str>) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text?).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn coordinate(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok().filter(|bytes| bytes.len() == COORDINATE)
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Why an answer is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKeys {
    #[error("its answer is no JWK set")]
    NoSet,
    #[error("its answer has more than {MOST_KEYS} keys")]
    TooMany,
}

/// The keys of an issuer, by their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeySet(BTreeMap<String, PublicKey>);

impl KeySet {
    /// Reads an answer. A key without a name, or with one that another usable key has, is not taken: which is meant
    /// would be a guess.
    pub(super) fn read(answer: &[u8]) -> Result<Self, NoKeys> {
        let document: Document = serde_json::from_slice(answer).map_err(|_| NoKeys::NoSet)?;
        if document.keys.len() > MOST_KEYS {
            return Err(NoKeys::TooMany);
        }
        let mut keys: BTreeMap<String, Option<PublicKey>> = BTreeMap::new();
        for jwk in document.keys {
            let Ok(jwk) = serde_json::from_value::<Jwk>(jwk) else { continue };
            let Some(key) = PublicKey::read(&jwk) else { continue };
            let Some(kid) = jwk.kid.filter(|kid| (1..=LONGEST_KID).contains(&kid.len())) else { continue };
            keys.entry(kid).and_modify(|twice| *twice = None).or_insert(Some(key));
        }
        Ok(Self(keys.into_iter().filter_map(|(kid, key)| Some((kid, key?))).collect()))
    }

    /// The key of this name.
    pub(super) fn find(&self, kid: &str) -> Option<&PublicKey> {
        self.0.get(kid)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xff; bytes])
    }

    fn rsa() -> Value {
        json!({"kty": "RSA", "kid": "a", "n": text(256), "e": "AQAB"})
    }

    fn changed(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    fn read(keys: &[Value]) -> Result<KeySet, NoKeys> {
        KeySet::read(json!({"keys": keys}).to_string().as_bytes())
    }

    #[test]
    fn the_algorithm_is_the_key_s() {
        let p256 = json!({"kty": "EC", "crv": "P-256", "kid": "b", "x": text(32), "y": text(32), "use": "sig"});
        let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "kid": "c", "x": text(32), "key_ops": ["verify"]});
        let set = read(&[changed(rsa(), "alg", json!("RS256")), p256, ed25519]).unwrap();
        let algorithms: Vec<_> = ["a", "b", "c"].map(|kid| set.find(kid).unwrap().algorithm()).into();
        assert_eq!(algorithms, ["RS256", "ES256", "EdDSA"]);
    }

    #[test]
    fn keys_that_are_weak_of_another_kind_or_for_another_purpose_are_passed_over() {
        assert_eq!(read(&[rsa()]).unwrap().len(), 1, "else the refusals below prove nothing");
        for (name, value) in [
            ("alg", json!("RS512")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("kty", json!("oct")),
            ("kty", json!("EC")),
            ("kty", Value::Null),
            ("crv", json!("P-256")),
            ("kid", Value::Null),
            ("kid", json!("")),
            ("kid", json!("x".repeat(256))),
            ("n", json!(text(255))),
            ("n", json!(text(1025))),
            ("n", json!("")),
            ("n", json!("not base64!")),
            ("e", json!("AQ")),
            ("e", json!("Ag")),
            ("e", json!("")),
            ("e", json!(text(5))),
        ] {
            let set = read(&[changed(rsa(), name, value.clone())]).unwrap();
            assert_eq!(set.len(), 0, "{name}: {value}");
        }
        let p256 = json!({"kty": "EC", "crv": "P-256", "kid": "b", "x": text(32), "y": text(32)});
        for (name, value) in [("crv", json!("P-384")), ("x", json!(text(31))), ("y", Value::Null)] {
            assert_eq!(read(&[changed(p256.clone(), name, value)]).unwrap().len(), 0, "{name}");
        }
        let oct = json!({"kty": "oct", "kid": "d", "k": text(32), "alg": "HS256"});
        assert_eq!(read(&[oct, json!(7), rsa()]).unwrap().len(), 1);
    }

    #[test]
    fn of_two_keys_of_one_name_neither_is_taken() {
        assert_eq!(read(&[rsa(), rsa()]).unwrap().len(), 0);
        assert_eq!(read(&[rsa(), rsa(), rsa()]).unwrap().len(), 0);
        // One that is for encryption is not in the way.
        assert_eq!(read(&[rsa(), changed(rsa(), "use", json!("enc"))]).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_set_of_keys_is_refused() {
        for answer in ["", "<html></html>", "[]", "{}", "null", r#"{"keys": {}}"#, r#"{"keys": ["#] {
            assert_eq!(KeySet::read(answer.as_bytes()), Err(NoKeys::NoSet), "{answer}");
        }
        assert_eq!(read(&vec![rsa(); 101]), Err(NoKeys::TooMany));
        assert_eq!(read(&[]).unwrap().len(), 0);
    }

    #[test]
    fn garbage_is_no_signature() {
        for key in [
            PublicKey::Rsa { modulus: vec![0xff; 256], exponent: vec![1, 0, 1] },
            PublicKey::P256([vec![4], vec![0xff; 64]].concat()),
            // The base point of the curve (RFC 8032 §5.1).
            PublicKey::Ed25519([vec![0x58], vec![0x66; 31]].concat()),
        ] {
            for signature in [String::new(), "!".to_owned(), text(64), URL_SAFE_NO_PAD.encode([0; 64]), text(256)] {
                assert!(!key.verifies("a.b", &signature), "{key:?} {signature}");
            }
        }
    }
}
