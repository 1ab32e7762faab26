//! Lists: pages, order, filters, search, cursors, and what they cost.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt::Write as _,
};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query,
    sql_types::BigInt,
};
use playhouse::{
    db::{listing::ListQuery, queries::series, rows::SeriesRow},
    domain::listing::{Page, parse},
};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App},
    channels::tiny,
    media::png,
    people::Person,
    stores::{TestDb, count},
};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn column(answer: &Answer, name: &str) -> Vec<Value> {
    answer.data(200).as_array().expect("a list").iter().map(|row| row[name].clone()).collect()
}

fn names(answer: &Answer) -> Vec<String> {
    column(answer, "name").iter().map(|name| text(name).to_owned()).collect()
}

fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The targets of a `Link` header by their relation.
fn links(answer: &Answer) -> BTreeMap<String, String> {
    let header = answer.header("link").expect("a Link header");
    let one = |link: &str| {
        let (target, relation) = link.split_once(">; rel=\"").expect("a target and a relation");
        (relation.trim_end_matches('"').to_owned(), target.trim_start_matches('<').to_owned())
    };
    header.split(", ").map(one).collect()
}

async fn add(app: &App, owner: &Person, series: Value) -> String {
    app.post("/series", owner, series).await.id()
}

#[actix_web::test]
async fn pages_are_counted_and_linked_and_their_links_can_be_followed() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for at in 0..23 {
        add(&app, &owner, json!({"name": format!("S{at:02}"), "description": "a & b"})).await;
    }
    let all: Vec<String> = (0..23).map(|at| format!("S{at:02}")).collect();
    let answer = app.get("/series", &owner).await;
    assert_eq!(names(&answer), all[..10]);
    let pagination = &answer.json()["pagination"];
    assert_eq!(
        (&pagination["page"], &pagination["limit"], &pagination["total"], &pagination["pages"]),
        (&json!(1), &json!(10), &json!(23), &json!(3))
    );
    assert!(pagination["next_cursor"].is_string());

    let answer = app.get("/series?page=2&limit=5&sort=-name&description=A%20%26%20B", &owner).await;
    assert_eq!(names(&answer), ["S17", "S16", "S15", "S14", "S13"]);
    let found = links(&answer);
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["first", "last", "next", "prev"]);
    for (relation, wanted) in [
        ("first", ["S22", "S21", "S20", "S19", "S18"].as_slice()),
        ("prev", &["S22", "S21", "S20", "S19", "S18"]),
        ("next", &["S12", "S11", "S10", "S09", "S08"]),
        ("last", &["S02", "S01", "S00"]),
    ] {
        let target = &found[relation];
        assert!(target.starts_with("/series?"), "{target}");
        assert_eq!(names(&app.get(target, &owner).await), wanted, "{relation}: {target}");
    }
    let relations = |answer: &Answer| links(answer).into_keys().collect::<Vec<_>>().join(" ");
    assert_eq!(relations(&app.get("/series?limit=5", &owner).await), "first last next");
    assert_eq!(relations(&app.get("/series?page=5&limit=5", &owner).await), "first last prev");
    assert_eq!(relations(&app.get("/series?limit=100", &owner).await), "first last");
    let beyond = app.get("/series?page=9&limit=5", &owner).await;
    assert_eq!(names(&beyond), Vec::<String>::new());
    assert_eq!(links(&beyond)["prev"], "/series?page=5&limit=5");
    assert_eq!(beyond.json()["pagination"]["next_cursor"], json!(null));

    let mut seen = Vec::new();
    let mut next = Some("/series?limit=4&sort=-name".to_owned());
    while let Some(path) = next {
        let answer = app.get(&path, &owner).await;
        seen.extend(names(&answer));
        next = links(&answer).remove("next");
    }
    seen.reverse();
    assert_eq!(seen, all);
}

#[actix_web::test]
async fn lists_sort_by_several_keys_in_both_directions_and_ties_fall_back_to_id() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for (name, rating) in
        [("beta", json!(5)), ("Alpha", json!(5)), ("gamma", json!(9)), ("delta", json!(null)), ("alpha", json!(1))]
    {
        add(&app, &owner, json!({"name": name, "rating": rating})).await;
    }
    for (sort, wanted) in [
        ("name", ["Alpha", "alpha", "beta", "delta", "gamma"]),
        ("+name", ["Alpha", "alpha", "beta", "delta", "gamma"]),
        ("%2Bname", ["Alpha", "alpha", "beta", "delta", "gamma"]),
        ("%20name", ["Alpha", "alpha", "beta", "delta", "gamma"]),
        ("-name", ["gamma", "delta", "beta", "Alpha", "alpha"]),
        ("rating", ["delta", "alpha", "beta", "Alpha", "gamma"]),
        ("-rating", ["gamma", "beta", "Alpha", "alpha", "delta"]),
        ("-rating,name", ["gamma", "Alpha", "beta", "alpha", "delta"]),
        ("-rating,+name", ["gamma", "Alpha", "beta", "alpha", "delta"]),
        ("rating,-name", ["delta", "alpha", "beta", "Alpha", "gamma"]),
        ("name,-rating", ["Alpha", "alpha", "beta", "delta", "gamma"]),
        ("name,+rating", ["alpha", "Alpha", "beta", "delta", "gamma"]),
        ("createdAt", ["beta", "Alpha", "gamma", "delta", "alpha"]),
        ("-createdAt", ["alpha", "delta", "gamma", "Alpha", "beta"]),
        ("name,-id", ["alpha", "Alpha", "beta", "delta", "gamma"]),
        ("-id", ["alpha", "delta", "gamma", "Alpha", "beta"]),
    ] {
        assert_eq!(names(&app.get(&format!("/series?sort={sort}"), &owner).await), wanted, "{sort}");
    }
}

#[actix_web::test]
async fn filters_compare_each_kind_of_field_in_its_own_way() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let drama = app.post("/genres", &owner, json!({"name": "Drama"})).await.id();
    let crime = app.post("/genres", &owner, json!({"name": "Crime"})).await.id();
    let mut ids = Vec::new();
    for (name, rating, genres) in [
        ("Game of Thrones", json!(9.5), vec![&drama]),
        ("100% Wolf", json!(2), vec![&crime, &drama]),
        ("1000 Wolf", json!(4), vec![&crime]),
        ("a_b", json!(null), vec![]),
        ("axb", json!(0), vec![]),
        ("O'Brien", json!(7.25), vec![]),
        ("Ärger", json!(7.5), vec![]),
    ] {
        ids.push(add(&app, &owner, json!({"name": name, "rating": rating, "genre_ids": genres})).await);
    }
    // Apart by years, so that days and offsets can be told from each other.
    let mut conn = db.connect();
    for (at, id) in ids.iter().enumerate() {
        let time = format!("202{at}-06-15T12:00:00.25Z");
        conn.batch_execute(&format!("UPDATE series SET created_at = '{time}' WHERE id = '{id}'")).unwrap();
    }
    let first = format!("id={}", ids[0]);
    for (query, wanted) in [
        (first, vec![0]),
        ("name=GAME%20of+thrones".to_owned(), vec![0]),
        ("name=game".to_owned(), vec![]),
        ("name=100%25%20wolf".to_owned(), vec![1]),
        ("name=100_%20wolf".to_owned(), vec![]),
        ("name=A_B".to_owned(), vec![3]),
        ("name=%25".to_owned(), vec![]),
        ("name=o%27brien".to_owned(), vec![5]),
        ("name=%C3%84rger".to_owned(), vec![6]),
        ("rating=4".to_owned(), vec![2]),
        ("rating_gte=7.25".to_owned(), vec![0, 5, 6]),
        ("rating_lte=2".to_owned(), vec![1, 4]),
        ("rating_gte=2&rating_lte=7.25".to_owned(), vec![1, 2, 5]),
        ("rating_lte=-1".to_owned(), vec![]),
        (format!("genre_id={crime}"), vec![1, 2]),
        (format!("genre_id={drama}&rating_gte=5"), vec![0]),
        ("createdAt_gte=2025-01-01".to_owned(), vec![5, 6]),
        ("createdAt_gte=2025-06-15".to_owned(), vec![5, 6]),
        ("createdAt_gte=2025-06-16".to_owned(), vec![6]),
        ("createdAt_gte=2025-06-15T12:00:00.25Z".to_owned(), vec![5, 6]),
        ("createdAt_gte=2025-06-15T12:00:01Z".to_owned(), vec![6]),
        ("createdAt_gte=2025-06-15T14:00:00%2B02:00".to_owned(), vec![5, 6]),
        ("createdAt_gte=2025-06-15T14:00:01+02:00".to_owned(), vec![6]),
        ("createdAt_gte=2025-06-15T14:00:00+02:00".to_owned(), vec![5, 6]),
        ("createdAt_lte=2021-06-15".to_owned(), vec![0]),
        ("createdAt=2023-06-15T12:00:00.25Z".to_owned(), vec![3]),
        ("createdAt_gte=2021-01-01&createdAt_lte=2023-01-01".to_owned(), vec![1, 2]),
    ] {
        let found: HashSet<Value> =
            column(&app.get(&format!("/series?{query}"), &owner).await, "id").into_iter().collect();
        let wanted: HashSet<Value> = wanted.into_iter().map(|at| json!(ids[at])).collect();
        assert_eq!(found, wanted, "{query}");
    }
}

#[actix_web::test]
async fn q_finds_words_in_name_and_description_and_forgives_typing_errors() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for (name, description) in [
        ("Casablanca", "Rick runs a bar"),
        ("Metropolis", "A city of the future"),
        ("The Third Man", "Vienna after the war"),
        ("Friends", "Six of them"),
        ("100% Wolf", "a_b isn't \"quoted\""),
    ] {
        add(&app, &owner, json!({"name": name, "description": description})).await;
    }
    for (q, wanted) in [
        ("casablanca", vec!["Casablanca"]),
        ("cassablanca", vec!["Casablanca"]),
        ("CASABLANKA", vec!["Casablanca"]),
        ("metroplis", vec!["Metropolis"]),
        ("frends", vec!["Friends"]),
        ("vienna", vec!["The Third Man"]),
        ("third man", vec!["The Third Man"]),
        ("future city", vec!["Metropolis"]),
        ("wolf", vec!["100% Wolf"]),
        ("%", vec![]),
        ("_", vec![]),
        ("'", vec![]),
        ("' OR 1=1 --", vec![]),
        ("zzzzzz", vec![]),
    ] {
        let answer = app.get(&format!("/series?q={}", encode(q)), &owner).await;
        assert_eq!(names(&answer), wanted, "{q}");
        assert_eq!(answer.json()["pagination"]["total"], wanted.len(), "{q}");
    }
    // The better answer comes first, and a walk by cursor keeps that order.
    add(&app, &owner, json!({"name": "Casablanka", "description": "a copy"})).await;
    let first = app.get("/series?q=casablanca&limit=1", &owner).await;
    assert_eq!(names(&first), ["Casablanca"]);
    let json = first.json();
    let cursor = text(&json["pagination"]["next_cursor"]);
    assert_eq!(names(&app.get(&format!("/series?cursor={cursor}&limit=1"), &owner).await), ["Casablanka"]);
    // Episodes and seasons are searched alike; where nothing can be searched `q` is unknown.
    let base = app.catalogue(&owner).await;
    let found = app.get(&format!("/seasons/{}/episodes?q=pilott", base.season), &owner).await;
    assert_eq!(names(&found), ["Pilot"]);
    assert_eq!(app.get("/streams?q=x", &owner).await.wrong_fields(), ["q"]);
}

#[actix_web::test]
async fn a_wrong_parameter_is_named_and_all_of_them_at_once() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for (path, wrong) in [
        ("/series?colour=red", "colour"),
        ("/series?name_gte=a", "name_gte"),
        ("/series?genre_ids=x", "genre_ids"),
        ("/series?sort=genre_id", "sort"),
        ("/series?sort=password_hash", "sort"),
        ("/series?sort=id;DROP", "sort"),
        ("/series?sort=", "sort"),
        ("/series?sort=--name", "sort"),
        ("/series?sort=name,name", "sort"),
        ("/series?page=0", "page"),
        ("/series?page=-1", "page"),
        ("/series?page=x", "page"),
        ("/series?page=9223372036854775808", "page"),
        ("/series?limit=0", "limit"),
        ("/series?limit=101", "limit"),
        ("/series?limit=1000", "limit"),
        ("/series?page=1&page=2", "page"),
        ("/series?id=17", "id"),
        ("/series?genre_id=17", "genre_id"),
        ("/series?rating_gte=high", "rating_gte"),
        ("/series?rating=NaN", "rating"),
        ("/series?createdAt_gte=yesterday", "createdAt_gte"),
        ("/series?createdAt_gte=2025-02-30", "createdAt_gte"),
        ("/series?name=a%00b", "name"),
        ("/series?q=%00", "q"),
        ("/series?name=%FF", "name"),
        ("/series?cursor=AAAA", "cursor"),
        ("/series?cursor=", "cursor"),
        ("/series/17", "id"),
        ("/genres/17/series", "id"),
        ("/users?password_hash=x", "password_hash"),
        ("/users?sort=roles", "sort"),
    ] {
        let answer = app.get(path, &owner).await;
        assert_eq!(answer.wrong_fields(), [wrong], "{path}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("Validation failed: {wrong} ")), "{message}");
    }
    let several = app.get("/series?page=0&limit=1000&sort=x&colour=red&id=17", &owner).await;
    assert_eq!(several.wrong_fields(), ["page", "limit", "sort", "colour", "id"]);
}

#[actix_web::test]
async fn the_contracts_examples_work() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    add(&app, &owner, json!({"name": "Metropolis", "genre_id": base.genre})).await;
    add(&app, &owner, json!({"name": "Nosferatu"})).await;
    let path = format!("/series?page=1&limit=10&genre_id={}&sort=-name", base.genre);
    assert_eq!(names(&app.get(&path, &owner).await), ["Metropolis", "Casablanca"]);
    let mut made = Vec::new();
    for at in 0..8 {
        let name = if at % 2 == 0 { "GOT" } else { "got" };
        made.push(app.post("/seasons", &owner, json!({"name": name, "series_id": base.series})).await.id());
    }
    let answer = app.get("/seasons?page=2&limit=5&name=GOT&sort=+name", &owner).await;
    assert_eq!(column(&answer, "id"), made[5..].iter().map(|id| json!(id)).collect::<Vec<_>>());
    let pagination = &answer.json()["pagination"];
    assert_eq!((&pagination["page"], &pagination["total"], &pagination["pages"]), (&json!(2), &json!(8), &json!(2)));
}

/// All ids of a list, by cursor; `between` runs after each page.
pub(crate) async fn walk(app: &App, person: &Person, path: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let (mut seen, mut next, mut page) = (Vec::new(), path.to_owned(), 0);
    let (list, parameters) = path.split_once('?').expect("parameters");
    let limit = parameters.split('&').find(|pair| pair.starts_with("limit=")).unwrap_or("limit=10");
    loop {
        let answer = app.get(&next, person).await;
        seen.extend(column(&answer, "id").iter().map(|id| text(id).to_owned()));
        let json = answer.json();
        let Some(cursor) = json["pagination"]["next_cursor"].as_str() else { return seen };
        assert!(page < 1000, "the walk does not end");
        between(page).await;
        page += 1;
        next = format!("{list}?cursor={}&{limit}", encode(cursor));
    }
}

#[actix_web::test]
async fn a_walk_by_cursor_visits_every_row_once_also_among_equals_and_while_rows_come() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let mut made = BTreeSet::new();
    for at in 0..30 {
        let rating = if at % 4 == 0 { json!(null) } else { json!(at % 3) };
        let name = ["mmm", "MMM", "nnn"][at % 3];
        made.insert(add(&app, &owner, json!({"name": name, "rating": rating})).await);
    }
    // Many of one moment, as after an import.
    db.connect().batch_execute("UPDATE series SET created_at = '2026-01-01' WHERE rating > 0").unwrap();
    for sort in [
        "name",
        "-name",
        "rating",
        "-rating",
        "createdAt",
        "-createdAt",
        "-rating,name",
        "name,-rating,id",
        "id",
        "-id",
    ] {
        let path = format!("/series?limit=4&sort={sort}");
        let seen = walk(&app, &owner, &path, async |_| {}).await;
        let pages: Vec<String> = {
            let mut all = Vec::new();
            for page in 1..=8 {
                let answer = app.get(&format!("{path}&page={page}"), &owner).await;
                all.extend(column(&answer, "id").iter().map(|id| text(id).to_owned()));
            }
            all
        };
        assert_eq!(seen, pages, "{sort}: pages and cursors give one order");
        assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), made, "{sort}");
        assert_eq!(seen.len(), made.len(), "{sort}: a row came twice");
    }
    for sort in ["name", "-name", "-rating", "createdAt"] {
        let before: BTreeSet<String> =
            walk(&app, &owner, "/series?limit=100", async |_| {}).await.into_iter().collect();
        let seen = walk(&app, &owner, &format!("/series?limit=5&sort={sort}"), async |page| {
            let name = ["aaa", "mmm", "zzz"][page % 3];
            add(&app, &owner, json!({"name": name, "rating": page % 11})).await;
        })
        .await;
        let once: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(once.len(), seen.len(), "{sort}: a row came twice");
        assert!(once.is_superset(&before), "{sort}: a row was missed");
    }
}

#[actix_web::test]
async fn a_search_has_more_time_than_a_list() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    add(&app, &owner, json!({"name": "Casablanca"})).await;
    let mut conn = db.connect();
    conn.batch_execute("BEGIN; LOCK TABLE series IN ACCESS EXCLUSIVE MODE").unwrap();
    let list = async {
        let list = app.get("/series?name=casablanca", &owner).await;
        // The search has begun by then.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        conn.batch_execute("COMMIT").unwrap();
        list
    };
    let (list, search) = tokio::join!(list, app.get("/series?q=casablanca", &owner));
    assert_eq!((list.status, search.status), (503, 200));
    assert_eq!(names(&search), ["Casablanca"]);
    // Connections that have searched are as impatient as before.
    conn.batch_execute("BEGIN; LOCK TABLE series IN ACCESS EXCLUSIVE MODE").unwrap();
    let paths: Vec<String> = (0..20).map(|at| format!("/series?name=another{at}")).collect();
    let lists = futures_util::future::join_all(paths.iter().map(|path| app.get(path, &owner))).await;
    assert!(lists.iter().all(|list| list.status == 503));
    tokio::time::sleep(std::time::Duration::from_millis(1800)).await;
    let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    assert_eq!(count(&mut conn, waiting), 0, "statements of lists wait on");
    conn.batch_execute("COMMIT").unwrap();
}

#[actix_web::test]
async fn a_walk_in_any_order_visits_every_row_once_also_those_without_a_value() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let film = app.upload(&owner, "a.mp4", tiny().to_vec()).await.id();
    let image = app.upload(&owner, "a.png", png().to_vec()).await.id();
    for at in 0..3 {
        app.post("/series", &owner, json!({"name": "Empty", "rating": at})).await.id();
        let episode = json!({"name": "Filmed", "season_id": base.season, "file_id": film, "image_id": image});
        app.post("/episodes", &owner, episode).await.id();
        app.watch(&owner, json!({"file_id": film})).await;
        app.watch(&owner, json!({"episode_id": base.episode})).await;
    }
    let mut orders = 0;
    for list in ["/genres", "/series", "/seasons", "/episodes", "/streams", "/files", "/users", "/keys", "/me/history"]
    {
        let total = app.get(list, &owner).await.json()["pagination"]["total"].as_u64().expect("a total");
        // The refusal names what can be sorted.
        let refused = app.get(&format!("{list}?sort=nothing"), &owner).await.json().to_string();
        let fields = refused.split("sortable are ").nth(1).and_then(|rest| rest.split('"').next()).expect("fields");
        for field in fields.split(", ") {
            for sort in [field.to_owned(), format!("-{field}")] {
                let seen = walk(&app, &owner, &format!("{list}?limit=2&sort={sort}"), async |_| {}).await;
                let once: BTreeSet<&String> = seen.iter().collect();
                assert_eq!((seen.len(), once.len()), (seen.len(), seen.len()), "{list} by {sort}: a row came twice");
                assert_eq!(u64::try_from(seen.len()).expect("a length"), total, "{list} by {sort}: a row was missed");
                orders += 1;
            }
        }
    }
    assert!(orders > 60, "{orders}");
}

#[actix_web::test]
async fn a_cursor_is_taken_by_its_own_list_only() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for at in 0..6 {
        add(&app, &owner, json!({"name": format!("S{at}"), "rating": 5})).await;
    }
    let json = app.get("/series?limit=2&sort=-name&rating=5", &owner).await.json();
    let cursor = text(&json["pagination"]["next_cursor"]);
    let ascending = app.get("/series?limit=2&sort=%2Bname", &owner).await.json();
    let upwards = text(&ascending["pagination"]["next_cursor"]);
    for fits in ["", "&sort=name", "&sort=+name", "&sort=%2Bname"] {
        assert_eq!(names(&app.get(&format!("/series?cursor={upwards}{fits}"), &owner).await)[..2], ["S2", "S3"]);
    }
    for fits in ["", "&limit=2", "&sort=-name&rating=5"] {
        let answer = app.get(&format!("/series?cursor={cursor}{fits}"), &owner).await;
        assert_eq!(names(&answer)[..2], ["S3", "S2"], "{fits}");
        let json = answer.json();
        assert_eq!((&json["pagination"]["page"], &json["pagination"]["total"]), (&json!(null), &json!(6)));
    }
    let cut = &cursor[..cursor.len() - 8];
    let bent = {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE};
        let mut inner: Value = serde_json::from_slice(&BASE.decode(cursor).unwrap()).unwrap();
        inner["k"] = json!(["S3", "1; DROP TABLE series"]);
        BASE.encode(inner.to_string())
    };
    for path in [
        format!("/seasons?cursor={cursor}"),
        format!("/genres?cursor={cursor}"),
        format!("/series?cursor={cursor}&rating=6"),
        format!("/series?cursor={cursor}&name=x"),
        format!("/series?cursor={cursor}&sort=name"),
        format!("/series?cursor={cursor}&q=x"),
        format!("/series?cursor={cursor}&page=2"),
        format!("/series?cursor={cut}"),
        format!("/series?cursor={bent}"),
        format!("/series?cursor={}", "A".repeat(20_000)),
    ] {
        assert_eq!(app.get(&path, &owner).await.wrong_fields(), ["cursor"], "{path:.80}");
    }
}

/// Statements that this server has sent to Postgres.
pub(crate) async fn statements(app: &App, person: &Person) -> u64 {
    let answer = app.get("/metrics", person).await;
    let metrics = String::from_utf8(answer.bytes).unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("playhouse_sql_statements_total "));
    line.expect("the counter").parse().expect("a number")
}

#[actix_web::test]
async fn every_list_takes_two_statements_at_most_whatever_its_length() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let stream = app.post("/streams", &owner, json!({"episode_id": base.episode})).await.id();
    let paths = [
        "/genres".to_owned(),
        "/series".to_owned(),
        "/seasons".to_owned(),
        "/episodes".to_owned(),
        "/streams".to_owned(),
        "/users".to_owned(),
        "/keys".to_owned(),
        "/files".to_owned(),
        "/me/history".to_owned(),
        format!("/genres/{}/series", base.genre),
        format!("/genres/{}/series/seasons", base.genre),
        format!("/series/{}/seasons", base.series),
        format!("/series/{}/seasons/episodes", base.series),
        format!("/seasons/{}/episodes", base.season),
        format!("/episodes/{}/streams", base.episode),
        format!("/users/{}/streams", owner.id),
        format!("/users/{}/streams/episode", owner.id),
        format!("/streams/{stream}/episode/season/series/genre"),
    ];
    for length in [1, 60] {
        if length > 1 {
            db.connect().batch_execute(&many(&base.series, &base.season, &base.episode, &owner.id)).unwrap();
        }
        for path in &paths {
            for sort in ["id", "-createdAt"] {
                // A limit that was not asked for before: nothing of it can be cached. The least of three,
                // because a connection that is opened meanwhile is tested by a statement too.
                let (mut least, mut rows) = (u64::MAX, 0);
                for limit in if length == 1 { [7, 8, 9] } else { [50, 51, 52] } {
                    let before = statements(&app, &owner).await;
                    rows = column(&app.get(&format!("{path}?limit={limit}&sort={sort}"), &owner).await, "id").len();
                    least = least.min(statements(&app, &owner).await - before);
                }
                assert!((1..=2).contains(&least), "{least} statements for {rows} rows of {path}");
                let alone = ["/files", "/genre"].iter().any(|end| path.ends_with(end));
                assert!(length == 1 || alone || rows == 52, "{rows} rows of {path}");
            }
        }
    }
}

/// Sixty more of each, as many of them as there can be below one parent.
fn many(series: &str, season: &str, episode: &str, user: &str) -> String {
    let mut sql = String::new();
    for (table, columns, values) in [
        ("genres", "name", "'Genre ' || i".to_owned()),
        ("series", "name", "'Series ' || i".to_owned()),
        ("seasons", "series_id, name, number", format!("'{series}', 'Season ' || i, i")),
        ("episodes", "season_id, name, number", format!("'{season}', 'Episode ' || i, i")),
        ("streams", "user_id, episode_id", format!("'{user}', '{episode}'")),
        (
            "api_keys",
            "user_id, name, secret_hash, permissions",
            format!("'{user}', 'Key ' || i, sha256(i::text::bytea), '{{}}'"),
        ),
        ("users", "email, password_hash, roles", "'u' || i || '@example.org', '', '{viewer}'".to_owned()),
    ] {
        writeln!(
            sql,
            "INSERT INTO {table} (id, {columns}) SELECT gen_random_uuid(), {values} FROM generate_series(1, 60) i;"
        )
        .unwrap();
    }
    sql + "INSERT INTO genres_series (series_id, genre_id, position) SELECT s.id, g.id, 9 FROM series s, genres g \
            ON CONFLICT DO NOTHING;
        INSERT INTO streams (id, user_id, episode_id) SELECT gen_random_uuid(), u.id, e.id FROM episodes e, users u;"
}

/// What a list of series touched of its table.
#[derive(Debug, QueryableByName)]
struct Touched {
    #[diesel(sql_type = BigInt)]
    scans: i64,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

fn page_of(conn: &mut PgConnection, pairs: &[(&str, &str)]) -> (Page<SeriesRow>, Touched) {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let request = parse(&series::LISTING, &pairs).unwrap();
    let query = ListQuery { listing: &series::LISTING, request, narrow: Vec::new(), parent: None };
    let touched = "SELECT seq_scan AS scans, coalesce(idx_tup_fetch, 0) + seq_tup_read AS rows \
        FROM pg_stat_xact_user_tables WHERE relname = 'series'";
    conn.transaction::<_, diesel::result::Error, _>(|conn| {
        let before: Touched = sql_query(touched).get_result(conn)?;
        let page = query.page::<SeriesRow>(conn, 100_000)?;
        let after: Touched = sql_query(touched).get_result(conn)?;
        Ok((page, Touched { scans: after.scans - before.scans, rows: after.rows - before.rows }))
    })
    .unwrap()
}

#[test]
fn a_page_deep_in_100_000_series_costs_what_the_first_costs() {
    let db = TestDb::create();
    let mut conn = db.connect();
    // Every sort key has large groups of equals. Search is not what is measured here.
    conn.batch_execute(
        "DROP INDEX series_words_idx, series_trigrams_idx; SET jit = off;
        INSERT INTO series (id, name, rating, created_at, updated_at)
        SELECT gen_random_uuid(), 'Series ' || i % 200, CASE WHEN i % 7 > 0 THEN i % 100 / 10.0 END,
            timestamptz '2026-01-01' + i / 1000 * interval '1 minute', now() FROM generate_series(1, 100000) i;
        ANALYZE series",
    )
    .unwrap();
    for sort in ["", "name", "-name", "rating", "-rating", "createdAt", "-createdAt", "updatedAt", "-updatedAt", "-id"]
    {
        let mut pairs = vec![("limit", "20")];
        pairs.extend((!sort.is_empty()).then_some(("sort", sort)));
        let (page, first) = page_of(&mut conn, &pairs);
        assert_eq!(page.items.len(), 20);
        // Deep, by number, which walks; from there on by cursor.
        let (page, _) = page_of(&mut conn, &[&pairs[..], &[("page", "4500")]].concat());
        let cursor = page.next.expect("more rows").encode();
        // More often than Postgres needs to settle on a plan for a prepared statement.
        for _ in 0..8 {
            let (deep, touched) = page_of(&mut conn, &[("limit", "20"), ("cursor", &cursor)]);
            assert_eq!(deep.items.len(), 20);
            for touched in [&first, &touched] {
                assert_eq!(touched.scans, 0, "'{sort}' reads the whole table: {touched:?}");
                assert!((20..=3 * 21).contains(&touched.rows), "'{sort}': {touched:?} for 21 rows");
            }
        }
    }
}

/// A list that is asked for, in the model's terms.
#[derive(Debug, Clone)]
struct Asked {
    sort: Vec<(&'static str, bool)>,
    name: Option<usize>,
    rating: (Option<u8>, Option<u8>),
    genre: Option<usize>,
    from: Option<usize>,
    limit: usize,
}

const NAMES: [&str; 6] = ["Alpha", "alpha", "Beta", "gamma", "Gamma", "delta"];

fn asked() -> impl Strategy<Value = Asked> {
    let keys = ["name", "rating", "createdAt", "id"];
    let sort = proptest::sample::subsequence(keys.to_vec(), 0..=3)
        .prop_shuffle()
        .prop_flat_map(|keys| {
            let count = keys.len();
            (Just(keys), proptest::collection::vec(any::<bool>(), count))
        })
        .prop_map(|(keys, down)| keys.into_iter().zip(down).collect());
    let bound = || proptest::option::weighted(0.3, 0..10_u8);
    (
        sort,
        proptest::option::weighted(0.2, 0..NAMES.len()),
        (bound(), bound()),
        proptest::option::weighted(0.3, 0..2_usize),
        proptest::option::weighted(0.3, 0..40_usize),
        5..=20_usize,
    )
        .prop_map(|(sort, name, rating, genre, from, limit)| Asked { sort, name, rating, genre, from, limit })
}

/// What the server holds, in the order of creation.
struct Model {
    rows: Vec<Value>,
    genres: Vec<String>,
}

impl Model {
    fn query(&self, asked: &Asked) -> String {
        let mut query = format!("limit={}", asked.limit);
        let keys: Vec<String> =
            asked.sort.iter().map(|(key, down)| format!("{}{key}", if *down { "-" } else { "" })).collect();
        let from = asked.from.map(|at| text(&self.rows[at]["createdAt"]).to_owned());
        for (name, value) in [
            ("sort", (!keys.is_empty()).then(|| keys.join(","))),
            ("name", asked.name.map(|at| NAMES[at].to_uppercase())),
            ("rating_gte", asked.rating.0.map(|rating| rating.to_string())),
            ("rating_lte", asked.rating.1.map(|rating| rating.to_string())),
            ("genre_id", asked.genre.map(|at| self.genres[at].clone())),
            ("createdAt_gte", from),
        ] {
            if let Some(value) = value {
                write!(query, "&{name}={}", encode(&value)).unwrap();
            }
        }
        query
    }

    fn answer(&self, asked: &Asked) -> Vec<String> {
        let rating = |row: &Value| row["rating"].as_f64();
        let mut rows: Vec<&Value> = self
            .rows
            .iter()
            .filter(|row| asked.name.is_none_or(|at| text(&row["name"]).eq_ignore_ascii_case(NAMES[at])))
            .filter(|row| {
                asked.rating.0.is_none_or(|least| rating(row).is_some_and(|rating| rating >= f64::from(least)))
            })
            .filter(|row| asked.rating.1.is_none_or(|most| rating(row).is_some_and(|rating| rating <= f64::from(most))))
            .filter(|row| {
                asked.genre.is_none_or(|at| row["genre_ids"].as_array().unwrap().contains(&json!(self.genres[at])))
            })
            .filter(|row| asked.from.is_none_or(|at| text(&row["createdAt"]) >= text(&self.rows[at]["createdAt"])))
            .collect();
        let compare = |key: &str, a: &Value, b: &Value| match key {
            "name" => text(&a["name"]).to_lowercase().cmp(&text(&b["name"]).to_lowercase()),
            "rating" => rating(a).partial_cmp(&rating(b)).unwrap(),
            other => text(&a[other]).cmp(text(&b[other])),
        };
        rows.sort_by(|a, b| {
            let given = asked.sort.iter().map(|(key, down)| {
                let order = compare(key, a, b);
                if *down { order.reverse() } else { order }
            });
            given.chain([compare("id", a, b)]).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        rows.into_iter().map(|row| text(&row["id"]).to_owned()).collect()
    }
}

async fn model(app: &App, owner: &Person) -> Model {
    let mut genres = Vec::new();
    for name in ["Drama", "Crime"] {
        genres.push(app.post("/genres", owner, json!({"name": name})).await.id());
    }
    let mut rows = Vec::new();
    for at in 0..40_usize {
        let rating = if at % 5 == 0 { json!(null) } else { json!(f64::from(u8::try_from(at * 7 % 19).unwrap()) / 2.0) };
        let genres = &genres[[0, 1, 0][at % 3]..[1, 2, 2][at % 3]];
        let body = json!({"name": NAMES[at * 5 % NAMES.len()], "rating": rating, "genre_ids": genres});
        rows.push(app.post("/series", owner, body).await.data(201));
    }
    Model { rows, genres }
}

#[test]
fn lists_answer_as_a_model_in_memory_does() {
    let system = actix_web::rt::System::new();
    let db = TestDb::create();
    let app = App::start(&db);
    let (owner, model) = system.block_on(async {
        let owner = app.register().await;
        let model = model(&app, &owner).await;
        (owner, model)
    });
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let check = |asked: Asked| {
        let (query, wanted) = (model.query(&asked), model.answer(&asked));
        system.block_on(async {
            let first = app.get(&format!("/series?{query}"), &owner).await;
            assert_eq!(first.json()["pagination"]["total"], wanted.len(), "{query}");
            assert_eq!(first.json()["pagination"]["pages"], wanted.len().div_ceil(asked.limit), "{query}");
            let seen = walk(&app, &owner, &format!("/series?{query}"), async |_| {}).await;
            assert_eq!(seen, wanted, "by cursor: {query}");
            let mut pages = Vec::new();
            for page in 1..=wanted.len().div_ceil(asked.limit) {
                let answer = app.get(&format!("/series?{query}&page={page}"), &owner).await;
                pages.extend(column(&answer, "id").iter().map(|id| text(id).to_owned()));
            }
            assert_eq!(pages, wanted, "by page: {query}");
        });
        Ok(())
    };
    TestRunner::new(config).run(&asked(), check).unwrap();
    let distinct: HashSet<&str> = model.rows.iter().map(|row| text(&row["id"])).collect();
    assert_eq!(distinct.len(), 40);
}
