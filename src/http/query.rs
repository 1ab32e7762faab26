//! Query strings, and the `Link` header that answers them.

use std::borrow::Cow;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::error::{ApiError, FieldError};
use crate::domain::listing::{self, DEFAULT_LIMIT, LARGEST_LIMIT, ListRequest, Listing, Position};

/// All but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Bytes of a link beside its path and what it shares with the others; a longer one costs an allocation.
const ROOM_OF_A_LINK: usize = 40;

/// The parameters of a list, not yet read against its declaration.
#[derive(Debug, Clone)]
pub struct ListQuery {
    path: String,
    pairs: Vec<(String, String)>,
}

impl ListQuery {
    /// Reads them.
    ///
    /// # Errors
    /// 400 that names every wrong one.
    pub fn against(&self, listing: &'static Listing) -> Result<ListRequest, ApiError> {
        listing::parse(listing, &self.pairs).map_err(ApiError::from)
    }

    /// Reads the parameters of a list that is given whole, its first `most` rows, where neither `page` nor `limit`
    /// asks for a part of it. There is no walk by cursor.
    ///
    /// # Errors
    /// As [`ListQuery::against`].
    pub fn whole_or_paged(&self, listing: &'static Listing, most: u32) -> Result<ListRequest, ApiError> {
        let names = |wanted: &[&str]| self.pairs.iter().any(|(name, _)| wanted.contains(&name.as_str()));
        let mut request = self.against(listing)?;
        if names(&["cursor"]) {
            return Err(ApiError::field("cursor", "is unknown; this list takes page and limit"));
        }
        if !names(&["page", "limit"]) {
            request.limit = most;
        }
        Ok(request)
    }

    /// The same in the order of `sort`, where the client asks for none.
    #[must_use]
    pub fn in_order(mut self, sort: &str) -> Self {
        if !self.pairs.iter().any(|(name, _)| matches!(name.as_str(), "sort" | "cursor")) {
            self.pairs.push(("sort".to_owned(), sort.to_owned()));
        }
        self
    }

    /// The `Link` header (RFC 8288) of a page: first, prev, next, last; in a walk by cursor, which knows
    /// no numbers, first and next.
    #[must_use]
    pub fn links(&self, request: &ListRequest, total: u64, next: Option<&str>) -> String {
        let shape = self.shape(request);
        let mut links = String::with_capacity(4 * (self.path.len() + shape.len() + ROOM_OF_A_LINK));
        // What stands in the place of `page` is a number or base64: nothing to encode.
        let mut link = |relation: &str, place: &str, value: &str| {
            let before = if links.is_empty() { "<" } else { ", <" };
            links.extend([before, &self.path, "?", place, "=", value, &shape, ">; rel=\"", relation, "\""]);
        };
        link("first", "page", "1");
        match request.position {
            Position::After(_) => {
                if let Some(cursor) = next {
                    link("next", "cursor", cursor);
                }
            }
            Position::Page(page) => {
                let page = u64::from(page);
                let last = total.div_ceil(u64::from(request.limit)).max(1);
                if page > 1 {
                    link("prev", "page", &(page - 1).min(last).to_string());
                }
                if page < last {
                    link("next", "page", &(page + 1).to_string());
                }
                link("last", "page", &last.to_string());
            }
        }
        links
    }

    /// What all links of a page share: `&limit=10&sort=-name`.
    fn shape(&self, request: &ListRequest) -> String {
        let limit = self.pairs.iter().find(|(name, _)| name == "limit");
        // Filters and order may have come with the cursor: the first page has to name them.
        let named = request.pairs();
        let mut shape = String::new();
        for (name, value) in limit.into_iter().chain(&named) {
            shape.push('&');
            shape.extend(utf8_percent_encode(name, RESERVED));
            shape.push('=');
            shape.extend(utf8_percent_encode(value, RESERVED));
        }
        shape
    }
}

impl FromRequest for ListQuery {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(pairs(request.query_string()).map(|pairs| Self { path: request.path().to_owned(), pairs }))
    }
}

/// `limit` alone: rows of a list that has one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub u32);

impl FromRequest for Limit {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(pairs(request.query_string()).and_then(|pairs| limit(&pairs)))
    }
}

fn limit(pairs: &[(String, String)]) -> Result<Limit, ApiError> {
    let mut limit = None;
    let mut wrong = Vec::new();
    let mut refuse = |name: &str, message: String| wrong.push(FieldError::new(name, message));
    for (name, value) in pairs {
        match (name.as_str(), limit) {
            ("limit", Some(_)) => refuse(name, "is given twice".to_owned()),
            ("limit", None) => match up_to(LARGEST_LIMIT, value) {
                Ok(number) => limit = Some(number),
                Err(rule) => refuse(name, rule),
            },
            _ => refuse(name, "is unknown; this list takes limit".to_owned()),
        }
    }
    if wrong.is_empty() { Ok(Limit(limit.unwrap_or(DEFAULT_LIMIT))) } else { Err(ApiError::Invalid(wrong)) }
}

/// The whole number from 1 to `most` that `value` is: digits alone, no sign, no space.
///
/// # Errors
/// What it must be.
pub fn up_to(most: u32, value: &str) -> Result<u32, String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && (1..=most).contains(number));
    number.ok_or_else(|| format!("must be a whole number from 1 to {most}"))
}

/// Decodes a query string (WHATWG URL, `application/x-www-form-urlencoded`), refusing what is not UTF-8.
///
/// # Errors
/// 400 that names the parameter.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, ApiError> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| ApiError::field("query", "is not valid UTF-8"))?;
            let value = decode(value).ok_or_else(|| ApiError::field(name.clone(), "is not valid UTF-8"))?;
            Ok((name, value))
        })
        .collect()
}

/// The same pairs, of which no name stands twice.
///
/// # Errors
/// 400 that names the first one that does.
pub fn once(pairs: Vec<(String, String)>) -> Result<Vec<(String, String)>, ApiError> {
    let twice = pairs.iter().enumerate().find(|(at, (name, _))| pairs.iter().take(*at).any(|(other, _)| other == name));
    match twice {
        Some((_, (name, _))) => Err(ApiError::field(name.as_str(), "is given twice")),
        None => Ok(pairs),
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_bad_utf8_is_named() {
        let decoded = pairs("sort=+name&q=a%20b&&x").unwrap();
        let expected = [("sort", " name"), ("q", "a b"), ("x", "")];
        assert_eq!(decoded, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert!(pairs("q=%FF").is_err());
        assert!(pairs("%FF=q").is_err());
    }

    #[test]
    fn a_limit_is_a_whole_number_and_stands_alone() {
        let limit = |query: &str| limit(&pairs(query).unwrap()).map(|limit| limit.0);
        assert_eq!(limit("").unwrap(), DEFAULT_LIMIT);
        assert_eq!(limit("limit=100").unwrap(), 100);
        for wrong in ["limit=0", "limit=101", "limit=", "limit=%2B1", "limit=1.5", "limit=1&limit=1", "page=1"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }
}
