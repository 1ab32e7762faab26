//! Refusals that are not about an image: their shape, their headers.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use super::{House, refused};
use crate::support::{
    app::Answer,
    home::{Home, on_both_stores},
    media::png,
};

on_both_stores! {
    a_method_that_there_is_not_is_405_with_those_that_there_are,
    what_there_is_not_is_404_in_the_shape_of_the_contract,
    a_slash_at_the_end_changes_nothing,
    nobody_and_who_has_no_right_are_refused_before_a_byte_is_read,
}

async fn a_method_that_there_is_not_is_405_with_those_that_there_are(home: Home) {
    let house = House::new(home).await;
    let id = house.app.keep_image(&house.people.viewer, png()).await;
    let item = format!("/images/{id}");
    for (path, there) in [("/images", vec!["GET", "HEAD", "POST"]), (&item, vec!["DELETE", "GET", "HEAD"])] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if there.contains(&method) {
                continue;
            }
            for path in [path, &format!("{path}/")] {
                let request = house.app.request(method.parse().expect("a method"), path, Some(&house.people.viewer));
                let answer = Answer::of(request.json(&json!({}))).await;
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_eq!(answer.json(), json!({"error": "Method not allowed"}), "{method} {path}");
                let allow = answer.header("allow").expect("what there is");
                let allow: BTreeSet<&str> = allow.split(',').map(str::trim).collect();
                assert_eq!(allow, there.iter().copied().collect(), "{method} {path}");
            }
        }
    }
    house.holds(1, 0, 1);
}

async fn what_there_is_not_is_404_in_the_shape_of_the_contract(home: Home) {
    let house = House::new(home).await;
    let id = house.app.keep_image(&house.people.viewer, png()).await;
    for path in [format!("/images/{id}/x"), format!("/images/{id}/width/64"), "/images/a/b/c".to_owned()] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            for person in [Some(&house.people.viewer), None] {
                let answer = Answer::of(house.app.request(method.clone(), &path, person)).await;
                assert_eq!((answer.status, answer.json()), (404, json!({"error": "No such path"})), "{method} {path}");
                assert_eq!(answer.header("content-type"), Some("application/json"));
            }
        }
    }
}

async fn a_slash_at_the_end_changes_nothing(home: Home) {
    let house = House::new(home).await;
    let viewer = &house.people.viewer;
    let id = house.app.keep_image(viewer, png()).await;
    for (with, without) in [
        ("/images/".to_owned(), "/images".to_owned()),
        ("/images/?limit=1".to_owned(), "/images?limit=1".to_owned()),
        (format!("/images/{id}/"), format!("/images/{id}")),
        (format!("/images/{id}/?width=64"), format!("/images/{id}?width=64")),
    ] {
        let (with, without) = (house.app.get(&with, viewer).await, house.app.get(&without, viewer).await);
        assert_eq!((with.status, without.status), (200, 200));
        assert!(with.bytes == without.bytes, "{}", with.path);
    }
    let part = reqwest::multipart::Part::bytes(png()).file_name("a.png");
    let form = reqwest::multipart::Form::new().part("file", part);
    let posted = Answer::of(house.app.request(Method::POST, "/images/", Some(viewer)).multipart(form)).await;
    assert_eq!(posted.status, 201);
    assert_eq!(house.app.delete(&format!("/images/{id}/"), viewer).await.status, 204);
}

async fn nobody_and_who_has_no_right_are_refused_before_a_byte_is_read(home: Home) {
    let house = House::new(home).await;
    let assistant = house.app.register_as(&house.people.owner, &["casting_assistant"]).await;
    let (_, key) = house.app.key_of(&house.people.viewer, &["view:catalogue"]).await;
    let (_, right) = house.app.key_of(&house.people.viewer, &["use:images"]).await;
    for (person, status) in [(None, 401), (Some(&assistant), 403), (Some(&key), 403)] {
        for (method, path) in [(Method::POST, "/images"), (Method::GET, "/images"), (Method::DELETE, "/images/x")] {
            // No form, no image, no id: that is not even looked at.
            let answer = Answer::of(house.app.request(method.clone(), path, person).body("x")).await;
            refused(&answer, status);
            let asks = answer.header("www-authenticate").is_some();
            assert_eq!(asks, status == 401, "{method} {path}");
        }
    }
    // A key that was made for it does what its maker may.
    let id = house.app.keep_image(&right, png()).await;
    assert_eq!(house.image(&right, &id).await.status, 200);
    assert_eq!(house.list(&house.people.viewer, "").await, std::slice::from_ref(&id));
    assert_eq!(house.delete(&right, &id).await.status, 204);
    house.holds(0, 0, 0);
}
