//! The secret of a key: how it is drawn, told from other texts, and what is stored of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

/// What every key begins with, so that people and programs that look for leaked secrets know one.
const PREFIX: &str = "phk_";
/// Bytes of randomness in a key.
const SECRET_BYTES: usize = 32;
/// Characters of base64 that they take.
const ENCODED: usize = 43;

/// SHA-256 of a secret: it is random and long, so a slow hash would protect nothing more.
pub(super) type Digest = [u8; 32];

/// A new secret, and what is stored of it.
pub(super) fn draw() -> (SecretString, Digest) {
    let secret: [u8; SECRET_BYTES] = rand::random();
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let digest = Sha256::digest(text.as_bytes()).into();
    (text.into(), digest)
}

/// Whether `text` means to be a key, and no token.
pub(in crate::actors::auth) fn is_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The digest of what has the form of a key. One secret has one spelling.
pub(super) fn digest_of(text: &str) -> Option<Digest> {
    let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() == ENCODED)?;
    let mut secret = [0; SECRET_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut secret).ok()?;
    (length == SECRET_BYTES).then(|| Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_key_that_is_drawn_has_the_form_of_one_and_the_digest_that_is_stored() {
        let (secret, digest) = draw();
        assert_eq!(digest_of(secret.expose_secret()), Some(digest));
        assert_ne!(draw().1, digest);
        assert!(is_key(secret.expose_secret()) && secret.expose_secret().len() == 47);
    }

    #[test]
    fn what_has_another_length_alphabet_or_spelling_is_no_key() {
        let (secret, _) = draw();
        let text = secret.expose_secret();
        let zeros = "A".repeat(43);
        assert!(digest_of(&format!("phk_{zeros}")).is_some());
        for wrong in [
            "phk_".to_owned(),
            text[4..].to_owned(),
            text[..46].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            format!("phk_{}+", &zeros[1..]),
            format!("phk_{} ", &zeros[1..]),
            format!("phk_{}é", &zeros[2..]),
            // The last character carries bits that no byte has.
            format!("phk_{}B", &zeros[1..]),
            format!("PHK_{zeros}"),
        ] {
            assert_eq!(digest_of(&wrong), None, "{wrong}");
        }
    }
}
