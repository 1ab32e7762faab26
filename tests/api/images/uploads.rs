//! What is taken, under which name, and what is said of it.

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::{House, refused, runs};
use crate::support::{
    app::Answer,
    home::{Home, on_both_stores},
    images::{drawn, picture},
    media::{VTT, ffmpeg, mp4, png},
    people::Person,
    raw::{BOUNDARY, multipart},
};

on_both_stores! {
    an_image_that_is_taken_is_told_with_its_place,
    what_an_image_is_its_bytes_say_and_neither_name_nor_header,
    what_is_no_image_is_refused_whatever_it_is_called,
    a_form_of_the_wrong_parts_is_refused_by_name,
    a_body_that_is_no_whole_form_is_refused,
    a_name_is_kept_as_it_was_sent,
}

async fn post(house: &House, person: &Person, kind: &str, body: Vec<u8>) -> Answer {
    let request = house.app.request(Method::POST, "/images", Some(person));
    Answer::of(request.header("content-type", kind).body(body)).await
}

/// Sends a form of these parts.
async fn send(house: &House, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
    post(house, &house.people.viewer, &form(), multipart(parts)).await
}

fn form() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

async fn an_image_that_is_taken_is_told_with_its_place(home: Home) {
    let house = House::new(home).await;
    for person in [&house.people.viewer, &house.people.editor, &house.people.owner] {
        let answer = house.app.send_image(person, "walk.png", png()).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
        assert_eq!(answer.header("location"), Some(format!("/images/{id}").as_str()));
        let told = json!({"id": id, "name": "walk.png", "size": png().len(), "mime_type": "image/png"});
        assert_eq!(answer.json(), told);
        assert_eq!(house.stored()[&id], u64::try_from(png().len()).expect("a length"));
        // It is a file of the account's, too.
        let file = house.app.get(&format!("/files/{id}"), person).await.data(200);
        assert_eq!((&file["type"], &file["owner_id"]), (&json!("image"), &json!(person.id)));
        assert_eq!((&file["width"], &file["height"]), (&json!(64), &json!(48)));
    }
    house.holds(3, 0, 3);
}

async fn what_an_image_is_its_bytes_say_and_neither_name_nor_header(home: Home) {
    let house = House::new(home).await;
    for (ending, mime) in [
        ("jpg", "image/jpeg"),
        ("png", "image/png"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("avif", "image/avif"),
    ] {
        let bytes = picture("80x60", ending);
        for (name, said) in [("page.html", "text/html"), ("a.svg", "image/svg+xml"), ("noname", "video/mp4")] {
            let part = Part::bytes(bytes.clone()).file_name(name).mime_str(said).expect("a type");
            let request = house.app.request(Method::POST, "/images", Some(&house.people.viewer));
            let answer = Answer::of(request.multipart(Form::new().part("file", part))).await;
            assert_eq!(answer.status, 201, "{ending}: {}", String::from_utf8_lossy(&answer.bytes));
            assert_eq!((&answer.json()["mime_type"], &answer.json()["name"]), (&json!(mime), &json!(name)));
            let id = answer.json()["id"].as_str().expect("an id").to_owned();
            let got = house.image(&house.people.viewer, &id).await;
            assert_eq!((got.status, got.header("content-type")), (200, Some(mime)), "{ending}");
            assert!(got.bytes == bytes, "{ending}: other bytes");
        }
    }
    house.holds(15, 0, 15);
}

async fn what_is_no_image_is_refused_whatever_it_is_called(home: Home) {
    let house = House::new(home).await;
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let xml = [b"<?xml version=\"1.0\"?>".as_slice(), svg].concat();
    let sine = ffmpeg(&["-f", "lavfi", "-i", "sine=duration=1"], "wav");
    let mut film_called_avif = mp4().to_vec();
    film_called_avif[8..12].copy_from_slice(b"avif");
    let bitmap = drawn("testsrc2=size=16x16", "bmp");
    let probed = runs(&house.app, "ffprobe").await;
    for (what, bytes) in [
        ("a film", mp4()),
        ("the beginning of a film", &mp4()[..64]),
        ("a film that says it is AVIF", &film_called_avif),
        ("sound", &sine),
        ("subtitles", VTT),
        ("SVG", svg),
        ("SVG as XML", &xml),
        ("HTML", b"<!DOCTYPE html><html><img src=x onerror=alert(1)></html>"),
        ("text", b"Not an image."),
        ("PDF", b"%PDF-1.7\n1 0 obj\n"),
        ("a bitmap", &bitmap),
        ("the name of a type", b"GIF89a"),
        ("the first bytes of a PNG", &png()[..24]),
        ("the first bytes of a JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        ("HTML behind the first bytes of a PNG", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR<html><script>alert(1)</script>"),
    ] {
        for name in ["a.png", "a.svg", "a.jpg"] {
            let answer = house.app.send_image(&house.people.viewer, name, bytes).await;
            let said = refused(&answer, 400);
            assert!(said.starts_with("The file is no image that is taken: "), "{what}: {said}");
            assert!(!said.contains(['/', '\\']), "{what}: a path in '{said}'");
        }
    }
    assert_eq!(runs(&house.app, "ffprobe").await, probed, "what is seen to be no image is looked at no closer");
    house.holds(0, 0, 0);
}

async fn a_form_of_the_wrong_parts_is_refused_by_name(home: Home) {
    let house = House::new(home).await;
    let file: (&str, Option<&str>, &[u8]) = ("file", Some("a.png"), png());
    let empty: (&str, Option<&str>, &[u8]) = ("file", Some("a.png"), b"");
    let text: &[u8] = b"image";
    for (parts, said) in [
        (vec![], "file is required"),
        (vec![empty], "file is empty"),
        (vec![file, file], "file is given twice"),
        (vec![file, ("type", None, text)], "type is unknown"),
        (vec![("owner_id", None, text), file], "owner_id is unknown"),
        (vec![("files[]", Some("a.png"), png())], "files[] is unknown"),
        (vec![file, ("file2", Some("a.png"), png())], "file2 is unknown"),
    ] {
        assert_eq!(refused(&send(&house, &parts).await, 400), said);
    }
    house.holds(0, 0, 0);
    assert_eq!(send(&house, &[file]).await.status, 201);
}

async fn a_body_that_is_no_whole_form_is_refused(home: Home) {
    let house = House::new(home).await;
    let whole = multipart(&[("file", Some("a.png"), png())]);
    let cut = whole[..whole.len() / 2].to_vec();
    let unended = whole[..whole.len() - BOUNDARY.len() - 6].to_vec();
    for (kind, body, said) in [
        (form(), cut, "The body is not a whole multipart body"),
        (form(), unended, "The body is not a whole multipart body"),
        (form(), b"no boundary in it".to_vec(), "The body is not a whole multipart body"),
        (form(), Vec::new(), "The body is not a whole multipart body"),
        ("application/json".to_owned(), b"{}".to_vec(), "The body must be multipart/form-data"),
        ("image/png".to_owned(), png().to_vec(), "The body must be multipart/form-data"),
        ("application/x-www-form-urlencoded".to_owned(), b"file=x".to_vec(), "The body must be multipart/form-data"),
        ("multipart/form-data".to_owned(), whole.clone(), "The body must be multipart/form-data"),
        (String::new(), whole.clone(), "The body must be multipart/form-data"),
    ] {
        let answer = post(&house, &house.people.viewer, &kind, body).await;
        assert_eq!(refused(&answer, 400), said, "{kind}");
    }
    house.holds(0, 0, 0);
    assert_eq!(post(&house, &house.people.viewer, &form(), whole).await.status, 201);
}

async fn a_name_is_kept_as_it_was_sent(home: Home) {
    let house = House::new(home).await;
    let name_of = |answer: &Answer| -> Value { answer.json()["name"].clone() };
    let long = "n".repeat(500);
    for (sent, kept) in [
        ("写真 🎬.png", "写真 🎬.png"),
        ("../../../etc/passwd", "../../../etc/passwd"),
        ("/etc/passwd", "/etc/passwd"),
        (r"C:\films\a.png", r"C:\films\a.png"),
        (r"..\\..\\boot.ini", r"..\..\boot.ini"),
        ("tab\tand \u{202e}gnp.exe", "tab\tand \u{202e}gnp.exe"),
        ("a%22b%0D%0Ac%41.png", "a\"b\r\nc%41.png"),
        ("semi;colon.png", "semi;colon.png"),
        (" ", " "),
        ("", "unnamed"),
        (&long, &long),
    ] {
        let answer = send(&house, &[("file", Some(sent), png())]).await;
        assert_eq!(answer.status, 201, "{sent:?}: {}", String::from_utf8_lossy(&answer.bytes));
        assert_eq!(name_of(&answer), kept, "{sent:?}");
    }
    let unnamed = send(&house, &[("file", None, png())]).await;
    assert_eq!(name_of(&unnamed), "unnamed");
    // By the way of RFC 8187 any text can be said.
    let extended = |value: &str| {
        let whole = multipart(&[("file", Some("plain.png"), png())]);
        let text = format!("filename*=UTF-8''{value}; filename=\"plain.png\"");
        let at = whole.windows(8).position(|window| window == b"filename").expect("a name");
        [&whole[..at], text.as_bytes(), &whole[at + "filename=\"plain.png\"".len()..]].concat()
    };
    let answer = post(&house, &house.people.viewer, &form(), extended("%E2%82%AC%0D%0A.png")).await;
    assert_eq!(name_of(&answer), "€\r\n.png");
    let nul = post(&house, &house.people.viewer, &form(), extended("a%00b.png")).await;
    assert_eq!(refused(&nul, 400), "file must have no NUL character in its name");
    let longer = send(&house, &[("file", Some(&"n".repeat(501)), png())]).await;
    assert_eq!(refused(&longer, 400), "file must have a name of at most 500 characters");
    house.holds(13, 0, 13);
}
