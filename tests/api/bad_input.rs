//! Input that no client should send: a clear 4xx in the contract's shape, nothing changed, never 500.

mod bodies;
mod fields;
mod heads;
mod queries;

use std::time::Duration;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    app::{Answer, App, Catalogue},
    casting::Cast,
    channels::Shared,
    media::png,
    people::Person,
    shape::Shape,
    stores::TestDb,
};

#[derive(QueryableByName)]
struct Digest {
    #[diesel(sql_type = Text)]
    digest: String,
}

/// A digest of every row of every table that requests can change. Sign-ins are left out.
fn digest(db: &TestDb) -> String {
    let tables = [
        "users",
        "installation",
        "files",
        "images",
        "genres",
        "series",
        "genres_series",
        "seasons",
        "episodes",
        "streams",
        "channels",
        "videos",
        "reactions",
        "movies",
        "collections",
        "collection_movies",
        "password_resets",
        "api_keys",
        "casting_actors",
        "casting_movies",
        "casting_roles",
        "graphile_worker._private_jobs",
    ];
    let mut conn = db.connect();
    let mut all = String::new();
    for table in tables {
        let statement = format!(
            "SELECT count(*) || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS digest FROM {table} t"
        );
        let row: Digest = sql_query(statement).get_result(&mut conn).expect("a digest");
        all.extend([table, " ", &row.digest, "\n"]);
    }
    all
}

/// A server with one of each thing, and its owner: nothing is refused for want of a right.
struct House {
    db: TestDb,
    app: App,
    owner: Person,
    things: Catalogue,
    stream: String,
    collection: String,
    key: String,
    file: String,
    shared: Shared,
    /// The file of the video that is shared, and a play of it.
    film: String,
    play: String,
    cast: Cast,
    image: String,
}

impl House {
    async fn new() -> Self {
        let db = TestDb::create();
        let app = App::start(&db);
        let owner = app.register().await;
        let things = app.catalogue(&owner).await;
        let stream = app.post("/streams", &owner, json!({"episode_id": things.episode})).await.id();
        let list = json!({"title": "Nights", "description": "", "movies": []});
        let made = app.post("/collection", &owner, list).await.json();
        let collection = made["collection_uuid"].as_str().expect("an id").to_owned();
        let (key, _) = app.key_of(&owner, &[]).await;
        let file = app.upload(&owner, "a.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n".to_vec()).await.id();
        // A name that would be drawn could hold what searches here are for.
        app.patch(&format!("/users/{}", owner.id), &owner, json!({"username": "brook"})).await.data(200);
        let shared = app.sharing(&owner, "A walk").await;
        let play = app.post(&format!("/v/{}/plays", shared.hash), &owner, json!({})).await.data(201);
        let shown =
            play["playback"]["file"].as_str().and_then(|path| path.split('/').nth(2)).expect("a link").to_owned();
        let play = play["session"].as_str().expect("an id").to_owned();
        let cast = app.cast(&owner).await;
        let image = app.keep_image(&owner, png()).await;
        Self { db, app, owner, things, stream, collection, key, file, shared, film: shown, play, cast, image }
    }

    /// A path of the description, of things that are there.
    fn concrete(&self, path: &str) -> String {
        let path = if path.contains("{id}") { path.replace("{id}", &self.id_for(path)) } else { path.to_owned() };
        let Shared { channel, hash, .. } = &self.shared;
        let values = [
            ("{hash}", hash.as_str()),
            ("{name}", channel),
            ("{kind}", "all"),
            ("{query}", "walk"),
            ("{ref}", &self.film),
            ("{session}", &self.play),
        ];
        values.into_iter().fold(path, |path, (variable, value)| path.replace(variable, value))
    }

    fn id_for(&self, path: &str) -> String {
        if path.starts_with("/casting") {
            let Cast { actor, movie, .. } = &self.cast;
            return if path.contains("/movies") { movie } else { actor }.to_string();
        }
        let id = match path.trim_start_matches("/stats").split('/').nth(1).unwrap_or_default() {
            "users" => &self.owner.id,
            "genres" => &self.things.genre,
            "series" => &self.things.series,
            "seasons" => &self.things.season,
            "episodes" => &self.things.episode,
            "streams" | "me" => &self.stream,
            "keys" => &self.key,
            "files" | "media" => &self.file,
            "collection" => &self.collection,
            "images" => &self.image,
            other => panic!("no {other}"),
        };
        id.clone()
    }

    /// The operations of the description: method, path with a real id, description.
    async fn operations(&self) -> Vec<(Method, String, Value)> {
        let document = Answer::of(self.app.request(Method::GET, "/api-docs/openapi.json", None)).await.json();
        let paths = document["paths"].as_object().expect("paths").clone();
        let mut all = Vec::new();
        for (path, item) in paths {
            let concrete = self.concrete(&path);
            for (method, operation) in item.as_object().expect("methods") {
                all.push((method.to_uppercase().parse().expect("a method"), concrete.clone(), operation.clone()));
            }
        }
        all
    }

    /// The routes that take JSON, each with the schema of its body.
    async fn json_routes(&self) -> Vec<(Method, String, Value)> {
        let schema = |operation: &Value| operation["requestBody"]["content"]["application/json"]["schema"].clone();
        let routes = self.operations().await.into_iter();
        let routes = routes.map(|(method, path, operation)| (method, path, schema(&operation)));
        let routes: Vec<_> = routes.filter(|(_, _, schema)| !schema.is_null()).collect();
        assert!(routes.len() >= 22, "only {} routes take JSON", routes.len());
        routes
    }

    /// The lists, each with the names and schemas of its parameters.
    async fn lists(&self) -> Vec<(String, Vec<(String, Value)>)> {
        let mut lists = Vec::new();
        for (method, path, operation) in self.operations().await {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
            let named: Vec<(String, Value)> = query
                .map(|parameter| (parameter["name"].as_str().expect("a name").to_owned(), parameter["schema"].clone()))
                .collect();
            if method == Method::GET && named.iter().any(|(name, _)| name == "page") {
                lists.push((path, named));
            }
        }
        assert!(lists.len() >= 20, "only {} lists", lists.len());
        lists
    }

    /// A body that the route would take.
    fn good_body(&self, method: &Method, path: &str) -> Value {
        let Catalogue { series, season, episode, .. } = &self.things;
        match (method.as_str(), path.trim_start_matches('/')) {
            ("POST", "users/registration") => {
                json!({"first_name": "A", "last_name": "B", "email": "new@example.org", "password": "correct horse"})
            }
            ("POST", "users/login") => json!({"email": "nobody@example.org", "password": "correct horse"}),
            ("POST", "users/refresh") => json!({"refresh_token": "x"}),
            ("POST", "keys") => json!({"name": "New", "permissions": []}),
            ("POST", "genres" | "series") => json!({"name": "New"}),
            ("POST", "seasons") => json!({"name": "New", "series_id": series}),
            ("POST", "episodes") => json!({"name": "New", "season_id": season}),
            ("POST", "streams") => json!({"episode_id": episode}),
            ("PUT", "maintenance") => json!({"on": false}),
            ("POST", "sign_up") => {
                json!({"fname": "A", "mname": "", "lname": "B", "username": "newcomer", "email": "new@example.org",
                    "password": "correct horse", "day": 1, "month": 1, "year": 2000})
            }
            ("POST", "sign_in") => json!({"username": "nobody", "password": "correct horse"}),
            ("POST", "upload") => json!({"title": "New", "description": ""}),
            ("POST", "password/forgot") => json!({"email": "nobody@example.org"}),
            ("POST", "password/reset") => json!({"token": "x", "password": "correct horse"}),
            ("POST", "register") => json!({"username": "newcomer", "password": "correct horse"}),
            ("POST", "collection") => json!({"title": "New", "description": "", "movies": []}),
            ("PUT", path) if path.starts_with("collection/") => json!({}),
            ("PUT", path) if path.ends_with("/reaction") => json!({"reaction": "like"}),
            ("POST", "casting/actors") => json!({"name": "New", "age": 1, "gender": "F"}),
            ("POST", "casting/movies") => {
                json!({"title": "New", "date_release": "20200330", "actors_id": [self.cast.actor]})
            }
            ("PATCH", path) if path.starts_with("casting/movies") => json!({"actors_id": [self.cast.actor]}),
            ("PATCH", path) if path.contains("/plays/") => json!({"position_seconds": 1}),
            ("PATCH", _) => json!({}),
            other => panic!("no body for {other:?}"),
        }
    }

    async fn send(&self, method: &Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.app.request(method.clone(), path, Some(&self.owner));
        Answer::of(request.header("content-type", "application/json").body(body)).await
    }

    /// One request, byte by byte as given.
    async fn raw(&self, request: impl AsRef<[u8]>) -> Raw {
        let mut socket = TcpStream::connect(self.app.address()).await.expect("a connection");
        // It may answer, and close, before all is sent.
        socket.write_all(request.as_ref()).await.unwrap_or_default();
        let line = request.as_ref().split(|byte| *byte == b'\r').next().unwrap_or_default();
        let target = String::from_utf8_lossy(line.split(|byte| *byte == b' ').nth(1).unwrap_or_default()).into_owned();
        Raw { target, ..Raw::read(&mut socket).await }
    }

    /// A GET of exactly this target, by the owner.
    async fn target(&self, target: impl AsRef<[u8]>) -> Raw {
        self.asks("GET", target).await
    }

    /// A request without a body for exactly this target, by the owner.
    async fn asks(&self, method: &str, target: impl AsRef<[u8]>) -> Raw {
        let rest =
            format!(" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n", self.owner.token);
        self.raw([method.as_bytes(), b" ", target.as_ref(), rest.as_bytes()].concat()).await
    }
}

/// An answer from a bare socket.
#[derive(Debug)]
struct Raw {
    target: String,
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Raw {
    /// Reads the head, and as much of a body as it says.
    async fn read(socket: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = Self::whole(&bytes) {
                return answer;
            }
            let mut piece = [0; 8192];
            let read = timeout(Duration::from_secs(30), socket.read(&mut piece)).await.expect("an answer in time");
            match read {
                Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
                _ => panic!("it closed after {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
    }

    fn whole(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
        let body = &bytes[end + 4..];
        (body.len() >= length).then(|| Self {
            target: String::new(),
            status: head.split(' ').nth(1).expect("a status").parse().expect("a status"),
            head: head.clone(),
            body: body[..length].to_vec(),
        })
    }

    fn answer(&self) -> Answer {
        let path = self.target.split('?').next().unwrap_or_default().to_owned();
        Answer { path, status: self.status, headers: reqwest::header::HeaderMap::new(), bytes: self.body.clone() }
    }
}

/// A 4xx in the shape of its path that shows nothing of the inside.
#[track_caller]
fn clear(answer: &Answer, what: &str) {
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    assert!((400..500).contains(&answer.status), "{what}: {} {text}", answer.status);
    assert!(serde_json::from_slice::<Value>(&answer.bytes).is_ok(), "{what}: no JSON: {text}");
    answer.refusal();
    for inside in [
        "SELECT",
        "INSERT",
        "diesel",
        "postgres",
        "serde",
        "line 1 column",
        "panicked",
        ".rs:",
        env!("CARGO_MANIFEST_DIR"),
    ] {
        assert!(!text.contains(inside), "{what}: {text}");
    }
}

/// A 400 that names `field`, and nothing else as far as its shape names all.
#[track_caller]
fn names(answer: &Answer, field: &str, what: &str) {
    clear(answer, what);
    if answer.shape() == Shape::Success {
        // It says of which kind the fault is, and no more.
        assert!(matches!(answer.status, 400 | 422), "{what}: {}", answer.status);
        return answer.refused(answer.status);
    }
    let named = answer.wrong_fields();
    assert_eq!(named, [field], "{what}: {}", String::from_utf8_lossy(&answer.bytes));
}
