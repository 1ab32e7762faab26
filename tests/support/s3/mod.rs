//! An S3 server of the test's own, over a folder: it checks signatures, and fails where the test asks it to.

pub mod faults;

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hyper::{Method, http::request::Parts, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

pub use self::faults::Fault;
use self::faults::Faults;
use super::app::Plan;

pub const BUCKET: &str = "playhouse-test";
pub const REGION: &str = "us-east-1";
pub const ACCESS_KEY_ID: &str = "playhouse-the-tenant";
pub const SECRET_ACCESS_KEY: &str = "here is looking at you, kid";

/// A bucket and the server that holds it. Both go when this is dropped.
pub struct Bucket {
    endpoint: String,
    root: PathBuf,
    faults: Arc<Faults>,
    // Dropped, it stops the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bucket {
    /// A server on a free port, with an empty bucket.
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bucket-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(root.join(BUCKET)).expect("a bucket");
        let mut service = S3ServiceBuilder::new(FileSystem::new(&root).expect("a file system"));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let faults = Arc::new(Faults::default());
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn({
            let faults = Arc::clone(&faults);
            // A runtime of its own: tests block theirs.
            move || run(listener, &service, &faults, stopped)
        });
        Self { endpoint, root, faults, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:<port>`
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The server under test puts new bytes here.
    pub fn apply(&self, plan: Plan) -> Plan {
        self.configure(plan).with("PLAYHOUSE_STORAGE__KIND", "s3")
    }

    /// The server under test reads from here; new bytes go where they went.
    pub fn configure(&self, plan: Plan) -> Plan {
        plan.with("PLAYHOUSE_STORAGE__BUCKET", BUCKET)
            .with("PLAYHOUSE_STORAGE__ENDPOINT", &self.endpoint)
            .with("PLAYHOUSE_STORAGE__REGION", REGION)
            .with("PLAYHOUSE_STORAGE__PATH_STYLE", "true")
            .with("PLAYHOUSE_STORAGE__ACCESS_KEY_ID", ACCESS_KEY_ID)
            .with("PLAYHOUSE_STORAGE__SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .with("PLAYHOUSE_STORAGE__CONNECT_TIMEOUT_MS", "1000")
            .with("PLAYHOUSE_STORAGE__READ_TIMEOUT_MS", "1000")
            .with("PLAYHOUSE_STORAGE__TIMEOUT_MS", "1000")
            .with("PLAYHOUSE_STORAGE__BACKOFF_MS", "2")
    }

    /// Every request gets this, until another call or [`Bucket::heal`]. Counts from 0 again.
    pub fn fail(&self, fault: Fault) {
        self.fail_where(|_| true, fault);
    }

    /// As [`Bucket::fail`], only the requests that match: one of [`faults`] or a closure.
    pub fn fail_where(&self, matches: impl Fn(&Parts) -> bool + Send + 'static, fault: Fault) {
        self.faults.set(Some((Box::new(matches), fault)));
    }

    /// From now on all is well; what hangs is answered. Counts from 0 again.
    pub fn heal(&self) {
        self.faults.set(None);
    }

    /// Counts requests from 0 again.
    pub fn reset(&self) {
        self.faults.reset();
    }

    /// How many requests have come, those that failed too.
    pub fn requests(&self) -> usize {
        self.faults.asked(|_| true)
    }

    pub fn requests_of(&self, method: &Method) -> usize {
        self.faults.asked(|asked| asked == method)
    }

    /// Whole objects: key and size.
    pub fn objects(&self) -> BTreeMap<String, u64> {
        let bucket = self.root.join(BUCKET);
        let key = |path: &Path| path.strip_prefix(&bucket).ok()?.to_str().map(str::to_owned);
        // What goes away meanwhile is not there.
        let found = below(&bucket).into_iter().filter_map(|path| Some((key(&path)?, path.metadata().ok()?.len())));
        found.collect()
    }

    /// How many uploads in parts are neither completed nor aborted.
    pub fn unfinished(&self) -> usize {
        let names = fs::read_dir(&self.root).expect("a folder").flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_str().is_some_and(|name| name.starts_with(".upload-"))).count()
    }

    /// The bytes of an object as they lie there.
    pub fn read(&self, key: &str) -> Vec<u8> {
        fs::read(self.place(key)).expect("an object")
    }

    /// Puts these bytes in place of an object, whose headers stay; its tag becomes theirs.
    pub fn write(&self, key: &str, bytes: &[u8]) {
        fs::write(self.place(key), bytes).expect("an object");
        // Where the tag was kept: without, it is reckoned from the bytes.
        fs::remove_file(self.beside(key, "internal")).expect("an object");
    }

    /// Turns the bits of the byte in the middle. Size, headers and tag stay.
    pub fn damage(&self, key: &str) {
        let mut bytes = self.read(key);
        let middle = bytes.len() / 2;
        bytes[middle] = !bytes[middle];
        fs::write(self.place(key), bytes).expect("an object");
    }

    pub fn remove(&self, key: &str) {
        fs::remove_file(self.place(key)).expect("an object");
    }

    /// The `x-amz-meta-*` of an object, by the names after that.
    pub fn metadata(&self, key: &str) -> BTreeMap<String, String> {
        let given = self.headers(key)["user_metadata"].take();
        serde_json::from_value::<Option<_>>(given).expect("texts").unwrap_or_default()
    }

    pub fn content_type(&self, key: &str) -> Option<String> {
        self.headers(key)["content_type"].as_str().map(str::to_owned)
    }

    fn headers(&self, key: &str) -> Value {
        let text = fs::read(self.beside(key, "metadata")).expect("an object");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn place(&self, key: &str) -> PathBuf {
        self.root.join(BUCKET).join(key)
    }

    /// Where `s3s-fs` keeps what belongs to an object.
    fn beside(&self, key: &str, what: &str) -> PathBuf {
        let [bucket, key] = [BUCKET, key].map(|name| BASE64_URL_SAFE_NO_PAD.encode(name));
        self.root.join(format!(".bucket-{bucket}.object-{key}.{what}.json"))
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        drop(fs::remove_dir_all(&self.root));
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// Serves until the other side of `stopped` is gone. All connections end with it.
fn run(listener: TcpListener, service: &S3Service, faults: &Arc<Faults>, mut stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let accepted = tokio::select! {
                _ = &mut stopped => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((socket, _)) = accepted else { continue };
            socket.set_nodelay(true).unwrap_or_default();
            let (service, faults) = (service.clone(), Arc::clone(faults));
            let answer = service_fn(move |request| faults::answer(service.clone(), Arc::clone(&faults), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    });
}
