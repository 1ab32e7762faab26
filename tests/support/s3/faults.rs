//! What goes wrong between the server under test and its bucket.

use std::{
    fs,
    future::ready,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Method, Request, StatusCode,
    body::{Bytes, Frame, Incoming, SizeHint},
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
    http::request::Parts,
};
use s3s::{Body, HttpResponse, StdError, service::S3Service};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::BUCKET;

/// What a request gets. Where it is about the body, other answers than those with the bytes asked for are left alone.
#[derive(Debug, Clone)]
pub enum Fault {
    /// An error of S3's, of this status. Nothing is done.
    Status(u16),
    /// No answer until the next fault or none is set. Who still waits then is answered as if nothing had been.
    Hang,
    /// It is done, and answered when the next fault or none is set.
    Late,
    /// It is done after so long.
    After(Duration),
    /// The connection is closed without an answer. Nothing is done.
    Refuse,
    /// It is done, and then the connection is closed without an answer.
    Lost,
    /// All bytes are announced, half of them come, then the connection is closed.
    HalfBody,
    /// All bytes are announced, half of them come, and then nothing.
    Stall,
    /// Half of the bytes, announced as such; a `Content-Range` still tells of all.
    ShortBody,
    /// So many bytes of a body a second.
    Slow(u64),
    /// The first so many get that, the others nothing.
    FirstOnly(usize, Box<Self>),
}

/// GET and HEAD.
pub fn reads(request: &Parts) -> bool {
    request.method == Method::GET || request.method == Method::HEAD
}

/// PUT and POST: objects, parts, and the begin and end of an upload in parts.
pub fn writes(request: &Parts) -> bool {
    request.method == Method::PUT || request.method == Method::POST
}

/// Parts of an upload.
pub fn parts(request: &Parts) -> bool {
    request.uri.query().is_some_and(|query| query.contains("partNumber="))
}

/// DELETE: objects, and uploads that are aborted.
pub fn deletes(request: &Parts) -> bool {
    request.method == Method::DELETE
}

type Matches = Box<dyn Fn(&Parts) -> bool + Send>;

#[derive(Default)]
struct State {
    fault: Option<(Matches, Fault)>,
    asked: Vec<Method>,
}

/// The fault of a bucket, and what was asked of it since that was set.
pub(super) struct Faults {
    root: PathBuf,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Faults {
    /// None, of the bucket of a server over this folder.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), state: Mutex::default(), changed: watch::Sender::default() }
    }

    /// Whether the upload in parts is neither completed nor aborted.
    fn has(&self, upload: &str) -> bool {
        self.root.join(format!(".upload-{upload}.json")).exists()
    }

    pub(super) fn set(&self, fault: Option<(Matches, Fault)>) {
        let mut state = self.state();
        *state = State { fault, asked: Vec::new() };
        self.changed.send_replace(());
    }

    pub(super) fn reset(&self) {
        self.state().asked.clear();
    }

    pub(super) fn asked(&self, counts: impl Fn(&Method) -> bool) -> usize {
        self.state().asked.iter().filter(|method| counts(method)).count()
    }

    fn forget_parts_of(&self, upload: &str) {
        let beginning = format!(".upload_id-{upload}.part-");
        for entry in fs::read_dir(&self.root).expect("a folder").flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&beginning)) {
                fs::remove_file(entry.path()).unwrap_or_default();
            }
        }
    }

    /// What this request gets, once it need not hang.
    async fn meet(&self, request: &Parts) -> Option<Fault> {
        let (fault, mut changed) = {
            let mut state = self.state();
            (state.next(request), self.changed.subscribe())
        };
        if !matches!(fault, Some(Fault::Hang)) {
            return fault;
        }
        changed.changed().await.expect("this holds the sender");
        // Nothing is to be done for who has gone: the connection notices that meanwhile, and drops this.
        sleep(Duration::from_millis(10)).await;
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics in there")
    }
}

impl State {
    fn next(&mut self, request: &Parts) -> Option<Fault> {
        self.asked.push(request.method.clone());
        let (matches, fault) = self.fault.as_mut()?;
        if !matches(request) {
            return None;
        }
        match fault {
            Fault::FirstOnly(0, _) => None,
            Fault::FirstOnly(left, fault) => {
                *left -= 1;
                Some(Fault::clone(fault))
            }
            fault => Some(fault.clone()),
        }
    }
}

/// The answer of `service`, or what there is instead. An error closes the connection.
pub(super) async fn answer(
    service: S3Service,
    faults: Arc<Faults>,
    request: Request<Incoming>,
) -> Result<HttpResponse, StdError> {
    let (request, body) = request.into_parts();
    let mut changed = faults.changed.subscribe();
    let fault = faults.meet(&request).await;
    // Without, `s3s-fs` would make one for an object that is put there.
    if request.uri.path().split('/').nth(1) != Some(BUCKET) {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket", body).await;
    }
    match fault {
        Some(Fault::Status(status)) => return failed(status, body).await,
        Some(Fault::Refuse) => return Err("refused".into()),
        Some(Fault::After(pause)) => sleep(pause).await,
        _ => {}
    }
    let (with_body, with_part, upload) = (request.method == Method::GET, parts(&request), upload(&request));
    let mut body = Shared(Arc::new(Mutex::new(body)));
    let whole = Request::from_parts(request, Body::http_body_unsync(body.clone()));
    // What has come whole is done whole, also where nobody waits for it any more.
    let mut response = tokio::spawn(async move { service.call(whole).await }).await??;
    if !response.status().is_success() {
        body.drain().await?;
    }
    if let Some(upload) = upload.filter(|upload| !faults.has(upload)) {
        // `s3s-fs` forbids what is done to an upload that there is not. With the wrong keys nobody gets to know one.
        if response.status() == StatusCode::FORBIDDEN {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        // And it keeps a part that was on its way when its upload was given up.
        if with_part && response.status().is_success() {
            faults.forget_parts_of(&upload);
        }
    }
    match fault {
        Some(Fault::Lost) => Err("lost".into()),
        Some(Fault::Late) => {
            changed.changed().await?;
            Ok(response)
        }
        Some(fault) if with_body && response.status().is_success() => spoilt(response, &fault),
        _ => Ok(response),
    }
}

/// The body of a request, of which what the service leaves can be taken.
#[derive(Clone)]
struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    async fn drain(&mut self) -> Result<(), StdError> {
        while self.frame().await.transpose()?.is_some() {}
        Ok(())
    }
}

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.0.lock().expect("nothing panics in there")).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().expect("nothing panics in there").is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().expect("nothing panics in there").size_hint()
    }
}

/// The upload in parts that a request is about.
fn upload(request: &Parts) -> Option<String> {
    let parameters = request.uri.query()?.split('&');
    parameters.filter_map(|parameter| parameter.strip_prefix("uploadId=")).map(str::to_owned).next()
}

async fn failed(status: u16, body: Incoming) -> Result<HttpResponse, StdError> {
    let code = match status {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        503 => "SlowDown",
        _ => "InternalError",
    };
    error(StatusCode::from_u16(status)?, code, body).await
}

/// Takes the whole request first, as S3 does: the sender is to see this, not a closed connection.
async fn error(status: StatusCode, code: &str, body: Incoming) -> Result<HttpResponse, StdError> {
    Shared(Arc::new(Mutex::new(body))).drain().await?;
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code></Error>");
    let mut response = HttpResponse::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(response)
}

fn spoilt(response: HttpResponse, fault: &Fault) -> Result<HttpResponse, StdError> {
    let length = response.headers().get(CONTENT_LENGTH).map(|value| value.to_str().map(str::parse));
    let half = length.transpose()?.transpose()?.map(|length: usize| length / 2);
    let (mut head, body) = response.into_parts();
    let body = match (fault, half) {
        (Fault::HalfBody, Some(half)) => streamed(first(body, half).chain(stream::once(cut()))),
        (Fault::Stall, Some(half)) => streamed(first(body, half).chain(stream::pending())),
        (Fault::ShortBody, Some(half)) => {
            head.headers.insert(CONTENT_LENGTH, half.into());
            streamed(first(body, half))
        }
        (Fault::Slow(rate), _) => streamed(paced(body, *rate)),
        _ => body,
    };
    Ok(HttpResponse::from_parts(head, body))
}

fn first(body: Body, bytes: usize) -> impl Stream<Item = Result<Bytes, StdError>> {
    body.scan(bytes, |left, chunk| {
        let chunk = chunk.map(|mut chunk| chunk.split_to(chunk.len().min(*left)));
        *left -= chunk.as_ref().map_or(0, Bytes::len);
        ready(chunk.as_ref().map_or(true, |chunk| !chunk.is_empty()).then_some(chunk))
    })
}

/// The end of a connection, once what was sent before has gone out.
async fn cut() -> Result<Bytes, StdError> {
    sleep(Duration::from_millis(50)).await;
    Err(io::Error::from(io::ErrorKind::ConnectionAborted).into())
}

fn paced(body: Body, rate: u64) -> impl Stream<Item = Result<Bytes, StdError>> {
    let mut due = Instant::now();
    body.then(move |chunk| {
        let bytes = u64::try_from(chunk.as_ref().map_or(0, Bytes::len)).expect("a length");
        due += Duration::from_micros(bytes * 1_000_000 / rate);
        async move {
            sleep_until(due).await;
            chunk
        }
    })
}

fn streamed(bytes: impl Stream<Item = Result<Bytes, StdError>> + Send + 'static) -> Body {
    Body::http_body_unsync(StreamBody::new(bytes.map(|chunk| chunk.map(Frame::data))))
}
