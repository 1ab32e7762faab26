//! The search over HTTP; what it finds in which order is told by the tests of the search itself.

use serde_json::json;

use crate::support::{
    app::{Answer, App},
    stores::TestDb,
};

/// Titles of videos, names of channels.
#[track_caller]
fn found(answer: &Answer) -> Vec<String> {
    let list = answer.response(200);
    let items = list.as_array().unwrap_or_else(|| panic!("{list}")).iter();
    let name = |item: &serde_json::Value| match item["type"].as_str() {
        Some("video") => item["title"].as_str().unwrap().to_owned(),
        Some("channel") => format!("@{}", item["channel"].as_str().unwrap()),
        other => panic!("{other:?}"),
    };
    items.map(name).collect()
}

async fn search(app: &App, kind: &str, query: &str) -> Vec<String> {
    found(&app.see(&format!("/search/{kind}/{query}")).await)
}

async fn filled() -> (TestDb, App) {
    let db = TestDb::create();
    let app = App::start(&db);
    let (ann, fan) = (app.member("Ann_Smith").await, app.member("casablanca.fan").await);
    for (title, description) in [
        ("Old films", "Why Casablanca is still loved"),
        ("A night in Casablanca", ""),
        ("100% wool", "under_score, O'Hara"),
        ("%", "per cent"),
        ("either/or", "a slash"),
        ("Ölgemälde in Łódź", ""),
    ] {
        app.share(&ann, title, description).await;
    }
    app.share(&fan, "CASABLANCA", "the film").await;
    (db, app)
}

#[actix_web::test]
async fn titles_descriptions_and_channel_names_are_found_best_first() {
    let (_db, app) = filled().await;
    let all = ["CASABLANCA", "A night in Casablanca", "@casablanca.fan", "Old films"];
    for query in ["casablanca", "Casablanca", "%63asablanca", "casablanca/"] {
        assert_eq!(search(&app, "all", query).await, all, "{query}");
    }
    assert_eq!(search(&app, "video", "casablanca").await, [all[0], all[1], all[3]]);
    assert_eq!(search(&app, "channel", "casablanca").await, [all[2]]);
    assert_eq!(search(&app, "channel", "ann_smith").await, ["@Ann_Smith"]);
    assert_eq!(search(&app, "all", "%C3%B6lgem%C3%A4lde").await, ["Ölgemälde in Łódź"]);
    // Slips of the finger.
    for query in ["cassablanca", "casablnca", "csaablanca"] {
        let mistyped = search(&app, "all", query).await;
        assert!(mistyped.contains(&"CASABLANCA".to_owned()), "{query}: {mistyped:?}");
    }
    // Pages.
    assert_eq!(found(&app.see("/search/all/casablanca?limit=2").await), all[..2]);
    assert_eq!(found(&app.see("/search/all/casablanca?limit=3&page=2").await), all[3..]);
}

#[actix_web::test]
async fn a_channel_is_shown_with_the_number_of_its_videos_and_the_newest() {
    let (_db, app) = filled().await;
    let of = async |name: &str| app.see(&format!("/videos/channel/{name}")).await.each("thumbnail");
    for (name, videos) in [("Ann_Smith", 6), ("casablanca.fan", 1)] {
        let item = &app.see(&format!("/search/channel/{name}")).await.response(200)[0];
        let expected = json!({
            "type": "channel", "channel": name, "title": "", "thumbnail": of(name).await[0], "nb_count": videos,
            "description": "", "upload": "",
        });
        assert_eq!(item, &expected);
    }
    app.member("Nobody").await;
    let empty = &app.see("/search/channel/nobody").await.response(200)[0];
    assert_eq!((&empty["thumbnail"], &empty["nb_count"]), (&json!(""), &json!(0)));
}

#[actix_web::test]
async fn signs_are_ordinary_characters() {
    let (_db, app) = filled().await;
    assert_eq!(search(&app, "video", "%25").await, ["%"]);
    assert_eq!(search(&app, "video", "100%25").await, ["100% wool"]);
    assert_eq!(search(&app, "video", "100%25%20wool").await, ["100% wool"]);
    assert_eq!(search(&app, "video", "either%2For").await, ["either/or"]);
    assert_eq!(search(&app, "video", "O'Hara").await, ["100% wool"]);
    for nothing in ["_", "%25%25%25", "c_sablanca%25", "__________", "%5C", "''''", "%22", "%3A*", "!%26%7C()", "%2F"] {
        let found = search(&app, "video", nothing).await;
        assert!(found.is_empty() || nothing.starts_with("c_"), "{nothing}: {found:?}");
    }
    assert_eq!(search(&app, "channel", "%25").await, Vec::<String>::new());
    assert_eq!(search(&app, "channel", "_").await, Vec::<String>::new());
    // What was encoded twice stays encoded once.
    assert_eq!(search(&app, "video", "%2525").await, search(&app, "video", "%2525%20").await);
}

#[actix_web::test]
async fn a_search_for_another_kind_is_refused_and_one_for_nothing_finds_nothing() {
    let (_db, app) = filled().await;
    for path in ["/search/films/x", "/search/films", "/search/All/x", "/search/%20/x", "/search/all%00/x"] {
        assert_eq!(app.see(path).await.response(400), "bad-search-type", "{path}");
    }
    for path in ["/search/all", "/search/all/", "/search/video/", "/search/channel/%20", "/search/all/%20%09"] {
        assert_eq!(app.see(path).await.response(200), json!([]), "{path}");
    }
    for query in ["%00", "casa%00blanca"] {
        let answer = app.see(&format!("/search/all/{query}")).await;
        assert_eq!(answer.response(400), json!({"invalid-field": "query"}), "{query}");
    }
}

#[actix_web::test]
async fn a_long_query_is_answered() {
    let (_db, app) = filled().await;
    let words: String = (0..1000).flat_map(|at| ["word".to_owned(), at.to_string(), "%20".to_owned()]).collect();
    for query in ["x".repeat(10_000), words, "%C5%81".repeat(3000), "%25_".repeat(2500), "a%20".repeat(2500)] {
        let answer = app.see(&format!("/search/all/{query}")).await;
        assert!(matches!(answer.status, 200 | 400), "{}: {}", answer.status, &query[..20]);
        answer.response(answer.status);
    }
    let then = format!("casablanca{}", "%20".repeat(3000));
    assert_eq!(search(&app, "video", &then).await[0], "CASABLANCA");
}
