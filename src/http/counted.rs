//! When a request is counted: as its answer leaves, or before that is made where it tells the count. Once.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};

use super::{State, error::ApiError};
use crate::actors::tally::Tally;

/// A request that has been counted already, for handlers whose answer includes it; a parameter after the caller,
/// for who is refused is counted by the edge. Where the client leaves meanwhile, it stays counted.
#[derive(Debug)]
pub struct Counted {
    _made_here: (),
}

/// What says so in the request.
struct Mark;

impl FromRequest for Counted {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(State::of(request).map(|state| {
            once(request, &state.tally);
            request.extensions_mut().insert(Mark);
            Self { _made_here: () }
        }))
    }
}

/// Counts `request`, unless it has been.
pub fn once(request: &HttpRequest, tally: &Tally) {
    if !request.extensions().contains::<Mark>() {
        tally.count_request();
    }
}
