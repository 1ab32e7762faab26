//! Writers at the same time: one of two states, no circle of waiting, nothing lost and nothing left over.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{movie, patient, plain};
use crate::support::{
    app::{Answer, App},
    people::Person,
    stores::{TestDb, count},
};

/// Movies that bear the name of a state.
fn named(state: &str, numbers: impl IntoIterator<Item = u128>) -> Vec<Value> {
    let mut movies: Vec<Value> = numbers.into_iter().map(|number| movie(number, state)).collect();
    for movie in &mut movies {
        movie["title"] = json!(state);
    }
    movies
}

/// Movies that no collection holds.
fn unheld(db: &TestDb) -> i64 {
    count(&mut db.connect(), "movies WHERE uuid NOT IN (SELECT movie_uuid FROM collection_movies)")
}

#[actix_web::test]
async fn of_two_racing_puts_one_state_is_left_and_no_reader_sees_a_mixture() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let ann = nodes[0].register().await;
    let path = nodes[0].collect(&ann, "a", &named("a", 0..40)).await;
    let state = |name: &str| {
        // What the two share lies at both ends, in opposite order; each has movies of its own.
        let numbers: Vec<u128> = if name == "a" { (0..40).collect() } else { (20..60).rev().collect() };
        json!({"title": name, "description": name, "movies": named(name, numbers)})
    };
    let (a, b) = (state("a"), state("b"));
    plain(&nodes[0].put(&path, &ann, a.clone()).await, 200);
    for round in 0..25 {
        let puts = [(&nodes[0], &a), (&nodes[1], &b), (&nodes[0], &b), (&nodes[1], &a)];
        let puts = join_all(puts.map(|(node, state)| node.put(&path, &ann, state.clone())));
        let reads = join_all((0..6).map(|at| nodes[at % 2].get(&path, &ann)));
        let (puts, reads) = futures_util::join!(puts, reads);
        let last = nodes[0].get(&path, &ann).await;
        for seen in puts.iter().chain(&reads).chain([&last]).map(|answer| plain(answer, 200)) {
            assert!(seen == a || seen == b, "a mixture in round {round}: {seen}");
        }
    }
    assert_eq!((count(&mut db.connect(), "movies"), unheld(&db)), (40, 0));
}

#[actix_web::test]
async fn lists_that_share_movies_in_opposite_order_wait_for_each_other_in_no_circle() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let people = [nodes[0].register().await, nodes[0].register().await];
    for round in 0..15 {
        let posts = (0..8).map(|at: usize| {
            let state = format!("{round}-{at}");
            let numbers: Vec<u128> = if at.is_multiple_of(2) { (0..200).collect() } else { (0..200).rev().collect() };
            let (node, person) = (&nodes[at % 2], &people[at / 4]);
            async move { node.collect(person, &state, &named(&state, numbers)).await }
        });
        let paths = join_all(posts).await;
        // The latest won, of all movies.
        let seen = plain(&nodes[0].get(&paths[0], &people[0]).await, 200);
        let movies = seen["movies"].as_array().unwrap();
        assert_eq!(movies.len(), 200);
        assert!(movies.iter().all(|movie| movie["title"] == movies[0]["title"]), "titles of several in round {round}");
        let removals = paths.iter().enumerate().map(|(at, path)| nodes[at % 2].delete(path, &people[at / 4]));
        for answer in join_all(removals).await {
            plain(&answer, 200);
        }
        assert_eq!(count(&mut db.connect(), "movies"), 0);
    }
}

/// Makes, changes and removes collections over the same few movies.
async fn churn((app, person, at): (&App, &Person, u128)) -> Vec<Answer> {
    let mut answers = Vec::new();
    for round in 0..12 {
        let from = (at * 7 + round * 3) % 10;
        let path = app.collect(person, "Churn", &named("x", from..from + 8)).await;
        let other = (from + 5) % 10;
        let change = json!({"movies": named("y", (other..other + 6).rev())});
        answers.push(app.put(&path, person, change).await);
        answers.push(app.put(&path, person, json!({"movies": []})).await);
        let again = json!({"movies": named("z", from..from + 4), "title": "Again"});
        answers.push(app.put(&path, person, again).await);
        answers.push(app.delete(&path, person).await);
    }
    answers
}

#[actix_web::test]
async fn movies_that_are_dropped_while_others_take_them_are_never_missing_nor_left_over() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let people = [nodes[0].register().await, nodes[0].register().await, nodes[0].register().await];
    let all = (0..6_u128).map(|at| {
        let turn = usize::try_from(at).unwrap();
        churn((&nodes[turn % 2], &people[turn % 3], at))
    });
    let answers: Vec<Answer> = join_all(all).await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 6 * 12 * 4);
    for answer in &answers {
        plain(answer, 200);
    }
    let left = ["collections", "collection_movies", "movies"].map(|table| count(&mut db.connect(), table));
    assert_eq!(left, [0, 0, 0]);
}

#[actix_web::test]
async fn accounts_that_go_while_their_collections_change_leave_nothing() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let kept = nodes[0].collect(&owner, "Kept", &named("kept", 0..10)).await;
    for _ in 0..6 {
        let goes = nodes[0].register().await;
        let path = nodes[0].collect(&goes, "Goes", &named("goes", 5..15)).await;
        let account = format!("/users/{}", goes.id);
        let more = named("more", 3..30);
        let (put, post, removal, mine) = futures_util::join!(
            nodes[1].put(&path, &goes, json!({"movies": named("goes", (0..20).rev())})),
            nodes[0].try_collect(&goes, "More", &more),
            nodes[1].delete(&account, &owner),
            nodes[0].put(&kept, &owner, json!({"movies": named("kept", (0..10).rev())})),
        );
        assert_eq!((removal.status, mine.status), (200, 200));
        assert!(matches!(put.status, 200 | 401 | 404), "{}", put.status);
        assert!(matches!(post.status, 201 | 401), "{}", post.status);
        let left = ["collections", "movies"].map(|table| count(&mut db.connect(), table));
        assert_eq!((left, unheld(&db)), ([1, 10], 0));
    }
}
