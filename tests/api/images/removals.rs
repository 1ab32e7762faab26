//! What goes with an image, and with what an image goes.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;

use super::{House, VARIANTS, refused};
use crate::support::{
    app::eventually,
    home::{Home, on_both_stores},
    images::picture,
    media::png,
    people::Person,
    stores::count,
};

on_both_stores! {
    an_image_goes_with_its_bytes_and_its_smaller_copies,
    another_account_removes_nothing_and_an_owner_anything,
    an_image_that_the_catalogue_shows_stays,
    images_go_with_their_account_but_for_those_that_the_catalogue_shows,
    an_image_that_is_removed_as_a_file_takes_its_smaller_copies_along,
    images_that_are_removed_while_smaller_copies_are_made_leave_nothing,
    an_image_is_removed_once,
}

/// Makes an image of the person's, with two smaller copies.
async fn image_with_copies(house: &House, person: &Person) -> String {
    let id = house.app.keep_image(person, &picture("300x200", "png")).await;
    for width in [64, 128] {
        assert_eq!(house.wide(person, &id, width).await.status, 200);
    }
    id
}

async fn an_image_goes_with_its_bytes_and_its_smaller_copies(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let other_node = house.plan.start();
    let (kept, gone) = (image_with_copies(&house, viewer).await, image_with_copies(&house, viewer).await);
    // The other node knows it, too.
    assert_eq!(other_node.get(&format!("/images/{gone}?width=64"), viewer).await.status, 200);
    let answer = house.delete(viewer, &gone).await;
    assert_eq!((answer.status, answer.bytes.len(), answer.header("content-type")), (204, 0, None));
    for query in ["", "?width=64", "?width=256"] {
        for node in [&house.app, &other_node] {
            let path = format!("/images/{gone}{query}");
            let is_gone = async || node.get(&path, viewer).await.status == 404;
            assert!(eventually(Duration::from_secs(3), is_gone).await, "{query}");
            assert_eq!(refused(&node.get(&path, viewer).await, 404), "Image not found");
        }
    }
    assert_eq!(refused(&house.delete(viewer, &gone).await, 404), "Image not found");
    assert_eq!(house.list(viewer, "").await, std::slice::from_ref(&kept));
    house.holds(1, 2, 3);
    assert!(house.stored().contains_key(&kept));
    assert_eq!(house.wide(viewer, &kept, 128).await.status, 200);
}

async fn another_account_removes_nothing_and_an_owner_anything(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    let id = image_with_copies(&house, &people.viewer).await;
    for person in [&people.other, &people.editor] {
        assert_eq!(refused(&house.delete(person, &id).await, 403), "This image is another account's");
    }
    house.holds(1, 2, 3);
    assert_eq!(house.image(&people.viewer, &id).await.status, 200);
    assert_eq!(house.delete(&people.owner, &id).await.status, 204);
    assert_eq!(house.image(&people.viewer, &id).await.status, 404);
    house.holds(0, 0, 0);
}

async fn an_image_that_the_catalogue_shows_stays(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    let catalogue = house.app.catalogue(&people.editor).await;
    let id = image_with_copies(&house, &people.viewer).await;
    for (path, by) in [
        (format!("/series/{}", catalogue.series), "a series (as its image)"),
        (format!("/episodes/{}", catalogue.episode), "an episode (as its image)"),
    ] {
        house.app.patch(&path, &people.editor, json!({"image_id": id})).await.data(200);
        for person in [&people.viewer, &people.owner] {
            let said = refused(&house.delete(person, &id).await, 400);
            assert_eq!(said, format!("The file cannot be deleted: it is referred to by {by}"));
        }
        house.holds(1, 2, 3);
        assert_eq!(house.list(&people.viewer, "").await, std::slice::from_ref(&id));
        for query in ["", "?width=64", "?width=128"] {
            assert_eq!(house.app.get(&format!("/images/{id}{query}"), &people.other).await.status, 200, "{query}");
        }
        house.app.patch(&path, &people.editor, json!({"image_id": null})).await.data(200);
    }
    assert_eq!(house.delete(&people.viewer, &id).await.status, 204);
    house.holds(0, 0, 0);
}

async fn images_go_with_their_account_but_for_those_that_the_catalogue_shows(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    let catalogue = house.app.catalogue(&people.editor).await;
    let of_other = image_with_copies(&house, &people.other).await;
    let gone = image_with_copies(&house, &people.viewer).await;
    let shown = image_with_copies(&house, &people.viewer).await;
    let series = format!("/series/{}", catalogue.series);
    house.app.patch(&series, &people.editor, json!({"image_id": shown})).await.data(200);
    house.app.delete(&format!("/users/{}", people.viewer.id), &people.owner).await.data(200);
    assert_eq!(house.image(&people.owner, &gone).await.status, 404);
    assert_eq!(house.list(&people.owner, "").await, std::slice::from_ref(&of_other));
    assert_eq!(house.wide(&people.other, &of_other, 64).await.status, 200);
    // Nobody's image it is, but still the picture of a series.
    let picture = house.app.get(&format!("/files/{shown}"), &people.editor).await.data(200);
    assert_eq!(picture["owner_id"], serde_json::Value::Null);
    assert_eq!(house.app.get(&format!("/media/{shown}"), &people.other).await.status, 200);
    let left = async || count(&mut house.db.connect(), "files") == 6;
    assert!(eventually(Duration::from_mins(1), left).await, "{:?}", house.stored());
    let stored = house.stored();
    assert!(!stored.contains_key(&gone) && stored.contains_key(&shown) && stored.contains_key(&of_other));
    house.app.patch(&series, &people.editor, json!({"image_id": null})).await.data(200);
    house.app.delete(&format!("/files/{shown}"), &people.editor).await.data(200);
    house.holds(1, 2, 3);
}

async fn an_image_that_is_removed_as_a_file_takes_its_smaller_copies_along(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    let id = image_with_copies(&house, &people.viewer).await;
    house.app.delete(&format!("/files/{id}"), &people.editor).await.data(200);
    assert_eq!(house.image(&people.viewer, &id).await.status, 404);
    assert_eq!(house.wide(&people.viewer, &id, 64).await.status, 404);
    assert_eq!(house.delete(&people.viewer, &id).await.status, 404);
    assert_eq!(house.list(&people.viewer, "").await, Vec::<String>::new());
    let gone = async || count(&mut house.db.connect(), "files") == 0;
    assert!(eventually(Duration::from_mins(1), gone).await);
    house.holds(0, 0, 0);
}

async fn images_that_are_removed_while_smaller_copies_are_made_leave_nothing(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let nodes = [&house.app, &house.plan.start()];
    let bytes = picture("800x600", "png");
    for round in 0..6_u64 {
        let id = house.app.keep_image(viewer, &bytes).await;
        let paths = [64, 128, 256].map(|width| format!("/images/{id}?width={width}"));
        let asked = join_all((0..6).map(|number| nodes[number % 2].get(&paths[number % 3], viewer)));
        let removed = async {
            tokio::time::sleep(Duration::from_millis(40 * round)).await;
            nodes[1].delete(&format!("/images/{id}"), viewer).await
        };
        let (asked, removed) = join(asked, removed).await;
        assert_eq!(removed.status, 204);
        for answer in asked {
            assert!(matches!(answer.status, 200 | 404), "{}: {}", answer.path, answer.status);
        }
    }
    let nothing = async || {
        let conn = &mut house.db.connect();
        (count(conn, "images"), count(conn, VARIANTS), count(conn, "files")) == (0, 0, 0)
    };
    assert!(eventually(Duration::from_mins(1), nothing).await);
    house.holds(0, 0, 0);
}

async fn an_image_is_removed_once(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let id = house.app.keep_image(viewer, png()).await;
    let answers = join_all((0..8).map(|_| house.delete(viewer, &id))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404, 404, 404, 404, 404, 404, 404]);
    house.holds(0, 0, 0);
}
