//! Posters: the picture that players show first. Made when it is asked for, once, and gone with its film.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    accounts::patient,
    support::{
        app::{Answer, App, Plan, eventually},
        channels::{picture_facts, video},
        home::{Home, on_both_stores},
        media::{ffmpeg, mp4, png, temporary},
        people::Person,
        stores::{TestDb, count},
    },
};

/// The path of the poster, by a link for a new session of `person` on `played`.
async fn poster(app: &App, person: &Person, played: Value) -> String {
    let session = app.watch(person, played).await;
    assert_eq!(session.playback["poster"], session.poster());
    session.poster()
}

async fn poster_of(app: &App, person: &Person, film: &str) -> String {
    poster(app, person, json!({"file_id": film})).await
}

async fn upload(app: &App, person: &Person, name: &str, bytes: &[u8]) -> String {
    app.upload(person, name, bytes.to_vec()).await.id()
}

fn song() -> Vec<u8> {
    ffmpeg(&["-f", "lavfi", "-i", "sine=duration=1"], "mp3")
}

fn jpeg() -> Vec<u8> {
    ffmpeg(&["-f", "lavfi", "-i", "testsrc=duration=1:size=64x48", "-frames:v", "1"], "jpg")
}

on_both_stores! {
    the_poster_of_a_film_is_taken_once_for_all_who_ask_on_all_nodes,
    a_poster_is_nobodys_and_goes_with_its_film,
    a_poster_goes_with_a_film_that_goes_by_a_job_or_with_an_account,
    films_that_are_removed_while_their_posters_are_taken_leave_nothing,
    a_poster_that_comes_while_its_film_is_removed_goes_too,
    what_is_shared_shows_its_thumbnail,
    what_has_no_picture_shows_that_of_its_episode_or_none,
    where_ffmpeg_is_missing_the_image_of_the_episode_is_shown_and_else_it_is_503,
}

async fn the_poster_of_a_film_is_taken_once_for_all_who_ask_on_all_nodes(home: Home) {
    let db = TestDb::create();
    let plan = home.plan(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let film = upload(&nodes[0], &owner, "film.mp4", mp4()).await;
    let path = poster_of(&nodes[0], &owner, &film).await;
    // Frames are random: who got one of their own would show it.
    let answers = join_all((0..20).map(|number| nodes[number % 2].see(&path))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        assert!(answer.bytes == answers[0].bytes, "not all see the same");
        assert_eq!(answer.header("content-type"), Some("image/jpeg"));
        assert_eq!(answer.header("cache-control"), Some("private, max-age=31536000, immutable"));
    }
    assert_eq!(picture_facts(&answers[0].bytes), "mjpeg,640,480");
    let conn = &mut db.connect();
    assert_eq!((count(conn, "posters"), count(conn, "files")), (1, 2));
    let alone = async || {
        let found = home.look(nodes[0].media_dir());
        (found.stored.len(), found.temporary.len()) == (2, 0)
    };
    assert!(eventually(Duration::from_secs(30), alone).await, "{:?}", home.look(nodes[0].media_dir()));
    assert!(nodes[1].see(&path).await.bytes == answers[0].bytes, "another time it is the same");
}

#[actix_web::test]
async fn who_asks_for_a_poster_that_is_being_taken_waits_for_it() {
    let db = TestDb::create();
    let folder = temporary("runs");
    std::fs::create_dir(&folder).expect("a folder");
    // What runs as ffmpeg may write no file, but it may make a folder for each run.
    let program = folder.join("ffmpeg");
    let script = format!("#!/bin/sh\n/bin/mkdir '{}'/run.$$\nexec \"$(command -v ffmpeg)\" \"$@\"\n", folder.display());
    std::fs::write(&program, script).expect("a program");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a program");
    let app = Plan::over(&db).with("PLAYHOUSE_MEDIA__FFMPEG", program.to_str().expect("a path")).start();
    let owner = app.register().await;
    let film = upload(&app, &owner, "film.mp4", mp4()).await;
    let path = poster_of(&app, &owner, &film).await;
    let answers = join_all((0..20).map(|_| app.see(&path))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers[0]);
    let runs = std::fs::read_dir(&folder).expect("a folder").count() - 1;
    std::fs::remove_dir_all(&folder).expect("a folder");
    // A frame that is nearly blank is drawn again.
    assert!((1..=4).contains(&runs), "{runs} runs");
}

async fn a_poster_is_nobodys_and_goes_with_its_film(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let owner = app.register().await;
    let editor = app.register_as(&owner, &["editor"]).await;
    let viewer = app.register().await;
    let film = upload(&app, &editor, "film.mp4", mp4()).await;
    let path = poster_of(&app, &editor, &film).await;
    assert_eq!(app.see(&path).await.status, 200);
    let files = app.get("/files?type=image", &editor).await.data(200);
    let (made, id) = (&files[0], files[0]["id"].as_str().expect("an id"));
    assert_eq!(
        (&made["owner_id"], &made["mime_type"], &made["width"]),
        (&json!(null), &json!("image/jpeg"), &json!(640))
    );
    // It is shown by the links of the film alone, and stays while that does.
    assert_eq!(app.get(&format!("/media/{id}"), &viewer).await.status, 403);
    let refused = app.delete(&format!("/files/{id}"), &owner).await;
    assert_eq!(refused.status, 400);
    assert!(refused.refusal().as_str().is_some_and(|text| text.contains("a film (as its poster)")));
    assert_eq!(app.see(&path).await.status, 200);

    app.delete(&format!("/files/{film}"), &editor).await.data(200);
    assert_eq!(app.see(&path).await.status, 403);
    let conn = &mut db.connect();
    assert_eq!((count(conn, "posters"), count(conn, "files")), (0, 0));
    let gone = async || home.look(app.media_dir()).stored.is_empty();
    assert!(eventually(Duration::from_mins(1), gone).await, "{:?}", home.look(app.media_dir()));
}

async fn a_poster_goes_with_a_film_that_goes_by_a_job_or_with_an_account(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let members = app.members().await;
    for removal in ["video", "account"] {
        let person = if removal == "video" { &members.ann } else { &members.bob };
        let hash = app.share(person, "A walk", "").await;
        let files = app.get("/files?type=video", person).await.data(200);
        let film = files[0]["id"].as_str().expect("an id");
        let kept = upload(&app, &members.house, "poster.jpg", &jpeg()).await;
        // As it were if the film had been played before it was shared.
        sql_query(format!("INSERT INTO posters (file_id, poster_id) VALUES ('{film}', '{kept}')"))
            .execute(&mut db.connect())
            .expect("a row");
        match removal {
            "video" => drop(app.delete(&format!("/v/{hash}"), person).await.response(200)),
            _ => drop(app.delete(&format!("/users/{}", person.id), &members.house).await.data(200)),
        }
        assert_eq!((count(&mut db.connect(), "posters"), count(&mut db.connect(), "files")), (0, 0), "{removal}");
        let gone = async || home.look(app.media_dir()).stored.is_empty();
        assert!(eventually(Duration::from_mins(1), gone).await, "{removal}: {:?}", home.look(app.media_dir()));
    }
}

async fn films_that_are_removed_while_their_posters_are_taken_leave_nothing(home: Home) {
    let db = TestDb::create();
    let plan = home.plan(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    for round in 0..6_u64 {
        let film = upload(&nodes[0], &owner, "film.mp4", mp4()).await;
        let path = poster_of(&nodes[0], &owner, &film).await;
        let asked = join_all((0..4).map(|number| nodes[number % 2].see(&path)));
        let removed = async {
            tokio::time::sleep(Duration::from_millis(60 * round)).await;
            nodes[1].delete(&format!("/files/{film}"), &owner).await
        };
        let (asked, removed) = futures_util::future::join(asked, removed).await;
        removed.data(200);
        for answer in asked {
            assert!(matches!(answer.status, 200 | 403 | 404), "{}", answer.status);
        }
    }
    let nothing = async || {
        let conn = &mut db.connect();
        let rows = (count(conn, "posters"), count(conn, "files"));
        rows == (0, 0) && home.look(nodes[0].media_dir()).stored.is_empty()
    };
    assert!(eventually(Duration::from_mins(1), nothing).await, "{:?}", home.look(nodes[0].media_dir()));
}

async fn a_poster_that_comes_while_its_film_is_removed_goes_too(home: Home) {
    let db = TestDb::create();
    let app = home.apply(patient(&db)).start();
    let owner = app.register().await;
    let film = upload(&app, &owner, "film.mp4", mp4()).await;
    let made = upload(&app, &owner, "poster.jpg", &jpeg()).await;
    let conn = &mut db.connect();
    conn.batch_execute(&format!("BEGIN; INSERT INTO posters (file_id, poster_id) VALUES ('{film}', '{made}')"))
        .expect("a row");
    let path = format!("/files/{film}");
    let commits = async {
        let here = "(SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        let waiting = format!("pg_locks WHERE NOT granted AND pid IN {here}");
        let waits = async || count(&mut db.connect(), &waiting) > 0;
        assert!(eventually(Duration::from_secs(10), waits).await, "the removal does not wait");
        conn.batch_execute("COMMIT").expect("a commit");
    };
    let (removed, ()) = futures_util::future::join(app.delete(&path, &owner), commits).await;
    removed.data(200);
    assert_eq!((count(conn, "posters"), count(conn, "files")), (0, 0));
    let gone = async || home.look(app.media_dir()).stored.is_empty();
    assert!(eventually(Duration::from_mins(1), gone).await, "{:?}", home.look(app.media_dir()));
}

async fn what_is_shared_shows_its_thumbnail(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let owner = app.register().await;
    let hash = app.announce(&owner, "A walk", "").await;
    app.send(&owner, &hash, &video("testsrc2=duration=2:size=320x180:rate=10", &[])).await.response(200);
    let files = app.get("/files?type=video", &owner).await.data(200);
    let film = files[0]["id"].as_str().expect("an id");
    let thumbnail = app.see(&format!("/thumbnails/{hash}")).await;
    let public = app.see(&format!("/play/{film}/poster.jpg")).await;
    assert_eq!((public.status, public.header("content-type")), (200, Some("image/jpeg")));
    assert!(public.bytes == thumbnail.bytes);
    assert_eq!(public.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let path = poster_of(&app, &owner, film).await;
    let tokened = app.see(&path).await;
    assert!(tokened.bytes == thumbnail.bytes);
    assert_eq!(tokened.header("cache-control"), Some("private, max-age=31536000, immutable"));
    assert_eq!(count(&mut db.connect(), "posters"), 0);
}

async fn what_has_no_picture_shows_that_of_its_episode_or_none(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let owner = app.register().await;
    let catalogue = app.catalogue(&owner).await;
    let song = upload(&app, &owner, "song.mp3", &song()).await;
    let alone = app.watch(&owner, json!({"file_id": song})).await;
    assert_eq!(alone.playback["poster"], json!(null));
    let alone = alone.poster();
    let refused = app.see(&alone).await;
    assert_eq!((refused.status, refused.refusal()), (404, json!("Poster not found")));

    let episode = format!("/episodes/{}", catalogue.episode);
    let played = json!({"episode_id": catalogue.episode});
    app.patch(&episode, &owner, json!({"file_id": song})).await.data(200);
    let session = app.watch(&owner, played.clone()).await;
    assert_eq!(session.playback["poster"], json!(null));
    let path = session.poster();
    assert_eq!(app.see(&path).await.status, 404);
    let png = upload(&app, &owner, "cover.png", png()).await;
    app.patch(&episode, &owner, json!({"image_id": png})).await.data(200);
    assert_eq!(app.see(&path).await.status, 404, "a PNG is no JPEG");
    let cover = upload(&app, &owner, "cover.jpg", &jpeg()).await;
    app.patch(&episode, &owner, json!({"image_id": cover})).await.data(200);
    let shown = app.see(&path).await;
    assert_eq!((shown.status, &*shown.bytes), (200, &*jpeg()));
    assert_eq!(app.see(&poster(&app, &owner, played).await).await.bytes, shown.bytes);
    assert_eq!(app.see(&alone).await.bytes, shown.bytes, "by whichever session the medium is played");
    assert_eq!(count(&mut db.connect(), "posters"), 0);
}

async fn where_ffmpeg_is_missing_the_image_of_the_episode_is_shown_and_else_it_is_503(home: Home) {
    let db = TestDb::create();
    let plan = home.plan(&db);
    let app = plan.clone().with("PLAYHOUSE_MEDIA__FFMPEG", "/nowhere/ffmpeg").start();
    let owner = app.register().await;
    let catalogue = app.catalogue(&owner).await;
    let film = upload(&app, &owner, "film.mp4", mp4()).await;
    let path = poster_of(&app, &owner, &film).await;
    let refused: Answer = app.see(&path).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true));
    // Images are looked at with it as well.
    let cover = upload(&plan.start(), &owner, "cover.jpg", &jpeg()).await;
    let episode = format!("/episodes/{}", catalogue.episode);
    app.patch(&episode, &owner, json!({"file_id": film, "image_id": cover})).await.data(200);
    let shown = app.see(&path).await;
    assert_eq!((shown.status, &*shown.bytes), (200, &*jpeg()));
}
