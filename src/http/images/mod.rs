//! The images contract: upload, list, download, remove. Answers are plain objects, ids or bytes; refusals
//! `{"error": …}`. Shapes and routes only.

mod disposition;
mod handlers;
mod refusal;

pub use self::refusal::refusal;
use super::{contract::Contract, routes::Routes};

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    handlers::routes(Routes::new(Contract::Images))
}
