//! Ranges and conditions of RFC 9110 over files of no, one and ten million bytes.

use std::ops::Range;

use reqwest::Method;

use crate::support::{
    app::{Answer, App, Plan},
    home::{Home, on_both_stores},
    media::{mp4, noise, sha256},
    people::Person,
    stores::TestDb,
};

const LENGTH: u64 = 10_000_000;
/// When [`Home::put`] says that its files were made.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";
/// The same instant in the two older forms.
const OLD_FORMS: [&str; 2] = ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];

struct House {
    home: Home,
    db: TestDb,
    plan: Plan,
    app: App,
    owner: Person,
}

async fn house(home: Home) -> House {
    let db = TestDb::create();
    let plan = home.plan(&db);
    let app = plan.start();
    let owner = app.register().await;
    House { home, db, plan, app, owner }
}

/// What must come.
#[derive(Debug, Clone, PartialEq)]
enum Comes {
    Whole,
    Part(Range<u64>),
    Nothing(u16),
}
use Comes::{Nothing, Part, Whole};

impl House {
    async fn put(&self, bytes: &[u8]) -> String {
        self.home.put(&self.plan.media_dir(), &mut self.db.connect(), "video/mp4", bytes).await
    }

    async fn ask(&self, method: Method, id: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.app.request(method, &format!("/media/{id}"), Some(&self.owner));
        Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    async fn check(&self, id: &str, bytes: &[u8], headers: &[(&str, &str)], comes: Comes) {
        let length = bytes.len();
        let answer = self.ask(Method::GET, id, headers).await;
        let (status, part, range) = match &comes {
            Whole => (200, 0..length, None),
            Part(part) => {
                let range = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                (206, at(part.start)..at(part.end), Some(range))
            }
            Nothing(416) => (416, 0..0, Some(format!("bytes */{length}"))),
            Nothing(status) => (*status, 0..0, None),
        };
        assert_eq!(answer.status, status, "{headers:?} of {length}");
        assert_eq!(answer.header("content-range"), range.as_deref(), "{headers:?} of {length}");
        assert!(answer.bytes == bytes[part.clone()], "{headers:?} of {length}: other bytes");
        if status != 304 {
            assert_eq!(answer.header("content-length"), Some(part.len().to_string().as_str()), "{headers:?}");
        }
        headers_hold(&answer, bytes);
    }

    async fn check_ranges(&self, bytes: &[u8], table: &[(&str, Comes)]) {
        let id = self.put(bytes).await;
        for (range, comes) in table {
            self.check(&id, bytes, &[("Range", range)], comes.clone()).await;
        }
    }
}

fn at(position: u64) -> usize {
    usize::try_from(position).expect("a position")
}

/// What every answer says.
fn headers_hold(answer: &Answer, bytes: &[u8]) {
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
    if matches!(answer.status, 200 | 206 | 304) {
        assert_eq!(answer.header("etag"), Some(format!("\"{}\"", sha256(bytes)).as_str()));
        assert_eq!(answer.header("last-modified"), Some(DATE));
        assert_eq!(answer.header("cache-control"), Some("private, max-age=31536000, immutable"));
    }
    if matches!(answer.status, 200 | 206) {
        assert_eq!(answer.header("content-type"), Some("video/mp4"));
    }
}

on_both_stores! {
    ranges_of_ten_million_bytes,
    what_is_not_one_well_formed_range_is_given_whole,
    ranges_of_one_byte_and_of_none,
    conditions_in_the_order_of_rfc_9110,
    head_is_get_without_the_body,
    two_nodes_tell_the_same_of_a_file,
}

async fn ranges_of_ten_million_bytes(home: Home) {
    let house = house(home).await;
    let bytes = noise(LENGTH);
    let last = LENGTH - 1;
    let end = format!("bytes={last}-");
    let beyond = format!("bytes={LENGTH}-");
    let across = format!("bytes={last}-{LENGTH}");
    let all = format!("bytes=0-{last}");
    let suffix_all = format!("bytes=-{LENGTH}");
    let suffix_more = format!("bytes=-{}", LENGTH + 1);
    let table = [
        ("bytes=0-0", Part(0..1)),
        ("bytes=0-499", Part(0..500)),
        ("bytes=500-999", Part(500..1000)),
        // Across the pieces in which the server reads.
        ("bytes=131071-131072", Part(131_071..131_073)),
        ("bytes=100000-5000000", Part(100_000..5_000_001)),
        ("bytes=9999500-", Part(9_999_500..LENGTH)),
        ("bytes=0-", Part(0..LENGTH)),
        (&all, Part(0..LENGTH)),
        (&end, Part(last..LENGTH)),
        ("bytes=-1", Part(last..LENGTH)),
        ("bytes=-500", Part(LENGTH - 500..LENGTH)),
        (&suffix_all, Part(0..LENGTH)),
        (&suffix_more, Part(0..LENGTH)),
        ("bytes=-0", Nothing(416)),
        (&across, Part(last..LENGTH)),
        (&beyond, Nothing(416)),
        ("bytes=10000001-10000002", Nothing(416)),
        // Numbers over 64 bits, and the largest of 64.
        ("bytes=0-18446744073709551615", Part(0..LENGTH)),
        ("bytes=0-18446744073709551616", Part(0..LENGTH)),
        ("bytes=0-99999999999999999999999999999999", Part(0..LENGTH)),
        ("bytes=18446744073709551615-", Nothing(416)),
        ("bytes=18446744073709551616-", Nothing(416)),
        ("bytes=-18446744073709551616", Part(0..LENGTH)),
        ("bytes=00000000000000000000000-000000000000000000000001", Part(0..2)),
        // Case of the unit, and space that RFC 9110 allows around list elements.
        ("BYTES=0-1", Part(0..2)),
        ("bytes=, 0-1", Part(0..2)),
        ("bytes=0-1 ", Part(0..2)),
        ("bytes=0-1,", Part(0..2)),
        ("bytes=,,0-1", Part(0..2)),
    ];
    house.check_ranges(&bytes, &table).await;
}

async fn what_is_not_one_well_formed_range_is_given_whole(home: Home) {
    let house = house(home).await;
    let many = (0..1000).map(|n| format!("{n}-")).collect::<Vec<_>>().join(",");
    let amplified = format!("bytes={many}");
    let table: Vec<(&str, Comes)> = [
        "bytes=0-1,3-4",
        "bytes=0-1,0-1",
        "bytes=-1,-1",
        "bytes=0-,999999-",
        &amplified,
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=2-1",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=-+1",
        "bytes=0x0-0x1",
        "bytes=1.0-2",
        "bytes= 0-1",
        "bytes=\t0-1",
        "bytes=0 -1",
        "bytes=0- 1",
        "bytes =0-1",
        "bytes:0-1",
        "bytes 0-1",
        "0-1",
        "items=0-1",
        "seconds=1-",
        "none=0-1",
        "=0-1",
    ]
    .map(|range| (range, Whole))
    .to_vec();
    house.check_ranges(&noise(2000), &table).await;
    // Two headers are no range either.
    let bytes = noise(2000);
    let id = house.put(&bytes).await;
    house.check(&id, &bytes, &[("Range", "bytes=0-1"), ("Range", "bytes=0-1")], Whole).await;
}

async fn ranges_of_one_byte_and_of_none(home: Home) {
    let house = house(home).await;
    let one = [
        ("bytes=0-0", Part(0..1)),
        ("bytes=0-", Part(0..1)),
        ("bytes=0-9", Part(0..1)),
        ("bytes=-1", Part(0..1)),
        ("bytes=-9", Part(0..1)),
        ("bytes=1-", Nothing(416)),
        ("bytes=1-1", Nothing(416)),
        ("bytes=-0", Nothing(416)),
        ("bytes=0-0,0-0", Whole),
    ];
    house.check_ranges(b"x", &one).await;
    let none = ["bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=1-", "bytes=x"].map(|range| (range, Whole));
    house.check_ranges(b"", &none).await;
    for (bytes, length) in [(b"".as_slice(), "0"), (b"x", "1")] {
        let id = house.put(bytes).await;
        house.check(&id, bytes, &[], Whole).await;
        let head = house.ask(Method::HEAD, &id, &[]).await;
        assert_eq!((head.status, head.header("content-length")), (200, Some(length)));
    }
}

async fn conditions_in_the_order_of_rfc_9110(home: Home) {
    let house = house(home).await;
    let bytes = noise(1000);
    let id = house.put(&bytes).await;
    let tag = format!("\"{}\"", sha256(&bytes));
    let weak = format!("W/{tag}");
    let list = format!("\"a\", {weak} ,\"b,c\"");
    let strong_list = format!("\"a\",{tag}");
    let bare = sha256(&bytes);
    let other = "\"other\"";
    let range = ("Range", "bytes=2-4");
    let part = || Part(2..5);
    let table: Vec<(Vec<(&str, &str)>, Comes)> = vec![
        (vec![], Whole),
        // Twice is not one.
        (vec![range, range], Whole),
        // If-Range
        (vec![range, ("If-Range", &tag)], part()),
        (vec![range, ("If-Range", &weak)], Whole),
        (vec![range, ("If-Range", other)], Whole),
        (vec![range, ("If-Range", &bare)], Whole),
        (vec![range, ("If-Range", "*")], Whole),
        (vec![range, ("If-Range", &strong_list)], Whole),
        (vec![range, ("If-Range", DATE)], part()),
        (vec![range, ("If-Range", LATER)], Whole),
        (vec![range, ("If-Range", EARLIER)], Whole),
        (vec![("Range", "bytes=1000-"), ("If-Range", other)], Whole),
        (vec![("Range", "bytes=1000-"), ("If-Range", &tag)], Nothing(416)),
        (vec![("If-Range", &tag)], Whole),
        // If-None-Match
        (vec![("If-None-Match", &tag)], Nothing(304)),
        (vec![("If-None-Match", &weak)], Nothing(304)),
        (vec![("If-None-Match", &list)], Nothing(304)),
        (vec![("If-None-Match", "*")], Nothing(304)),
        (vec![("If-None-Match", other)], Whole),
        (vec![("If-None-Match", &bare)], Whole),
        (vec![("If-None-Match", other), ("If-None-Match", &tag)], Nothing(304)),
        (vec![("If-None-Match", &tag), range], Nothing(304)),
        (vec![("If-None-Match", other), range], part()),
        (vec![("If-None-Match", other), ("If-Modified-Since", LATER)], Whole),
        // If-Match
        (vec![("If-Match", &tag)], Whole),
        (vec![("If-Match", &strong_list), range], part()),
        (vec![("If-Match", "*")], Whole),
        (vec![("If-Match", &weak)], Nothing(412)),
        (vec![("If-Match", other)], Nothing(412)),
        (vec![("If-Match", other), range], Nothing(412)),
        (vec![("If-Match", &tag), ("If-Unmodified-Since", EARLIER)], Whole),
        (vec![("If-Match", other), ("If-Unmodified-Since", LATER)], Nothing(412)),
        (vec![("If-Match", other), ("If-None-Match", &tag)], Nothing(412)),
        (vec![("If-Match", &tag), ("If-None-Match", &tag)], Nothing(304)),
        // Dates
        (vec![("If-Modified-Since", DATE)], Nothing(304)),
        (vec![("If-Modified-Since", LATER)], Nothing(304)),
        (vec![("If-Modified-Since", EARLIER)], Whole),
        (vec![("If-Modified-Since", "yesterday")], Whole),
        (vec![("If-Modified-Since", OLD_FORMS[0])], Nothing(304)),
        (vec![("If-Modified-Since", OLD_FORMS[1])], Nothing(304)),
        (vec![("If-Unmodified-Since", DATE)], Whole),
        (vec![("If-Unmodified-Since", LATER), range], part()),
        (vec![("If-Unmodified-Since", EARLIER)], Nothing(412)),
        (vec![("If-Unmodified-Since", "yesterday")], Whole),
        (vec![("If-Unmodified-Since", EARLIER), ("If-Modified-Since", LATER)], Nothing(412)),
        (vec![("If-Modified-Since", EARLIER), ("Range", "bytes=1000-")], Nothing(416)),
    ];
    for (headers, comes) in table {
        house.check(&id, &bytes, &headers, comes).await;
    }
}

async fn head_is_get_without_the_body(home: Home) {
    let house = house(home).await;
    let bytes = noise(1000);
    let id = house.put(&bytes).await;
    let tag = format!("\"{}\"", sha256(&bytes));
    for headers in [
        vec![],
        vec![("If-None-Match", tag.as_str())],
        vec![("If-Match", "\"x\"")],
        vec![("If-Modified-Since", DATE)],
        vec![("If-Unmodified-Since", EARLIER)],
        vec![("Accept-Encoding", "gzip, br")],
    ] {
        let get = house.ask(Method::GET, &id, &headers).await;
        let head = house.ask(Method::HEAD, &id, &headers).await;
        assert_eq!(head.status, get.status, "{headers:?}");
        assert!(head.bytes.is_empty());
        for name in get.headers.keys().filter(|name| !["date", "x-request-id"].contains(&name.as_str())) {
            assert_eq!(head.headers.get(name), get.headers.get(name), "{name} of {headers:?}");
        }
        headers_hold(&head, &bytes);
    }
    // A range is for GET only.
    let head = house.ask(Method::HEAD, &id, &[("Range", "bytes=0-1")]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    let post = house.ask(Method::POST, &id, &[]).await;
    assert_eq!(post.status, 405);
}

async fn two_nodes_tell_the_same_of_a_file(home: Home) {
    let house = house(home).await;
    let other = house.plan.start();
    let uploaded = house.app.upload(&house.owner, "a.mp4", mp4().to_vec()).await.id();
    let path = format!("/media/{uploaded}");
    let (here, there) = (house.app.get(&path, &house.owner).await, other.get(&path, &house.owner).await);
    assert_eq!(here.header("etag"), Some(format!("\"{}\"", sha256(mp4())).as_str()));
    for name in ["etag", "last-modified", "content-type", "content-length", "cache-control"] {
        assert!(here.header(name).is_some() && here.header(name) == there.header(name), "{name}");
    }
    assert!(here.bytes == mp4() && there.bytes == mp4());
    // A resumed download goes on at the other node.
    let rest = other.request(Method::GET, &path, Some(&house.owner));
    let rest = Answer::of(rest.header("Range", "bytes=100-").header("If-Range", here.header("etag").expect("a tag")));
    let rest = rest.await;
    assert_eq!(rest.status, 206);
    assert!(rest.bytes == mp4()[100..]);
}
