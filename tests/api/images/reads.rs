//! An image as it was sent: to whom, with which headers, in which part.

use reqwest::Method;
use serde_json::json;

use super::{House, refused};
use crate::support::{
    app::Answer,
    home::{Home, on_both_stores},
    images::picture,
    media::{png, sha256},
    people::{PASSWORD, Person},
};

on_both_stores! {
    an_image_comes_back_byte_by_byte_to_be_kept_and_not_shown,
    who_has_it_already_is_told_so,
    a_part_of_it_can_be_had,
    others_do_not_learn_that_it_is_there,
    what_the_catalogue_shows_is_shown_to_all_who_look_there,
    what_is_asked_wrongly_is_refused,
}

async fn asked(house: &House, method: Method, id: &str, headers: &[(&str, &str)]) -> Answer {
    let request = house.app.request(method, &format!("/images/{id}"), Some(&house.people.viewer));
    Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn an_image_comes_back_byte_by_byte_to_be_kept_and_not_shown(home: Home) {
    let house = House::new(home).await;
    let bytes = picture("800x600", "png");
    let id = house.app.keep_image(&house.people.viewer, &bytes).await;
    let got = asked(&house, Method::GET, &id, &[]).await;
    assert_eq!(got.status, 200);
    assert!(got.bytes == bytes, "other bytes");
    let headers = [
        ("content-type", "image/png"),
        ("content-disposition", "attachment; filename=\"a.png\"; filename*=UTF-8''a.png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("accept-ranges", "bytes"),
    ];
    let (length, tag) = (bytes.len().to_string(), format!("\"{}\"", sha256(&bytes)));
    let head = asked(&house, Method::HEAD, &id, &[]).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for answer in [&got, &head] {
        for (name, value) in headers.into_iter().chain([("content-length", length.as_str()), ("etag", &tag)]) {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert!(answer.header("last-modified").is_some());
        assert_eq!(answer.header("content-encoding"), None);
    }
    // What other contracts give of it is no more welcome in a browser.
    let media = house.app.get(&format!("/media/{id}"), &house.people.viewer).await;
    assert!(media.bytes == bytes, "other bytes");
    for (name, value) in &headers[2..4] {
        assert_eq!(media.header(name), Some(*value), "{name}");
    }
}

async fn who_has_it_already_is_told_so(home: Home) {
    let house = House::new(home).await;
    let id = house.app.keep_image(&house.people.viewer, png()).await;
    let tag = format!("\"{}\"", sha256(png()));
    for held in [tag.as_str(), "*", &format!("\"x\", {tag}"), &format!("W/{tag}")] {
        let answer = asked(&house, Method::GET, &id, &[("If-None-Match", held)]).await;
        assert_eq!((answer.status, answer.bytes.len()), (304, 0), "{held}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()), "{held}");
        assert_eq!(answer.header("content-disposition"), None, "{held}");
    }
    let other = asked(&house, Method::GET, &id, &[("If-None-Match", "\"x\"")]).await;
    assert!(other.status == 200 && other.bytes == png());
    assert_eq!(asked(&house, Method::GET, &id, &[("If-Match", "\"x\"")]).await.status, 412);
    // The same bytes under another id are the same bytes.
    let again = house.app.keep_image(&house.people.viewer, png()).await;
    assert_ne!(again, id);
    assert_eq!(asked(&house, Method::GET, &again, &[("If-None-Match", &tag)]).await.status, 304);
}

async fn a_part_of_it_can_be_had(home: Home) {
    let house = House::new(home).await;
    let bytes = picture("400x300", "png");
    let (length, id) = (bytes.len(), house.app.keep_image(&house.people.viewer, &bytes).await);
    let part = |from: usize, to: usize| (from..to, format!("bytes {from}-{}/{length}", to - 1));
    for (range, (bounds, said)) in [
        ("bytes=0-0".to_owned(), part(0, 1)),
        ("bytes=10-99".to_owned(), part(10, 100)),
        ("bytes=100-".to_owned(), part(100, length)),
        ("bytes=-7".to_owned(), part(length - 7, length)),
        (format!("bytes=5-{length}"), part(5, length)),
    ] {
        let answer = asked(&house, Method::GET, &id, &[("Range", &range)]).await;
        assert_eq!((answer.status, answer.header("content-range")), (206, Some(said.as_str())), "{range}");
        assert!(answer.bytes == bytes[bounds], "{range}: other bytes");
        assert!(answer.header("content-disposition").is_some_and(|text| text.starts_with("attachment")), "{range}");
    }
    for range in [format!("bytes={length}-"), "bytes=-0".to_owned()] {
        let answer = asked(&house, Method::GET, &id, &[("Range", &range)]).await;
        assert_eq!((answer.status, answer.bytes.len()), (416, 0), "{range}");
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{length}").as_str()), "{range}");
    }
    let tag = format!("\"{}\"", sha256(&bytes));
    let held = asked(&house, Method::GET, &id, &[("Range", "bytes=0-9"), ("If-Range", &tag)]).await;
    assert_eq!((held.status, held.bytes.len()), (206, 10));
    let changed = asked(&house, Method::GET, &id, &[("Range", "bytes=0-9"), ("If-Range", "\"x\"")]).await;
    assert_eq!((changed.status, changed.bytes.len()), (200, length));
}

/// The statuses of the image, and of it made smaller.
async fn sees(house: &House, person: &Person, id: &str) -> (u16, u16) {
    (house.image(person, id).await.status, house.wide(person, id, 64).await.status)
}

async fn others_do_not_learn_that_it_is_there(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    let id = house.app.keep_image(&people.viewer, png()).await;
    for person in [&people.viewer, &people.editor, &people.owner] {
        assert_eq!(sees(&house, person, &id).await, (200, 200));
    }
    let nothing = uuid::Uuid::now_v7().to_string();
    for id in [&id, &nothing] {
        assert_eq!(refused(&house.image(&people.other, id).await, 404), "Image not found");
        assert_eq!(refused(&house.wide(&people.other, id, 64).await, 404), "Image not found");
    }
    let nobody = Answer::of(house.app.request(Method::GET, &format!("/images/{id}"), None)).await;
    assert_eq!(refused(&nobody, 401), "Access denied. No token provided.");
    let assistant = house.app.register_as(&people.owner, &["casting_assistant"]).await;
    refused(&house.image(&assistant, &id).await, 403);
    // What is a file and no image of this contract is not there either.
    let file = house.app.upload(&people.editor, "a.png", png().to_vec()).await.id();
    assert_eq!(refused(&house.image(&people.editor, &file).await, 404), "Image not found");
    assert_eq!(refused(&house.wide(&people.owner, &file, 64).await, 404), "Image not found");
    assert_eq!(refused(&house.delete(&people.owner, &file).await, 404), "Image not found");
    // Who does not see every file any more does not see it.
    let path = format!("/users/{}", people.editor.id);
    house.app.patch(&path, &people.owner, json!({"roles": ["viewer"]})).await.data(200);
    let editor = house.app.sign_in(&people.editor.id, &people.editor.email, PASSWORD).await;
    assert_eq!(sees(&house, &editor, &id).await, (404, 404));
}

async fn what_the_catalogue_shows_is_shown_to_all_who_look_there(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    let id = house.app.keep_image(&people.viewer, png()).await;
    let catalogue = house.app.catalogue(&people.editor).await;
    for path in [format!("/series/{}", catalogue.series), format!("/episodes/{}", catalogue.episode)] {
        assert_eq!(sees(&house, &people.other, &id).await, (404, 404));
        house.app.patch(&path, &people.editor, json!({"image_id": id})).await.data(200);
        assert_eq!(sees(&house, &people.other, &id).await, (200, 200), "{path}");
        assert!(house.image(&people.other, &id).await.bytes == png());
        assert_eq!(house.list(&people.other, "").await, Vec::<String>::new(), "it is another's all the same");
        house.app.patch(&path, &people.editor, json!({"image_id": null})).await.data(200);
        assert_eq!(sees(&house, &people.other, &id).await, (404, 404), "what was seen is hidden again");
    }
}

async fn what_is_asked_wrongly_is_refused(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let id = house.app.keep_image(viewer, png()).await;
    for wrong in ["1", "x", &id[1..], &format!("{id}.png"), &id.replace('-', ""), "..%2f", "%00", "null"] {
        for method in [Method::GET, Method::DELETE] {
            let answer = Answer::of(house.app.request(method, &format!("/images/{wrong}"), Some(viewer))).await;
            assert_eq!(answer.wrong_fields(), ["id"], "{wrong}");
        }
    }
    let width = "width must be one of 64, 128, 256, 512, 1024";
    for (query, said) in [
        ("width=0", width),
        ("width=63", width),
        ("width=064", width),
        ("width=65", width),
        ("width=2048", width),
        ("width=-64", width),
        ("width=+64", width),
        ("width=64.0", width),
        ("width=64px", width),
        ("width=", width),
        ("width", width),
        ("width=%00", width),
        ("width=18446744073709551616", width),
        ("width=64&width=64", "width is given twice"),
        ("height=64", "height is unknown"),
        ("width=64&format=png", "format is unknown"),
        ("download=1", "download is unknown"),
        ("WIDTH=64", "WIDTH is unknown"),
        ("%FF=1", "query is not text"),
    ] {
        let answer = house.app.get(&format!("/images/{id}?{query}"), viewer).await;
        let refusal = refused(&answer, 400);
        assert!(refusal == said || query == "%FF=1", "{query}: {refusal}");
    }
    house.holds(1, 0, 1);
}
