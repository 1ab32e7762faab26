//! How large an image may be, and all of an account's.

use futures_util::{future::join_all, stream};
use reqwest::{
    Body, Method,
    multipart::{Form, Part},
};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::{House, refused};
use crate::support::{
    app::Answer,
    home::{Home, on_both_stores},
    images::{picture, png_chunk},
    media::{mp4, noise, png},
    raw::{status, upload_head},
};

on_both_stores! {
    more_bytes_than_an_image_may_have_are_413,
    more_pixels_than_an_image_may_have_are_refused_by_the_header,
    an_account_keeps_no_more_than_its_quota,
}

/// The picture of the tests, made this long by a chunk that nobody reads.
fn padded(length: usize) -> Vec<u8> {
    let filling = noise(u64::try_from(length - png().len() - 12).expect("a length"));
    let (head, rest) = png().split_at(33);
    [head, &png_chunk(b"teSt", &filling), rest].concat()
}

async fn more_bytes_than_an_image_may_have_are_413(home: Home) {
    let house = House::with(home, &[("PLAYHOUSE_IMAGES__MAX_BYTES", "100000")]).await;
    let viewer = &house.people.viewer;
    for length in [200_000, u64::MAX] {
        let head = upload_head(viewer, length).replace("POST /files ", "POST /images ");
        let mut stream = house.app.connect().await;
        // Nothing follows the head: an answer is there before any of the body.
        stream.write_all(head.as_bytes()).await.expect("the head");
        assert_eq!(status(&mut stream).await, Some(413), "{length}");
    }
    let exact = house.app.send_image(viewer, "a.png", &padded(100_000)).await;
    assert_eq!((exact.status, &exact.json()["size"]), (201, &json!(100_000)));
    let one_more = house.app.send_image(viewer, "a.png", &padded(100_001)).await;
    assert_eq!(refused(&one_more, 413), "The file is larger than 100000 bytes");
    // Without a length, the bytes are counted.
    let pieces: Vec<_> = padded(1_000_000).chunks(10_000).map(<[u8]>::to_vec).map(Ok::<_, std::io::Error>).collect();
    let part = Part::stream(Body::wrap_stream(stream::iter(pieces))).file_name("a.png");
    let request = house.app.request(Method::POST, "/images", Some(viewer)).multipart(Form::new().part("file", part));
    assert_eq!(refused(&Answer::of(request).await, 413), "The file is larger than 100000 bytes");
    house.holds(1, 0, 1);
    // Whichever way an image comes; what is none may be larger.
    let editor = &house.people.editor;
    assert_eq!(house.app.upload(editor, "a.png", padded(100_001)).await.status, 413);
    let film = crate::support::media::padded(mp4(), 300_000);
    assert_eq!(house.app.upload(editor, "a.mp4", film).await.data(201)["size"], 300_000);
}

async fn more_pixels_than_an_image_may_have_are_refused_by_the_header(home: Home) {
    // As many as the picture of the tests has.
    let house = House::with(home, &[("PLAYHOUSE_IMAGES__MAX_PIXELS", "3072")]).await;
    let viewer = &house.people.viewer;
    assert_eq!(house.app.send_image(viewer, "a.png", png()).await.status, 201);
    let runs = super::runs(&house.app, "ffmpeg").await;
    let larger = picture("66x48", "png");
    let answer = house.app.send_image(viewer, "a.png", &larger).await;
    assert_eq!(refused(&answer, 400), "The file is no image that is taken: it has more than 3072 pixels");
    // By whichever contract it comes: nothing decodes it.
    let file = house.app.upload(&house.people.editor, "a.png", larger.clone()).await;
    assert_eq!(file.status, 415);
    let channel = house.app.set_picture(viewer, &larger).await;
    assert_eq!(channel.response(400), "not-an-image");
    assert_eq!(super::runs(&house.app, "ffmpeg").await, runs);
    house.holds(1, 0, 1);
}

async fn an_account_keeps_no_more_than_its_quota(home: Home) {
    let quota = 2 * png().len() + 10;
    let house = House::with(home, &[("PLAYHOUSE_MEDIA__ACCOUNT_QUOTA_BYTES", &quota.to_string())]).await;
    let (viewer, other) = (&house.people.viewer, &house.people.other);
    let first = house.app.keep_image(viewer, png()).await;
    // All at once: one of them fits.
    let racing = join_all((0..4).map(|_| house.app.send_image(viewer, "a.png", png()))).await;
    let mut statuses: Vec<u16> = racing.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 413, 413, 413]);
    for answer in racing.iter().filter(|answer| answer.status == 413) {
        refused(answer, 413);
    }
    // Nothing follows the head: an answer is there before any of the body.
    let mut stream = house.app.connect().await;
    let head = upload_head(other, u64::try_from(quota).expect("a length") + 70_000);
    stream.write_all(head.replace("POST /files ", "POST /images ").as_bytes()).await.expect("the head");
    assert_eq!(status(&mut stream).await, Some(413));
    house.app.keep_image(other, png()).await;
    // A smaller copy takes nothing of it.
    assert_eq!(house.wide(viewer, &first, 64).await.status, 200);
    house.holds(3, 1, 4);
    assert_eq!(house.delete(viewer, &first).await.status, 204);
    house.app.keep_image(viewer, png()).await;
    refused(&house.app.send_image(viewer, "a.png", png()).await, 413);
    house.holds(3, 0, 3);
}
