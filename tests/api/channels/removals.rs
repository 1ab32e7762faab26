//! Removals: of a video, a channel, an account. Rows go at once, bytes soon.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    accounts::patient,
    support::{
        app::{Answer, App, eventually},
        channels::tiny,
        home::{Home, on_both_stores},
        media::png,
        people::Person,
        stores::{TestDb, count},
    },
};

/// The rows that videos and channels need are gone now; their bytes are soon.
async fn nothing_is_left(home: &Home, app: &App, db: &TestDb) {
    let conn = &mut db.connect();
    for table in ["videos", "files", "reactions"] {
        assert_eq!(count(conn, table), 0, "{table}");
    }
    let gone = async || home.look(app.media_dir()).stored.is_empty();
    assert!(eventually(Duration::from_mins(1), gone).await, "{:?}", home.look(app.media_dir()));
}

on_both_stores! {
    a_video_is_removed_by_its_uploader_or_an_owner,
    a_channel_is_removed_with_its_videos_by_its_account_or_an_owner,
    an_account_takes_its_channel_with_it,
    a_video_removed_while_its_bytes_come_leaves_nothing,
    what_the_catalogue_has_taken_up_stays_when_its_video_or_channel_goes,
}

async fn a_video_is_removed_by_its_uploader_or_an_owner(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let members = app.members().await;
    for remover in [&members.ann, &members.house] {
        let hash = app.share(&members.ann, "A walk", "").await;
        let files = app.get("/files", &members.ann).await.data(200);
        let path = format!("/v/{hash}");
        for warm in [path.clone(), format!("/video/d/{hash}"), format!("/thumbnails/{hash}")] {
            assert_eq!(app.see(&warm).await.status, 200);
        }
        assert!(app.delete(&path, &members.bob).await.response(403).is_string());
        assert_eq!(app.delete(&path, remover).await.response(200), "");
        assert_eq!(app.see(&path).await.response(404), "video");
        assert_eq!(app.see(&format!("/video/d/{hash}")).await.response(400), "no-video");
        assert_eq!(app.see(&format!("/thumbnails/{hash}")).await.response(404), "no-thumbnails");
        assert_eq!(app.see("/videos/all").await.response(200), json!([]));
        assert_eq!(app.see("/search/video/walk").await.response(200), json!([]));
        assert_eq!(app.see("/search/channel/ann").await.response(200)[0]["nb_count"], 0);
        assert_eq!(app.delete(&path, remover).await.response(404), "video");
        nothing_is_left(&home, &app, &db).await;
        for file in files.as_array().unwrap() {
            let path = format!("/media/{}", file["id"].as_str().unwrap());
            let gone = async || app.get(&path, &members.ann).await.status == 404;
            assert!(eventually(Duration::from_secs(30), gone).await, "{path} is still served");
        }
    }
    assert_eq!(app.delete("/v/zzzzzzz", &members.house).await.response(404), "video");
}

#[actix_web::test]
async fn one_of_many_removals_at_once_removes() {
    let (home, db) = (Home::local(), TestDb::create());
    let app = patient(&db).start();
    let ann = app.member("ann").await;
    let path = format!("/v/{}", app.share(&ann, "A walk", "").await);
    let statuses: Vec<u16> = join_all((0..8).map(|_| app.delete(&path, &ann))).await.iter().map(status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 7, "{statuses:?}");
    nothing_is_left(&home, &app, &db).await;
}

fn status(answer: &Answer) -> u16 {
    answer.status
}

async fn a_channel_is_removed_with_its_videos_by_its_account_or_an_owner(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let members = app.members().await;
    for (remover, name) in [(&members.ann, "ANN"), (&members.house, "ann")] {
        let waiting = app.announce(&members.ann, "Waiting", "").await;
        let hashes = [app.share(&members.ann, "A walk", "").await, app.share(&members.ann, "A swim", "").await];
        app.set_picture(&members.ann, png()).await.response(200);
        app.react(&members.bob, &hashes[0], "like").await.response(200);
        assert_eq!(app.see("/videos/all").await.each("thumbnail").len(), 2);
        let path = format!("/channel/{name}");
        assert!(app.delete(&path, &members.bob).await.response(403).is_string());
        assert_eq!(app.delete(&path, remover).await.response(200), "");
        for hash in &hashes {
            assert_eq!(app.see(&format!("/v/{hash}")).await.response(404), "video");
            assert_eq!(app.see(&format!("/video/d/{hash}")).await.response(400), "no-video");
        }
        assert_eq!(app.see("/videos/all").await.response(200), json!([]));
        assert_eq!(app.see("/videos/channel/ann").await.response(404), "channel");
        assert_eq!(app.see("/channel/picture/ann").await.response(404), "channel");
        assert_eq!(app.see("/search/all/ann").await.response(200), json!([]));
        assert_eq!(app.send(&members.ann, &waiting, tiny()).await.response(404), "video");
        assert_eq!(app.delete(&path, remover).await.response(404), "channel");
        nothing_is_left(&home, &app, &db).await;
    }
    // The account is still there, and begins a channel anew.
    let hash = app.share(&members.ann, "Again", "").await;
    assert_eq!(app.see("/videos/channel/ann").await.each("thumbnail"), [hash]);
    assert_eq!(app.see("/search/channel/ann").await.response(200)[0]["nb_count"], 1);
}

async fn an_account_takes_its_channel_with_it(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let members = app.members().await;
    let hash = app.share(&members.ann, "A walk", "").await;
    app.announce(&members.ann, "Waiting", "").await;
    app.set_picture(&members.ann, png()).await.response(200);
    for path in [format!("/v/{hash}"), format!("/video/d/{hash}"), "/videos/channel/ann".to_owned()] {
        assert_eq!(app.see(&path).await.status, 200);
    }
    app.delete(&format!("/users/{}", members.ann.id), &members.ann).await.data(200);
    assert_eq!(app.see(&format!("/v/{hash}")).await.response(404), "video");
    assert_eq!(app.see(&format!("/video/d/{hash}")).await.response(400), "no-video");
    assert_eq!(app.see("/videos/all").await.response(200), json!([]));
    assert_eq!(app.see("/videos/channel/ann").await.response(404), "channel");
    nothing_is_left(&home, &app, &db).await;
    // The name is free, and the new channel is another.
    let again = app.member("ann").await;
    assert_eq!(app.see("/videos/channel/ann").await.response(200), json!([]));
    assert_ne!(again.id, members.ann.id);
}

async fn a_video_removed_while_its_bytes_come_leaves_nothing(home: Home) {
    let db = TestDb::create();
    let app = home.apply(patient(&db)).start();
    let ann = app.member("ann").await;
    for _ in 0..6 {
        let hash = app.announce(&ann, "A walk", "").await;
        let path = format!("/v/{hash}");
        let (sent, removed) = futures_util::join!(app.send(&ann, &hash, tiny()), app.delete(&path, &ann));
        assert_eq!(removed.response(200), "");
        assert!(matches!(sent.status, 200 | 404), "{}", sent.status);
        assert_eq!(app.see(&path).await.response(404), "video");
    }
    nothing_is_left(&home, &app, &db).await;
}

#[actix_web::test]
async fn accounts_and_the_videos_they_judged_are_removed_at_the_same_time() {
    let (home, db) = (Home::local(), TestDb::create());
    let app = patient(&db).with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "15000").start();
    let house = app.member("house").await;
    for round in 0..3 {
        let mut people: Vec<Person> = Vec::new();
        for at in 0..4 {
            people.push(app.member(&format!("viewer{round}{at}")).await);
        }
        let mut hashes = Vec::new();
        for at in 0..6 {
            hashes.push(app.share(&house, &format!("Video {at}"), "").await);
        }
        for (at, person) in people.iter().enumerate() {
            for step in 0..hashes.len() {
                let hash = &hashes[(step * 5 + at) % hashes.len()];
                app.react(person, hash, "like").await.response(200);
            }
        }
        let accounts: Vec<_> = people.iter().map(|person| format!("/users/{}", person.id)).collect();
        let videos: Vec<_> = hashes.iter().map(|hash| format!("/v/{hash}")).collect();
        let all = accounts.iter().zip(videos.iter().skip(1)).flat_map(|(account, video)| [account, video]);
        let channel = "/channel/house".to_owned();
        let all: Vec<&String> = all.chain([&channel]).collect();
        let answers = join_all(all.iter().map(|path| app.delete(path, &house))).await;
        for (path, answer) in all.iter().zip(&answers) {
            // The channel may have taken the video along.
            let gone_before = answer.status == 404 && path.starts_with("/v/");
            assert!(answer.status == 200 || gone_before, "{path}: {}", answer.status);
        }
        nothing_is_left(&home, &app, &db).await;
    }
    assert!(home.agreed(app.media_dir(), &mut db.connect()).is_empty());
}

#[actix_web::test]
async fn an_account_and_its_channel_are_removed_at_the_same_time() {
    let (home, db) = (Home::local(), TestDb::create());
    let app = patient(&db).with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "15000").start();
    let house = app.member("house").await;
    for round in 0..6 {
        let ann = app.member(&format!("ann{round}")).await;
        for title in ["A walk", "A swim", "A run"] {
            app.share(&ann, title, "").await;
        }
        let (account, channel) = (format!("/users/{}", ann.id), format!("/channel/ann{round}"));
        let (account, channel) = futures_util::join!(app.delete(&account, &house), app.delete(&channel, &house));
        assert_eq!(account.status, 200);
        assert!(matches!(channel.status, 200 | 404), "{}", channel.status);
        nothing_is_left(&home, &app, &db).await;
    }
}

async fn what_the_catalogue_has_taken_up_stays_when_its_video_or_channel_goes(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let members = app.members().await;
    let hash = app.share(&members.ann, "A walk", "").await;
    let files = app.get("/files", &members.ann).await.data(200);
    let named = |name: &str| {
        let found = files.as_array().unwrap().iter().find(|file| file["original_name"] == name);
        found.unwrap_or_else(|| panic!("{name} of {files}"))["id"].as_str().unwrap().to_owned()
    };
    let (film, thumbnail) = (named(&hash), named(&format!("{hash}.jpg")));
    let body = json!({"name": "A series", "image_id": thumbnail});
    app.post("/series", &members.house, body).await.data(201);
    assert_eq!(app.delete(&format!("/v/{hash}"), &members.ann).await.response(200), "");
    assert_eq!(app.see(&format!("/v/{hash}")).await.status, 404);
    let folder = app.media_dir();
    let gone = eventually(Duration::from_mins(1), async || !home.look(folder).stored.contains_key(&film)).await;
    assert!(gone, "the film is nobody's");
    assert_eq!(app.get(&format!("/media/{thumbnail}"), &members.bob).await.status, 200);
    // The account can go, too.
    assert_eq!(app.delete(&format!("/users/{}", members.ann.id), &members.ann).await.status, 200);
    assert_eq!(app.get(&format!("/media/{thumbnail}"), &members.bob).await.status, 200);
    assert!(home.agreed(folder, &mut db.connect()).contains_key(&thumbnail));
}
