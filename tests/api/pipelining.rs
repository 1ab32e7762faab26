//! Pipelined requests (RFC 9112 §9.3.2): each answer is the one that its request gets alone.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::support::{
    app::{App, Plan},
    load::memory,
    media::{mp4, padded},
    people::Person,
    pipeline::{Answered, Pipeline},
    raw::{BOUNDARY, multipart},
    stores::TestDb,
};

/// A request as it goes out.
struct Request {
    method: &'static str,
    bytes: Vec<u8>,
}

impl Request {
    fn new(method: &'static str, path: &str, headers: &str, body: &[u8]) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        Self { method, bytes: [head.as_bytes(), body].concat() }
    }

    /// Without a body, by `person`.
    fn by(person: &Person, method: &'static str, path: &str, headers: &str) -> Self {
        Self::new(method, path, &format!("Authorization: Bearer {}\r\n{headers}", person.token), b"")
    }

    /// A login with this body, in chunks.
    fn in_chunks(body: &[u8], trailers: &str) -> Self {
        Self::chunked("/users/login", body, trailers)
    }

    /// A series of nobody's, in chunks.
    fn unsigned(body: &[u8]) -> Self {
        Self::chunked("/series", body, "")
    }

    fn chunked(path: &str, body: &[u8], trailers: &str) -> Self {
        let mut chunks = Vec::new();
        for chunk in body.chunks(7) {
            chunks.extend_from_slice(format!("{:x};note=1\r\n", chunk.len()).as_bytes());
            chunks.extend_from_slice(chunk);
            chunks.extend_from_slice(b"\r\n");
        }
        chunks.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        Self::new("POST", path, headers, &chunks)
    }

    async fn alone(&self, app: &App) -> Answered {
        let mut connection = Pipeline::open(app).await;
        connection.send_bytes(&self.bytes).await.expect("sent");
        connection.answer_to(self.method).await.expect("an answer")
    }
}

/// More than is read at once of requests that differ in what frames their answers, in an order in which each stands
/// before another kind. The last one ends its connection.
fn requests(owner: &Person, file: &str) -> Vec<Request> {
    let last = Request::by(owner, "HEAD", &format!("/media/{file}"), "Connection: close\r\n");
    (0..3).flat_map(|_| kinds(owner, file)).chain([last]).collect()
}

fn kinds(owner: &Person, file: &str) -> Vec<Request> {
    let media = format!("/media/{file}");
    // What looks like the end of a head, and of chunks, is white space here.
    let login = b"{\r\n\r\n\"email\": \r\n0\r\n\r\n}";
    let sized = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", login.len());
    vec![
        Request::by(owner, "GET", &media, ""),
        Request::new("HEAD", "/healthz", "", b""),
        Request::new("GET", "/healthz", "", b""),
        Request::by(owner, "HEAD", &media, ""),
        Request::by(owner, "GET", &media, "Range: bytes=5-104\r\n"),
        Request::new("HEAD", "/nowhere", "", b""),
        Request::new("POST", "/users/login", &sized, login),
        Request::by(owner, "HEAD", "/series", ""),
        Request::in_chunks(login, ""),
        Request::by(owner, "HEAD", &media, "Range: bytes=-1\r\n"),
        Request::in_chunks(login, "Checked: yes\r\n"),
        Request::new("HEAD", "/healthz", "", b""),
        Request::by(owner, "GET", "/series", ""),
        // Refused before its body is read.
        Request::unsigned(login),
        Request::new("HEAD", "/healthz", "", b""),
    ]
}

fn upload_headers(person: &Person, length: usize) -> String {
    format!(
        "Authorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n",
        person.token
    )
}

/// All of an answer but what differs from one to the next.
fn same(answer: &Answered) -> (u16, usize, Vec<&str>, &[u8]) {
    let is_same = |line: &&str| !["date:", "x-request-id:"].iter().any(|name| line.starts_with(name));
    let mut head: Vec<&str> = answer.head.lines().filter(is_same).collect();
    head.sort_unstable();
    (answer.status, answer.length, head, &answer.body)
}

async fn follows(connection: &mut Pipeline, request: &Request, alone: &Answered, which: &str) {
    let line = String::from_utf8_lossy(&request.bytes).lines().next().unwrap_or_default().to_owned();
    let answer = timeout(Duration::from_secs(30), connection.answer_to(request.method)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{which}: {line}: nothing came"));
    let answer = answer.unwrap_or_else(|| panic!("{which}: {line}: it closed"));
    let told = |answer: &Answered| (answer.head.clone(), String::from_utf8_lossy(&answer.body).into_owned());
    assert!(same(&answer) == same(alone), "{which}: {line}: {:?}, alone {:?}", told(&answer), told(alone));
}

#[actix_web::test]
async fn each_gets_the_answer_that_it_gets_alone_however_they_come_in() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let file = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let requests = requests(&owner, &file);
    let mut alone = Vec::new();
    for request in &requests {
        alone.push(request.alone(&app).await);
    }
    assert_eq!(alone[0].body, mp4());
    assert!(alone[1].length > 0 && alone[1].body.is_empty());
    let bytes: Vec<u8> = requests.iter().flat_map(|request| request.bytes.clone()).collect();
    // The last ask for pieces that end within heads, within bodies, and at each of their ends.
    for size in [bytes.len(), 1000, 331, 64, 5] {
        let which = format!("in pieces of {size}");
        let mut connection = Pipeline::open(&app).await;
        for piece in bytes.chunks(size) {
            connection.send_bytes(piece).await.expect("sent");
            if size < bytes.len() {
                sleep(Duration::from_millis(1)).await;
            }
        }
        for (request, alone) in requests.iter().zip(&alone) {
            follows(&mut connection, request, alone, &which).await;
        }
        assert_eq!(connection.rest().await.expect("an end"), b"", "{which}");
    }
}

#[actix_web::test]
async fn what_follows_an_upload_is_answered_after_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let body = multipart(&[("file", Some("film.mp4"), mp4())]);
    let headers = upload_headers(&owner, body.len());
    let upload = Request::new("POST", "/files", &headers, &body);
    // Refused before its body is read: that is taken for no request.
    let refused = Request::new("POST", "/files", &headers.replace("Bearer", "Nobody"), &body);
    let last = Request::new("HEAD", "/healthz", "Connection: close\r\n", b"");
    let mut connection = Pipeline::open(&app).await;
    connection.send_bytes(&[upload.bytes, last.bytes].concat()).await.expect("sent");
    let answer = connection.answer_to("POST").await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (201, answer.length), "{}", answer.head);
    assert_eq!(connection.answer_to("HEAD").await.expect("an answer").status, 200);
    assert_eq!(connection.rest().await.expect("an end"), b"");
    let mut connection = Pipeline::open(&app).await;
    connection.send_bytes(&refused.bytes).await.expect("sent");
    assert_eq!(connection.answer_to("POST").await.expect("an answer").status, 401);
    assert_eq!(connection.rest().await.expect("an end"), b"");
}

#[actix_web::test]
async fn a_request_that_closes_its_connection_is_the_last() {
    let db = TestDb::create();
    let app = App::start(&db);
    let first = Request::new("GET", "/healthz", "Connection: close\r\n", b"");
    let second = Request::new("HEAD", "/healthz", "", b"");
    let alone = first.alone(&app).await;
    let mut connection = Pipeline::open(&app).await;
    connection.send_bytes(&[first.bytes.clone(), second.bytes].concat()).await.expect("sent");
    follows(&mut connection, &first, &alone, "the first").await;
    assert_eq!(connection.rest().await.expect("an end"), b"");
}

#[actix_web::test]
async fn the_last_answer_is_not_lost_to_what_follows_its_request() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let film = padded(mp4(), 60_000);
    let file = app.upload(&owner, "film.mp4", film.clone()).await.id();
    let first = Request::by(&owner, "GET", &format!("/media/{file}"), "Connection: close\r\n");
    // More than is read at once.
    let behind = Request::new("HEAD", "/healthz", "", b"").bytes.repeat(800);
    let mut connection = Pipeline::open_narrow(&app).await;
    connection.send_bytes(&[first.bytes, behind].concat()).await.expect("sent");
    // All of the answer waits in the kernel when the server closes.
    sleep(Duration::from_secs(1)).await;
    let answer = connection.answer_to("GET").await.expect("the whole answer");
    assert!(answer.status == 200 && answer.body == film, "{}", answer.head);
}

#[actix_web::test]
async fn who_sends_no_more_gets_all_answers() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let requests = [Request::by(&owner, "GET", "/series", ""), Request::new("HEAD", "/healthz", "", b"")];
    let mut connection = Pipeline::open(&app).await;
    for request in &requests {
        connection.send_bytes(&request.bytes).await.expect("sent");
    }
    connection.half_close().await.expect("half closed");
    for request in &requests {
        follows(&mut connection, request, &request.alone(&app).await, "half closed").await;
    }
    assert_eq!(connection.rest().await.expect("an end"), b"");
}

#[actix_web::test]
async fn an_upload_is_whole_also_where_nothing_follows_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    // More than is decoded at once, of what takes a moment to be written.
    let body = multipart(&[("file", Some("film.mp4"), &padded(mp4(), 3_000_000))]);
    let request = Request::new("POST", "/files", &upload_headers(&owner, body.len()), &body);
    for round in 0..20 {
        let mut connection = Pipeline::open(&app).await;
        connection.send_bytes(&request.bytes).await.expect("sent");
        connection.half_close().await.expect("half closed");
        let answer = connection.answer_to("POST").await.expect("an answer");
        assert_eq!(answer.status, 201, "round {round}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[actix_web::test]
async fn no_other_protocol_is_promised() {
    let db = TestDb::create();
    let app = App::start(&db);
    let headers = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n";
    let answer = Request::new("GET", "/healthz", headers, b"").alone(&app).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("connection: close") && !answer.head.contains("upgrade"), "{}", answer.head);
}

#[actix_web::test]
async fn trailers_that_others_read_differently_are_refused() {
    let db = TestDb::create();
    let app = App::start(&db);
    let last = Request::new("GET", "/healthz", "", b"");
    for end in ["0\r\n\n", "0\r\nChecked: yes\n\r\n", "0\r\nChecked: yes\r\n\n"] {
        let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        let first = Request::new("POST", "/users/login", headers, format!("2\r\n{{}}\r\n{end}").as_bytes());
        let mut connection = Pipeline::open(&app).await;
        connection.send_bytes(&[first.bytes.as_slice(), &last.bytes].concat()).await.expect("sent");
        let answer = timeout(Duration::from_secs(5), connection.answer_to("POST")).await.expect("in time");
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 400, "{end:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains("broke off"), "{end:?}");
        assert_eq!(connection.rest().await.expect("an end"), b"", "{end:?}");
    }
}

#[actix_web::test]
async fn who_asks_whether_to_go_on_and_goes_on_at_once_is_answered() {
    let db = TestDb::create();
    let app = App::start(&db);
    let body = br#"{"email": "no address", "password": ""}"#;
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let plain = Request::new("POST", "/users/registration", &headers, body);
    let asking = Request::new("POST", "/users/registration", &format!("Expect: 100-continue\r\n{headers}"), body);
    let last = Request::new("HEAD", "/healthz", "Connection: close\r\n", b"");
    let mut connection = Pipeline::open(&app).await;
    connection.send_bytes(&[asking.bytes, last.bytes.clone()].concat()).await.expect("sent");
    assert!(connection.begins_with(b"HTTP/1.1 100 Continue\r\n\r\n").await);
    follows(&mut connection, &plain, &plain.alone(&app).await, "after 100").await;
    follows(&mut connection, &last, &last.alone(&app).await, "after 100").await;
}

#[actix_web::test]
async fn nobody_is_waited_for_without_end() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_HTTP__HEADER_TIMEOUT_MS", "2000");
    let app = plan.with("PLAYHOUSE_HTTP__BODY_TIMEOUT_MS", "1000").start();
    let whole = Request::new("GET", "/healthz", "", b"");
    let with_more = [whole.bytes.as_slice(), b"G"].concat();
    let refused = Request::unsigned(b"{}").bytes;
    let (head, body) = refused.split_at(refused.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4);
    let late = Request::in_chunks(b"{}", "").bytes;
    for (what, method, pieces) in [
        ("a head that does not go on", "GET", vec![whole.bytes.as_slice(), b"G"]),
        ("a head that does not go on, in one piece", "GET", vec![with_more.as_slice()]),
        ("an empty line", "GET", vec![whole.bytes.as_slice(), b"\r\n"]),
        ("a refused body that does not begin", "POST", vec![head]),
        ("a refused body that does not end", "POST", vec![head, &body[..5]]),
        ("the same in one piece", "POST", vec![&refused[..refused.len() - 2]]),
        ("a body that does not end in time", "POST", vec![&late[..late.len() - 2]]),
    ] {
        let mut connection = Pipeline::open(&app).await;
        for piece in pieces {
            connection.send_bytes(piece).await.expect("sent");
            sleep(Duration::from_millis(200)).await;
        }
        connection.answer_to(method).await.expect("an answer");
        let rest = timeout(Duration::from_secs(10), connection.rest()).await;
        assert!(rest.is_ok(), "{what}: it stays open");
    }
    // Who has sent all it began is not hanging.
    let mut connection = Pipeline::open(&app).await;
    connection.send_bytes(&whole.bytes).await.expect("sent");
    connection.answer_to("GET").await.expect("an answer");
    sleep(Duration::from_secs(4)).await;
    connection.send_bytes(&whole.bytes).await.expect("sent");
    assert_eq!(connection.answer_to("GET").await.expect("an answer").status, 200);
}

#[actix_web::test]
async fn who_takes_no_answers_is_asked_for_no_more_requests() {
    let db = TestDb::create();
    let app = App::start(&db);
    let asks = "Origin: https://example.org\r\nAccess-Control-Request-Method: GET\r\n";
    // Its answer has no body.
    let preflights = Request::new("OPTIONS", "/series", asks, b"").bytes.repeat(100);
    let before = memory(app.pid(), "VmRSS");
    let mut connection = Pipeline::open(&app).await;
    let mut sent = 0;
    while timeout(Duration::from_secs(5), connection.send_bytes(&preflights)).await.is_ok() {
        sent += preflights.len();
        assert!(sent < 64 << 20, "{} MB are taken of who reads nothing", sent >> 20);
    }
    assert!(sent > 0, "nothing is taken");
    let grown = memory(app.pid(), "VmRSS").saturating_sub(before);
    assert!(grown < 16 << 20, "{} MB more memory", grown >> 20);
}

#[actix_web::test]
async fn empty_lines_before_a_request_are_passed_over() {
    let db = TestDb::create();
    let app = App::start(&db);
    let request = Request::new("GET", "/healthz", "", b"");
    let alone = request.alone(&app).await;
    let mut connection = Pipeline::open(&app).await;
    for _ in 0..3 {
        connection.send_bytes(&[b"\r\n\r\n\r\n", request.bytes.as_slice()].concat()).await.expect("sent");
        follows(&mut connection, &request, &alone, "after empty lines").await;
    }
}
