//! Every route and every kind of caller, and what holds for every route: the description, the
//! slash, HEAD, the ids, the headers, the other origins.

mod described;
mod documentation;
mod external;
mod headers;
mod keys;
mod paths;

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Catalogue},
    casting::{Agency, Cast},
    channels::{Shared, tiny},
    media::{mp4, png},
    people::{PASSWORD, People, Person},
    shape::Shape,
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
    /// The bytes of a film, as they are.
    Film,
    /// The bytes of a picture, as they are.
    Picture,
    /// A picture as a file of a form.
    Image,
}

/// A method, a path, a body, and the statuses for nobody, the viewer whose things the path names,
/// another viewer, an editor, the owner, and the three roles of the casting agency.
type Row = (&'static str, &'static str, Sent, [u16; 8]);

const CALLERS: [&str; 8] = ["nobody", "viewer", "other", "editor", "owner", "assistant", "director", "producer"];
/// The column of the owner.
const OWNERS: usize = 4;

const ANYONE: [u16; 8] = [200; 8];
const ACCOUNTS: [u16; 8] = [401, 200, 200, 200, 200, 200, 200, 200];
const ACCOUNTS_CREATE: [u16; 8] = [401, 201, 201, 201, 201, 201, 201, 201];
const VIEWERS: [u16; 8] = [401, 200, 200, 200, 200, 403, 403, 403];
const VIEWERS_CREATE: [u16; 8] = [401, 201, 201, 201, 201, 403, 403, 403];
const EDITORS: [u16; 8] = [401, 403, 403, 200, 200, 403, 403, 403];
const EDITORS_CREATE: [u16; 8] = [401, 403, 403, 201, 201, 403, 403, 403];
const OWN: [u16; 8] = [401, 200, 403, 403, 200, 403, 403, 403];
const OWNER: [u16; 8] = [401, 403, 403, 403, 200, 403, 403, 403];
const KEEPER: [u16; 8] = [401, 200, 404, 404, 404, 403, 403, 403];

// The channels contract has an answer of its own for who sends no token.
const SHARERS: [u16; 8] = [400, 200, 200, 200, 200, 403, 403, 403];
const UPLOADER: [u16; 8] = [400, 200, 403, 403, 403, 403, 403, 403];
const UPLOADER_OR_OWNER: [u16; 8] = [400, 200, 403, 403, 200, 403, 403, 403];

// The casting contract knows no 403.
const ASSISTANTS: [u16; 8] = [401, 401, 401, 401, 200, 200, 200, 200];
const DIRECTORS: [u16; 8] = [401, 401, 401, 401, 200, 401, 200, 200];
const PRODUCERS: [u16; 8] = [401, 401, 401, 401, 200, 401, 401, 200];

use Sent::{File, Film, Image, Json, Nothing, Picture};

/// `{id}` of the description is written as the name of what it is; other variables end with their name.
const TABLE: &[Row] = &[
    // First: a session that nothing is heard of ends after 90 seconds.
    ("GET", "/play/<film ref>/file", Nothing, ANYONE),
    ("GET", "/play/<token ref>/file", Nothing, ANYONE),
    ("GET", "/play/<file ref>/file", Nothing, [403; 8]),
    ("GET", "/play/<film ref>/poster.jpg", Nothing, ANYONE),
    ("GET", "/play/<file ref>/poster.jpg", Nothing, [403; 8]),
    (
        "POST",
        "/users/registration",
        Json(r#"{"first_name":"A","last_name":"B","email":"<new>@example.org","password":"correct horse"}"#),
        [201; 8],
    ),
    ("POST", "/users/login", Json(r#"{"email":"<email>","password":"correct horse battery"}"#), ANYONE),
    ("POST", "/users/refresh", Json(r#"{"refresh_token":"<refresh>"}"#), ANYONE),
    ("POST", "/users/logout", Nothing, ACCOUNTS),
    ("GET", "/users", Nothing, ACCOUNTS),
    ("GET", "/users/<user>", Nothing, OWN),
    ("PATCH", "/users/<user>", Json(r#"{"first_name":"Eve"}"#), OWN),
    ("PATCH", "/users/<user>", Json(r#"{"roles":["editor"]}"#), OWNER),
    ("DELETE", "/users/<user>", Nothing, OWN),
    ("POST", "/keys", Json(r#"{"name":"<new>","permissions":[]}"#), ACCOUNTS_CREATE),
    ("GET", "/keys", Nothing, ACCOUNTS),
    ("GET", "/keys/<key>", Nothing, OWN),
    ("DELETE", "/keys/<key>", Nothing, OWN),
    ("GET", "/me", Nothing, ACCOUNTS),
    ("GET", "/me/continue-watching", Nothing, VIEWERS),
    ("GET", "/me/history", Nothing, VIEWERS),
    ("DELETE", "/me/history", Nothing, VIEWERS),
    ("DELETE", "/me/history/<stream>", Nothing, [401, 200, 404, 404, 404, 403, 403, 403]),
    ("GET", "/users/<user>/streams", Nothing, OWN),
    ("GET", "/users/<user>/streams/episode", Nothing, OWN),
    ("POST", "/genres", Json(r#"{"name":"<new>"}"#), EDITORS_CREATE),
    ("GET", "/genres", Nothing, VIEWERS),
    ("GET", "/genres/<genre>", Nothing, VIEWERS),
    ("PATCH", "/genres/<genre>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/genres/<genre>", Nothing, EDITORS),
    ("GET", "/genres/<genre>/series", Nothing, VIEWERS),
    ("GET", "/genres/<genre>/series/seasons", Nothing, VIEWERS),
    ("POST", "/series", Json(r#"{"name":"<new>"}"#), EDITORS_CREATE),
    ("GET", "/series", Nothing, VIEWERS),
    ("GET", "/series/<series>", Nothing, VIEWERS),
    ("PATCH", "/series/<series>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/series/<series>", Nothing, EDITORS),
    ("GET", "/series/<series>/seasons", Nothing, VIEWERS),
    ("GET", "/series/<series>/seasons/episodes", Nothing, VIEWERS),
    ("POST", "/seasons", Json(r#"{"name":"Two","series_id":"<series>"}"#), EDITORS_CREATE),
    ("GET", "/seasons", Nothing, VIEWERS),
    ("GET", "/seasons/<season>", Nothing, VIEWERS),
    ("PATCH", "/seasons/<season>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/seasons/<season>", Nothing, EDITORS),
    ("GET", "/seasons/<season>/episodes", Nothing, VIEWERS),
    ("POST", "/episodes", Json(r#"{"name":"Two","season_id":"<season>"}"#), EDITORS_CREATE),
    ("GET", "/episodes", Nothing, VIEWERS),
    ("GET", "/episodes/<episode>", Nothing, VIEWERS),
    ("PATCH", "/episodes/<episode>", Json(r#"{"name":"<new>"}"#), EDITORS),
    ("DELETE", "/episodes/<episode>", Nothing, EDITORS),
    ("GET", "/episodes/<episode>/streams", Nothing, VIEWERS),
    ("POST", "/streams", Json(r#"{"episode_id":"<episode>"}"#), VIEWERS_CREATE),
    (
        "POST",
        "/streams",
        Json(r#"{"episode_id":"<episode>","user_id":"<user>"}"#),
        [401, 201, 403, 403, 201, 403, 403, 403],
    ),
    ("GET", "/streams", Nothing, VIEWERS),
    ("GET", "/streams/<stream>", Nothing, OWN),
    ("PATCH", "/streams/<stream>", Json(r#"{"position_seconds":7}"#), OWN),
    ("DELETE", "/streams/<stream>", Nothing, OWN),
    ("GET", "/streams/<stream>/user", Nothing, OWN),
    ("GET", "/streams/<stream>/episode", Nothing, OWN),
    ("GET", "/streams/<stream>/episode/season", Nothing, OWN),
    ("GET", "/streams/<stream>/episode/season/series", Nothing, OWN),
    ("GET", "/streams/<stream>/episode/season/series/genre", Nothing, OWN),
    ("POST", "/files", File, EDITORS_CREATE),
    ("GET", "/files", Nothing, VIEWERS),
    ("GET", "/files/<file>", Nothing, EDITORS),
    ("GET", "/files/<shown>", Nothing, VIEWERS),
    ("DELETE", "/files/<file>", Nothing, EDITORS),
    ("DELETE", "/files/<shown>", Nothing, [401, 403, 403, 400, 400, 403, 403, 403]),
    ("GET", "/media/<file>", Nothing, EDITORS),
    ("GET", "/media/<shown>", Nothing, VIEWERS),
    (
        "POST",
        "/sign_up",
        Json(
            r#"{"fname":"A","mname":"","lname":"B","username":"<nick>","email":"<new>@example.org",
            "password":"correct horse","day":29,"month":2,"year":2000}"#,
        ),
        ANYONE,
    ),
    ("POST", "/sign_in", Json(r#"{"username":"<channel name>","password":"correct horse battery"}"#), ANYONE),
    ("POST", "/password/forgot", Json(r#"{"email":"<email>"}"#), ANYONE),
    ("GET", "/password/reset", Nothing, ANYONE),
    ("POST", "/password/reset", Json(r#"{"token":"<new>","password":"correct horse battery"}"#), [400; 8]),
    ("POST", "/upload", Json(r#"{"title":"<new>","description":""}"#), SHARERS),
    ("POST", "/upload/v/<announced hash>", Film, UPLOADER),
    ("POST", "/upload/v/<hash>", Film, [400, 409, 403, 403, 403, 403, 403, 403]),
    ("GET", "/v/<hash>", Nothing, ANYONE),
    ("GET", "/v/<announced hash>", Nothing, [404; 8]),
    ("PATCH", "/v/<hash>", Json(r#"{"title":"<new>"}"#), UPLOADER),
    ("PATCH", "/v/<announced hash>", Json(r#"{"title":"<new>"}"#), [400, 404, 404, 404, 404, 403, 403, 403]),
    ("DELETE", "/v/<hash>", Nothing, UPLOADER_OR_OWNER),
    ("DELETE", "/v/<announced hash>", Nothing, UPLOADER_OR_OWNER),
    ("PUT", "/v/<hash>/reaction", Json(r#"{"reaction":"like"}"#), SHARERS),
    ("PUT", "/v/<announced hash>/reaction", Json(r#"{"reaction":"like"}"#), [400, 404, 404, 404, 404, 403, 403, 403]),
    ("GET", "/video/d/<hash>", Nothing, ANYONE),
    ("GET", "/video/d/<announced hash>", Nothing, [400; 8]),
    ("GET", "/thumbnails/<hash>", Nothing, ANYONE),
    ("GET", "/thumbnails/<announced hash>", Nothing, [404; 8]),
    ("GET", "/videos/all", Nothing, ANYONE),
    ("GET", "/videos/channel/<channel name>", Nothing, ANYONE),
    ("GET", "/search/<kind>", Nothing, ANYONE),
    ("GET", "/search/<kind>/<query>", Nothing, ANYONE),
    ("GET", "/channel/picture/<channel name>", Nothing, ANYONE),
    ("PUT", "/channel/picture", Picture, SHARERS),
    ("DELETE", "/channel/<channel name>", Nothing, UPLOADER_OR_OWNER),
    ("POST", "/v/<hash>/plays", Nothing, [201; 8]),
    ("POST", "/v/<announced hash>/plays", Nothing, [404; 8]),
    ("PATCH", "/v/<hash>/plays/<play session>", Json(BEAT), [404, 200, 404, 404, 404, 404, 404, 404]),
    ("PATCH", "/v/<hash>/plays/<open session>", Json(BEAT), ANYONE),
    ("PATCH", "/v/<announced hash>/plays/<play session>", Json(BEAT), [404; 8]),
    ("GET", "/casting/actors", Nothing, ASSISTANTS),
    ("POST", "/casting/actors", Json(r#"{"name":"<new>","age":23,"gender":"M","movies_id":[<movie>]}"#), DIRECTORS),
    ("GET", "/casting/actors/<actor>", Nothing, ASSISTANTS),
    ("PATCH", "/casting/actors/<actor>", Json(r#"{"name":"<new>"}"#), DIRECTORS),
    ("DELETE", "/casting/actors/<actor>", Nothing, DIRECTORS),
    ("GET", "/casting/movies", Nothing, ASSISTANTS),
    (
        "POST",
        "/casting/movies",
        Json(r#"{"title":"<new>","date_release":"20200330","actors_id":[<actor>],"file_id":"<cast file>"}"#),
        PRODUCERS,
    ),
    ("GET", "/casting/movies/<movie>", Nothing, ASSISTANTS),
    ("PATCH", "/casting/movies/<movie>", Json(r#"{"title":"<new>","actors_id":[<actor>]}"#), DIRECTORS),
    ("DELETE", "/casting/movies/<movie>", Nothing, PRODUCERS),
    ("GET", "/files/<cast file>", Nothing, [401, 403, 403, 200, 200, 200, 200, 200]),
    ("DELETE", "/files/<cast file>", Nothing, [401, 403, 403, 400, 400, 403, 403, 403]),
    ("GET", "/media/<cast file>", Nothing, [401, 403, 403, 200, 200, 200, 200, 200]),
    ("POST", "/register", Json(r#"{"username":"<nick>","password":"correct horse"}"#), [201; 8]),
    ("GET", "/collection", Nothing, VIEWERS),
    ("POST", "/collection", Json(r#"{"title":"<new>","description":"","movies":[<listed movie>]}"#), VIEWERS_CREATE),
    ("GET", "/collection/<collection>", Nothing, KEEPER),
    ("PUT", "/collection/<collection>", Json(r#"{"title":"<new>","movies":[<listed movie>]}"#), KEEPER),
    ("DELETE", "/collection/<collection>", Nothing, KEEPER),
    ("POST", "/images", Image, VIEWERS_CREATE),
    ("GET", "/images", Nothing, VIEWERS),
    // Who sees every file sees it; to others it is not there.
    ("GET", "/images/<image>", Nothing, [401, 200, 404, 200, 200, 403, 403, 403]),
    ("DELETE", "/images/<image>", Nothing, [401, 204, 403, 403, 204, 403, 403, 403]),
    // No provider is configured.
    ("GET", "/movies", Nothing, [401, 503, 503, 503, 503, 503, 503, 503]),
    ("GET", "/request-count", Nothing, ACCOUNTS),
    ("POST", "/request-count/reset", Nothing, OWNER),
    ("GET", "/stats", Nothing, ACCOUNTS),
    ("GET", "/stats/top?kind=videos", Nothing, ACCOUNTS),
    ("GET", "/stats/episodes/<episode>", Nothing, ACCOUNTS),
    ("GET", "/stats/series/<series>", Nothing, ACCOUNTS),
    ("GET", "/stats/files/<file>", Nothing, EDITORS),
    ("GET", "/stats/videos/<hash>", Nothing, ACCOUNTS),
    ("GET", "/stats/events", Nothing, ACCOUNTS),
    ("PUT", "/maintenance", Json(r#"{"on":false}"#), OWNER),
    ("GET", "/healthz", Nothing, ANYONE),
    ("GET", "/readyz", Nothing, ANYONE),
    ("GET", "/metrics", Nothing, ANYONE),
    ("GET", "/api-docs/openapi.json", Nothing, ANYONE),
];

const MOVIE: &str = r#"{"title":"A","description":"","genres":"Drama","uuid":"8f14e45f-ceea-4e7a-9fd2-3a6c1b0d5e77"}"#;
const BEAT: &str = r#"{"position_seconds":1}"#;
const SUBTITLE: &[u8] = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHere's looking at you, kid.\n";

/// One of each thing, the viewer's where it belongs to somebody.
struct Things {
    viewer: Person,
    catalogue: Catalogue,
    stream: String,
    collection: String,
    /// An API key of the viewer's.
    key: String,
    /// A file of the owner's that nothing refers to.
    file: String,
    /// One that the catalogue refers to.
    shown: String,
    /// The viewer's channel; only where it is asked for: to make it takes a moment.
    shared: Option<Watched>,
    /// The owner's movie; only where it is asked for, too.
    cast: Option<Cast>,
    /// An image of the viewer's; likewise.
    image: Option<String>,
}

/// A channel, and who watches it.
struct Watched {
    channel: Shared,
    /// The file of its video.
    film: String,
    /// A token for it, of the viewer's.
    token: String,
    /// The viewer's play of it.
    play: String,
    /// A play of nobody in particular.
    open: String,
}

impl Things {
    async fn make(app: &App, owner: &Person) -> Self {
        let viewer = app.register().await;
        let catalogue = app.catalogue(owner).await;
        let stream = app.post("/streams", &viewer, json!({"episode_id": catalogue.episode})).await.id();
        let (key, _) = app.key_of(&viewer, &[]).await;
        let file = app.upload(owner, "a.vtt", SUBTITLE.to_vec()).await.id();
        let shown = app.upload(owner, "b.vtt", SUBTITLE.to_vec()).await.id();
        let path = format!("/episodes/{}", catalogue.episode);
        app.patch(&path, owner, json!({"file_id": shown})).await.data(200);
        let list = json!({"title": "Nights", "description": "", "movies": []});
        let made = app.post("/collection", &viewer, list).await.json();
        let collection = made["collection_uuid"].as_str().expect("an id").to_owned();
        Self { viewer, catalogue, stream, collection, key, file, shown, shared: None, cast: None, image: None }
    }

    async fn make_all(app: &App, owner: &Person) -> Self {
        let mut things = Self::make(app, owner).await;
        let channel = app.sharing(&things.viewer, "A walk").await;
        let plays = format!("/v/{}/plays", channel.hash);
        let play = app.post(&plays, &things.viewer, json!({})).await.data(201);
        let open = app.post_open(&plays, json!({})).await.data(201);
        let film = play["playback"]["file"].as_str().and_then(|path| path.split('/').nth(2)).expect("a link");
        let token = app.watch(&things.viewer, json!({"file_id": film})).await.token().to_owned();
        let text = |play: &Value| play["session"].as_str().expect("an id").to_owned();
        things.shared = Some(Watched { film: film.to_owned(), token, play: text(&play), open: text(&open), channel });
        things.cast = Some(app.cast(owner).await);
        things.image = Some(app.keep_image(&things.viewer, png()).await);
        things
    }

    /// What the row needs, fresh.
    async fn make_for(app: &App, owner: &Person, (_, path, sent, _): &Row) -> Self {
        let named = |text: &str| ["hash>", "<channel name>", " ref>"].iter().any(|name| text.contains(name));
        if named(path) || matches!(sent, Json(body) if named(body)) {
            return Self::make_all(app, owner).await;
        }
        let mut things = Self::make(app, owner).await;
        if path.contains("/casting/") || path.contains("<cast ") {
            things.cast = Some(app.cast(owner).await);
        }
        if path.contains("<image>") {
            things.image = Some(app.keep_image(&things.viewer, png()).await);
        }
        things
    }

    fn fill(&self, text: &str) -> String {
        let Catalogue { genre, series, season, episode } = &self.catalogue;
        let fresh = Uuid::new_v4().simple().to_string();
        let none = String::new();
        let (channel, hash, announced) = match &self.shared {
            Some(Watched { channel: Shared { channel, hash, announced }, .. }) => (channel, hash, announced),
            None => (&none, &none, &none),
        };
        let (film, token, play, open) = match &self.shared {
            Some(Watched { film, token, play, open, .. }) => (film, token, play, open),
            None => (&none, &none, &none, &none),
        };
        let (actor, movie, cast) = match &self.cast {
            Some(Cast { actor, movie, file, .. }) => (actor.to_string(), movie.to_string(), file),
            None => (none.clone(), none.clone(), &none),
        };
        let names = [
            ("<user>", self.viewer.id.as_str()),
            ("<email>", &self.viewer.email),
            ("<refresh>", &self.viewer.refresh_token),
            ("<genre>", genre),
            ("<series>", series),
            ("<season>", season),
            ("<episode>", episode),
            ("<stream>", &self.stream),
            ("<collection>", &self.collection),
            ("<listed movie>", MOVIE),
            ("<key>", &self.key),
            ("<file>", &self.file),
            ("<shown>", &self.shown),
            ("<channel name>", channel),
            ("<hash>", hash),
            ("<announced hash>", announced),
            ("<film ref>", film),
            ("<token ref>", token),
            ("<file ref>", &self.file),
            ("<play session>", play),
            ("<open session>", open),
            ("<actor>", &actor),
            ("<movie>", &movie),
            ("<cast file>", cast),
            ("<image>", self.image.as_deref().unwrap_or_default()),
            ("<kind>", "all"),
            ("<query>", "walk"),
            ("<nick>", &fresh[..20]),
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
            Film => request.header("content-type", "video/mp4").body(mp4()),
            Picture => request.header("content-type", "image/png").body(png()),
            Image => {
                let part = reqwest::multipart::Part::bytes(png()).file_name("a.png");
                request.multipart(reqwest::multipart::Form::new().part("file", part))
            }
        }
    }
}

/// `/genres/<genre>/series` → `/genres/{id}/series`, `/v/<announced hash>` → `/v/{hash}`.
fn described_as(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segments = path.split('/').map(|segment| {
        let variable = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        match variable.and_then(|name| name.rsplit(' ').next()) {
            Some(name @ ("hash" | "name" | "kind" | "query" | "ref" | "session")) => format!("{{{name}}}"),
            Some(_) => "{id}".to_owned(),
            None => segment.to_owned(),
        }
    });
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
async fn caller(
    app: &App,
    (people, agency): (&People, &Agency),
    things: &Things,
    (path, column): (&str, usize),
) -> Option<Person> {
    let person = match CALLERS[column] {
        "assistant" => &agency.assistant,
        "director" => &agency.director,
        "producer" => &agency.producer,
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

const NO_RIGHT: &str = "Access denied. You do not have the right to do this.";

/// What the envelope says to who is refused `what`: a row of the table.
fn message(what: &str, status: u16) -> (&'static str, &'static str) {
    match status {
        403 if what.contains("/play/") => ("Forbidden", "This link does not hold, or does not hold any more"),
        400 if what.contains("<cast file>") => (
            "Bad Request",
            "The file cannot be deleted: it is referred to by a movie of the casting agency (as its file)",
        ),
        400 => ("Bad Request", "The file cannot be deleted: it is referred to by an episode (as its file)"),
        401 => ("Unauthorized", "Access denied. No token provided."),
        403 => ("Forbidden", NO_RIGHT),
        404 if what.contains("/v/<announced hash>") => ("Not Found", "Video not found"),
        404 if what.contains("/plays/") => ("Not Found", "Play not found"),
        404 => ("Not Found", "Viewing not found"),
        other => panic!("{other}"),
    }
}

/// What the channels contract says to who is refused.
fn word(path: &str, status: u16) -> &'static str {
    match (status, path.split('/').nth(1).unwrap_or_default()) {
        (400, "video") => "no-video",
        (400, "password") => "bad-token",
        (400, _) => "token",
        (403, _) => NO_RIGHT,
        (404, "thumbnails") => "no-thumbnails",
        (404, _) => "video",
        (409, "upload") => "already-uploaded",
        other => panic!("{other:?}"),
    }
}

/// What the collections contract says to who is refused.
fn detail(status: u16) -> &'static str {
    match status {
        404 => "Collection not found",
        503 => "No provider of movies is configured",
        other => message("of the provider", other).1,
    }
}

/// What the images contract says to who is refused.
fn error(what: &str, status: u16) -> &'static str {
    match status {
        403 if ["other", "editor"].iter().any(|caller| what.ends_with(caller)) => "This image is another account's",
        404 => "Image not found",
        other => message("of an image", other).1,
    }
}

fn has_the_shape_of_its_status(answer: &Answer, what: &str) {
    if answer.status < 400 {
        return;
    }
    let said = answer.refusal();
    match answer.shape() {
        Shape::Envelope => {
            let (response, message) = message(what, answer.status);
            assert_eq!((&answer.json()["response"], &said), (&json!(response), &json!(message)), "{what}");
        }
        Shape::Detail => assert_eq!(said, json!(detail(answer.status)), "{what}"),
        Shape::Error => assert_eq!(said, json!(error(what, answer.status)), "{what}"),
        Shape::Success => answer.refused(answer.status),
        Shape::Response => assert_eq!(said, json!(word(&answer.path, answer.status)), "{what}"),
    }
}

/// Where the item of a path is looked at.
fn shown_at(path: &str) -> String {
    match (path.strip_prefix("/channel/"), path.strip_prefix("/me/history/")) {
        (Some(name), _) => format!("/videos/channel/{name}"),
        (_, Some(id)) => format!("/streams/{id}"),
        (None, None) => path.to_owned(),
    }
}

#[actix_web::test]
async fn every_route_answers_every_kind_of_caller_as_the_table_says() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let owner = &people.owner;
    let agency = app.agency(owner).await;
    let standing = Things::make_all(&app, owner).await;
    for row in TABLE {
        let (method, path, _, expected) = row;
        for (column, expected) in expected.iter().enumerate() {
            let what = format!("{method} {path} by {}", CALLERS[column]);
            let fresh = if *method == "GET" { None } else { Some(Things::make_for(&app, owner, row).await) };
            let things = fresh.as_ref().unwrap_or(&standing);
            let caller = caller(&app, (&people, &agency), things, (path, column)).await;
            // Items can be looked at before and after; `/users/<user>` and the like are such. A video that
            // is only announced is shown to nobody; a play has no GET, and a history is no item.
            let no_item =
                ["<announced hash>", "/plays/"].iter().any(|part| path.contains(part)) || *path == "/me/history";
            let shown = matches!(*method, "PATCH" | "DELETE") && !no_item;
            let item = shown.then(|| shown_at(&things.fill(path)));
            // Collections are shown to nobody else, be it an owner.
            let eyes = if path.starts_with("/collection/") { &things.viewer } else { owner };
            let before = match &item {
                Some(item) => Some(app.get(item, eyes).await),
                None => None,
            };
            assert!(before.iter().all(|before| before.status == 200), "{what}: {before:?}");
            let before = before.map(|answer| answer.bytes);
            let answer = Answer::of(things.request(&app, row, caller.as_ref())).await;
            assert_eq!(answer.status, *expected, "{what}: {}", String::from_utf8_lossy(&answer.bytes));
            has_the_shape_of_its_status(&answer, &what);
            let Some(item) = item else { continue };
            let after = app.get(&item, eyes).await;
            match (*expected, *method) {
                (200 | 204, "DELETE") => assert_eq!(after.status, 404, "{what}"),
                (200, _) => assert_ne!(Some(after.bytes), before, "{what}"),
                _ => assert_eq!(Some(after.bytes), before, "{what}"),
            }
            if (*expected, *method) == (200, "PATCH") {
                assert_eq!(after.status, 200, "{what}");
            }
        }
    }
}

#[actix_web::test]
async fn what_was_announced_and_removed_takes_no_bytes_and_what_was_refused_does() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let hash = app.announce(&people.viewer, "A walk", "In the park").await;
    let path = format!("/v/{hash}");
    assert_eq!(app.delete(&path, &people.other).await.response(403), NO_RIGHT);
    app.send(&people.viewer, &hash, tiny()).await.response(200);
    let hash = app.announce(&people.viewer, "Another walk", "In the park").await;
    assert_eq!(app.delete(&format!("/v/{hash}"), &people.viewer).await.response(200), "");
    assert_eq!(app.send(&people.viewer, &hash, tiny()).await.response(404), "video");
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
