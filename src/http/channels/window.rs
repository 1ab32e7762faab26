//! `page` and `limit` of a list that has no total.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    domain::{
        channels::Window,
        listing::{DEFAULT_LIMIT, LARGEST_LIMIT, LARGEST_PAGE},
    },
    http::{
        error::ApiError,
        query::{once, pairs},
    },
};

/// The window that a request asks for.
pub(super) struct Windowed(pub(super) Window);

impl FromRequest for Windowed {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(window(request.query_string()).map(Self))
    }
}

fn window(query: &str) -> Result<Window, ApiError> {
    let mut window = Window { page: 1, limit: DEFAULT_LIMIT };
    for (name, value) in &once(pairs(query)?)? {
        let whole = |most: u32| {
            let number = value.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| ApiError::field(name.as_str(), format!("must be a whole number from 1 to {most}")))
        };
        match name.as_str() {
            "page" => window.page = whole(LARGEST_PAGE)?,
            "limit" => window.limit = whole(LARGEST_LIMIT)?,
            _ => return Err(ApiError::field(name.as_str(), "is unknown")),
        }
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_limits_are_whole_numbers_within_bounds() {
        assert_eq!(window("").unwrap(), Window { page: 1, limit: DEFAULT_LIMIT });
        assert_eq!(window("limit=100&page=3").unwrap(), Window { page: 3, limit: 100 });
        for wrong in [
            "page=0",
            "page=-1",
            "page=x",
            "limit=101",
            "limit=",
            "page=9223372036854775808",
            "sort=id",
            "page=1&page=1",
        ] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
