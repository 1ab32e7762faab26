//! The answers of a real server, compared with the bytes of real files.

use std::{
    fs::File,
    pin::pin,
    sync::atomic::Ordering,
    task::Context,
    time::{Duration, SystemTime},
};

use actix_web::{App, HttpServer, web};
use futures_util::{StreamExt as _, stream};
use reqwest::{Client, Method, Response, header::HeaderMap};

use super::*;
use crate::storage::{Homes, Store, Wanted, tests::Folder};

const SHA: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

struct House {
    address: String,
    count: Arc<AtomicU64>,
    folder: Folder,
}

/// The content as a stored file, with a hole to `sparse` bytes.
async fn stored(content: &[u8], sparse: u64) -> (Folder, StoredBytes) {
    let folder = Folder::new();
    let store = Store::open(&folder.0, Homes::Disk).unwrap();
    let mut incoming = store.receive(u64::MAX).await.unwrap();
    incoming.write(content).await.unwrap();
    let received = incoming.finish().await.unwrap();
    if sparse > 0 {
        File::options().write(true).open(received.path()).unwrap().set_len(sparse).unwrap();
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_900);
    let id = received.id();
    received.commit(time).await.unwrap().keep().await.unwrap();
    let bytes = store.read(Wanted { id, size: sparse, modified: time }).await.unwrap();
    (folder, bytes)
}

async fn serve(content: &[u8], sparse: u64) -> House {
    let (folder, bytes) = stored(content, sparse).await;
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    let server = HttpServer::new(move || {
        let (bytes, counter) = (bytes.clone(), Arc::clone(&counter));
        let answer = move |request: HttpRequest| {
            let (bytes, counter) = (bytes.clone(), Arc::clone(&counter));
            async move {
                let answer = MediaAnswer {
                    bytes: &bytes,
                    content_type: "video/mp4",
                    sha256: SHA,
                    cache: CachePolicy::Private,
                    chunk_bytes: 131_072,
                    served: &counter,
                };
                answer.respond(&request).await.unwrap()
            }
        };
        App::new().default_service(web::to(answer))
    });
    let server = server.workers(1).tcp_nodelay(true).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}/", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    House { address, count, folder }
}

impl House {
    async fn ask(&self, method: Method, headers: &[(&str, &str)]) -> Response {
        let request = Client::new().request(method, &self.address);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[actix_web::test]
async fn ranges_hold_exactly_the_bytes_of_the_file() {
    let content = pattern(10 * 1024 * 1024 + 17);
    let house = serve(&content, 0).await;
    let length = content.len();
    let mut sum = 0;
    for (range, part) in [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=0-".to_owned(), 0..length),
        ("bytes=131071-131073".to_owned(), 131_071..131_074),
        ("bytes=5000000-6048575".to_owned(), 5_000_000..6_048_576),
        ("bytes=-1".to_owned(), length - 1..length),
        (format!("bytes={}-99999999999999999999", length - 300_000), length - 300_000..length),
    ] {
        let answer = house.ask(Method::GET, &[("Range", &range)]).await;
        assert_eq!(answer.status(), 206, "{range}");
        let expected = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        assert_eq!(text(answer.headers(), "content-range"), expected);
        assert_eq!(text(answer.headers(), "content-length"), part.len().to_string());
        sum += part.len();
        assert!(answer.bytes().await.unwrap() == content[part], "{range}");
    }
    assert_eq!(house.count.load(Ordering::Relaxed), u64::try_from(sum).unwrap());
    let several = house.ask(Method::GET, &[("Range", "bytes=0-1,3-4")]).await;
    assert_eq!(several.status(), 200);
    assert!(several.bytes().await.unwrap() == content);
}

#[actix_web::test]
async fn a_body_gives_others_the_thread_after_four_chunks() {
    let content = pattern(2 * 1024 * 1024);
    let (_folder, bytes) = stored(&content, 0).await;
    let StoredBytes::Disk(bytes) = bytes else { panic!("it lies on disk") };
    let mut body = pin!(FileBody::new(bytes, 0..2 * 1024 * 1024, 65_536, Arc::default()));
    let (mut given, mut in_a_row, mut longest) = (Vec::new(), 0, 0);
    let next = |cx: &mut Context<'_>| {
        let polled = body.as_mut().poll_next(cx);
        in_a_row = if polled.is_ready() { in_a_row + 1 } else { 0 };
        longest = longest.max(in_a_row);
        polled
    };
    let mut chunks = stream::poll_fn(next);
    while let Some(chunk) = chunks.next().await {
        given.extend_from_slice(&chunk.unwrap());
    }
    assert!(given == content);
    // And the word that there is no more.
    assert!(longest <= 5, "{longest} chunks in a row");
}

#[actix_web::test]
async fn headers_are_those_of_the_contract() {
    let house = serve(b"hello", 0).await;
    for method in [Method::GET, Method::HEAD] {
        let answer = house.ask(method.clone(), &[("Range", "nonsense")]).await;
        assert_eq!(answer.status(), 200);
        for (name, value) in [
            ("accept-ranges", "bytes"),
            ("content-length", "5"),
            ("content-type", "video/mp4"),
            ("etag", &format!("\"{SHA}\"")),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("cache-control", "private, max-age=31536000, immutable"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("transfer-encoding", ""),
            ("content-encoding", ""),
        ] {
            assert_eq!(text(answer.headers(), name), value, "{name} of {method}");
        }
        let expected = if method == Method::GET { "hello" } else { "" };
        assert_eq!(answer.text().await.unwrap(), expected);
    }
    let beyond = house.ask(Method::GET, &[("Range", "bytes=5-")]).await;
    assert_eq!((beyond.status().as_u16(), text(beyond.headers(), "content-range")), (416, "bytes */5"));
    let same = house.ask(Method::GET, &[("If-None-Match", &format!("\"{SHA}\""))]).await;
    assert_eq!((same.status().as_u16(), text(same.headers(), "content-length")), (304, ""));
    assert_eq!(text(same.headers(), "etag"), format!("\"{SHA}\""));
    let other = house.ask(Method::GET, &[("If-Match", "\"x\"")]).await;
    assert_eq!(other.status(), 412);
    assert_eq!(house.ask(Method::HEAD, &[("Range", "bytes=1-2")]).await.status(), 200);
}

#[actix_web::test]
async fn empty_and_sparse_files_are_files() {
    let empty = serve(b"", 0).await;
    for range in ["", "bytes=0-0", "bytes=-5", "bytes=7-"] {
        let answer = empty.ask(Method::GET, &[("Range", range)]).await;
        assert_eq!((answer.status().as_u16(), text(answer.headers(), "content-length")), (200, "0"), "{range}");
    }
    let sparse = serve(b"x", 6_000_000_000).await;
    let answer = sparse.ask(Method::GET, &[("Range", "bytes=5999000000-")]).await;
    assert_eq!(text(answer.headers(), "content-range"), "bytes 5999000000-5999999999/6000000000");
    assert!(answer.bytes().await.unwrap().iter().all(|byte| *byte == 0));
}

#[actix_web::test]
async fn a_file_cut_short_breaks_the_connection_and_is_never_padded() {
    let house = serve(&pattern(1_000_000), 0).await;
    let file = walk(&house.folder.0).unwrap();
    File::options().write(true).open(file).unwrap().set_len(500_000).unwrap();
    assert!(house.ask(Method::GET, &[]).await.bytes().await.is_err());
}

fn walk(path: &std::path::Path) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_none())
        .find_map(|path| if path.is_dir() { walk(&path) } else { Some(path) })
}
