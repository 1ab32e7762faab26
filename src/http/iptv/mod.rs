//! The iptv contract: users, genres, series, seasons, episodes, streams, files, in an envelope.
//! Shapes and routes only; what happens is in `actors`.

mod accounts;
mod bodies;
mod dto;
mod files;
mod keys;
mod resources;
mod streams;

use super::{contract::Contract, routes::Routes};
use crate::domain::catalog::{Episode, Genre, Season, Series};

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    let routes = keys::routes(accounts::routes(Routes::new(Contract::Iptv)));
    let routes = resources::crud::<Genre>(routes, "/genres", "/genres/{id}");
    let routes = resources::crud::<Series>(routes, "/series", "/series/{id}");
    let routes = resources::crud::<Season>(routes, "/seasons", "/seasons/{id}");
    let routes = resources::crud::<Episode>(routes, "/episodes", "/episodes/{id}");
    files::routes(streams::routes(resources::nested(routes)))
}
