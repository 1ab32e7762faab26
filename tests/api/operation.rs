//! Operation: health, metrics, the API description, maintenance, statistics, timeouts, the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use diesel::connection::SimpleConnection as _;
use playhouse::{
    db::queries::{
        api_keys,
        casting::{actors, movies},
        episodes, files, genres, me, seasons, series, streams, users,
    },
    domain::listing::Listing,
};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App, Plan, eventually},
    media,
    people::{PASSWORD, Person},
    shape::Shape,
    stores::{Stores, TestDb},
};

async fn open(app: &App, path: &str) -> Answer {
    Answer::of(app.request(Method::GET, path, None)).await
}

#[actix_web::test]
async fn health_always_answers_and_readiness_names_each_store() {
    let mut stores = Stores::own();
    let app = Plan::over_own(&stores).start();
    let ready = async |status: u16, wanted: [&str; 3]| {
        let [all, postgres, redis] = wanted;
        let wanted = json!({"status": all, "postgres": postgres, "redis": redis, "media": "ok", "workers": "ok"});
        let holds = async || {
            let answer = open(&app, "/readyz").await;
            assert_eq!(open(&app, "/healthz").await.json(), json!({"status": "ok"}));
            answer.status == status && answer.json() == wanted
        };
        assert!(eventually(Duration::from_secs(10), holds).await, "{wanted}");
    };
    ready(200, ["ok", "ok", "ok"]).await;
    stores.stop_redis();
    ready(200, ["degraded", "ok", "away"]).await;
    stores.stop_postgres();
    ready(503, ["unavailable", "away", "away"]).await;
    stores.start_redis();
    ready(503, ["unavailable", "away", "ok"]).await;
    stores.start_postgres();
    ready(200, ["ok", "ok", "ok"]).await;
}

/// Reads `name{labels} value` lines, refusing whatever the format does not know.
fn metrics(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut types = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("TYPE"), Some(name), Some(kind)) => {
                    assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
                    assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "two types: {line}");
                }
                (Some("HELP"), Some(_), Some(_)) => {}
                _ => panic!("no comment of the format: {line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let bare = name.split('{').next().unwrap();
        assert!(bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
        assert!(types.contains_key(bare) || types.contains_key(family), "without a type: {line}");
        assert!(samples.insert(name.to_owned(), value.parse().expect("a number")).is_none(), "twice: {line}");
    }
    samples
}

#[actix_web::test]
async fn metrics_are_in_the_format_of_prometheus_and_count() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let read = async || {
        let answer = open(&app, "/metrics").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
        metrics(std::str::from_utf8(&answer.bytes).unwrap())
    };
    let before = read().await;
    for _ in 0..5 {
        app.get("/genres", &owner).await.data(200);
    }
    app.get("/nowhere", &owner).await;
    let after = read().await;
    let grew = |name: &str| after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
    let count = |status| format!("playhouse_request_seconds_count{{method=\"GET\",status=\"{status}\"}}");
    // The first reading itself was answered in between.
    assert!((grew(&count("2xx")) - 6.0).abs() < 0.5, "{after:?}");
    assert!((grew(&count("4xx")) - 1.0).abs() < 0.5, "{after:?}");
    assert!((grew("playhouse_requests_served") - 7.0).abs() < 0.5, "{after:?}");
    assert!(after["playhouse_redis_up"] > 0.5 && after["playhouse_database_connections"] > 0.5, "{after:?}");
    let text = format!("{after:?}");
    assert!(!text.contains("/nowhere") && !text.contains(&owner.id), "what a client makes up became a label");
}

/// The values of `src` and `href` in a page.
fn references(html: &str) -> Vec<String> {
    let after = |name: &str| {
        let parts = html.split(name).skip(1).map(|rest| rest.trim_start_matches(['"', '\'']).to_owned());
        parts.map(|rest| rest.split(['"', '\'', '>', ' ']).next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    [after("src="), after("href=")].concat()
}

#[actix_web::test]
async fn the_api_is_shown_from_the_binary_without_another_host() {
    let db = TestDb::create();
    let app = App::start(&db);
    let moved = open(&app, "/api-docs").await;
    assert_eq!((moved.status, moved.header("location")), (303, Some("/api-docs/")));
    let page = open(&app, "/api-docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
    let html = String::from_utf8(page.bytes).unwrap();
    let all = references(&html);
    let kind = |reference: &str| Path::new(reference.split('?').next().unwrap()).extension().map(ToOwned::to_owned);
    let count =
        |extension: &str| all.iter().filter(|reference| kind(reference).is_some_and(|kind| kind == extension)).count();
    assert!(count("js") >= 2 && count("css") >= 1, "{all:?}");
    for reference in &all {
        assert!(!reference.contains("//") && !reference.contains(':'), "another host: {reference}");
        let path = format!("/api-docs/{}", reference.trim_start_matches("./"));
        let file = open(&app, &path).await;
        assert_eq!(file.status, 200, "{path}");
        let kind = file.header("content-type").unwrap();
        let wanted = match path.rsplit_once('.').unwrap().1 {
            "js" => "javascript",
            "css" => "text/css",
            "png" => "image/png",
            other => panic!("what is a {other}?"),
        };
        assert!(kind.contains(wanted), "{path} is {kind}");
    }
    let start = open(&app, "/api-docs/swagger-initializer.js").await;
    let script = String::from_utf8(start.bytes).unwrap();
    assert!(script.contains("/api-docs/openapi.json") && !script.contains("http"), "{script}");
    for path in ["/api-docs/nothing.js", "/api-docs/..%2fCargo.toml"] {
        assert_eq!(open(&app, path).await.status, 404, "{path}");
    }
}

/// Every `$ref` below `value`.
fn refs<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|value| refs(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| refs(value, found)),
        _ => {}
    }
}

#[actix_web::test]
async fn the_description_is_openapi_3_1_in_form() {
    let db = TestDb::create();
    let app = App::start(&db);
    let document = open(&app, "/api-docs/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/') && !path.ends_with('/'), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(["get", "post", "put", "patch", "delete", "head"].contains(&method.as_str()), "{at}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(operations.insert(id.to_owned()), "{id} twice");
            let parameters = operation["parameters"].as_array().unwrap();
            let mut named = BTreeSet::new();
            for parameter in parameters {
                let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
                assert!(named.insert((place, name)), "{at}: {name} twice");
                assert!(["path", "query"].contains(&place) && parameter["schema"].is_object(), "{at}: {name}");
            }
            let variables: BTreeSet<_> = path.split('/').filter_map(|part| part.strip_prefix('{')).collect();
            let declared = named.iter().filter(|(place, _)| *place == "path").map(|(_, name)| format!("{name}}}"));
            assert_eq!(declared.collect::<BTreeSet<_>>(), variables.iter().map(ToString::to_string).collect(), "{at}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)), "{at}: {status}");
                assert!(response["description"].is_string(), "{at}: {status}");
            }
            for need in
                operation["security"].as_array().unwrap().iter().flat_map(|need| need.as_object().unwrap().keys())
            {
                assert!(document["components"]["securitySchemes"][need].is_object(), "{at}: {need}");
            }
        }
    }
    let mut found = Vec::new();
    refs(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[actix_web::test]
async fn the_description_names_every_parameter_of_every_list() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let document = open(&app, "/api-docs/openapi.json").await.json();
    let lists: [(&str, &Listing); 18] = [
        ("/users", &users::LISTING),
        ("/keys", &api_keys::LISTING),
        ("/genres", &genres::LISTING),
        ("/series", &series::LISTING),
        ("/seasons", &seasons::LISTING),
        ("/episodes", &episodes::LISTING),
        ("/streams", &streams::LISTING),
        ("/files", &files::LISTING),
        ("/genres/{id}/series", &series::LISTING),
        ("/genres/{id}/series/seasons", &seasons::LISTING),
        ("/series/{id}/seasons", &seasons::LISTING),
        ("/series/{id}/seasons/episodes", &episodes::LISTING),
        ("/seasons/{id}/episodes", &episodes::LISTING),
        ("/users/{id}/streams", &streams::LISTING),
        ("/users/{id}/streams/episode", &episodes::LISTING),
        ("/episodes/{id}/streams", &streams::LISTING),
        ("/streams/{id}/episode/season/series/genre", &genres::LISTING),
        ("/me/history", &me::LISTING),
    ];
    let mut described = 0;
    for (path, listing) in lists {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        let names: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let mut wanted: BTreeSet<String> = ["page", "limit", "cursor", "sort"].map(str::to_owned).into();
        wanted.extend(listing.search.map(|_| "q".to_owned()));
        for field in listing.fields {
            wanted.insert(field.name.to_owned());
            if field.kind.has_ranges() {
                wanted.extend(["gte", "lte"].map(|end| format!("{}_{end}", field.name)));
            }
        }
        assert_eq!(names, wanted.iter().map(String::as_str).collect(), "{path}");
        described += 1;
        // What is described is what is taken: the answer to a wrong one lists the fields.
        if !path.contains('{') {
            let refused = app.get(&format!("{path}?colour=red"), &owner).await.json();
            let message = refused["errors"][0]["message"].as_str().unwrap();
            for field in listing.fields {
                assert!(message.contains(field.name), "{path}: {message}");
            }
            let shown =
                document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
            assert!(shown["properties"]["pagination"].is_object(), "{path}");
        }
    }
    // The lists of the channels contract are paged, and no more.
    for path in ["/videos/all", "/videos/channel/{name}", "/search/{kind}", "/search/{kind}/{query}"] {
        let operation = &document["paths"][path]["get"];
        let parameters = operation["parameters"].as_array().unwrap().iter();
        let names = parameters.filter(|parameter| parameter["in"] == "query").map(|parameter| &parameter["name"]);
        assert_eq!(names.collect::<Vec<_>>(), ["page", "limit"], "{path}");
        let shown = &operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["response"];
        assert_eq!(*shown, json!({"type": "array", "items": {"$ref": "#/components/schemas/Item"}}), "{path}");
        described += 1;
    }
    // Those of the casting contract have no cursor.
    for (path, listing) in [("/casting/actors", &actors::LISTING), ("/casting/movies", &movies::LISTING)] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap().iter();
        let names: BTreeSet<_> = parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
        let mut wanted: BTreeSet<String> = ["page", "limit", "sort"].map(str::to_owned).into();
        for field in listing.fields {
            let ranges = ["", "_gte", "_lte"].into_iter().take(if field.kind.has_ranges() { 3 } else { 1 });
            wanted.extend(ranges.map(|end| format!("{}{end}", field.name)));
        }
        assert_eq!(names, wanted, "{path}");
        described += 1;
    }
    // A page of the provider's is asked for by its number alone.
    let parameters = &document["paths"]["/movies"]["get"]["parameters"];
    assert_eq!((&parameters[0]["name"], &parameters[1]), (&json!("page"), &Value::Null));
    described += 1;
    let paged = document["paths"].as_object().unwrap().values().filter(|item| {
        let parameters = item["get"]["parameters"].as_array();
        parameters.is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "page"))
    });
    assert_eq!(paged.count(), described, "a list is missing from the table above");
}

#[track_caller]
fn is_closed(answer: &Answer, message: &str) {
    let wanted = match answer.shape() {
        Shape::Envelope => json!({"status": 503, "response": "Service Unavailable", "message": message}),
        Shape::Response => json!({"response": message}),
        Shape::Detail => json!({"detail": message}),
        Shape::Error => json!({"error": message}),
        Shape::Success => json!({"success": false, "error": 503, "message": message}),
    };
    assert_eq!((answer.status, answer.json()), (503, wanted));
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
}

#[actix_web::test]
async fn maintenance_closes_every_node_also_after_a_restart_but_not_the_way_out() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let (first, second) = (plan.start(), plan.start());
    let people = first.people().await;
    let put = async |app: &App, person: &Person, body: Value| {
        Answer::of(app.request(Method::PUT, "/maintenance", Some(person)).json(&body)).await
    };
    for person in [&people.editor, &people.viewer] {
        assert_eq!(put(&first, person, json!({"on": true})).await.status, 403);
    }
    let nobody = Answer::of(first.request(Method::PUT, "/maintenance", None).json(&json!({"on": true}))).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(put(&first, &people.owner, json!({"message": "x"})).await.wrong_fields(), ["on"]);
    assert_eq!(first.get("/genres", &people.owner).await.status, 200);

    let message = "Back at noon";
    let switched = put(&first, &people.owner, json!({"on": true, "message": message})).await;
    let wanted = json!({
        "status": 200, "response": "OK", "message": "Maintenance updated successfully",
        "data": {"on": true, "message": message},
    });
    assert_eq!(switched.json(), wanted);
    let third = plan.start();
    let closed = async || second.get("/genres", &people.owner).await.status == 503;
    assert!(eventually(Duration::from_secs(2), closed).await, "the other node goes on");
    for node in [&first, &second, &third] {
        for path in [
            "/genres",
            "/users",
            "/stats",
            "/media/x",
            "/nowhere",
            "/",
            "/videos/all",
            "/v/x",
            "/request-count",
            "/casting/actors",
            "/casting/x",
            "/images",
            "/images/x/y",
        ] {
            is_closed(&node.get(path, &people.owner).await, message);
        }
        is_closed(&node.post("/genres", &people.owner, json!({"name": "A"})).await, message);
        is_closed(&node.post_open("/users/registration", json!({})).await, message);
        is_closed(&node.post_open("/sign_up", json!({})).await, message);
        node.post_open("/sign_in", json!({"username": people.owner.email, "password": PASSWORD})).await.response(200);
        for path in ["/healthz", "/readyz", "/metrics", "/healthz/"] {
            assert_eq!(open(node, path).await.status, 200, "{path}");
        }
        let signed_in = node.login(&people.viewer.email, PASSWORD).await.data(200);
        let refresh = json!({"refresh_token": signed_in["refresh_token"]});
        node.post_open("/users/refresh", refresh).await.data(200);
    }
    put(&third, &people.owner, json!({"on": false})).await.data(200);
    for node in [&first, &second, &third] {
        let open_again = async || node.get("/genres", &people.owner).await.status == 200;
        assert!(eventually(Duration::from_secs(2), open_again).await);
    }
}

async fn stats(app: &App, person: &Person) -> Value {
    app.get("/stats", person).await.data(200)
}

fn number(data: &Value, name: &str) -> u64 {
    data[name].as_u64().unwrap_or_else(|| panic!("{name} in {data}"))
}

#[actix_web::test]
async fn statistics_count_every_request_and_byte_and_the_live_sessions() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let bytes = media::mp4();
    let file = app.upload(&owner, "film.mp4", bytes.to_vec()).await.id();
    let before = stats(&app, &owner).await;
    for _ in 0..7 {
        app.get("/genres", &owner).await.data(200);
    }
    app.get("/nowhere", &owner).await;
    let after = stats(&app, &owner).await;
    // The eight, and the first reading itself, which was counted once it was answered.
    assert_eq!(number(&after, "requests") - number(&before, "requests"), 9);
    assert_eq!(number(&after, "bytes"), number(&before, "bytes"), "JSON is not media");

    let size = u64::try_from(bytes.len()).unwrap();
    assert_eq!(app.get(&format!("/media/{file}"), &owner).await.bytes, bytes);
    let part = app.request(Method::GET, &format!("/media/{file}"), Some(&owner)).header("range", "bytes=0-99");
    assert_eq!(Answer::of(part).await.bytes, bytes[..100]);
    let head = Answer::of(app.request(Method::HEAD, &format!("/media/{file}"), Some(&owner))).await;
    assert_eq!(head.status, 200);
    let now = stats(&app, &owner).await;
    assert_eq!(number(&now, "bytes") - number(&after, "bytes"), size + 100);

    assert_eq!(number(&now, "sessions"), 0);
    let body = json!({"episode_id": base.episode});
    let one = app.post("/streams", &owner, body.clone()).await.id();
    let two = app.post("/streams", &owner, body).await.id();
    assert_eq!(number(&stats(&app, &owner).await, "sessions"), 2);
    app.patch(&format!("/streams/{one}"), &owner, json!({"position_seconds": 1})).await.data(200);
    assert_eq!(number(&stats(&app, &owner).await, "sessions"), 2);
    for (stream, left) in [(one, 1), (two, 0)] {
        app.delete(&format!("/streams/{stream}"), &owner).await.data(200);
        assert_eq!(number(&stats(&app, &owner).await, "sessions"), left);
    }
    let up = number(&stats(&app, &owner).await, "uptime_seconds");
    let older = async || number(&stats(&app, &owner).await, "uptime_seconds") > up;
    assert!(eventually(Duration::from_secs(5), older).await, "time stands still");
}

#[actix_web::test]
async fn statistics_sum_over_the_nodes_and_outlive_them() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let first = plan.start();
    let owner = first.register().await;
    let mut second = plan.start();
    for node in [&first, &second, &second, &second] {
        node.get("/genres", &owner).await.data(200);
    }
    // Two requests to register, one here; three there.
    let summed = async || {
        let data = stats(&first, &owner).await;
        let nodes = data["nodes"].as_array().unwrap().clone();
        let sum: u64 = nodes.iter().map(|node| number(node, "requests")).sum();
        let told = |node: &Value| number(node, "requests") >= 3;
        nodes.len() == 2 && nodes.iter().all(told) && sum == number(&data, "requests")
    };
    assert!(eventually(Duration::from_secs(5), summed).await, "{}", stats(&first, &owner).await);
    let before = number(&stats(&first, &owner).await, "requests");
    for _ in 0..5 {
        second.get("/genres", &owner).await.data(200);
    }
    // The end of a node flushes what it counted last.
    second.signal(Signal::TERM);
    assert!(second.ended(Duration::from_secs(20)).unwrap().success());
    assert_eq!(number(&stats(&first, &owner).await, "requests"), before + 6);
}

/// Reads what comes until the peer closes, or stops for `patience`.
fn rest_of(stream: &mut TcpStream, patience: Duration) -> String {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&piece[..count]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionReset) =>
            {
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// An upload that has sent half of itself, and the rest.
async fn half_an_upload(app: &App) -> (TcpStream, Vec<u8>) {
    let owner = app.register().await;
    let file = media::mp4();
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\n";
    let end = "\r\n--b--\r\n";
    let length = head.len() + file.len() + end.len();
    let stored = files_below(app.media_dir());
    let mut stream = TcpStream::connect(app.address()).unwrap();
    let start = format!(
        "POST /files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: multipart/form-data; \
         boundary=b\r\nContent-Length: {length}\r\n\r\n{head}",
        owner.token
    );
    stream.write_all(start.as_bytes()).unwrap();
    let (now, later) = file.split_at(file.len() / 2);
    stream.write_all(now).unwrap();
    // It is under way when the store has begun a file.
    let begun = async || files_below(app.media_dir()) > stored;
    assert!(eventually(Duration::from_secs(10), begun).await);
    (stream, [later, end.as_bytes()].concat())
}

#[actix_web::test]
async fn a_signal_lets_a_running_request_end_and_the_exit_code_is_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let db = TestDb::create();
        let mut app = App::start(&db);
        let (mut stream, later) = half_an_upload(&app).await;
        app.signal(signal);
        let closed = async || TcpStream::connect(app.address()).is_err();
        assert!(eventually(Duration::from_secs(10), closed).await, "it still takes connections");
        assert!(app.ended(Duration::from_millis(300)).is_none(), "it did not wait");
        for piece in later.chunks(later.len() / 4 + 1) {
            stream.write_all(piece).unwrap_or_else(|error| panic!("{signal:?}: {error}"));
        }
        let answer = rest_of(&mut stream, Duration::from_secs(20));
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        drop(stream);
        let status = app.ended(Duration::from_secs(35)).expect("it ends");
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[actix_web::test]
async fn a_second_signal_does_not_wait_for_what_runs_and_the_wait_has_an_end() {
    let db = TestDb::create();
    let mut app = App::start(&db);
    let (stuck, _) = half_an_upload(&app).await;
    app.signal(Signal::TERM);
    assert!(app.ended(Duration::from_millis(300)).is_none(), "it did not wait");
    app.signal(Signal::TERM);
    assert_eq!(app.ended(Duration::from_secs(10)).expect("it ends").code(), Some(0));
    drop(stuck);

    let db = TestDb::create();
    let mut app = Plan::over(&db).with("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "1").start();
    let (stuck, _) = half_an_upload(&app).await;
    app.signal(Signal::TERM);
    assert_eq!(app.ended(Duration::from_secs(15)).expect("it ends").code(), Some(0));
    drop(stuck);
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.file_type().unwrap().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

#[actix_web::test]
async fn a_head_or_a_body_that_does_not_come_in_time_is_answered_408() {
    let db = TestDb::create();
    let app = Plan::over(&db)
        .with("PLAYHOUSE_HTTP__HEADER_TIMEOUT_MS", "700")
        .with("PLAYHOUSE_HTTP__BODY_TIMEOUT_MS", "700")
        .start();
    let mut silent = TcpStream::connect(app.address()).unwrap();
    silent.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: ").unwrap();
    let answer = rest_of(&mut silent, Duration::from_secs(20));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let mut dripping = TcpStream::connect(app.address()).unwrap();
    let head =
        "POST /users/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{";
    dripping.write_all(head.as_bytes()).unwrap();
    dripping.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let began = Instant::now();
    let mut first = [0; 1];
    // A byte now and then does not put the end off.
    while !dripping.read(&mut first).is_ok_and(|count| count == 1) {
        assert!(began.elapsed() < Duration::from_secs(20), "it drips for ever");
        if dripping.write_all(b" ").is_err() {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&first).into_owned() + &rest_of(&mut dripping, Duration::from_secs(5));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"status\":408") && answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(open(&app, "/healthz").await.status, 200);
}

#[actix_web::test]
async fn a_connection_that_idles_after_its_answer_is_closed_after_its_time() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_HTTP__KEEP_ALIVE_SECONDS", "1").start();
    let mut kept = TcpStream::connect(app.address()).unwrap();
    // Long before the time that a head may take, which ends connections, too.
    kept.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).expect("its end");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[actix_web::test]
async fn a_fault_is_one_line_in_the_log_with_its_cause_and_the_client_sees_none_of_it() {
    let db = TestDb::create();
    let (app, log) = Plan::over(&db).with("PLAYHOUSE_LOG__FORMAT", "json").start_logging();
    let owner = app.register().await;
    db.connect().batch_execute("ALTER TABLE genres RENAME COLUMN name TO other").unwrap();
    let answer = app.get("/genres?limit=3", &owner).await;
    let wanted = json!({"status": 500, "response": "Internal Server Error", "message": "Internal server error"});
    assert_eq!((answer.status, answer.json()), (500, wanted));
    let id = answer.header("x-request-id").expect("an id").to_owned();
    for hidden in ["column", "SELECT", "genres", "diesel", "t.name"] {
        let headers = format!("{:?}", answer.headers);
        assert!(!headers.contains(hidden) && !String::from_utf8_lossy(&answer.bytes).contains(hidden), "{hidden}");
    }
    let with_id = || -> Vec<String> {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().filter(|line| line.contains(&id)).map(str::to_owned).collect()
    };
    assert!(eventually(Duration::from_secs(5), async || !with_id().is_empty()).await);
    let lines = with_id();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&line["level"], &line["status"]), (&json!("ERROR"), &json!(500)));
    assert!(line["cause"].as_str().unwrap().contains("column t.name does not exist"), "{line}");
    assert!(line["path"] == "/genres" && line["method"] == "GET", "{line}");
    assert!(!lines[0].contains(&owner.token));
    // A client's mistake is no line at all.
    let refused = app.get("/genres?limit=0", &owner).await;
    let id = refused.header("x-request-id").unwrap().to_owned();
    app.get("/genres?limit=4", &owner).await;
    let later =
        async || std::fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains("ERROR")).count() == 2;
    assert!(eventually(Duration::from_secs(5), later).await);
    assert!(!std::fs::read_to_string(&log).unwrap().contains(&id));
}
