//! Files that are taken in: what is told of them, who sees them, how they go.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use chrono::DateTime;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App, eventually},
    home::{Home, on_both_stores},
    load::descriptors,
    media::{VTT, ffmpeg, mp4, png, sha256, temporary},
    people::{PASSWORD, Person},
    stores::TestDb,
};

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc=duration=2:size=160x90:rate=10"];
const SOUND: [&str; 4] = ["-f", "lavfi", "-i", "sine=duration=2"];
const SRT: &[u8] = b"1\n00:00:01,000 --> 00:00:02,500\nHallo Welt\n";

/// What an upload must say of itself.
struct Case {
    ending: &'static str,
    bytes: Vec<u8>,
    /// Type, media type, codec of video, codec of audio.
    is: [Option<&'static str>; 4],
}

fn made(ending: &'static str, words: &str, is: [Option<&'static str>; 4]) -> Case {
    let (picture, sound) = (is[2].is_some(), is[3].is_some());
    let inputs: Vec<&str> =
        PICTURE.into_iter().filter(|_| picture).chain(SOUND.into_iter().filter(|_| sound)).collect();
    let arguments: Vec<&str> = inputs.into_iter().chain(words.split_whitespace()).collect();
    Case { ending, bytes: ffmpeg(&arguments, ending), is }
}

fn films() -> Vec<Case> {
    let video = |mime, video, audio| [Some("video"), Some(mime), Some(video), Some(audio)];
    let h264 = "-c:v libx264 -pix_fmt yuv420p -c:a aac";
    vec![
        made("mp4", h264, video("video/mp4", "h264", "aac")),
        made("mov", h264, video("video/quicktime", "h264", "aac")),
        made("mkv", h264, video("video/x-matroska", "h264", "aac")),
        made("ts", h264, video("video/mp2t", "h264", "aac")),
        made("webm", "-c:v libvpx -c:a libopus", video("video/webm", "vp8", "opus")),
    ]
}

fn sounds() -> Vec<Case> {
    let audio = |mime, audio| [Some("audio"), Some(mime), None, Some(audio)];
    vec![
        made("mp3", "", audio("audio/mpeg", "mp3")),
        made("wav", "", audio("audio/wav", "pcm_s16le")),
        made("flac", "", audio("audio/flac", "flac")),
        made("ogg", "-c:a libvorbis", audio("audio/ogg", "vorbis")),
        made("aac", "", audio("audio/aac", "aac")),
        made("m4a", "", audio("audio/mp4", "aac")),
    ]
}

fn pictures_and_words() -> Vec<Case> {
    let image = |mime, codec| [Some("image"), Some(mime), Some(codec), None];
    let text = |mime| [Some("subtitle"), Some(mime), None, None];
    vec![
        made("jpg", "-frames:v 1", image("image/jpeg", "mjpeg")),
        made("png", "-frames:v 1", image("image/png", "png")),
        made("gif", "", image("image/gif", "gif")),
        made("webp", "-frames:v 1", image("image/webp", "webp")),
        made("webp", "-c:v libwebp_anim", image("image/webp", "webp")),
        Case { ending: "vtt", bytes: VTT.to_vec(), is: text("text/vtt; charset=utf-8") },
        Case { ending: "srt", bytes: SRT.to_vec(), is: text("application/x-subrip; charset=utf-8") },
    ]
}

on_both_stores! {
    what_a_file_is_its_bytes_say,
    a_viewer_sees_what_the_catalogue_refers_to_and_an_editor_all,
    a_file_that_something_refers_to_stays,
    a_file_is_as_old_as_its_row_says,
}

async fn what_a_file_is_its_bytes_say(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let owner = app.register().await;
    for case in films().into_iter().chain(sounds()).chain(pictures_and_words()) {
        // The name has no say.
        let answer = app.upload(&owner, "some.thing", case.bytes.clone()).await;
        let file = answer.data(201);
        let told = ["type", "mime_type", "video_codec", "audio_codec"].map(|name| file[name].as_str());
        assert_eq!(told, case.is, "{}", case.ending);
        tells_of_bytes(&file, &case);
        let id = file["id"].as_str().expect("an id");
        assert_eq!(file["owner_id"], json!(owner.id));
        assert_eq!((&file["original_name"], &file["state"]), (&json!("some.thing"), &json!("ready")));
        assert_eq!(file["url"], json!(format!("/media/{id}")));
        assert_eq!(answer.header("location"), Some(format!("/files/{id}").as_str()));
        assert_eq!(app.get(&format!("/files/{id}"), &owner).await.data(200), file, "as answered, so read");
        let bytes = app.get(&format!("/media/{id}"), &owner).await;
        assert_eq!(bytes.header("content-type"), case.is[1]);
        assert!(bytes.bytes == case.bytes, "{}: other bytes", case.ending);
    }
    assert_eq!(home.agreed(app.media_dir(), &mut db.connect()).len(), 18);
}

fn tells_of_bytes(file: &Value, case: &Case) {
    assert_eq!(file["size"], json!(case.bytes.len()), "{}", case.ending);
    assert_eq!(file["sha256"], json!(sha256(&case.bytes)), "{}", case.ending);
    let kind = case.is[0].expect("a type");
    let size = (&file["width"], &file["height"]);
    let expected = if case.is[2].is_some() { (&json!(160), &json!(90)) } else { (&Value::Null, &Value::Null) };
    assert_eq!(size, expected, "{}", case.ending);
    let seconds = file["duration_seconds"].as_f64();
    let lasts = seconds.is_some_and(|seconds| (1.8..2.3).contains(&seconds));
    assert_eq!(lasts, kind == "video" || kind == "audio", "{}: {seconds:?}", case.ending);
    assert!(lasts || seconds.is_none(), "{}: {seconds:?}", case.ending);
}

/// The statuses of the file's facts and of its bytes.
async fn sees(app: &App, person: &Person, id: &str) -> (u16, u16) {
    let facts = app.get(&format!("/files/{id}"), person).await.status;
    (facts, app.get(&format!("/media/{id}"), person).await.status)
}

async fn a_viewer_sees_what_the_catalogue_refers_to_and_an_editor_all(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let people = app.people().await;
    let catalogue = app.catalogue(&people.editor).await;
    let picture = app.upload(&people.owner, "a.png", png().to_vec()).await.id();
    assert_eq!(sees(&app, &people.owner, &picture).await, (200, 200));
    assert_eq!(sees(&app, &people.editor, &picture).await, (200, 200));
    assert_eq!(sees(&app, &people.viewer, &picture).await, (403, 403));
    let path = format!("/series/{}", catalogue.series);
    app.patch(&path, &people.editor, json!({"image_id": picture})).await.data(200);
    assert_eq!(sees(&app, &people.viewer, &picture).await, (200, 200));
    app.patch(&path, &people.editor, json!({"image_id": null})).await.data(200);
    assert_eq!(sees(&app, &people.viewer, &picture).await, (403, 403), "what was seen is hidden again");
    assert_eq!(app.upload(&people.viewer, "a.png", png().to_vec()).await.status, 403);
    let open = Answer::of(app.request(Method::GET, &format!("/media/{picture}"), None)).await;
    assert_eq!(open.status, 401);
    home.agreed(app.media_dir(), &mut db.connect());
}

#[actix_web::test]
async fn an_account_keeps_sight_of_its_own_files() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let own = app.upload(&people.editor, "own.vtt", VTT.to_vec()).await.id();
    let strange = app.upload(&people.owner, "strange.vtt", VTT.to_vec()).await.id();
    app.patch(&format!("/users/{}", people.editor.id), &people.owner, json!({"roles": ["viewer"]})).await.data(200);
    let now_viewer = app.sign_in(&people.editor.id, &people.editor.email, PASSWORD).await;
    assert_eq!(sees(&app, &now_viewer, &own).await, (200, 200));
    assert_eq!(sees(&app, &now_viewer, &strange).await, (403, 403));
    assert_eq!(sees(&app, &people.viewer, &own).await, (403, 403));
    assert_eq!(ids(&app, &now_viewer, "/files").await, std::slice::from_ref(&own));
    assert_eq!(
        app.delete(&format!("/files/{own}"), &now_viewer).await.status,
        403,
        "who may not upload may not delete"
    );
}

/// Ids of a list, in its order.
async fn ids(app: &App, person: &Person, path: &str) -> Vec<String> {
    let data = app.get(path, person).await.data(200);
    data.as_array().expect("a list").iter().map(|file| file["id"].as_str().expect("an id").to_owned()).collect()
}

#[actix_web::test]
async fn lists_are_filtered_sorted_and_cut_to_what_one_may_see() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let film = app.upload(&people.owner, "Casablanca.mp4", mp4().to_vec()).await.id();
    let picture = app.upload(&people.editor, "poster.png", png().to_vec()).await.id();
    let words = app.upload(&people.editor, "words.vtt", VTT.to_vec()).await.id();
    let size = png().len();
    for (query, expected) in [
        ("sort=createdAt".to_owned(), vec![&film, &picture, &words]),
        ("sort=-size".to_owned(), vec![&film, &picture, &words]),
        ("sort=+size&limit=1&page=2".to_owned(), vec![&picture]),
        ("type=video".to_owned(), vec![&film]),
        ("mime_type=image/png".to_owned(), vec![&picture]),
        (format!("owner_id={}&sort=original_name", people.editor.id), vec![&picture, &words]),
        (format!("sha256={}", sha256(VTT)), vec![&words]),
        (format!("size={size}"), vec![&picture]),
        (format!("size_gte={size}&sort=size"), vec![&picture, &film]),
        (format!("size_lte={size}&sort=size"), vec![&words, &picture]),
        ("duration_seconds_gte=1".to_owned(), vec![&film]),
        ("original_name=CASABLANCA.MP4".to_owned(), vec![&film]),
        ("q=casablanka".to_owned(), vec![&film]),
        ("state=ready&type=subtitle".to_owned(), vec![&words]),
        ("state=failed".to_owned(), vec![]),
    ] {
        let found = ids(&app, &people.editor, &format!("/files?{query}")).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(app.get("/files?path=x", &people.editor).await.wrong_fields(), ["path"]);
    assert_eq!(ids(&app, &people.viewer, "/files").await, Vec::<String>::new());
    let catalogue = app.catalogue(&people.editor).await;
    let episode = format!("/episodes/{}", catalogue.episode);
    app.patch(&episode, &people.editor, json!({"file_id": film})).await.data(200);
    assert_eq!(ids(&app, &people.viewer, "/files").await, std::slice::from_ref(&film));
    assert_eq!(ids(&app, &people.viewer, "/files?type=image").await, Vec::<String>::new());
    assert_eq!(app.get("/files", &people.viewer).await.json()["pagination"]["total"], 1);
}

async fn a_file_that_something_refers_to_stays(home: Home) {
    let db = TestDb::create();
    let app = home.plan(&db).start();
    let editor = app.people().await.editor;
    let catalogue = app.catalogue(&editor).await;
    let (series, episode) = (format!("/series/{}", catalogue.series), format!("/episodes/{}", catalogue.episode));
    let mut conn = db.connect();
    for (path, field, by) in [
        (&series, "trailer_id", "a series (as its trailer)"),
        (&series, "image_id", "a series (as its image)"),
        (&episode, "image_id", "an episode (as its image)"),
        (&episode, "file_id", "an episode (as its file)"),
    ] {
        let bytes = if field == "image_id" { png() } else { mp4() };
        let file = app.upload(&editor, "file", bytes.to_vec()).await.id();
        app.patch(path, &editor, json!({field: file})).await.data(200);
        let refused = app.delete(&format!("/files/{file}"), &editor).await;
        assert_eq!(refused.status, 400);
        let message = refused.json()["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(by), "{message}");
        let rows = home.agreed(app.media_dir(), &mut conn);
        assert_eq!(rows.keys().collect::<Vec<_>>(), [&file], "{by}");
        assert_eq!(app.get(&format!("/media/{file}"), &editor).await.bytes, bytes);
        app.patch(path, &editor, json!({field: null})).await.data(200);
        let gone = app.delete(&format!("/files/{file}"), &editor).await;
        let expected = json!({"status": 200, "response": "OK", "message": "File deleted successfully"});
        assert_eq!(gone.json(), expected);
        assert_eq!(home.agreed(app.media_dir(), &mut conn).len(), 0, "{by}: row and bytes go");
        assert_eq!(sees(&app, &editor, &file).await, (404, 404));
        assert_eq!(app.delete(&format!("/files/{file}"), &editor).await.status, 404);
    }
}

async fn a_file_is_as_old_as_its_row_says(home: Home) {
    let db = TestDb::create();
    // Some time goes by between the last byte and the row.
    let slow = temporary("slow");
    std::fs::write(&slow, "#!/bin/sh\nsleep 1.2\nexec \"$(command -v ffprobe)\" \"$@\"\n").expect("a program");
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).expect("a program");
    let app = home.plan(&db).with("PLAYHOUSE_MEDIA__FFPROBE", slow.to_str().expect("a path")).start();
    let owner = app.register().await;
    let file = app.upload(&owner, "a.mp4", mp4().to_vec()).await.data(201);
    std::fs::remove_file(slow).expect("a program");
    let made = DateTime::parse_from_rfc3339(file["createdAt"].as_str().expect("a time")).expect("a time");
    let bytes = app.get(file["url"].as_str().expect("a path"), &owner).await;
    let date = made.to_utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    assert_eq!(bytes.header("last-modified"), Some(&*date));
}

#[actix_web::test]
async fn what_is_removed_frees_its_room_on_the_disk() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let file = app.upload(&owner, "a.mp4", mp4().to_vec()).await.id();
    let path = format!("/media/{file}");
    // Several at once: each may open the bytes for itself.
    let readers = futures_util::future::join_all((0..8).map(|_| app.get(&path, &owner))).await;
    assert!(readers.iter().all(|answer| answer.bytes == mp4()));
    let is_open = || descriptors(app.pid()).iter().any(|name| name.contains(&file));
    assert!(is_open(), "bytes are held open for the next reader");
    app.delete(&format!("/files/{file}"), &owner).await;
    // An open file keeps its room after its name has gone.
    let freed = eventually(Duration::from_secs(20), || async { !is_open() }).await;
    assert!(freed, "{:?}", descriptors(app.pid()));
}
