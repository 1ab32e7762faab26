//! A page of the provider: read strictly where we build on it, passed on as it stands elsewhere.

use std::num::NonZeroU32;

use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Nonsense;

/// A page of the provider's movies.
#[derive(Debug, Clone)]
pub struct MoviePage {
    /// Movies on all pages, as the provider counts them.
    pub count: u64,
    /// The number of the page after this one.
    pub next: Option<NonZeroU32>,
    /// The number of the page before this one.
    pub previous: Option<NonZeroU32>,
    /// The movies: a JSON list, character for character as the provider wrote it.
    pub data: Box<RawValue>,
}

/// What the provider writes. Members that are not here are its own affair.
#[derive(Deserialize)]
struct Written {
    count: u64,
    next: Option<String>,
    previous: Option<String>,
    data: Option<Box<RawValue>>,
    results: Option<Box<RawValue>>,
}

impl MoviePage {
    /// Reads the answer that came from `base`. The list is called `data`, or else `results`.
    ///
    /// # Errors
    /// What is wrong with it, without a word of its own.
    pub(super) fn read(answer: &[u8], base: &Url) -> Result<Self, Nonsense> {
        // A list of the same values would pass for the members of an object.
        if answer.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Nonsense::NoPage);
        }
        let written: Written = serde_json::from_slice(answer).map_err(|_| Nonsense::NoPage)?;
        let data = written.data.or(written.results).filter(|data| data.get().starts_with('['));
        // An empty text is no link, as null is.
        let [next, previous] = [written.next, written.previous].map(|link| link.filter(|link| !link.is_empty()));
        let next = next.map(|link| number(&link, base)?.ok_or(Nonsense::Link("next"))).transpose()?;
        // Some leave the number away in a link to the first page.
        let previous = previous.map(|link| Ok(number(&link, base)?.unwrap_or(NonZeroU32::MIN))).transpose()?;
        Ok(Self { count: written.count, next, previous, data: data.ok_or(Nonsense::NoList)? })
    }
}

/// The number of the page that `link` leads to; `None` where it names none.
fn number(link: &str, base: &Url) -> Result<Option<NonZeroU32>, Nonsense> {
    let link = base.join(link).map_err(|_| Nonsense::Link("next or previous"))?;
    let named = link.query_pairs().find(|(name, _)| name == "page");
    let digits = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
    let read = |number: &str| number.parse().ok().filter(|_| digits(number)).ok_or(Nonsense::Link("next or previous"));
    named.map(|(_, number)| read(&number)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Result<MoviePage, Nonsense> {
        MoviePage::read(answer.as_bytes(), &Url::parse("http://provider.example/api/movies/").unwrap())
    }

    fn page(number: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(number)
    }

    #[test]
    fn the_list_is_kept_as_it_was_written_under_either_name() {
        for name in ["data", "results"] {
            let list = r#"[{"title": "Casablanca",  "b": 1, "a": 7.10, "n": 123456789012345678901234567890}]"#;
            let read = read(&format!(" {{\"count\":7,\"next\":null,\"previous\":null,\"{name}\": {list} }}")).unwrap();
            assert_eq!((read.count, read.next, read.previous, read.data.get()), (7, None, None, list));
        }
        let both = read(r#"{"count":1,"results":[2],"data":[1]}"#).unwrap();
        assert_eq!(both.data.get(), "[1]");
        assert_eq!(read(r#"{"count":1,"results":[2],"data":null}"#).unwrap().data.get(), "[2]");
    }

    #[test]
    fn links_are_read_for_their_page() {
        for (next, previous, expected) in [
            ("http://provider.example/api/movies/?page=3", "http://provider.example/api/movies/", (page(3), page(1))),
            ("https://user:secret@other.example/?key=secret&page=4", "?page=2", (page(4), page(2))),
            ("/m?page=4294967295&x", "/m/?x=1", (page(u32::MAX), page(1))),
            ("", "", (None, None)),
            ("?page=2", "", (page(2), None)),
        ] {
            let answer = serde_json::json!({"count": 0, "next": next, "previous": previous, "data": []}).to_string();
            let read = read(&answer).unwrap();
            assert_eq!((read.next, read.previous), expected, "{answer}");
        }
    }

    #[test]
    fn what_is_no_page_is_nonsense() {
        for (answer, wrong) in [
            ("", Nonsense::NoPage),
            ("<html></html>", Nonsense::NoPage),
            ("null", Nonsense::NoPage),
            ("[1,null,null,[],[]]", Nonsense::NoPage),
            (r#"{"count":1,"data":[]"#, Nonsense::NoPage),
            (r#"{"data":[]}"#, Nonsense::NoPage),
            (r#"{"count":-1,"data":[]}"#, Nonsense::NoPage),
            (r#"{"count":"1","data":[]}"#, Nonsense::NoPage),
            (r#"{"count":1,"next":7,"data":[]}"#, Nonsense::NoPage),
            (r#"{"count":1}"#, Nonsense::NoList),
            (r#"{"count":1,"data":{}}"#, Nonsense::NoList),
            (r#"{"count":1,"data":null}"#, Nonsense::NoList),
            (r#"{"count":1,"next":"/movies/","data":[]}"#, Nonsense::Link("next")),
            (r#"{"count":1,"next":"?page=0","data":[]}"#, Nonsense::Link("next or previous")),
            (r#"{"count":1,"next":"?page=x","data":[]}"#, Nonsense::Link("next or previous")),
            (r#"{"count":1,"next":"?page=%2B2","data":[]}"#, Nonsense::Link("next or previous")),
            (r#"{"count":1,"next":"?page=","data":[]}"#, Nonsense::Link("next or previous")),
            (r#"{"count":1,"next":"?page=4294967296","data":[]}"#, Nonsense::Link("next or previous")),
            (r#"{"count":1,"previous":"http://[","data":[]}"#, Nonsense::Link("next or previous")),
        ] {
            assert_eq!(read(answer).map(|page| page.count), Err(wrong), "{answer}");
        }
        assert_eq!(read(&"[".repeat(100_000)).map(|page| page.count), Err(Nonsense::NoPage));
        let deep = format!("{{\"count\":1,\"data\":{}", "[".repeat(100_000));
        assert_eq!(read(&deep).map(|page| page.count), Err(Nonsense::NoPage));
    }
}
