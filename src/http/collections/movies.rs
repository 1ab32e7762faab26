//! The provider's movies, page by page, with links that lead back here.

use std::{
    future::{Ready, ready},
    num::NonZeroU32,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::json;
use crate::{
    domain::listing::LARGEST_PAGE,
    http::{
        State,
        access::SignedIn,
        error::{ApiError, FieldError},
        openapi::{Parameter, Unless, Values, doc},
        origin::Origin,
        query::{pairs, up_to},
        routes::Routes,
    },
};

const PARAMETERS: &[Parameter] =
    &[Parameter { name: "page", values: Values::UpTo(LARGEST_PAGE), unless: Unless::Is("1") }];

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get(
        "/movies",
        movies,
        doc("A page of the provider's movies").asks(PARAMETERS).gives::<MoviesDto>().refuses(&[
            (404, "The provider has no such page"),
            (502, "The provider's answer cannot be used"),
            (503, "The provider is away or not configured, or maintenance; see Retry-After"),
        ]),
    )
}

/// The provider's page. `next` and `previous` are addresses of this server.
#[derive(Debug, Serialize, ToSchema)]
struct MoviesDto<'a> {
    count: u64,
    next: Option<String>,
    previous: Option<String>,
    /// As the provider wrote them.
    #[schema(value_type = Vec<Object>)]
    data: &'a RawValue,
}

/// `page` of the query; the first where it is not given.
struct Page(NonZeroU32);

impl FromRequest for Page {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(page(request.query_string()).map(Self))
    }
}

async fn movies(_: SignedIn, state: State, Page(page): Page, Origin(origin): Origin) -> Result<HttpResponse, ApiError> {
    let page = state.provider.page(page).await?;
    // To a page that this server would not ask for there is no link.
    let link = |number: Option<NonZeroU32>| {
        number.filter(|number| number.get() <= LARGEST_PAGE).map(|number| format!("{origin}/movies/?page={number}"))
    };
    let answer =
        MoviesDto { count: page.count, next: link(page.next), previous: link(page.previous), data: &page.data };
    json(StatusCode::OK, &answer)
}

fn page(query: &str) -> Result<NonZeroU32, ApiError> {
    let (mut page, mut wrong, mut given) = (NonZeroU32::MIN, Vec::new(), Vec::new());
    for (name, value) in pairs(query)? {
        if given.contains(&name) {
            wrong.push(FieldError::new(name, "is given twice"));
        } else if name != "page" {
            wrong.push(FieldError::new(name.as_str(), "is unknown"));
            given.push(name);
        } else {
            match up_to(LARGEST_PAGE, &value) {
                // It is 1 at least.
                Ok(number) => page = NonZeroU32::new(number).unwrap_or(page),
                Err(rule) => wrong.push(FieldError::new("page", rule)),
            }
            given.push(name);
        }
    }
    if wrong.is_empty() { Ok(page) } else { Err(ApiError::Invalid(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_whole_number_from_one() {
        assert_eq!(page("").unwrap().get(), 1);
        assert_eq!(page("page=100000000").unwrap().get(), LARGEST_PAGE);
        for (query, named) in [
            ("page=0", vec!["page"]),
            ("page=", vec!["page"]),
            ("page=-1", vec!["page"]),
            ("page=%2B1", vec!["page"]),
            ("page=1.5", vec!["page"]),
            ("page=100000001", vec!["page"]),
            ("page=1&page=1", vec!["page"]),
            ("limit=1", vec!["limit"]),
            ("page=x&limit=1&q=x", vec!["page", "limit", "q"]),
        ] {
            let Err(ApiError::Invalid(errors)) = page(query) else { panic!("{query} was taken") };
            assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), named, "{query}");
        }
    }
}
