//! Where a client has reached this server: what links begin with that are to lead back to it.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{header, uri::Authority},
};

use super::{State, error::ApiError};

/// `http://host:port`, as the client sees it; empty where it named no host, so that links are paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub String);

impl FromRequest for Origin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(State::of(request).map(|state| {
            let trusted = &state.settings.http.trusted_proxies;
            let by_proxy = request.peer_addr().is_some_and(|peer| trusted.contains(&peer.ip()));
            Self(origin(request, if by_proxy { Peer::Proxy } else { Peer::Client }))
        }))
    }
}

/// Who has sent the request: whose `X-Forwarded-*` counts, and whose does not.
#[derive(Clone, Copy)]
enum Peer {
    Proxy,
    Client,
}

fn origin(request: &HttpRequest, peer: Peer) -> String {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let forwarded = |name: &str| match peer {
        // What stands left of the last comma was sent by whoever.
        Peer::Proxy => header(name)?.rsplit(',').next().map(str::trim),
        Peer::Client => None,
    };
    // RFC 9112 §3.2.2: the host of an absolute target goes before the header's.
    let named = || request.uri().authority().map(Authority::as_str).or_else(|| header(header::HOST.as_str()));
    let host = forwarded("x-forwarded-host").filter(|host| is_host(host)).or_else(named).filter(|host| is_host(host));
    let scheme = match forwarded("x-forwarded-proto") {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    };
    host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

/// A host with or without a port, and nothing else.
fn is_host(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| !authority.host().is_empty() && !text.contains('@'))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn links_lead_back_to_the_host_that_was_asked() {
        for (host, expected) in [
            ("movies.example", "http://movies.example"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("user@evil.example", ""),
            ("a.example/path?", ""),
            ("a b", ""),
            ("", ""),
        ] {
            let request = TestRequest::default().insert_header(("host", host)).to_http_request();
            assert_eq!(origin(&request, Peer::Client), expected, "{host}");
        }
        assert_eq!(origin(&TestRequest::default().to_http_request(), Peer::Client), "");
    }

    #[test]
    fn only_a_proxy_that_is_trusted_says_otherwise() {
        let request = TestRequest::default()
            .insert_header(("host", "10.0.0.1:8080"))
            .insert_header(("x-forwarded-proto", "http, HTTPS"))
            .insert_header(("x-forwarded-host", "evil.example, movies.example"))
            .to_http_request();
        assert_eq!(origin(&request, Peer::Client), "http://10.0.0.1:8080");
        assert_eq!(origin(&request, Peer::Proxy), "https://movies.example");
    }
}
