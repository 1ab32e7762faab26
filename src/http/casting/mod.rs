//! The casting contract: actors and movies of an agency, by role. Every answer has the key `success`. Shapes and
//! routes only; what happens is in `actors`.

mod actors;
mod bodies;
mod dto;
mod movies;
mod refusal;

use std::{
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use bytes::Bytes;
use serde::Serialize;

pub use self::refusal::refusal;
use super::{State, contract::Contract, envelope, error::ApiError, query::ListQuery, routes::Routes};
use crate::{
    actors::catalog::{ListOf, Listed, Shape},
    domain::listing::{ListRequest, Page},
};

/// The operations of this contract.
#[must_use]
pub fn routes() -> Routes {
    movies::routes(actors::routes(Routes::new(Contract::Casting)))
}

type Answer = Result<HttpResponse, ApiError>;

/// The name under which this contract's shapes are cached.
const CONTRACT: &str = "casting";

/// Rows of a list whose page was not asked for.
const WHOLE_LIST: u32 = 1000;

const NO_FIELDS: &str = "Not a JSON object, or a field that is missing, unknown or of a wrong type";

/// Serialising our own types cannot fail; were it to, the body is empty and the test of that type fails.
fn bytes(answer: &impl Serialize) -> Bytes {
    serde_json::to_vec(answer).map(Bytes::from).unwrap_or_default()
}

fn ok(answer: &impl Serialize) -> HttpResponse {
    envelope::json(StatusCode::OK, bytes(answer))
}

/// The `{id}` of the path. What has not its form names nothing.
struct Numbered<T>(T);

impl<T: FromStr> FromRequest for Numbered<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        ready(text.parse().map(Self).map_err(|_| ApiError::no_such("Resource")))
    }
}

/// A list: a page where one is asked for, else all of it, as far as that goes.
async fn list<R: Listed>(state: &State, query: &ListQuery, shape: fn(&(ListRequest, Page<R>)) -> Bytes) -> Answer {
    let request = query.whole_or_paged(R::LISTING, WHOLE_LIST)?;
    let shape = Shape { contract: CONTRACT, shape };
    let page = state.casting.list(ListOf { request: request.clone(), nest: None, shape }).await;
    let page = page.map_err(|error| ApiError::of_catalog("Resource", error))?;
    // The whole list has no second page.
    if request.limit == WHOLE_LIST {
        return Ok(envelope::json(StatusCode::OK, page.body));
    }
    Ok(envelope::linked(page.body, &query.links(&request, page.total, None)))
}
