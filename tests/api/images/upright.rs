//! Photographs: smaller copies stand upright, and tell nothing of where they were taken.

use super::House;
use crate::support::{
    channels::picture_facts,
    home::{Home, on_both_stores},
    images::{SECRET, corners, drawn, exif, jpeg_with, png_with, webp_with},
};

on_both_stores! {
    a_smaller_copy_stands_upright_whatever_the_camera_said,
    what_no_camera_says_turns_nothing,
    a_smaller_copy_tells_nothing_of_its_place,
}

/// Red in the upper left corner, blue below it, black elsewhere.
const SOURCE: &str = "color=black:s=160x80,drawbox=w=80:h=40:c=red:t=fill,drawbox=y=40:w=80:h=40:c=blue:t=fill";

/// By orientation: where red and blue are to be seen, by the numbers of the corners, and the size.
const UPRIGHT: [(u8, usize, usize, &str); 8] = [
    (1, 0, 2, "64,32"),
    (2, 1, 3, "64,32"),
    (3, 3, 1, "64,32"),
    (4, 2, 0, "64,32"),
    (5, 0, 1, "64,128"),
    (6, 1, 0, "64,128"),
    (7, 3, 2, "64,128"),
    (8, 2, 3, "64,128"),
];

/// One of each type that can say how the camera was held, held so.
fn photographs(orientation: u8) -> [(&'static str, Vec<u8>); 3] {
    let exif = exif(orientation);
    let [jpeg, png, webp] = ["jpg", "png", "webp"].map(|ending| drawn(SOURCE, ending));
    [("jpg", jpeg_with(&jpeg, &exif)), ("png", png_with(&png, &exif)), ("webp", webp_with(&webp, (160, 80), &exif))]
}

#[track_caller]
fn stands(copy: &[u8], (red, blue): (usize, usize), what: &str) {
    let seen = corners(copy);
    assert!(matches!(seen[red], [200..=255, 0..60, 0..60, 255]), "{what}: {seen:?}");
    assert!(matches!(seen[blue], [0..60, 0..60, 200..=255, 255]), "{what}: {seen:?}");
}

async fn a_smaller_copy_stands_upright_whatever_the_camera_said(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    for (orientation, red, blue, sides) in UPRIGHT {
        for (kind, image) in photographs(orientation) {
            let what = format!("{kind} {orientation}");
            let id = house.app.keep_image(viewer, &image).await;
            let copy = house.wide(viewer, &id, 64).await;
            assert_eq!(copy.status, 200, "{what}: {}", String::from_utf8_lossy(&copy.bytes));
            assert_eq!(picture_facts(&copy.bytes), format!("webp,{sides}"), "{what}");
            stands(&copy.bytes, (red, blue), &what);
            assert!(house.image(viewer, &id).await.bytes == image, "{what}: the image itself stays as it was sent");
        }
    }
}

async fn what_no_camera_says_turns_nothing(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let cut = &exif(6)[..20];
    for exif in [exif(0), exif(9), exif(255), cut.to_vec(), b"no EXIF data".to_vec(), Vec::new()] {
        for (kind, image) in
            [("jpg", jpeg_with(&drawn(SOURCE, "jpg"), &exif)), ("png", png_with(&drawn(SOURCE, "png"), &exif))]
        {
            let id = house.app.keep_image(viewer, &image).await;
            let copy = house.wide(viewer, &id, 64).await;
            assert_eq!(copy.status, 200, "{kind} {exif:?}");
            stands(&copy.bytes, (0, 2), kind);
        }
    }
}

async fn a_smaller_copy_tells_nothing_of_its_place(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let has = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    for (kind, image) in photographs(6) {
        assert!(has(&image, SECRET), "{kind}");
        let id = house.app.keep_image(viewer, &image).await;
        for width in [64, 1024] {
            let copy = house.wide(viewer, &id, width).await.bytes;
            for word in [b"Exif", b"EXIF", b"XMP ", b"ICCP", SECRET] {
                assert!(!has(&copy, word), "{kind} {width}: {}", String::from_utf8_lossy(word));
            }
        }
    }
}
