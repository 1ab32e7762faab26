//! The running binary, on a free port, over stores of the test's choice.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    people::Person,
    stores::{OwnStores, TestDb},
};

/// A folder of one test, removed with the last that knows it.
struct Folder(PathBuf);

/// How a server is started. The plan and its servers share one folder.
#[derive(Clone)]
pub struct Plan {
    /// Programs that become the server.
    before: Vec<String>,
    variables: BTreeMap<String, String>,
    folder: Arc<Folder>,
}

impl Plan {
    /// Over the database and the key prefix of one test.
    pub fn over(db: &TestDb) -> Self {
        Self::new(&db.url(), &db.redis_url()).with("PLAYHOUSE_REDIS__PREFIX", db.prefix())
    }

    /// Over stores of the test's own.
    pub fn over_own(stores: &OwnStores) -> Self {
        Self::new(&stores.database_url(), &stores.redis_url())
    }

    /// Over private stores, which the program starts by itself.
    pub fn private() -> Self {
        Self::new(&"".into(), &"".into())
    }

    fn new(database: &SecretString, redis: &SecretString) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("server-{}", Uuid::new_v4().simple()));
        let text = |path: PathBuf| path.to_str().expect("a temporary folder in UTF-8").to_owned();
        Self { before: Vec::new(), variables: BTreeMap::new(), folder: Arc::new(Folder(folder.clone())) }
            .with("PLAYHOUSE_ENV", "test")
            .with("PLAYHOUSE_CONFIG_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/config"))
            .with("DATABASE_URL", database.expose_secret())
            .with("REDIS_URL", redis.expose_secret())
            .with("PLAYHOUSE_DATA_DIR", &text(folder.join("data")))
            .with("PLAYHOUSE_MEDIA_DIR", &text(folder.join("media")))
            // One secret for all nodes of a test.
            .with("PLAYHOUSE_AUTH__TOKEN_SECRET", "the secret of the tests, long enough")
    }

    /// Sets an environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Started by these words, of which the last program becomes the server.
    pub fn under(mut self, words: &[&str]) -> Self {
        self.before = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Where this server keeps media.
    pub fn media_dir(&self) -> PathBuf {
        PathBuf::from(&self.variables["PLAYHOUSE_MEDIA_DIR"])
    }

    /// Where this server keeps private stores and the secret.
    pub fn data_dir(&self) -> PathBuf {
        PathBuf::from(&self.variables["PLAYHOUSE_DATA_DIR"])
    }

    /// The command, with a clean environment.
    #[allow(clippy::disallowed_methods, reason = "a test starts the program under test")]
    pub fn command(&self) -> std::process::Command {
        let mut words = self.before.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_playhouse")]);
        let mut command = std::process::Command::new(words.next().expect("a program"));
        command.args(words);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(&self.variables);
        command
    }

    /// Starts a server and waits until it listens.
    pub fn start(&self) -> App {
        self.launch(Stdio::inherit())
    }

    /// As [`Plan::start`], with its log in the file that is given along.
    pub fn start_logging(&self) -> (App, PathBuf) {
        std::fs::create_dir_all(&self.folder.0).expect("a folder");
        let log = self.folder.0.join("log");
        let file = std::fs::File::create(&log).expect("a log");
        (self.launch(file.into()), log)
    }

    fn launch(&self, log: Stdio) -> App {
        std::fs::create_dir_all(self.media_dir()).expect("a media folder");
        std::fs::create_dir_all(&self.variables["PLAYHOUSE_DATA_DIR"]).expect("a data folder");
        let mut child = self.command().stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let base = line.trim().strip_prefix("playhouse listening on ").unwrap_or_else(|| panic!("it said {line:?}"));
        App {
            base: base.to_owned(),
            child,
            client: client(),
            media_dir: self.media_dir(),
            _folder: Arc::clone(&self.folder),
        }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client")
}

/// A server that runs; killed when dropped.
pub struct App {
    /// `http://127.0.0.1:<port>`
    pub base: String,
    pub client: reqwest::Client,
    child: Child,
    media_dir: PathBuf,
    _folder: Arc<Folder>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// What was asked for, without the query.
    pub path: String,
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        Self {
            path: response.url().path().to_owned(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.expect("a whole body").to_vec(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("no JSON: {} {:?}", self.status, String::from_utf8_lossy(&self.bytes)))
    }

    /// The member `data` of an answer that must have this status.
    #[track_caller]
    pub fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()["data"].clone()
    }

    /// The id in `data` of a 201.
    #[track_caller]
    pub fn id(&self) -> String {
        self.data(201)["id"].as_str().expect("an id").to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl App {
    /// A server over the shared stores, with a database of this test's own.
    pub fn start(db: &TestDb) -> Self {
        Plan::over(db).start()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    pub fn media_dir(&self) -> &Path {
        &self.media_dir
    }

    pub fn request(&self, method: Method, path: &str, person: Option<&Person>) -> RequestBuilder {
        let request = self.client.request(method, self.url(path));
        match person {
            Some(person) => request.bearer_auth(&person.token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str, person: &Person) -> Answer {
        Answer::of(self.request(Method::GET, path, Some(person))).await
    }

    pub async fn post(&self, path: &str, person: &Person, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path, Some(person)).json(&body)).await
    }

    pub async fn patch(&self, path: &str, person: &Person, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path, Some(person)).json(&body)).await
    }

    pub async fn delete(&self, path: &str, person: &Person) -> Answer {
        Answer::of(self.request(Method::DELETE, path, Some(person))).await
    }

    /// A POST without a token.
    pub async fn post_open(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path, None).json(&body)).await
    }

    /// The body of a multipart upload of `bytes` as the part `file`.
    pub async fn upload(&self, person: &Person, name: &str, bytes: Vec<u8>) -> Answer {
        let part = reqwest::multipart::Part::bytes(bytes).file_name(name.to_owned());
        let form = reqwest::multipart::Form::new().part("file", part);
        Answer::of(self.request(Method::POST, "/files", Some(person)).multipart(form)).await
    }

    /// A genre, a series in it, a season of that and an episode: their ids.
    pub async fn catalogue(&self, editor: &Person) -> Catalogue {
        let name = Uuid::new_v4().simple().to_string();
        let genre = self.post("/genres", editor, json!({"name": name})).await.id();
        let series = self.post("/series", editor, json!({"name": "Casablanca", "genre_ids": [genre]})).await.id();
        let season = self.post("/seasons", editor, json!({"name": "One", "series_id": series})).await.id();
        let episode = self.post("/episodes", editor, json!({"name": "Pilot", "season_id": season})).await.id();
        Catalogue { genre, series, season, episode }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the server is there");
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + within;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// `kill -9`, and gone when this returns.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server is there");
        self.child.wait().expect("a child");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Where root's private stores are, if they are not in the data folder.
        if let Ok(elsewhere) = std::fs::read_link(self.0.join("data").join("private")) {
            drop(std::fs::remove_dir_all(elsewhere));
        }
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Ids of one of each kind, each below the one before.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub genre: String,
    pub series: String,
    pub season: String,
    pub episode: String,
}

/// Asks again until `holds`, at most for `within`.
pub async fn eventually(within: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + within;
    loop {
        if holds().await {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
