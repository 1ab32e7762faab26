//! The collections contract: lists of movies, and the provider's. Answers are plain objects, refusals
//! `{"detail": …}`. Shapes and routes only.

mod accounts;
mod answer;
mod bodies;
mod lists;
mod movies;
mod refusal;

pub use self::refusal::refusal;
use super::{contract::Contract, routes::Routes};

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    let routes = accounts::routes(Routes::new(Contract::Collections));
    let routes = movies::routes(routes);
    lists::routes(routes)
}
