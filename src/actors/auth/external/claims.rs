//! What a token of another issuer says: its parts, read strictly, and the claims that are looked at. Verifies nothing.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::unique::object;
use crate::{
    actors::auth::TokenError,
    domain::{
        access::{Permission, Permissions},
        text::{Email, Username},
    },
    issuers::LONGEST_KID,
    settings::IssuerSettings,
};

/// Bytes of a token. Twice our own: issuers put names, groups and more into theirs.
const LONGEST_TOKEN: usize = 8192;
/// Characters of `sub` (`OpenID` Connect Core 1.0 §2).
const LONGEST_SUBJECT: usize = 255;
/// Members of a header that would have us take the key from the token, or that must be understood (RFC 7515 §4.1).
const REFUSED: [&str; 5] = ["jwk", "jku", "x5u", "x5c", "crit"];
/// Values of `typ` of tokens that open something (RFC 7519 §5.1, RFC 9068 §2.1), without `application/`.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// A token as it came; nothing in it is proven.
pub(super) struct Unverified<'a> {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    /// What is signed.
    pub(super) message: &'a str,
    /// Base64url.
    pub(super) signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart (RFC 7515 §7.1). `None` where it is none, is too long, or says a thing twice: readers
    /// differ in which of the two they take.
    pub(super) fn read(token: &'a str) -> Option<Self> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.').filter(|(_, payload)| !payload.contains('.'))?;
        let part = |text: &str| object(&URL_SAFE_NO_PAD.decode(text).ok()?);
        Some(Self { header: part(header)?, payload: part(payload)?, message, signature })
    }

    /// Who it says it is from.
    pub(super) fn iss(&self) -> Option<&str> {
        self.payload.get("iss")?.as_str()
    }

    /// The name of the key that it says it is signed with, and the algorithm.
    pub(super) fn key(&self) -> Result<(&str, &str), TokenError> {
        let text = |name: &str| self.header.get(name).and_then(Value::as_str).ok_or(TokenError::Altered);
        let (kid, algorithm) = (text("kid")?, text("alg")?);
        let is_typed = match self.header.get("typ") {
            None => true,
            Some(value) => value.as_str().is_some_and(|name| {
                let name = name.to_ascii_lowercase();
                TYPES.contains(&name.strip_prefix("application/").unwrap_or(&name))
            }),
        };
        let is_refused = REFUSED.iter().any(|name| self.header.contains_key(*name));
        if is_refused || !is_typed || !(1..=LONGEST_KID).contains(&kid.len()) {
            return Err(TokenError::Altered);
        }
        Ok((kid, algorithm))
    }
}

/// What is known of the bearer, once the signature is verified.
#[derive(Debug)]
pub(super) struct Claims {
    /// `iss` and `sub`: who it is, for ever.
    pub(super) identity: Arc<(String, String)>,
    /// Seconds since 1970 at which the token ends.
    pub(super) exp: i64,
    /// Seconds since 1970 before which it is not valid.
    pub(super) nbf: Option<i64>,
    /// Seconds since 1970 at which it was made.
    pub(super) iat: Option<i64>,
    /// What it says, of what its issuer may give.
    pub(super) permissions: Arc<Permissions>,
    /// For a new account, where it is free.
    pub(super) username: Option<Username>,
    /// For a new account, where it is free; verified by the issuer.
    pub(super) email: Option<Email>,
}

impl Claims {
    /// Reads the claims, for an issuer of these settings.
    pub(super) fn read(token: &Unverified<'_>, settings: &IssuerSettings) -> Result<Self, TokenError> {
        let payload = &token.payload;
        let subject = payload.get("sub").and_then(Value::as_str).filter(|subject| is_subject(subject));
        let named = |claim: &str| payload.get(claim).filter(|_| !claim.is_empty()).and_then(Value::as_str);
        if !is_for(payload.get("aud"), &settings.audience) {
            return Err(TokenError::Altered);
        }
        Ok(Self {
            identity: Arc::new((settings.issuer.clone(), subject.ok_or(TokenError::Altered)?.to_owned())),
            exp: time(payload, "exp")?.ok_or(TokenError::Altered)?,
            nbf: time(payload, "nbf")?,
            iat: time(payload, "iat")?,
            permissions: Arc::new(permissions(payload, settings)),
            username: named(&settings.username_claim).and_then(|text| Username::parse(text).ok()),
            email: named(&settings.email_claim)
                .filter(|_| is_true(payload.get("email_verified")))
                .and_then(|text| Email::parse(text).ok()),
        })
    }
}

fn is_subject(text: &str) -> bool {
    (1..=LONGEST_SUBJECT).contains(&text.chars().count()) && !text.contains('\0')
}

/// Some issuers write it as text.
fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"))
}

/// `aud`: a text or a list of texts (RFC 7519 §4.1.3).
fn is_for(aud: Option<&Value>, audience: &str) -> bool {
    match aud {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => {
            several.iter().all(Value::is_string) && several.iter().any(|one| one.as_str() == Some(audience))
        }
        _ => false,
    }
}

/// A `NumericDate` (RFC 7519 §2), which may have a fraction; cut to whole seconds.
fn time(payload: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    let Some(value) = payload.get(name) else { return Ok(None) };
    let fraction = || std::time::Duration::try_from_secs_f64(value.as_f64()?).ok();
    let seconds = value.as_i64().or_else(|| i64::try_from(fraction()?.as_secs()).ok());
    seconds.map(Some).ok_or(TokenError::Altered)
}

/// Names in the claim that we know and that the issuer may give: a list, or a text with spaces (as `scope` is).
fn permissions(payload: &Map<String, Value>, settings: &IssuerSettings) -> Permissions {
    let names: Vec<&str> = match claim(payload, &settings.permissions_claim) {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(names)) => names.split_ascii_whitespace().collect(),
        _ => Vec::new(),
    };
    let known = names.into_iter().filter_map(Permission::parse);
    known.filter(|permission| settings.grants.contains(permission)).collect()
}

/// A claim by its name, which may have dots of its own (it may be an address); else by a path of names with dots.
fn claim<'a>(payload: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = payload.get(path) {
        return Some(value);
    }
    let mut steps = path.split('.');
    let first = payload.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Settings;

    fn settings(more: &[(&str, &str)]) -> IssuerSettings {
        let base = [("ISSUER", "https://id.example"), ("AUDIENCE", "us"), ("JWKS_URL", "https://id.example/keys")];
        let pairs = base.iter().chain(more);
        let variables = pairs.map(|(name, value)| (format!("PLAYHOUSE_AUTH__ISSUERS__A__{name}"), (*value).to_owned()));
        Settings::from_variables(variables.collect()).unwrap().auth.issuers.remove("a").unwrap()
    }

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    fn read(payload: &Value, settings: &IssuerSettings) -> Result<Claims, TokenError> {
        let text = token("{}", &payload.to_string());
        Claims::read(&Unverified::read(&text).unwrap(), settings)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut payload = json!({"iss": "https://id.example", "aud": "us", "sub": "ann", "exp": 2_000_000_000});
        payload[name] = value;
        payload
    }

    #[test]
    fn a_token_is_three_parts_that_say_each_thing_once() {
        assert!(Unverified::read(&token(r#"{"alg":"RS256"}"#, r#"{"iss":"a","b":{"c":1}}"#)).is_some());
        for (header, payload) in [
            (r#"{"alg":"RS256","alg":"RS256"}"#, "{}"),
            (r#"{"alg":"RS256","\u0061lg":"none"}"#, "{}"),
            ("{}", r#"{"iss":"a","iss":"b"}"#),
            ("{}", r#"{"a":[{"c":1,"c":2}]}"#),
            ("{}", "[]"),
            ("{}", "{} {}"),
            ("{}", "{"),
            ("null", "{}"),
        ] {
            assert!(Unverified::read(&token(header, payload)).is_none(), "{header} {payload}");
        }
        let good = token("{}", "{}");
        for wrong in ["", ".", "..", "a.b", &format!("{good}.x"), &format!("x.{good}"), &format!("{good}="), "phk_x"] {
            // A signature is looked at later.
            assert!(Unverified::read(wrong).is_none() || wrong.ends_with('='), "{wrong}");
        }
        let long = token("{}", &json!({"a": "x".repeat(8192)}).to_string());
        assert!(Unverified::read(&long).is_none());
        let deep = token("{}", &format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000)));
        assert!(Unverified::read(&deep).is_none());
    }

    #[test]
    fn a_header_that_brings_its_key_or_is_of_another_type_is_refused() {
        let key = |header: Value| {
            let text = token(&header.to_string(), "{}");
            Unverified::read(&text).unwrap().key().map(|(kid, alg)| format!("{kid} {alg}"))
        };
        let header = json!({"alg": "RS256", "kid": "a"});
        assert_eq!(key(header.clone()), Ok("a RS256".to_owned()));
        for typ in ["JWT", "at+jwt", "application/at+JWT"] {
            let mut header = header.clone();
            header["typ"] = json!(typ);
            assert!(key(header).is_ok(), "{typ}");
        }
        for (name, value) in [
            ("jwk", json!({})),
            ("jku", json!("")),
            ("x5u", json!(null)),
            ("x5c", json!([])),
            ("crit", json!([])),
            ("typ", json!("logout+jwt")),
            ("typ", json!(1)),
            ("kid", json!("")),
            ("kid", json!("x".repeat(256))),
            ("kid", json!(1)),
            ("kid", Value::Null),
            ("alg", Value::Null),
        ] {
            let mut header = header.clone();
            header[name] = value.clone();
            assert_eq!(key(header), Err(TokenError::Altered), "{name}: {value}");
        }
    }

    #[test]
    fn claims_that_must_be_there_are() {
        let settings = settings(&[]);
        for (name, right) in [
            ("aud", json!(["others", "us"])),
            ("exp", json!(2_000_000_000.75)),
            ("nbf", json!(0)),
            ("sub", json!("é".repeat(255))),
        ] {
            assert!(read(&with(name, right.clone()), &settings).is_ok(), "{name}: {right}");
        }
        for (name, wrong) in [
            ("aud", Value::Null),
            ("aud", json!("US")),
            ("aud", json!([])),
            ("aud", json!(["us", 1])),
            ("exp", Value::Null),
            ("exp", json!("2000000000")),
            ("exp", json!(-1.5)),
            ("exp", json!(1e300)),
            ("nbf", json!("soon")),
            ("nbf", Value::Null),
            ("iat", json!([])),
            ("sub", Value::Null),
            ("sub", json!("")),
            ("sub", json!(7)),
            ("sub", json!("a\0b")),
            ("sub", json!("x".repeat(256))),
        ] {
            assert_eq!(read(&with(name, wrong.clone()), &settings).err(), Some(TokenError::Altered), "{name}: {wrong}");
        }
    }

    #[test]
    fn permissions_are_those_that_we_know_and_the_issuer_may_give() {
        let all = settings(&[]);
        let path = settings(&[("PERMISSIONS_CLAIM", "realm_access.roles")]);
        let address = settings(&[("PERMISSIONS_CLAIM", "https://play.example/may")]);
        let few = settings(&[("GRANTS", "view:actors")]);
        let names = json!(["view:actors", "view:movies", "manage:users", "fly:planes", 7]);
        let (actors, movies) = (Permission::ViewActors, Permission::ViewMovies);
        let both: Permissions = [actors, movies].into_iter().collect();
        for (settings, payload, expected) in [
            (&all, with("permissions", names.clone()), both.clone()),
            (&all, with("permissions", json!("view:actors  view:movies openid")), both.clone()),
            (&path, with("realm_access", json!({"roles": names})), both.clone()),
            (&address, with("https://play.example/may", names.clone()), both),
            (&few, with("permissions", names.clone()), [actors].into_iter().collect()),
            (&all, with("permissions", json!({"view:actors": true})), Permissions::default()),
            (&all, with("roles", names), Permissions::default()),
        ] {
            assert_eq!(*read(&payload, settings).unwrap().permissions, expected, "{payload}");
        }
    }

    #[test]
    fn an_address_is_taken_where_the_issuer_has_verified_it() {
        let settings = settings(&[]);
        let email = |payload: Value| read(&payload, &settings).unwrap().email.map(Email::into_string);
        let mut payload = with("email", json!("ann@example.org"));
        assert_eq!(email(payload.clone()), None);
        for (verified, taken) in [(json!(true), true), (json!("true"), true), (json!(false), false), (json!(1), false)]
        {
            payload["email_verified"] = verified;
            assert_eq!(email(payload.clone()).is_some(), taken, "{payload}");
        }
        let name = |text: &str| read(&with("preferred_username", json!(text)), &settings).unwrap().username;
        assert!(name("ann").is_some() && name("ann lee").is_none() && name("").is_none());
    }
}
