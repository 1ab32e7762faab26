//! Checked texts: names, descriptions, e-mail addresses, passwords. A value of these types is valid.

use std::str::FromStr as _;

/// The rule a text breaks, in words for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    fn because(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Refuses a NUL character, which Postgres cannot hold.
fn without_nul(text: &str) -> Result<&str, Invalid> {
    if text.contains('\0') { Err(Invalid::because("must not contain a NUL character")) } else { Ok(text) }
}

fn bounded(text: &str, shortest: usize, longest: usize) -> Result<&str, Invalid> {
    let length = without_nul(text)?.chars().count();
    if length < shortest || length > longest {
        return Err(Invalid::because(format!("must have {shortest} to {longest} characters")));
    }
    Ok(text)
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $shortest:literal..=$longest:literal, $check:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Fewest and most characters.
            pub const LENGTH: (usize, usize) = ($shortest, $longest);

            /// Checks and takes `text`.
            ///
            /// # Errors
            /// The rule that is broken.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> Result<String, Invalid> = $check;
                check(bounded(text, $shortest, $longest)?).map(Self)
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, owned.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }
    )+};
}

#[expect(clippy::unnecessary_wraps, reason = "one rule of several")]
fn as_sent(text: &str) -> Result<String, Invalid> {
    Ok(text.to_owned())
}

/// A name must show something.
fn trimmed(text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    if text.is_empty() { Err(Invalid::because("must not be blank")) } else { Ok(text.to_owned()) }
}

fn email(text: &str) -> Result<String, Invalid> {
    email_address::EmailAddress::from_str(text)
        .ok()
        .filter(|address| {
            address.domain().contains('.') && !address.domain().starts_with('[') && !text.contains(['<', '>', ' '])
        })
        .map(|_| text.to_owned())
        .ok_or_else(|| Invalid::because("is not an e-mail address"))
}

fn username(text: &str) -> Result<String, Invalid> {
    let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.chars().all(ordinary) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::because("may contain A-Z, a-z, 0-9, _, - and . only"))
    }
}

texts! {
    /// A person's name, or a title: shown, so not blank; surrounding space is dropped.
    Name: 1..=100, trimmed;
    /// A middle name; may be empty.
    MiddleName: 0..=100, as_sent;
    /// The title of a video.
    Title: 1..=200, trimmed;
    /// The title of a collection, or of a movie in one or at the casting agency.
    LongTitle: 1..=255, trimmed;
    /// Names of genres between commas, in the spelling they came in; may be empty.
    GenreNames: 0..=1000, as_sent;
    /// The name of an actor.
    ActorName: 1..=255, trimmed;
    /// Free text; may be empty.
    Description: 0..=10_000, as_sent;
    /// An e-mail address (RFC 5322 form with a dotted domain).
    Email: 3..=254, email;
    /// A public account name (the channels contract).
    Username: 3..=25, username;
}

/// A new password: 8 to 128 characters of any kind, and none of the commonest.
#[derive(Clone)]
pub struct NewPassword(secrecy::SecretString);

/// Passwords that are tried first by everyone who guesses; compared without regard to case.
const COMMONEST: [&str; 40] = [
    "password",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyui",
    "qwertyuiop",
    "qwerty123",
    "password1",
    "password123",
    "11111111",
    "00000000",
    "87654321",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "trustno1",
    "starwars",
    "whatever",
    "computer",
    "michelle",
    "jennifer",
    "asdfghjk",
    "asdfasdf",
    "passw0rd",
    "p@ssw0rd",
    "abcd1234",
    "1q2w3e4r",
    "1qaz2wsx",
    "q1w2e3r4",
    "letmein1",
    "welcome1",
    "admin123",
    "123123123",
    "12341234",
    "66666666",
    "88888888",
    "changeme",
];

impl NewPassword {
    /// Fewest and most characters.
    pub const LENGTH: (usize, usize) = (8, 128);

    /// Checks and takes `text`.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = bounded(text, Self::LENGTH.0, Self::LENGTH.1)?;
        if COMMONEST.contains(&text.to_lowercase().as_str()) {
            return Err(Invalid::because("is one of the commonest passwords"));
        }
        Ok(Self(text.into()))
    }

    /// The secret itself, for hashing.
    #[must_use]
    pub fn into_secret(self) -> secrecy::SecretString {
        self.0
    }
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_counted_in_characters_and_never_blank() {
        assert_eq!(Name::parse("  Ann ").unwrap().as_str(), "Ann");
        assert!(Name::parse(&"é".repeat(100)).is_ok());
        assert!(Name::parse(&"é".repeat(101)).is_err());
        for wrong in ["", "   ", "a\0b"] {
            assert!(Name::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn emails_have_a_form() {
        assert!(Email::parse("ann@example.org").is_ok());
        let long = format!("{}@example.org", "a".repeat(250));
        for wrong in ["ann", "ann@", "@example.org", "a b@example.org", "Ann <ann@example.org>", "ann@host", &long] {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_long_enough_and_not_common() {
        assert!(NewPassword::parse("correct horse").is_ok());
        for wrong in ["short", "PassWord", "12345678", &"x".repeat(129)] {
            assert!(NewPassword::parse(wrong).is_err(), "{wrong}");
        }
    }
}
