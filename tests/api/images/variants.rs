//! Smaller copies: how large, of which type, made once and kept.

use futures_util::future::join_all;
use reqwest::Method;

use super::{House, VARIANTS, refused, runs};
use crate::support::{
    app::Answer,
    channels::picture_facts,
    home::{Home, on_both_stores},
    images::{corners, drawn, picture},
    media::{ffmpeg, png, sha256},
    stores::count,
};

on_both_stores! {
    an_image_can_be_had_in_each_width_and_is_never_enlarged,
    an_image_of_each_type_can_be_had_smaller,
    transparency_stays,
    a_smaller_copy_is_served_as_an_image_is,
    a_smaller_copy_is_made_once_for_all_who_ask_at_once,
    a_smaller_copy_is_made_once_for_all_nodes,
    a_smaller_copy_is_nobodys_and_goes_out_by_its_image_alone,
}

async fn an_image_can_be_had_in_each_width_and_is_never_enlarged(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    for (size, expected) in [
        ("1600x800", ["64,32", "128,64", "256,128", "512,256", "1024,512"]),
        ("300x301", ["64,64", "128,128", "256,257", "300,301", "300,301"]),
        ("1x1", ["1,1"; 5]),
        ("2000x1", ["64,1", "128,1", "256,1", "512,1", "1024,1"]),
        // A column: no copy is more than four times as high as it was asked to be wide.
        ("100x4000", ["6,256", "13,512", "26,1024", "51,2048", "100,4000"]),
    ] {
        let id = house.app.keep_image(viewer, &drawn(&format!("color=teal:s={size},format=rgb24"), "png")).await;
        for (width, sides) in [64, 128, 256, 512, 1024].into_iter().zip(expected) {
            let copy = house.wide(viewer, &id, width).await;
            assert_eq!(copy.status, 200, "{size} {width}: {}", String::from_utf8_lossy(&copy.bytes));
            assert_eq!(copy.header("content-type"), Some("image/webp"), "{size} {width}");
            assert_eq!(picture_facts(&copy.bytes), format!("webp,{sides}"), "{size} {width}");
        }
    }
    house.holds(5, 25, 30);
}

async fn an_image_of_each_type_can_be_had_smaller(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    for ending in ["jpg", "png", "gif", "webp", "avif"] {
        // Red beside blue.
        let source = "color=red:s=160x80,drawbox=x=80:w=80:h=80:c=blue:t=fill";
        let id = house.app.keep_image(viewer, &drawn(source, ending)).await;
        let copy = house.wide(viewer, &id, 64).await;
        assert_eq!(picture_facts(&copy.bytes), "webp,64,32", "{ending}");
        let [left, right, ..] = corners(&copy.bytes);
        assert!(matches!(left, [200..=255, 0..60, 0..60, 255]), "{ending}: {left:?}");
        assert!(matches!(right, [0..60, 0..60, 200..=255, 255]), "{ending}: {right:?}");
    }
    // Of what moves, the first picture: red, before it is blue.
    let source = "color=red:s=160x80:r=10:d=1,drawbox=c=blue:t=fill:enable='gt(n,0)'";
    for (format, codec) in
        [("gif", "gif"), ("apng", "apng"), ("webp", "libwebp_anim"), ("webp", "libwebp_anim -lossless 1")]
    {
        let words: Vec<&str> = codec.split(' ').collect();
        let moving = ffmpeg(&[&["-f", "lavfi", "-i", source, "-f", format, "-c:v"], &words[..]].concat(), format);
        let id = house.app.keep_image(viewer, &moving).await;
        let copy = house.wide(viewer, &id, 64).await;
        assert_eq!(picture_facts(&copy.bytes), "webp,64,32", "{codec}");
        for corner in corners(&copy.bytes) {
            assert!(matches!(corner, [200..=255, 0..60, 0..60, 255]), "{codec}: {corner:?}");
        }
    }
}

async fn transparency_stays(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    for ending in ["png", "webp"] {
        let image = drawn("color=gray@0.5:s=200x200,format=rgba", ending);
        let id = house.app.keep_image(viewer, &image).await;
        for width in [64, 256] {
            let corner = corners(&house.wide(viewer, &id, width).await.bytes)[0];
            assert!(matches!(corner, [120..136, 120..136, 120..136, 124..132]), "{ending} {width}: {corner:?}");
        }
    }
}

async fn a_smaller_copy_is_served_as_an_image_is(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let answer = house.app.send_image(viewer, "A walk.in the park.png", &picture("400x300", "png")).await;
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    let copy = house.wide(viewer, &id, 128).await;
    let tag = format!("\"{}\"", sha256(&copy.bytes));
    let name = "A%20walk.in%20the%20park-128.webp";
    for (header, value) in [
        ("content-type", "image/webp"),
        ("etag", &tag),
        (
            "content-disposition",
            &format!("attachment; filename=\"A walk.in the park-128.webp\"; filename*=UTF-8''{name}"),
        ),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cache-control", "private, max-age=31536000, immutable"),
    ] {
        assert_eq!(copy.header(header), Some(value), "{header}");
    }
    let path = format!("/images/{id}?width=128");
    let ask = async |method: Method, name: &str, value: &str| {
        Answer::of(house.app.request(method, &path, Some(viewer)).header(name, value)).await
    };
    assert_eq!(ask(Method::GET, "If-None-Match", &tag).await.status, 304);
    let part = ask(Method::GET, "Range", "bytes=4-9").await;
    assert!(part.status == 206 && part.bytes == copy.bytes[4..10]);
    let head = ask(Method::HEAD, "Accept", "*/*").await;
    let length = copy.bytes.len().to_string();
    assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())));
    assert_ne!(house.image(viewer, &id).await.header("etag"), Some(tag.as_str()));
    // Another time it is the same, and nothing is made.
    let before = runs(&house.app, "ffmpeg").await;
    for person in [viewer, &house.people.editor, &house.people.owner] {
        let again = house.wide(person, &id, 128).await;
        assert!(again.bytes == copy.bytes, "other bytes");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
    }
    assert_eq!(runs(&house.app, "ffmpeg").await, before);
    let started_anew = house.plan.start();
    let again = started_anew.get(&path, viewer).await;
    assert!(again.bytes == copy.bytes, "other bytes");
    assert_eq!(runs(&started_anew, "ffmpeg").await, 0);
}

async fn a_smaller_copy_is_made_once_for_all_who_ask_at_once(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let id = house.app.keep_image(viewer, &picture("1600x1200", "png")).await;
    let before = runs(&house.app, "ffmpeg").await;
    let answers = join_all((0..20).map(|_| house.wide(viewer, &id, 256))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
        assert!(answer.bytes == answers[0].bytes, "not all see the same");
    }
    assert_eq!(runs(&house.app, "ffmpeg").await - before, 1);
    house.holds(1, 1, 2);
    // Another width is another copy.
    join_all((0..10).map(|_| house.wide(viewer, &id, 128))).await;
    assert_eq!(runs(&house.app, "ffmpeg").await - before, 2);
    house.holds(1, 2, 3);
}

async fn a_smaller_copy_is_made_once_for_all_nodes(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let nodes = [&house.app, &house.plan.start()];
    for round in 0..3 {
        let id = house.app.keep_image(viewer, &picture("1000x800", "jpg")).await;
        let path = format!("/images/{id}?width=512");
        let answers = join_all((0..20).map(|number| nodes[number % 2].get(&path, viewer))).await;
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.bytes));
            assert!(answer.bytes == answers[0].bytes, "not all see the same");
        }
        assert_eq!(count(&mut house.db.connect(), VARIANTS), round + 1);
    }
    house.holds(3, 3, 6);
}

async fn a_smaller_copy_is_nobodys_and_goes_out_by_its_image_alone(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    let id = house.app.keep_image(&people.viewer, png()).await;
    assert_eq!(house.wide(&people.viewer, &id, 64).await.status, 200);
    let files = house.app.get("/files?mime_type=image/webp", &people.editor).await.data(200);
    let (copy, copy_id) = (&files[0], files[0]["id"].as_str().expect("an id"));
    assert_eq!((&copy["owner_id"], &copy["type"]), (&serde_json::Value::Null, &"image".into()));
    assert_eq!(house.app.get(&format!("/media/{copy_id}"), &people.viewer).await.status, 403);
    for person in [&people.viewer, &people.editor, &people.owner] {
        assert_eq!(refused(&house.image(person, copy_id).await, 404), "Image not found");
        assert_eq!(refused(&house.wide(person, copy_id, 64).await, 404), "Image not found");
        assert_eq!(refused(&house.delete(person, copy_id).await, 404), "Image not found");
    }
    let stays = house.app.delete(&format!("/files/{copy_id}"), &people.owner).await;
    assert_eq!(stays.status, 400);
    assert!(stays.refusal().as_str().is_some_and(|text| text.contains("an image (as its smaller copy)")));
    house.holds(1, 1, 2);
}
