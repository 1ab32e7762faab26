//! Every route and every kind of caller, and what holds for every route: the description, the
//! slash, HEAD, the ids, the headers, the other origins.

mod headers;
mod paths;

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Catalogue},
    people::{PASSWORD, People, Person},
    stores::TestDb,
};

/// What is sent along.
#[derive(Clone, Copy)]
enum Sent {
    Nothing,
    /// JSON; `<name>` stands for the id of that name, `<new>` for a fresh text.
    Json(&'static str),
    /// A small subtitle file.
    File,
}

/// A method, a path, a body, and the statuses for nobody, the viewer whose things the path names,
/// another viewer, an editor and the owner.
type Row = (&'static str, &'static str, Sent, [u16; 5]);

const CALLERS: [&str; 5] = ["nobody", "viewer", "other", "editor", "owner"];

const ANYONE: [u16; 5] = [200; 5];
const ACCOUNTS: [u16; 5] = [401, 200, 200, 200, 200];
const ACCOUNTS_CREATE: [u16; 5] = [401, 201, 201, 201, 201];
const EDITORS: [u16; 5] = [401, 403, 403, 200, 200];
const EDITORS_CREATE: [u16; 5] = [401, 403, 403, 201, 201];
const OWN: [u16; 5] = [401, 200, 403, 403, 200];
const OWNER: [u16; 5] = [401, 403, 403, 403, 200];

use Sent::{File, Json, Nothing};

/// `{id}` of the description is written as the name of what it is.
const TABLE: &[Row] = &[
    (
        "POST",
        "/users/registration",
        Json(r#"{"first_name":"A","last_name":"B","email":"<new>@example.org","password":"correct horse"}"#),
        [201; 5],
    ),
    ("POST", "/users/login", Json(r#"{"email":"<email>","password":"correct horse battery"}"#), ANYONE),
    ("POST", "/users/refresh", Json(r#"{"refresh_token":"<refresh>"}"#), ANYONE),
    ("POST", "/users/logout", Nothing, ACCOUNTS),
    ("GET", "/users", Nothing, ACCOUNTS),
    ("GET", "/users/<user>", Nothing, OWN),
    ("PATCH", "/users/<user>", Json(r#"{"first_name":"Eve"}"#), OWN),
    ("PATCH", "/users/<user>", Json(r#"{"roles":["editor"]}"#), OWNER),
    ("DELETE", "/users/<user>", Nothing, OWN),
    ("GET", "/users/<user>/streams", Nothing, OWN),
    ("GET", "/users/<user>/streams/episode", Nothing, OWN),
    ("POST", "/genres", Json(r#"{"name":"<new>"}"#), EDITORS_CREATE),
    ("GET", "/genres", Nothing, ACCOUNTS),
    ("GET", "/genres/<genre>", Nothing, ACCOUNTS),
    ("PATCH", "/genres/<genre>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/genres/<genre>", Nothing, EDITORS),
    ("GET", "/genres/<genre>/series", Nothing, ACCOUNTS),
    ("GET", "/genres/<genre>/series/seasons", Nothing, ACCOUNTS),
    ("POST", "/series", Json(r#"{"name":"<new>"}"#), EDITORS_CREATE),
    ("GET", "/series", Nothing, ACCOUNTS),
    ("GET", "/series/<series>", Nothing, ACCOUNTS),
    ("PATCH", "/series/<series>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/series/<series>", Nothing, EDITORS),
    ("GET", "/series/<series>/seasons", Nothing, ACCOUNTS),
    ("GET", "/series/<series>/seasons/episodes", Nothing, ACCOUNTS),
    ("POST", "/seasons", Json(r#"{"name":"Two","series_id":"<series>"}"#), EDITORS_CREATE),
    ("GET", "/seasons", Nothing, ACCOUNTS),
    ("GET", "/seasons/<season>", Nothing, ACCOUNTS),
    ("PATCH", "/seasons/<season>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/seasons/<season>", Nothing, EDITORS),
    ("GET", "/seasons/<season>/episodes", Nothing, ACCOUNTS),
    ("POST", "/episodes", Json(r#"{"name":"Two","season_id":"<season>"}"#), EDITORS_CREATE),
    ("GET", "/episodes", Nothing, ACCOUNTS),
    ("GET", "/episodes/<episode>", Nothing, ACCOUNTS),
    ("PATCH", "/episodes/<episode>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/episodes/<episode>", Nothing, EDITORS),
    ("GET", "/episodes/<episode>/streams", Nothing, ACCOUNTS),
    ("POST", "/streams", Json(r#"{"episode_id":"<episode>"}"#), ACCOUNTS_CREATE),
    ("POST", "/streams", Json(r#"{"episode_id":"<episode>","user_id":"<user>"}"#), [401, 201, 403, 403, 201]),
    ("GET", "/streams", Nothing, ACCOUNTS),
    ("GET", "/streams/<stream>", Nothing, OWN),
    ("PATCH", "/streams/<stream>", Json(r#"{"position_seconds":7}"#), OWN),
    ("DELETE", "/streams/<stream>", Nothing, OWN),
    ("GET", "/streams/<stream>/user", Nothing, OWN),
    ("GET", "/streams/<stream>/episode", Nothing, OWN),
    ("GET", "/streams/<stream>/episode/season", Nothing, OWN),
    ("GET", "/streams/<stream>/episode/season/series", Nothing, OWN),
    ("GET", "/streams/<stream>/episode/season/series/genre", Nothing, OWN),
    ("POST", "/files", File, EDITORS_CREATE),
    ("GET", "/files", Nothing, ACCOUNTS),
    ("GET", "/files/<file>", Nothing, EDITORS),
    ("GET", "/files/<shown>", Nothing, ACCOUNTS),
    ("DELETE", "/files/<file>", Nothing, EDITORS),
    ("DELETE", "/files/<shown>", Nothing, [401, 403, 403, 400, 400]),
    ("GET", "/media/<file>", Nothing, EDITORS),
    ("GET", "/media/<shown>", Nothing, ACCOUNTS),
    ("GET", "/stats", Nothing, ACCOUNTS),
    ("PUT", "/maintenance", Json(r#"{"on":false}"#), OWNER),
    ("GET", "/healthz", Nothing, ANYONE),
    ("GET", "/readyz", Nothing, ANYONE),
    ("GET", "/metrics", Nothing, ANYONE),
    ("GET", "/api-docs/openapi.json", Nothing, ANYONE),
];

const SUBTITLE: &[u8] = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHere's looking at you, kid.\n";

/// One of each thing, the viewer's where it belongs to somebody.
struct Things {
    viewer: Person,
    catalogue: Catalogue,
    stream: String,
    /// A file of the owner's that nothing refers to.
    file: String,
    /// One that the catalogue refers to.
    shown: String,
}

impl Things {
    async fn make(app: &App, owner: &Person) -> Self {
        let viewer = app.register().await;
        let catalogue = app.catalogue(owner).await;
        let stream = app.post("/streams", &viewer, json!({"episode_id": catalogue.episode})).await.id();
        let file = app.upload(owner, "a.vtt", SUBTITLE.to_vec()).await.id();
        let shown = app.upload(owner, "b.vtt", SUBTITLE.to_vec()).await.id();
        let path = format!("/episodes/{}", catalogue.episode);
        app.patch(&path, owner, json!({"file_id": shown})).await.data(200);
        Self { viewer, catalogue, stream, file, shown }
    }

    fn fill(&self, text: &str) -> String {
        let Catalogue { genre, series, season, episode } = &self.catalogue;
        let fresh = Uuid::new_v4().simple().to_string();
        let names = [
            ("<user>", &self.viewer.id),
            ("<email>", &self.viewer.email),
            ("<refresh>", &self.viewer.refresh_token),
            ("<genre>", genre),
            ("<series>", series),
            ("<season>", season),
            ("<episode>", episode),
            ("<stream>", &self.stream),
            ("<file>", &self.file),
            ("<shown>", &self.shown),
            ("<new>", &fresh),
        ];
        names.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn request(&self, app: &App, (method, path, sent, _): &Row, caller: Option<&Person>) -> RequestBuilder {
        self.with_body(app.request(method.parse().unwrap(), &self.fill(path), caller), *sent)
    }

    fn with_body(&self, request: RequestBuilder, sent: Sent) -> RequestBuilder {
        match sent {
            Nothing => request,
            Json(body) => request.header("content-type", "application/json").body(self.fill(body)),
            File => {
                let part = reqwest::multipart::Part::bytes(SUBTITLE).file_name("c.vtt");
                request.multipart(reqwest::multipart::Form::new().part("file", part))
            }
        }
    }
}

/// `/genres/<genre>/series` → `/genres/{id}/series`.
fn described_as(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('<') { "{id}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

async fn description(app: &App) -> BTreeMap<String, BTreeSet<String>> {
    let document = Answer::of(app.request(Method::GET, "/api-docs/openapi.json", None)).await.json();
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[actix_web::test]
async fn the_table_has_every_route_of_the_description_and_no_other() {
    let db = TestDb::create();
    let app = App::start(&db);
    let described: BTreeSet<(String, String)> = description(&app)
        .await
        .into_iter()
        .flat_map(|(path, methods)| methods.into_iter().map(move |method| (method, path.clone())))
        .collect();
    let tabled: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, path, ..)| ((*method).to_owned(), described_as(path))).collect();
    let missing: Vec<_> = described.difference(&tabled).collect();
    let unknown: Vec<_> = tabled.difference(&described).collect();
    assert!(missing.is_empty(), "routes that are not in the table: {missing:?}");
    assert!(unknown.is_empty(), "rows that are no routes: {unknown:?}");
}

/// The caller of a column; signed in anew where the request ends that sign-in.
async fn caller(app: &App, people: &People, things: &Things, (path, column): (&str, usize)) -> Option<Person> {
    let person = match CALLERS[column] {
        "nobody" => return None,
        "viewer" => &things.viewer,
        "other" => &people.other,
        "editor" => &people.editor,
        _ => &people.owner,
    };
    Some(signed_in_for(app, person, path).await)
}

async fn signed_in_for(app: &App, person: &Person, path: &str) -> Person {
    if path.starts_with("/users/logout") {
        app.sign_in(&person.id, &person.email, PASSWORD).await
    } else {
        person.clone()
    }
}

fn has_the_shape_of_its_status(answer: &Answer, what: &str) {
    if answer.status < 400 {
        return;
    }
    let json = answer.json();
    assert_eq!(json["status"], answer.status, "{what}: {json}");
    let (response, message) = match answer.status {
        400 => ("Bad Request", "The file cannot be deleted: it is referred to by an episode (as its file)"),
        401 => ("Unauthorized", "Access denied. No token provided."),
        403 => ("Forbidden", "Access denied. You do not have the right to do this."),
        other => panic!("{what}: {other}"),
    };
    assert_eq!((&json["response"], &json["message"]), (&json!(response), &json!(message)), "{what}");
    assert!(json.get("data").is_none(), "{what}: {json}");
}

#[actix_web::test]
async fn every_route_answers_every_kind_of_caller_as_the_table_says() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let owner = &people.owner;
    let standing = Things::make(&app, owner).await;
    for row in TABLE {
        let (method, path, _, expected) = row;
        for (column, expected) in expected.iter().enumerate() {
            let what = format!("{method} {path} by {}", CALLERS[column]);
            let fresh = if *method == "GET" { None } else { Some(Things::make(&app, owner).await) };
            let things = fresh.as_ref().unwrap_or(&standing);
            let caller = caller(&app, &people, things, (path, column)).await;
            // Items can be looked at before and after; `/users/<user>` and the like are such.
            let item = matches!(*method, "PATCH" | "DELETE").then(|| things.fill(path));
            let before = match &item {
                Some(item) => Some(app.get(item, owner).await.data(200)),
                None => None,
            };
            let answer = Answer::of(things.request(&app, row, caller.as_ref())).await;
            assert_eq!(answer.status, *expected, "{what}: {}", String::from_utf8_lossy(&answer.bytes));
            has_the_shape_of_its_status(&answer, &what);
            let Some(item) = item else { continue };
            let after = app.get(&item, owner).await;
            match (*expected, *method) {
                (200, "DELETE") => assert_eq!(after.status, 404, "{what}"),
                (200, _) => assert_ne!(Some(after.data(200)), before, "{what}"),
                _ => assert_eq!(Some(after.data(200)), before, "{what}"),
            }
        }
    }
}

#[actix_web::test]
async fn lists_show_viewers_their_own_and_owners_everything() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let things = Things::make(&app, &people.owner).await;
    let ids = |answer: Answer| -> BTreeSet<String> {
        let data = answer.data(200);
        data.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let one = |id: &str| BTreeSet::from([id.to_owned()]);
    let none = BTreeSet::new();
    let of_episode = format!("/episodes/{}/streams", things.catalogue.episode);
    for (person, users, streams) in [
        (&things.viewer, one(&things.viewer.id), one(&things.stream)),
        (&people.other, one(&people.other.id), none.clone()),
        (&people.editor, one(&people.editor.id), none.clone()),
    ] {
        assert_eq!(ids(app.get("/users", person).await), users);
        assert_eq!(ids(app.get("/streams", person).await), streams);
        assert_eq!(ids(app.get(&of_episode, person).await), streams);
    }
    assert_eq!(ids(app.get("/users", &people.owner).await).len(), 5);
    assert_eq!(ids(app.get("/streams", &people.owner).await), one(&things.stream));
    assert_eq!(ids(app.get(&of_episode, &people.owner).await), one(&things.stream));
    let both = BTreeSet::from([things.file.clone(), things.shown.clone()]);
    assert_eq!(ids(app.get("/files", &people.editor).await), both);
    assert_eq!(ids(app.get("/files", &things.viewer).await), one(&things.shown));
}
