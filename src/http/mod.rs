//! HTTP: one folder a contract. Extracts, makes one call on a handle, shapes the answer. No SQL, no
//! Redis, no rule of the business; a contract's folder never imports another's.

pub mod access;
pub mod body;
pub mod casting;
pub mod channels;
pub mod collections;
pub mod connection;
pub mod contract;
pub mod cors;
pub mod counted;
pub mod drain;
pub mod edge;
pub mod envelope;
pub mod error;
mod framing;
pub mod images;
pub mod iptv;
pub mod media;
pub mod media_links;
pub mod openapi;
pub mod ops;
pub mod origin;
pub mod pipelining;
pub mod places;
pub mod playback;
pub mod query;
pub mod routes;
pub mod server;
pub mod upload;

use std::{future::Ready, net::IpAddr, ops::Deref, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};

use self::{drain::Drain, error::ApiError, places::Places, routes::Routes};
use crate::{
    actors::{
        auth::Auth,
        casting::Casting,
        catalog::Catalog,
        channels::Channels,
        collections::Collections,
        files::Files,
        images::Images,
        operation::Operation,
        playback::{PlayLimit, Playback},
        posters::Posters,
        statistics::Statistics,
        tally::Tally,
    },
    cache::Cache,
    db::Db,
    provider::Provider,
    settings::Settings,
};

/// The handles that requests are answered through.
#[derive(Clone)]
pub struct House {
    /// Settings of this process.
    pub settings: Settings,
    /// Accounts and tokens.
    pub auth: Auth,
    /// The catalogue.
    pub catalog: Catalog,
    /// The casting agency.
    pub casting: Casting,
    /// Files and their bytes.
    pub files: Files,
    /// Channels and their videos.
    pub channels: Channels,
    /// Lists of movies.
    pub collections: Collections,
    /// For large bodies that are worked on.
    pub large_bodies: Places,
    /// For large answers that are sent.
    pub large_answers: Places,
    /// Streams.
    pub playback: Playback,
    /// How many plays may be opened.
    pub play_limit: PlayLimit,
    /// Images that accounts keep.
    pub images: Images,
    /// Posters.
    pub posters: Posters,
    /// The provider of movies.
    pub provider: Provider,
    /// Maintenance.
    pub operation: Operation,
    /// What runs.
    pub drain: Drain,
    /// Counts.
    pub tally: Tally,
    /// What was viewed, and is viewed now.
    pub statistics: Statistics,
    /// Postgres, for readiness.
    pub db: Db,
    /// Redis, for readiness.
    pub cache: Cache,
}

/// The house, as a parameter of handlers.
#[derive(Clone)]
pub struct State(Arc<House>);

impl State {
    /// The house for one worker thread. Each has its own: what a request counts up and down on every
    /// way in and out (this pointer, what runs) then stays with one core.
    #[must_use]
    pub fn of_worker(house: &House) -> Self {
        Self(Arc::new(House { drain: house.drain.of_worker(), ..house.clone() }))
    }

    /// The house of this request.
    ///
    /// # Errors
    /// A fault: the server was built without one.
    pub fn of(request: &HttpRequest) -> Result<&Self, ApiError> {
        request.app_data::<Self>().ok_or_else(|| ApiError::Fault("no state in the server".into()))
    }
}

impl Deref for State {
    type Target = House;

    fn deref(&self) -> &House {
        &self.0
    }
}

impl FromRequest for State {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(request).cloned())
    }
}

/// The operations of all contracts.
#[must_use]
pub fn contracts() -> Vec<Routes> {
    vec![
        iptv::routes(),
        channels::routes(),
        collections::routes(),
        images::routes(),
        casting::routes(),
        playback::routes(),
        ops::routes(),
    ]
}

/// Puts every contract into a server.
pub fn configure(config: &mut web::ServiceConfig) {
    ops::configure_documentation(config);
    routes::register(config, &contracts());
    config.default_service(web::to(routes::no_such_path));
}

/// The address that a request comes from. `X-Forwarded-For` counts only from the proxies named in
/// the settings: read from the right, the first address that is not one of them. What stands left
/// of it, or of anything that is no address, was sent by whoever and counts for nothing.
#[must_use]
pub fn client_address(request: &HttpRequest, state: &State) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
    let trusted = &state.settings.http.trusted_proxies;
    if !trusted.contains(&peer) {
        return peer;
    }
    let forwarded = request.headers().get_all(header::X_FORWARDED_FOR).map(|value| value.to_str().unwrap_or_default());
    let entries: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    for entry in entries.into_iter().rev() {
        match forwarded_address(entry) {
            Some(address) if trusted.contains(&address) => {}
            Some(address) => return address,
            None => return peer,
        }
    }
    peer
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;

    use super::*;

    #[test]
    fn a_request_carries_no_room_for_work_that_is_seldom_done() {
        for operation in contracts().iter().flat_map(|contract| &contract.operations) {
            let limit = if operation.method == Method::GET { 2_560 } else { 8_192 };
            let bytes = operation.future_bytes;
            assert!(bytes <= limit, "{} {}: {bytes} bytes of at most {limit}", operation.method, operation.path);
        }
    }
}
