//! A provider of movies: an HTTP server of the test's own, that does what the test asks of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, Respond, ResponseTemplate,
    matchers::{method, path},
};

use super::app::Plan;

/// Where the provider's movies are, below its address.
pub const LIST: &str = "/api/movies/";
pub const USERNAME: &str = "playhouse-the-caller";
pub const PASSWORD: &str = "of all the gin joints";

/// A provider that answers by `respond`.
pub async fn provider(respond: impl Respond + 'static) -> MockServer {
    // One from the pool would go on listening when the test has dropped it.
    let server = MockServer::builder().start().await;
    change(&server, respond).await;
    server
}

/// From now on it answers by `respond`.
pub async fn change(server: &MockServer, respond: impl Respond + 'static) {
    server.reset().await;
    Mock::given(method("GET")).and(path(LIST)).respond_with(respond).mount(server).await;
}

/// How many requests have come since the last change.
pub async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.expect("they are recorded").len()
}

/// The number of the page that a request asks for.
pub fn page_of(request: &Request) -> u32 {
    let (_, page) = request.url.query_pairs().find(|(name, _)| name == "page").expect("a page");
    page.parse().expect("a number")
}

/// A page with one movie that tells its number.
pub fn page(number: u32) -> Value {
    let link = |number: u32| format!("http://provider.example{LIST}?page={number}");
    let previous = (number > 1).then(|| link(number - 1));
    json!({"count": 1000, "next": link(number + 1), "previous": previous, "results": [{"title": number.to_string()}]})
}

/// Answers every page.
pub fn good(request: &Request) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(page(page_of(request)))
}

/// A number that looks drawn by lot, the same in each run.
pub fn lot(at: usize) -> u64 {
    let mixed = u64::try_from(at).expect("a number").wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 31)
}

/// Fails the tries for which `fails` is true; tries are counted from 0.
pub fn failing(fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> impl Respond {
    let tries = AtomicUsize::new(0);
    move |request: &Request| {
        if fails(tries.fetch_add(1, Ordering::SeqCst)) { ResponseTemplate::new(500) } else { good(request) }
    }
}

impl Plan {
    /// With this provider, its credentials, and pauses that are short.
    pub fn with_provider(self, server: &MockServer) -> Self {
        self.with_provider_at(&format!("{}{LIST}", server.uri()))
    }

    /// As [`Plan::with_provider`], by its address.
    pub fn with_provider_at(self, address: &str) -> Self {
        self.with("PLAYHOUSE_PROVIDER__BASE_URL", address)
            .with("PLAYHOUSE_PROVIDER__USERNAME", USERNAME)
            .with("PLAYHOUSE_PROVIDER__PASSWORD", PASSWORD)
            .with("PLAYHOUSE_PROVIDER__BACKOFF_MS", "2")
            .with("PLAYHOUSE_PROVIDER__BACKOFF_MOST_MS", "20")
    }
}
