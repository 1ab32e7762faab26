//! Paths: the router and the description, slashes, ids, nothing there.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{OWNERS, TABLE, Things, description, signed_in_for};
use crate::support::{
    app::{Answer, App},
    shape::Shape,
    stores::TestDb,
};

/// A path of the description with `id`, and the names of things for its other variables.
fn concrete(path: &str, id: &str) -> String {
    let names = [
        ("{hash}", "<hash>"),
        ("{name}", "<channel name>"),
        ("{kind}", "<kind>"),
        ("{query}", "<query>"),
        ("{ref}", "<film ref>"),
        ("{session}", "<open session>"),
    ];
    names.into_iter().fold(path.replace("{id}", id), |path, (variable, name)| path.replace(variable, name))
}

#[actix_web::test]
async fn the_router_and_the_description_agree_on_paths_and_methods() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let things = Things::make_all(&app, &owner).await;
    let all = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let mut refused = 0;
    for (path, documented) in description(&app).await {
        let concrete = things.fill(&concrete(&path, &Uuid::now_v7().to_string()));
        let mut allowed: BTreeSet<String> = documented.clone();
        if documented.contains("GET") {
            allowed.insert("HEAD".to_owned());
        }
        for method in all {
            let answer = Answer::of(app.request(method.parse().unwrap(), &concrete, None)).await;
            let what = format!("{method} {path}");
            if documented.contains(method) {
                assert!(!matches!(answer.status, 404 | 405), "{what}: {}", answer.status);
                continue;
            }
            assert_eq!(answer.status, 405, "{what}");
            let said = if answer.shape() == Shape::Success { "method not allowed" } else { "Method not allowed" };
            assert_eq!(answer.refusal(), said, "{what}");
            if answer.shape() == Shape::Envelope {
                assert_eq!(answer.json()["response"], "Method Not Allowed", "{what}");
            }
            let named: BTreeSet<String> =
                answer.header("allow").unwrap().split(',').map(|name| name.trim().to_owned()).collect();
            assert_eq!(named, allowed, "{what}");
            refused += 1;
        }
    }
    assert!(refused > 100, "only {refused} refused");
}

#[actix_web::test]
async fn a_slash_at_the_end_changes_nothing() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let standing = Things::make_all(&app, &people.owner).await;
    for row in TABLE {
        let (method, path, sent, statuses) = row;
        let things = if *method == "GET" { None } else { Some(Things::make_for(&app, &people.owner, row).await) };
        let things = things.as_ref().unwrap_or(&standing);
        let owner = signed_in_for(&app, &people.owner, path).await;
        let (bare, query) = path.split_once('?').map_or((*path, ""), |(bare, query)| (bare, query));
        let slashed = format!("{bare}/?{query}");
        let request = app.request(method.parse().unwrap(), &things.fill(&slashed), Some(&owner));
        let with = Answer::of(things.with_body(request, *sent)).await;
        assert_eq!(with.status, statuses[OWNERS], "{method} {slashed}");
        if *method == "GET" && !matches!(*path, "/metrics" | "/request-count" | "/stats" | "/stats/events") {
            let without = Answer::of(things.request(&app, row, Some(&owner))).await;
            assert_eq!(with.bytes, without.bytes, "{slashed}");
        }
    }
}

#[actix_web::test]
async fn an_unknown_path_is_404_in_the_shape_of_its_contract() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let id = Uuid::now_v7();
    let deep = format!("/streams/{id}/episode/season/series/genre/streams");
    let below = format!("/genres/{id}/seasons");
    let envelope = [
        "/",
        "/nothing",
        "/genre",
        "/genresx",
        "/genres/a/b/c",
        "/users/login/x",
        "/media",
        "/api-docs/x.exe",
        "/play",
        "/play/x",
        "/play/x/y",
        "/v/abcdefg/plays/x/y",
        "/vx",
        "/channels/x",
        "/imagesx",
        "/image",
        &*deep,
        &*below,
    ];
    let response = [
        "/v",
        "/v/abcdefg/x",
        "/video/d",
        "/video/e/abcdefg",
        "/videos",
        "/videos/nothing",
        "/upload/v",
        "/upload/v/abcdefg/x",
        "/channel",
        "/channel/picture/a/b",
        "/thumbnails",
        "/search",
        "/search/all/a/b",
        "/password",
        "/sign_in/x",
    ];
    let detail =
        ["/movies/x", "/movies/1/2", "/register/x", "/collection/x/y", "/request-count/x", "/request-count/reset/x"];
    let success = ["/casting", "/casting/x", "/casting/actors/1/2", "/casting/movies/1/actors", "/casting/Actors"];
    let error = ["/images/x/y", "/images/x/y/z", "/images//"];
    for path in envelope.into_iter().chain(response).chain(detail).chain(error).chain(success) {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            for caller in [None, Some(&owner)] {
                let answer = Answer::of(app.request(method.clone(), path, caller)).await;
                let expected = if response.contains(&path) {
                    json!({"response": "No such path"})
                } else if detail.contains(&path) {
                    json!({"detail": "No such path"})
                } else if error.contains(&path) {
                    json!({"error": "No such path"})
                } else if success.contains(&path) {
                    json!({"success": false, "error": 404, "message": "resource not found"})
                } else {
                    json!({"status": 404, "response": "Not Found", "message": "No such path"})
                };
                assert_eq!((answer.status, answer.json()), (404, expected), "{method} {path}");
            }
        }
    }
}

#[actix_web::test]
async fn an_id_that_is_not_there_is_404_and_a_malformed_one_400() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let absent = Uuid::now_v7().to_string();
    let mut asked = 0;
    for (path, methods) in description(&app).await.into_iter().filter(|(path, _)| path.contains("{id}")) {
        // Ids of the casting agency have no form to be malformed in.
        if Shape::of(&path) == Shape::Success {
            continue;
        }
        for method in methods {
            let ask = async |id: &str, path: &str| {
                let request = app.request(method.parse().unwrap(), &path.replace("{id}", id), Some(&owner));
                let changes = ["PATCH", "PUT"].contains(&method.as_str());
                let request = if changes { request.json(&json!({})) } else { request };
                Answer::of(request).await
            };
            let answer = ask(&absent, &path).await;
            if path.starts_with("/stats/") {
                // What nobody viewed has been viewed by nobody.
                assert_eq!((answer.status, &answer.json()["data"]["views"]), (200, &json!(0)), "{method} {path}");
            } else {
                assert_eq!(answer.status, 404, "{method} {path}");
                let message = answer.refusal().as_str().unwrap().to_owned();
                assert!(message.ends_with(" not found"), "{method} {path}: {message}");
            }
            for malformed in ["1", "x", &absent[1..], &absent.replace('-', ""), &format!("{{{absent}}}")] {
                let answer = ask(malformed, &path).await;
                assert_eq!(answer.wrong_fields(), ["id"], "{method} {path} {malformed}");
            }
            asked += 1;
        }
    }
    assert!(asked > 25, "only {asked} asked");
}

#[actix_web::test]
async fn a_hash_path_or_a_channel_that_is_not_there_is_refused_in_the_words_of_its_route() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let mut asked = 0;
    let session = Uuid::nil().to_string();
    // Statistics know no difference between what is not there and what nobody viewed.
    let variable = |path: &str| (path.contains("{hash}") || path.contains("{name}")) && !path.starts_with("/stats/");
    for (path, methods) in description(&app).await.iter().filter(|(path, _)| variable(path)) {
        let expected = match path.as_str() {
            "/video/d/{hash}" => (400, "no-video"),
            "/thumbnails/{hash}" => (404, "no-thumbnails"),
            path if path.contains("{name}") => (404, "channel"),
            path if path.contains("/plays") => (404, "Video not found"),
            _ => (404, "video"),
        };
        // By its form it may be one, or it may not: that is no difference.
        for name in ["0000000", "x", "ABCDEFG", "00000000", "%C3%A9tude", "%25", "null"] {
            let concrete = path.replace("{hash}", name).replace("{name}", name).replace("{session}", &session);
            for method in methods {
                let request = app.request(method.parse().unwrap(), &concrete, Some(&owner));
                let request = match (method.as_str(), path.ends_with("/reaction")) {
                    ("PATCH", _) if path.contains("/plays") => request.json(&json!({"position_seconds": 1})),
                    ("PATCH", _) => request.json(&json!({})),
                    ("PUT", true) => request.json(&json!({"reaction": "none"})),
                    ("POST", _) => request.body("not looked at"),
                    _ => request,
                };
                let answer = Answer::of(request).await;
                assert_eq!((answer.status, answer.refusal()), (expected.0, json!(expected.1)), "{method} {concrete}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 7 * 10, "only {asked} asked");
}
