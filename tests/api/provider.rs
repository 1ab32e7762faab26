//! The provider's movies: what is passed on, and what is done about a provider that is flaky, away or strange.

mod away;
mod crowded;
mod strange;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{StreamExt as _, future::join_all, stream};
use reqwest::Method;
use serde_json::{Value, json};
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::support::{
    app::{Answer, App, Plan, eventually},
    people::Person,
    provider::{LIST, PASSWORD, USERNAME, asked, change, failing, good, lot, page_of, provider},
    stores::TestDb,
};

/// A server with this provider, and somebody who asks it.
async fn house(server: &MockServer, change: impl FnOnce(Plan) -> Plan) -> (TestDb, App, Person) {
    let db = TestDb::create();
    let app = change(Plan::over(&db).with_provider(server)).start();
    let person = app.register().await;
    (db, app, person)
}

impl App {
    async fn movies(&self, person: &Person, page: u32) -> Answer {
        self.get(&format!("/movies/?page={page}"), person).await
    }
}

/// The page of an answer that must be good.
#[track_caller]
fn page(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()
}

#[actix_web::test]
async fn a_page_is_passed_on_with_links_to_this_server() {
    let server = provider(good).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    let link = |number: u32| format!("{}/movies/?page={number}", app.base);
    let expected = |number: u32, previous: Option<String>| {
        let data = [json!({"title": number.to_string()})];
        json!({"count": 1000, "next": link(number + 1), "previous": previous, "data": data})
    };
    for path in ["/movies", "/movies/", "/movies?page=1", "/movies/?page=1"] {
        let answer = app.get(path, &person).await;
        assert_eq!(page(&answer), expected(1, None), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(page(&app.movies(&person, 7).await), expected(7, Some(link(6))));
    // Its links can be followed.
    let next = page(&app.movies(&person, 7).await)["next"].as_str().unwrap().to_owned();
    let followed = Answer::of(app.client.get(next).bearer_auth(&person.token)).await;
    assert_eq!(page(&followed), expected(8, Some(link(7))));
    // After the last page that can be asked for there is none, whatever the provider says.
    let last = page(&app.movies(&person, 100_000_000).await);
    assert_eq!((&last["next"], &last["previous"]), (&Value::Null, &json!(link(99_999_999))));
    // Each was asked for anew, in our name.
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 8);
    for request in requests {
        let credentials = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
        assert_eq!(request.headers["authorization"], format!("Basic {credentials}").as_str());
        assert!(request.headers.get("cookie").is_none() && request.headers.get("x-request-id").is_none());
    }
}

#[actix_web::test]
async fn movies_come_as_they_were_written_under_either_name() {
    let movies = r#"[ {"title":"Casablanca", "year" : 1942, "a":7.10, "n":123456789012345678901} ]"#;
    for name in ["data", "results"] {
        let body = format!(r#"{{"{name}": {movies}, "count": 1, "next": null, "previous": null, "other": {{}}}}"#);
        let answer = ResponseTemplate::new(200).set_body_raw(body, "text/plain");
        let server = provider(answer).await;
        let (_db, app, person) = house(&server, |plan| plan).await;
        let answer = app.movies(&person, 1).await;
        let expected = format!(r#"{{"count":1,"next":null,"previous":null,"data":{movies}}}"#);
        assert_eq!(String::from_utf8_lossy(&answer.bytes), expected);
    }
}

#[actix_web::test]
async fn links_name_the_host_that_was_asked_and_a_proxy_s_word_counts_where_it_is_trusted() {
    let server = provider(good).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    let (_other, proxied, member) =
        house(&server, |plan| plan.with("PLAYHOUSE_HTTP__TRUSTED_PROXIES", "127.0.0.1")).await;
    for (app, person, expected) in [
        (&app, &person, "http://movies.example:81/movies/?page=2"),
        (&proxied, &member, "https://public.example/movies/?page=2"),
    ] {
        let request = app.request(Method::GET, "/movies", Some(person));
        let request = request.header("host", "movies.example:81");
        let request = request.header("x-forwarded-host", "public.example").header("x-forwarded-proto", "https");
        assert_eq!(page(&Answer::of(request).await)["next"], expected);
    }
}

#[actix_web::test]
async fn a_thousand_requests_to_a_provider_that_fails_two_of_five_tries_are_answered() {
    let server = provider(failing(|at| lot(at) % 5 < 2)).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    let ask = async |number: u32| (number, app.movies(&person, number).await);
    let answers: Vec<(u32, Answer)> = stream::iter(1..=1000).map(ask).buffer_unordered(32).collect().await;
    let good = answers.iter().filter(|(number, answer)| {
        answer.status == 200 && answer.json()["data"] == json!([{"title": number.to_string()}])
    });
    let good = good.count();
    assert!(good >= 990, "{good} of 1,000");
    assert!(answers.iter().all(|(_, answer)| matches!(answer.status, 200 | 503)));
    let tries = asked(&server).await;
    // It did fail, and the breaker has not spared it.
    assert!(tries > 1500, "only {tries} tries");
}

#[actix_web::test]
async fn requests_for_one_page_at_once_are_one_call_and_who_leaves_takes_nothing_along() {
    let slow = |request: &Request| good(request).set_delay(Duration::from_millis(700));
    let server = provider(slow).await;
    let (_db, app, person) = house(&server, |plan| plan.with("PLAYHOUSE_PROVIDER__READ_TIMEOUT_MS", "5000")).await;
    // The first of them gives up while the call runs.
    let leader = app.request(Method::GET, "/movies/?page=3", Some(&person)).timeout(Duration::from_millis(200)).send();
    let leader = async { assert!(leader.await.expect_err("it gives up").is_timeout()) };
    let begun = async || asked(&server).await == 1;
    let followers = async {
        assert!(eventually(Duration::from_secs(10), begun).await);
        join_all((0..20).map(|_| app.movies(&person, 3))).await
    };
    let ((), answers) = tokio::join!(leader, followers);
    for answer in answers {
        assert_eq!(page(&answer)["data"], json!([{"title": "3"}]));
    }
    assert_eq!(asked(&server).await, 1, "they were not joined");
    let (third, fourth) = tokio::join!(app.movies(&person, 3), app.movies(&person, 4));
    assert_eq!((third.status, fourth.status), (200, 200));
    let pages: Vec<u32> = server.received_requests().await.unwrap().iter().map(page_of).collect();
    assert_eq!(pages.iter().filter(|number| **number == 3).count(), 2, "a page was kept, {pages:?}");
    assert_eq!(pages.iter().filter(|number| **number == 4).count(), 1, "{pages:?}");
}

#[actix_web::test]
async fn no_more_calls_run_at_a_time_than_the_settings_say() {
    let slow = |request: &Request| good(request).set_delay(Duration::from_millis(150));
    let server = provider(slow).await;
    let (_db, app, person) = house(&server, |plan| plan.with("PLAYHOUSE_PROVIDER__PARALLEL", "2")).await;
    let begin = std::time::Instant::now();
    let answers = join_all((1..=8).map(|number| app.movies(&person, number))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    // Four after the other, of two each.
    assert!(begin.elapsed() >= Duration::from_millis(600), "{:?}", begin.elapsed());
}

#[actix_web::test]
async fn wrong_pages_and_callers_without_a_token_do_not_reach_the_provider() {
    let server = provider(good).await;
    let (_db, app, person) = house(&server, |plan| plan).await;
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=%2B1", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("page=100000001", "page"),
        ("page=1&page=2", "page"),
        ("limit=1", "limit"),
    ] {
        let answer = app.get(&format!("/movies/?{query}"), &person).await;
        assert_eq!(answer.status, 400, "{query}");
        let messages = &answer.json()[field];
        assert!(messages[0].as_str().is_some_and(|text| !text.is_empty()), "{query}: {}", answer.json());
        assert_eq!(answer.json().as_object().unwrap().len(), 1, "{query}");
    }
    for (token, status) in [("", 401), ("Bearer x", 401), ("Basic eDp5", 401), (&*person.token, 401)] {
        let request = app.request(Method::GET, "/movies", None);
        let request = if token.is_empty() { request } else { request.header("authorization", token) };
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, status, "{token}");
        assert!(answer.refusal().is_string() && answer.header("www-authenticate").is_some());
    }
    let answer = app.post("/movies/", &person, json!({})).await;
    assert_eq!((answer.status, answer.json()), (405, json!({"detail": "Method not allowed"})));
    let answer = app.get("/movies/1/", &person).await;
    assert_eq!((answer.status, answer.json()), (404, json!({"detail": "No such path"})));
    assert_eq!(asked(&server).await, 0);
}

#[actix_web::test]
async fn credentials_show_in_no_answer_and_no_log() {
    let db = TestDb::create();
    let server = provider(good).await;
    let key = "a-key-in-the-address";
    let plan = Plan::over(&db)
        .with_provider_at(&format!("{}{LIST}?key={key}", server.uri()))
        .with("PLAYHOUSE_PROVIDER__RETRIES", "1")
        .with("PLAYHOUSE_LOG__FILTER", "trace");
    let (app, log) = plan.start_logging();
    let person = app.register().await;
    let mut shown = app.movies(&person, 1).await.bytes;
    assert!(server.received_requests().await.unwrap()[0].url.query().unwrap().contains(key), "the key was not sent");
    for status in [500, 401, 404] {
        change(&server, ResponseTemplate::new(status)).await;
        shown.extend(app.movies(&person, 1).await.bytes);
    }
    change(&server, ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/")).await;
    shown.extend(app.movies(&person, 1).await.bytes);
    drop(server);
    shown.extend(app.movies(&person, 1).await.bytes);
    let document = Answer::of(app.request(Method::GET, "/metrics", None)).await;
    assert!(String::from_utf8_lossy(&document.bytes).contains("playhouse_provider_pages_total"));
    shown.extend(document.bytes);
    shown.extend(std::fs::read(&log).unwrap());
    let text = String::from_utf8_lossy(&shown);
    for cause in
        ["it does not take our credentials (status 401)", "it answers with status 500", "the connection failed"]
    {
        assert!(text.contains(cause), "the log has no cause: {cause}");
    }
    for secret in [USERNAME, PASSWORD, key, &STANDARD.encode(format!("{USERNAME}:{PASSWORD}"))] {
        assert!(!text.contains(secret), "{secret} shows");
    }
}

#[actix_web::test]
async fn a_wrong_setting_of_the_provider_stops_the_start_with_one_line_that_does_not_show_it() {
    let db = TestDb::create();
    for (name, value, told) in [
        ("BASE_URL", "http://ilsa:hush@provider.example/", "base_url"),
        ("BASE_URL", "https://hush@provider.example/", "base_url"),
        ("BASE_URL", "ftp://provider.example/hush", "base_url"),
        ("BASE_URL", "hush", "base_url"),
        ("USERNAME", "hush:hush", "username"),
        ("DEADLINE_MS", "0", "deadline_ms"),
        ("BREAKER_FAILURES", "0", "breaker_failures"),
    ] {
        let plan = Plan::over(&db).with(&format!("PLAYHOUSE_PROVIDER__{name}"), value);
        let output = plan.command().output().expect("the program starts");
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(&format!("wrong setting provider.{told}: ")), "{err}");
        assert!(!err.contains("hush") && err.trim().lines().count() == 1, "{err}");
    }
}
