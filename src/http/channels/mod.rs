//! The channels contract: video sharing. Every JSON answer has the key `response`. Shapes and routes
//! only; what happens is in `actors`.

mod accounts;
mod answer;
mod bodies;
mod pictures;
mod refusal;
mod reset_page;
mod uploads;
mod videos;
mod window;

pub use self::refusal::refusal;
use super::{contract::Contract, routes::Routes};

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    let routes = accounts::routes(Routes::new(Contract::Channels));
    let routes = uploads::routes(routes);
    let routes = videos::routes(routes);
    pictures::routes(routes)
}
