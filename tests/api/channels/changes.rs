//! Changes: of a video by its uploader, of a channel's name with its account's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    app::{App, Plan, eventually},
    stores::TestDb,
};

const HEARD: Duration = Duration::from_secs(10);

#[actix_web::test]
async fn the_uploader_changes_title_and_description_and_nobody_else_does() {
    let db = TestDb::create();
    let app = App::start(&db);
    let members = app.members().await;
    let hash = app.share(&members.ann, "A walk", "In the park").await;
    let path = format!("/v/{hash}");
    let before = app.see(&path).await.response(200);
    for stranger in [&members.bob, &members.house] {
        let change = json!({"title": "Mine"});
        assert!(app.patch(&path, stranger, change).await.response(403).is_string());
    }
    let change = async |body: Value| app.patch(&path, &members.ann, body).await;
    for (body, field) in [
        (json!({"title": ""}), "title"),
        (json!({"title": null}), "title"),
        (json!({"title": 5}), "title"),
        (json!({"description": "x".repeat(10_001)}), "description"),
        (json!({"title": "x", "channel": "bob"}), "channel"),
        (json!({"hash": "abc1234"}), "hash"),
    ] {
        assert_eq!(change(body.clone()).await.response(400), json!({"invalid-field": field}), "{body}");
    }
    assert_eq!(change(json!({})).await.response(200), before);
    assert_eq!(app.see(&path).await.response(200), before);

    let mut after = before.clone();
    after["title"] = json!("A swim");
    assert_eq!(change(json!({"title": "A swim"})).await.response(200), after);
    after["description"] = json!("");
    assert_eq!(change(json!({"description": ""})).await.response(200), after);
    assert_eq!(app.see(&path).await.response(200), after);
    assert_eq!(app.see("/videos/all").await.response(200), json!([after]));
    assert_eq!(app.see("/search/video/swim").await.response(200), json!([after]));
    assert_eq!(app.see("/search/video/walk").await.response(200), json!([]));
    let unknown = app.patch("/v/zzzzzzz", &members.ann, json!({"title": "x"})).await;
    assert_eq!(unknown.response(404), "video");
}

#[actix_web::test]
async fn what_one_node_changes_the_other_shows() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let ann = nodes[0].member("ann").await;
    let hash = nodes[0].share(&ann, "Version 0", "").await;
    let path = format!("/v/{hash}");
    for round in 1..10 {
        let (writer, reader) = (&nodes[round % 2], &nodes[1 - round % 2]);
        for list in [path.as_str(), "/videos/all", "/videos/channel/ann"] {
            reader.see(list).await.response(200);
        }
        let title = format!("Version {round}");
        writer.patch(&path, &ann, json!({"title": title})).await.response(200);
        let shown = async || {
            let lists = [reader.see("/videos/all").await, reader.see("/videos/channel/ann").await];
            let one = reader.see(&path).await.response(200)["title"] == title.as_str();
            one && lists.iter().all(|list| list.each("title") == [title.as_str()])
        };
        assert!(eventually(HEARD, shown).await, "{title}");
    }
    nodes[1].delete(&path, &ann).await.response(200);
    let gone = async || {
        let film = nodes[0].see(&format!("/video/d/{hash}")).await.status == 400;
        let thumbnail = nodes[0].see(&format!("/thumbnails/{hash}")).await.status == 404;
        film && thumbnail && nodes[0].see(&path).await.status == 404
    };
    assert!(eventually(HEARD, gone).await);
}

#[actix_web::test]
async fn a_channel_is_called_as_its_account_is_now() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let members = nodes[0].members().await;
    let hash = nodes[0].share(&members.ann, "A walk", "").await;
    let paths = [format!("/v/{hash}"), "/videos/all".to_owned(), "/search/all/walk".to_owned()];
    let names = async |node: &App, path: &str| {
        let response = node.see(path).await.response(200);
        let item = if response.is_array() { response[0].clone() } else { response };
        item["channel"].as_str().expect("a name").to_owned()
    };
    let account = format!("/users/{}", members.ann.id);
    let taken = nodes[0].patch(&account, &members.ann, json!({"username": "BOB"})).await;
    assert_eq!(taken.wrong_fields(), ["username"]);
    let mut before = "ann";
    for after in ["Ilsa", "ilsa", "Ilsa.Lund"] {
        for node in &nodes {
            for path in &paths {
                assert_eq!(names(node, path).await, before, "{path}");
            }
            node.see(&format!("/videos/channel/{before}")).await.response(200);
        }
        nodes[0].patch(&account, &members.ann, json!({"username": after})).await.data(200);
        for node in &nodes {
            for path in &paths {
                assert!(eventually(HEARD, async || names(node, path).await == after).await, "{path}");
            }
            let list = format!("/videos/channel/{after}");
            assert!(eventually(HEARD, async || node.see(&list).await.status == 200).await, "{list}");
            assert_eq!(node.see(&list).await.each("channel"), [after]);
            if !before.eq_ignore_ascii_case(after) {
                let list = format!("/videos/channel/{before}");
                assert!(eventually(HEARD, async || node.see(&list).await.status == 404).await, "{list}");
                assert_eq!(node.see(&format!("/channel/picture/{before}")).await.response(404), "channel");
            }
            assert_eq!(node.see(&format!("/channel/picture/{after}")).await.status, 200);
        }
        before = after;
    }
    // What was let go is free.
    assert_eq!(nodes[1].sign_up("Ann2").await.response(200), "");
    let change = json!({"username": "ann"});
    nodes[1].patch(&format!("/users/{}", members.bob.id), &members.bob, change).await.data(200);
}
