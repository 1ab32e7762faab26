//! Lists of ids: whose, in which order, which part of them.

use super::{House, refused};
use crate::support::{
    home::{Home, on_both_stores},
    media::{VTT, mp4, png},
};

on_both_stores! {
    one_sees_ones_own_images_and_an_owner_all_the_oldest_first,
    a_list_goes_on_behind_an_id_and_ends_at_a_limit,
    wrong_parameters_are_named,
}

async fn one_sees_ones_own_images_and_an_owner_all_the_oldest_first(home: Home) {
    let house = House::new(home).await;
    let people = &house.people;
    for person in [&people.viewer, &people.editor, &people.owner] {
        assert_eq!(house.list(person, "").await, Vec::<String>::new());
    }
    let mut all = Vec::new();
    for person in [&people.viewer, &people.other, &people.owner, &people.editor, &people.viewer] {
        all.push(house.app.keep_image(person, png()).await);
    }
    // Files that are no images of this contract: uploaded by others' ways, or made of one.
    house.app.upload(&people.editor, "a.png", png().to_vec()).await.id();
    house.app.upload(&people.owner, "a.vtt", VTT.to_vec()).await.id();
    house.app.upload(&people.owner, "a.mp4", mp4().to_vec()).await.id();
    assert_eq!(house.wide(&people.viewer, &all[0], 64).await.status, 200);
    let of = |numbers: &[usize]| numbers.iter().map(|number| all[*number].clone()).collect::<Vec<_>>();
    assert_eq!(house.list(&people.viewer, "").await, of(&[0, 4]));
    assert_eq!(house.list(&people.other, "").await, of(&[1]));
    // Who sees all files keeps images like everyone else.
    assert_eq!(house.list(&people.editor, "").await, of(&[3]));
    assert_eq!(house.list(&people.owner, "").await, all);
    let answer = house.app.get("/images", &people.viewer).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.bytes, format!("[\"{}\",\"{}\"]", all[0], all[4]).into_bytes());
}

async fn a_list_goes_on_behind_an_id_and_ends_at_a_limit(home: Home) {
    let house = House::new(home).await;
    let (viewer, other) = (&house.people.viewer, &house.people.other);
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(house.app.keep_image(viewer, png()).await);
        house.app.keep_image(other, png()).await;
    }
    let mut walked = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = house.list(viewer, &query).await;
        assert!(page.len() <= 2, "{page:?}");
        let Some(last) = page.last() else { break };
        query = format!("?limit=2&after={last}");
        walked.extend(page);
    }
    assert_eq!(walked, own);
    assert_eq!(house.list(viewer, "?limit=1000").await, own);
    assert_eq!(house.list(viewer, &format!("?after={}", own[3])).await, own[4..]);
    assert_eq!(house.list(viewer, &format!("?after={}", own[4])).await, Vec::<String>::new());
    assert_eq!(house.list(viewer, "?after=00000000-0000-0000-0000-000000000000&limit=1").await, own[..1]);
    // The id need not be there any more, nor one's own.
    assert_eq!(house.delete(viewer, &own[1]).await.status, 204);
    assert_eq!(house.list(viewer, &format!("?after={}", own[1])).await, own[2..]);
    let others = house.list(other, "").await;
    assert_eq!(house.list(viewer, &format!("?after={}", others[2])).await, own[3..]);
}

async fn wrong_parameters_are_named(home: Home) {
    let house = House::new(home).await;
    let limit = "limit must be a whole number from 1 to 1000";
    let id = uuid::Uuid::now_v7();
    for (query, said) in [
        ("limit=0", limit),
        ("limit=1001", limit),
        ("limit=-1", limit),
        ("limit=+1.5", limit),
        ("limit=", limit),
        ("limit", limit),
        ("limit=x", limit),
        ("limit=18446744073709551616", limit),
        ("limit=%00", limit),
        ("limit=1&limit=1", "limit is given twice"),
        ("after=", "after must be a UUID"),
        ("after=1", "after must be a UUID"),
        (&format!("after={id}x"), "after must be a UUID"),
        (&format!("after=%27{id}"), "after must be a UUID"),
        (&format!("after={id}&after={id}"), "after is given twice"),
        ("page=1", "page is unknown"),
        ("sort=id", "sort is unknown"),
        ("LIMIT=1", "LIMIT is unknown"),
        ("width=64", "width is unknown"),
    ] {
        let answer = house.app.get(&format!("/images?{query}"), &house.people.viewer).await;
        assert_eq!(refused(&answer, 400), said, "{query}");
    }
}
