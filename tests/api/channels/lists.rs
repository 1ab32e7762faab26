//! Lists of videos: all, and those of a channel.

use serde_json::json;

use crate::support::{app::App, stores::TestDb};

#[actix_web::test]
async fn the_newest_are_first_and_a_page_is_a_part() {
    let db = TestDb::create();
    let app = App::start(&db);
    let members = app.members().await;
    // The day of upload counts, not that of the announcement.
    let late = app.announce(&members.ann, "Late", "").await;
    let mut hashes = Vec::new();
    for at in 0..5 {
        let person = if at % 2 == 0 { &members.ann } else { &members.bob };
        hashes.push(app.share(person, &format!("Video {at}"), "").await);
    }
    app.send(&members.ann, &late, crate::support::channels::tiny()).await.response(200);
    hashes.push(late.clone());
    hashes.reverse();
    assert_eq!(app.see("/videos/all").await.each("thumbnail"), hashes);
    for name in ["ann", "ANN", "Ann"] {
        let ours = app.see(&format!("/videos/channel/{name}")).await;
        assert_eq!(ours.each("title"), ["Late", "Video 4", "Video 2", "Video 0"], "{name}");
        assert_eq!(ours.each("channel"), ["ann"; 4]);
    }
    for (page, limit, expected) in [(1, 2, &hashes[..2]), (2, 2, &hashes[2..4]), (2, 4, &hashes[4..]), (9, 2, &[])] {
        let part = app.see(&format!("/videos/all?page={page}&limit={limit}")).await;
        assert_eq!(part.each("thumbnail"), expected, "{page} {limit}");
    }
    assert_eq!(app.see("/videos/all?page=2").await.response(200), json!([]));
    assert_eq!(app.see("/videos/channel/ann?limit=1&page=2").await.each("title"), ["Video 4"]);
    assert_eq!(app.see("/videos/channel/house").await.response(200), json!([]));
}

#[actix_web::test]
async fn a_wrong_page_is_named() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.member("ilsa").await;
    for list in ["/videos/all", "/videos/channel/ilsa", "/search/all/x", "/search/channel/"] {
        for (query, field) in [
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=x", "page"),
            ("page=", "page"),
            ("page=1.5", "page"),
            ("page=99999999999999999999", "page"),
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=1%00", "limit"),
            ("sort=title", "sort"),
        ] {
            let answer = app.see(&format!("{list}?{query}")).await;
            assert_eq!(answer.response(400), json!({"invalid-field": field}), "{list}?{query}");
        }
        assert_eq!(app.see(&format!("{list}?page=1&limit=100")).await.status, 200, "{list}");
    }
}

#[actix_web::test]
async fn the_channel_of_nobody_is_404() {
    let db = TestDb::create();
    let app = App::start(&db);
    app.member("ilsa").await;
    let registered = app.register().await;
    for name in ["nobody", "ils", "ils%25", "_lsa", "%E2%98%83", "a%2Fb", "'", &registered.id] {
        assert_eq!(app.see(&format!("/videos/channel/{name}")).await.response(404), "channel", "{name}");
        assert_eq!(app.see(&format!("/channel/picture/{name}")).await.response(404), "channel", "{name}");
    }
    for name in ["%00", "ilsa%00", "%FF"] {
        let answer = app.see(&format!("/videos/channel/{name}")).await.response(400);
        assert_eq!(answer, json!({"invalid-field": "name"}), "{name}");
    }
}
