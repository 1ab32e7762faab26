//! One request for an issuer's keys, within the limits on its time and length.
//!
//! No error here holds the path and parameters of the address, or a word of the answer, so that all can be logged.

use reqwest::{
    Certificate, Response, StatusCode, Url, header,
    redirect::{Attempt, Policy},
};

use super::keys::{KeySet, NoKeys};
use crate::settings::{IssuerSettings, millis};

/// Bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Redirects that are followed, all to the same server.
const MOST_REDIRECTS: usize = 3;

/// A wrong setting, in one line.
#[derive(Debug, thiserror::Error)]
#[error("wrong setting auth.issuers.{name}.jwks_url: {problem}")]
pub struct IssuerAddressError {
    name: String,
    problem: String,
}

/// Why a request gave no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the connection failed, or the deadline passed")]
    Connection(#[source] reqwest::Error),
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("its answer is longer than {LONGEST_ANSWER} bytes")]
    TooLong,
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
}

/// Asks one issuer.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
}

impl Client {
    /// Connects to nobody yet.
    pub(super) fn new(name: &str, settings: &IssuerSettings) -> Result<Self, IssuerAddressError> {
        let wrong = |problem: String| IssuerAddressError { name: name.to_owned(), problem };
        let url = address(&settings.jwks_url).map_err(|problem| wrong(problem.to_owned()))?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(millis(settings.connect_timeout_ms))
            // Of the whole, to the last byte of the answer.
            .timeout(millis(settings.deadline_ms))
            .redirect(Policy::custom(|attempt| if leads_astray(&attempt) { attempt.stop() } else { attempt.follow() }))
            .referer(false)
            // The next request is long after this one.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("playhouse/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // On this machine: a proxy could put its own keys in place of the issuer's. Needs no authorities, which
            // some machines do not have.
            builder = builder.no_proxy().tls_certs_only(std::iter::empty::<Certificate>());
        }
        let http = builder.build().map_err(|error| wrong(error.without_url().to_string()))?;
        Ok(Self { http, url })
    }

    /// Asks once.
    pub(super) async fn keys(&self) -> Result<KeySet, FetchError> {
        let request =
            self.http.get(self.url.clone()).header(header::ACCEPT, "application/jwk-set+json, application/json");
        let response = request.send().await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        Ok(KeySet::read(&bytes(response).await?)?)
    }
}

/// Reads no more than the limit, whatever the head says.
async fn bytes(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if chunk.len() > LONGEST_ANSWER - bytes.len() {
            return Err(FetchError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Who can change the answer can make any token, so it comes over TLS, or from this machine.
fn address(text: &str) -> Result<Url, &'static str> {
    const FORM: &str = "it begins with https:// and names a server; http:// is for this machine (loopback) alone";
    let url = Url::parse(text).map_err(|_| FORM)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has no place for credentials");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(FORM),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a redirect leaves the server that the settings name, or is one too many.
fn leads_astray(attempt: &Attempt<'_>) -> bool {
    let from = attempt.previous();
    from.len() > MOST_REDIRECTS || from.first().is_none_or(|first| first.origin() != attempt.url().origin())
}

fn broken(error: reqwest::Error) -> FetchError {
    FetchError::Connection(error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for right in [
            "https://id.example/keys",
            "https://10.0.0.1:8443/keys?a=b",
            "http://localhost:1/keys",
            "http://127.0.0.1:1/keys",
            "http://127.9.9.9/",
            "http://[::1]:1/keys",
        ] {
            assert!(address(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "id.example/keys",
            "http://id.example/keys",
            "http://localhost.example/keys",
            "http://127.0.0.1.example/keys",
            "http://10.0.0.1/keys",
            "http://0.0.0.0/keys",
            "file:///etc/keys",
            "ftp://localhost/keys",
            "https://user:secret@id.example/keys",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
