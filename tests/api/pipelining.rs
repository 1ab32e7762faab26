//! Pipelined requests (RFC 9112 §9.3.2): each answer is the one that its request gets alone.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::support::{
    app::App,
    media::mp4,
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
        let mut chunks = Vec::new();
        for chunk in body.chunks(7) {
            chunks.extend_from_slice(format!("{:x};note=1\r\n", chunk.len()).as_bytes());
            chunks.extend_from_slice(chunk);
            chunks.extend_from_slice(b"\r\n");
        }
        chunks.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        Self::new("POST", "/users/login", headers, &chunks)
    }

    async fn alone(&self, app: &App) -> Answered {
        let mut connection = Pipeline::open(app).await;
        connection.send_bytes(&self.bytes).await.expect("sent");
        connection.answer_to(self.method).await.expect("an answer")
    }
}

/// The requests that differ in what frames their answers, in an order in which each stands before another kind.
fn requests(owner: &Person, file: &str) -> Vec<Request> {
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
        Request::by(owner, "HEAD", &media, "Connection: close\r\n"),
    ]
}

/// All of an answer but what differs from one to the next.
fn same(answer: &Answered) -> (u16, usize, Vec<&str>, &[u8]) {
    let differs = |line: &&str| {
        !["date:", "x-request-id:", "access-control-expose-headers:"].iter().any(|name| line.starts_with(name))
    };
    let mut head: Vec<&str> = answer.head.lines().filter(differs).collect();
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
        assert_eq!(connection.rest().await, b"", "{which}");
    }
}

#[actix_web::test]
async fn what_follows_an_upload_is_answered_after_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let body = multipart(&[("file", Some("film.mp4"), mp4())]);
    let headers = format!(
        "Authorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n",
        owner.token,
        body.len()
    );
    let upload = Request::new("POST", "/files", &headers, &body);
    // Refused before its body is read: that is taken for no request.
    let refused = Request::new("POST", "/files", &headers.replace("Bearer", "Nobody"), &body);
    let last = Request::new("HEAD", "/healthz", "Connection: close\r\n", b"");
    let mut connection = Pipeline::open(&app).await;
    connection.send_bytes(&[upload.bytes, last.bytes].concat()).await.expect("sent");
    let answer = connection.answer_to("POST").await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (201, answer.length), "{}", answer.head);
    assert_eq!(connection.answer_to("HEAD").await.expect("an answer").status, 200);
    assert_eq!(connection.rest().await, b"");
    let mut connection = Pipeline::open(&app).await;
    connection.send_bytes(&refused.bytes).await.expect("sent");
    assert_eq!(connection.answer_to("POST").await.expect("an answer").status, 401);
    assert_eq!(connection.rest().await, b"");
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
    assert_eq!(connection.rest().await, b"");
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
