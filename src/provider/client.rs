//! One try: one request to the provider over pooled connections, within the limits on its time and length.
//!
//! Knows no retries. No error here holds an address, a credential or a word of the provider's answer, so that all
//! of them can be logged.

use std::{num::NonZeroU32, time::Duration};

use reqwest::{
    Certificate, Response, StatusCode, Url,
    header::{self, HeaderValue},
    redirect::{Attempt, Policy},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::page::MoviePage;
use crate::settings::{ProviderSettings, millis};

/// The longest pause that a provider may ask for and is told to clients.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Redirects that are followed, all to the same server.
const MOST_REDIRECTS: usize = 3;

/// A wrong setting, in one line that does not show it.
#[derive(Debug, thiserror::Error)]
pub enum ProviderAddressError {
    /// It is no address of a server.
    #[error("wrong setting provider.base_url: it is no address: {0}")]
    Address(&'static str),
    /// No client can be made for it: no certificate authorities, for example.
    #[error("wrong setting provider.base_url: {0}")]
    Client(#[source] reqwest::Error),
}

/// Why a try gave no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum TryError {
    /// No connection, or it broke, or was silent for too long.
    #[error("the connection failed")]
    Connection(#[source] reqwest::Error),
    /// It says that it cannot now (5xx, 429), and perhaps for how long.
    #[error("it answers with status {status}")]
    Unwilling {
        /// What it says.
        status: u16,
        /// Its `Retry-After`, where that is in seconds.
        wait: Option<Duration>,
    },
    /// The time of the whole call has passed.
    #[error("the deadline passed")]
    Late,
    /// It has no page of this number.
    #[error("it has no such page")]
    NoSuchPage,
    /// It answers something that no other try would mend.
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
}

/// An answer that is not what we asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// A status that makes no sense here.
    #[error("it answers with status {0}")]
    Status(u16),
    /// The credentials of the settings are wrong, or missing.
    #[error("it does not take our credentials (status {0})")]
    Credentials(u16),
    /// It sends us to another server, or round in circles.
    #[error("it sends us elsewhere (status {0})")]
    Elsewhere(u16),
    /// More bytes than we read.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    /// No JSON object, or one without a proper `count`, `next` and `previous`.
    #[error("its answer is no page")]
    NoPage,
    /// Neither `data` nor `results` is a list.
    #[error("its answer has no list of movies")]
    NoList,
    /// A link that names no page.
    #[error("its link ({0}) names no page")]
    Link(&'static str),
}

impl TryError {
    /// Whether another try may end better.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Unwilling { .. } | Self::Late => true,
            Self::NoSuchPage | Self::Nonsense(_) => false,
        }
    }

    /// How long the provider asks us to wait.
    pub(super) const fn wait(&self) -> Option<Duration> {
        match self {
            Self::Unwilling { wait, .. } => *wait,
            Self::Connection(_) | Self::Late | Self::NoSuchPage | Self::Nonsense(_) => None,
        }
    }
}

/// Makes tries.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    username: SecretString,
    password: SecretString,
    limit: usize,
}

impl Client {
    /// Connects to nobody yet.
    pub(super) fn new(settings: &ProviderSettings) -> Result<Self, ProviderAddressError> {
        let base = address(settings.base_url.expose_secret()).map_err(ProviderAddressError::Address)?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(millis(settings.connect_timeout_ms))
            .read_timeout(millis(settings.read_timeout_ms))
            .redirect(Policy::custom(|attempt| if leads_astray(&attempt) { attempt.stop() } else { attempt.follow() }))
            .referer(false)
            .user_agent(concat!("playhouse/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            // Needs no authorities, which some machines do not have.
            builder = builder.tls_certs_only(std::iter::empty::<Certificate>());
        }
        Ok(Self {
            http: builder.build().map_err(|error| ProviderAddressError::Client(error.without_url()))?,
            base,
            username: settings.username.clone(),
            password: settings.password.clone(),
            limit: settings.answer_limit_bytes,
        })
    }

    /// Asks once for a page.
    pub(super) async fn page(&self, page: NonZeroU32) -> Result<MoviePage, TryError> {
        let mut request = self.http.get(self.url(page)).header(header::ACCEPT, "application/json");
        let (username, password) = (self.username.expose_secret(), self.password.expose_secret());
        if !(username.is_empty() && password.is_empty()) {
            // Marked as sensitive by reqwest, so that it does not print.
            request = request.basic_auth(username, Some(password));
        }
        let response = request.send().await.map_err(broken)?;
        judge(&response, page)?;
        let answer = self.bytes(response).await?;
        Ok(MoviePage::read(&answer, &self.base)?)
    }

    /// The base with its own parameters, and the page.
    fn url(&self, page: NonZeroU32) -> Url {
        let mut url = self.base.clone();
        let own = self.base.query_pairs().filter(|(name, _)| name != "page");
        url.query_pairs_mut().clear().extend_pairs(own).append_pair("page", &page.to_string());
        url
    }

    /// Reads no more than the limit, whatever the head says.
    async fn bytes(&self, mut response: Response) -> Result<Vec<u8>, TryError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if chunk.len() > self.limit - bytes.len() {
                return Err(Nonsense::TooLong(self.limit).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// An address that requests can be made of; it may hold secrets, so it is not in the error.
fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it begins with http:// or https://, and names a server")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it begins with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials have settings of their own, provider.username and provider.password");
    }
    if url.fragment().is_some() {
        return Err("it has no place for a #fragment");
    }
    Ok(url)
}

/// Whether a redirect leaves the server (our credentials are for no other), or is one too many.
fn leads_astray(attempt: &Attempt<'_>) -> bool {
    let from = attempt.previous();
    from.len() > MOST_REDIRECTS || from.first().is_none_or(|first| first.origin() != attempt.url().origin())
}

/// The cause without the address, whose parameters may be secrets.
fn broken(error: reqwest::Error) -> TryError {
    TryError::Connection(error.without_url())
}

/// What the status alone says.
fn judge(response: &Response, page: NonZeroU32) -> Result<(), TryError> {
    let status = response.status();
    let code = status.as_u16();
    if status == StatusCode::OK {
        Ok(())
    } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let wait = response.headers().get(header::RETRY_AFTER).and_then(seconds);
        Err(TryError::Unwilling { status: code, wait })
    } else if status == StatusCode::NOT_FOUND && page > NonZeroU32::MIN {
        // The first page is always there: without it the address is wrong.
        Err(TryError::NoSuchPage)
    } else if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        Err(Nonsense::Credentials(code).into())
    } else if status.is_redirection() {
        Err(Nonsense::Elsewhere(code).into())
    } else {
        Err(Nonsense::Status(code).into())
    }
}

/// `Retry-After` in its form of seconds (RFC 9110 §10.2.3); a date is not looked at.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs).map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base_url: &str) -> ProviderSettings {
        ProviderSettings { base_url: base_url.into(), ..ProviderSettings::for_tests() }
    }

    #[test]
    fn a_wrong_address_is_named_in_one_line_without_being_shown() {
        for wrong in [
            "provider.example/hush",
            "ftp://provider.example/hush",
            "http://",
            "http://hush@provider.example/",
            "https://user:hush@provider.example/",
            "https://:hush@provider.example/",
            "https://provider.example/#hush",
            "smtp:hush",
        ] {
            let error = Client::new(&settings(wrong)).err().expect(wrong).to_string();
            assert!(error.starts_with("wrong setting provider.base_url: "), "{error}");
            assert!(!error.contains("hush") && !error.contains('\n'), "{error}");
        }
        for right in ["http://127.0.0.1:1/", "https://provider.example/api/movies/?key=hush", "http://[::1]"] {
            assert!(Client::new(&settings(right)).is_ok(), "{right}");
        }
    }

    #[test]
    fn a_pause_that_is_asked_for_has_a_limit() {
        for (value, wait) in [
            ("7", Some(Duration::from_secs(7))),
            ("18446744073709551615", Some(LONGEST_WAIT)),
            ("18446744073709551616", None),
            ("-1", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ] {
            assert_eq!(seconds(&HeaderValue::from_static(value)), wait, "{value}");
        }
    }

    #[test]
    fn the_page_is_asked_for_beside_the_address_s_own_parameters() {
        let page = NonZeroU32::new(7).unwrap();
        for (base, url) in [
            ("http://p.example", "http://p.example/?page=7"),
            ("http://p.example/api/movies/", "http://p.example/api/movies/?page=7"),
            ("http://p.example/m?key=a%26b&page=1&x", "http://p.example/m?key=a%26b&x=&page=7"),
        ] {
            assert_eq!(Client::new(&settings(base)).unwrap().url(page).as_str(), url);
        }
    }
}
