//! Conditions on entity tags (RFC 9110 §13.1.1, §13.1.2, §13.1.5), and what is left of a request for
//! `NamedFile` when they are decided.
//!
//! `NamedFile` makes its tag of the file's number and time, which differ from node to node, and takes
//! no other. So the tags are compared here, and what it is asked has none: the method, dates, and at
//! most one range that is well formed.

use std::{borrow::Cow, ops::Range};

use actix_web::{
    HttpRequest,
    http::header::{self, EntityTag, HeaderMap, HeaderName},
    test::TestRequest,
};

use super::range::{Asked, is_plain, parse};

const CONDITIONS: [HeaderName; 5] =
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_RANGE, header::IF_UNMODIFIED_SINCE, header::IF_MODIFIED_SINCE];

/// What the tags of a request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tags {
    /// `If-Match` does not hold: 412.
    Failed,
    /// `If-None-Match` does not hold: 304, if the dates let it pass.
    Same,
    /// They ask nothing, or hold.
    Pass,
}

/// Compares the tags of a request with a file's strong one, which is given without its quotes.
pub(super) fn tags(headers: &HeaderMap, etag: &str) -> Tags {
    let strong = |tag: &EntityTag| tag.strong_eq(&EntityTag::new_strong(etag.to_owned()));
    if headers.contains_key(header::IF_MATCH) && !lists(headers, header::IF_MATCH, strong) {
        return Tags::Failed;
    }
    let same =
        headers.contains_key(header::IF_NONE_MATCH) && lists(headers, header::IF_NONE_MATCH, |tag| tag.tag() == etag);
    if same { Tags::Same } else { Tags::Pass }
}

/// A request that `NamedFile` decides rightly, and the part of the file that its range asks for.
pub(super) struct Untagged<'a> {
    /// What is left to decide.
    pub(super) request: Cow<'a, HttpRequest>,
    /// The bytes, where the decision is 206.
    pub(super) part: Range<u64>,
}

/// What is left to decide of a request for a file of `length` bytes.
pub(super) fn untagged<'a>(asked: &'a HttpRequest, etag: &str, length: u64) -> Untagged<'a> {
    let headers = asked.headers();
    let value = one(headers, header::RANGE);
    let range = value.map_or(Asked::Whole, |value| parse(value, length));
    let part = if let Asked::Part(part) = &range { part.clone() } else { 0..length };
    // Most requests have no condition, and no range or one that needs no care.
    let plain = match &range {
        Asked::Part(_) => value.is_some_and(is_plain),
        Asked::Whole => !headers.contains_key(header::RANGE),
        Asked::Nothing => false,
    };
    if plain && !CONDITIONS.iter().any(|name| headers.contains_key(name)) {
        return Untagged { request: Cow::Borrowed(asked), part };
    }
    // The one public way to make a request.
    let mut left = TestRequest::default().method(asked.method().clone());
    // §13.2.2: a date counts where its tag is not given.
    for (date, tag) in
        [(header::IF_UNMODIFIED_SINCE, header::IF_MATCH), (header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH)]
    {
        if let Some(value) = one(headers, date.clone()).filter(|_| !headers.contains_key(tag)) {
            left = left.insert_header((date, value));
        }
    }
    let range = match range {
        Asked::Whole => None,
        Asked::Part(part) => Some(format!("bytes={}-{}", part.start, part.end.saturating_sub(1))),
        Asked::Nothing => Some(format!("bytes={length}-")),
    };
    if let Some(range) = range {
        match if_range(headers, etag) {
            IfRange::Holds => left = left.insert_header((header::RANGE, range)),
            IfRange::Fails => {}
            IfRange::Date(date) => {
                left = left.insert_header((header::RANGE, range)).insert_header((header::IF_RANGE, date));
            }
        }
    }
    Untagged { request: Cow::Owned(left.to_http_request()), part }
}

enum IfRange<'a> {
    /// The tag is the file's, or there is no such condition.
    Holds,
    Fails,
    /// Perhaps a date.
    Date(&'a str),
}

fn if_range<'a>(headers: &'a HeaderMap, etag: &str) -> IfRange<'a> {
    if !headers.contains_key(header::IF_RANGE) {
        return IfRange::Holds;
    }
    let Some(text) = one(headers, header::IF_RANGE) else { return IfRange::Fails };
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(tag) if tag == etag => IfRange::Holds,
        Some(_) => IfRange::Fails,
        None => IfRange::Date(text),
    }
}

/// The value of a header that stands once.
fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(|text| text.trim_matches([' ', '\t'])),
        _ => None,
    }
}

/// Whether a list of tags is `*` or has one that `matches`. What is no tag matches nothing.
fn lists(headers: &HeaderMap, name: HeaderName, matches: impl Fn(&EntityTag) -> bool) -> bool {
    headers.get_all(name).filter_map(|value| value.to_str().ok()).any(|text| {
        // Our tags hold no comma, so a foreign one that does may be cut: it would not match anyway.
        text.trim() == "*" || text.split(',').filter_map(|tag| tag.trim().parse().ok()).any(|tag| matches(&tag))
    })
}
