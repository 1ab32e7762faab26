//! The collections contract: lists of movies, the provider's, and the count of requests. Answers are plain objects,
//! refusals `{"detail": …}`. Shapes and routes only.

mod accounts;
mod answer;
mod bodies;
mod lists;
mod movies;
mod refusal;
mod request_count;

pub use self::refusal::refusal;
use super::{contract::Contract, routes::Routes};

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    let routes = accounts::routes(Routes::new(Contract::Collections));
    let routes = lists::routes(movies::routes(routes));
    request_count::routes(routes)
}
