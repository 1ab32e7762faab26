//! Reactions: one an account, counted right.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    accounts::patient,
    support::{
        app::App,
        load::my_turn,
        people::Person,
        stores::{TestDb, count},
    },
};

fn counts(likes: i64, dislikes: i64) -> Value {
    json!({"likes": likes, "dislikes": dislikes})
}

#[actix_web::test]
async fn an_account_has_one_opinion_and_may_change_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let members = app.members().await;
    let (hash, other) = (app.share(&members.ann, "A walk", "").await, app.share(&members.ann, "A swim", "").await);
    for (person, reaction, likes, dislikes) in [
        (&members.ann, "none", 0, 0),
        (&members.ann, "like", 1, 0),
        (&members.ann, "like", 1, 0),
        (&members.bob, "like", 2, 0),
        (&members.bob, "dislike", 1, 1),
        (&members.ann, "dislike", 0, 2),
        (&members.ann, "none", 0, 1),
        (&members.ann, "none", 0, 1),
        (&members.bob, "like", 1, 0),
    ] {
        assert_eq!(app.react(person, &hash, reaction).await.response(200), counts(likes, dislikes), "{reaction}");
    }
    assert_eq!(app.react(&members.house, &other, "dislike").await.response(200), counts(0, 1));
    assert_eq!(app.react(&members.ann, "zzzzzzz", "like").await.response(404), "video");
}

#[actix_web::test]
async fn a_reaction_has_its_rules() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.member("ann").await;
    let path = format!("/v/{}/reaction", app.share(&ann, "A walk", "").await);
    for (body, response) in [
        (json!({}), json!({"missing-key": "reaction"})),
        (json!({"reaction": "love"}), json!({"invalid-field": "reaction"})),
        (json!({"reaction": "Like"}), json!({"invalid-field": "reaction"})),
        (json!({"reaction": ""}), json!({"invalid-field": "reaction"})),
        (json!({"reaction": null}), json!({"invalid-field": "reaction"})),
        (json!({"reaction": 1}), json!({"invalid-field": "reaction"})),
        (json!({"reaction": "like", "user": "bob"}), json!({"invalid-field": "user"})),
    ] {
        assert_eq!(app.put(&path, &ann, body.clone()).await.response(400), response, "{body}");
    }
    assert_eq!(count(&mut db.connect(), "reactions"), 0);
}

#[actix_web::test]
async fn a_removed_account_takes_its_reactions_out_of_the_counts() {
    let db = TestDb::create();
    let app = App::start(&db);
    let members = app.members().await;
    let hash = app.share(&members.ann, "A walk", "").await;
    app.react(&members.ann, &hash, "like").await.response(200);
    assert_eq!(app.react(&members.bob, &hash, "dislike").await.response(200), counts(1, 1));
    app.delete(&format!("/users/{}", members.bob.id), &members.house).await.data(200);
    assert_eq!(app.react(&members.house, &hash, "none").await.response(200), counts(1, 0));
}

/// What the table of reactions holds.
fn stored(db: &TestDb) -> Value {
    let conn = &mut db.connect();
    counts(count(conn, "reactions WHERE kind = 'like'"), count(conn, "reactions WHERE kind = 'dislike'"))
}

#[actix_web::test]
async fn a_thousand_changes_at_once_by_twenty_accounts_are_counted_right() {
    let _turn = my_turn().await;
    let db = TestDb::create();
    let plan = patient(&db).with("PLAYHOUSE_DATABASE__QUEUE", "2000");
    let plan = plan.with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "15000");
    let nodes = [plan.start(), plan.start()];
    let house = nodes[0].member("house").await;
    let hash = nodes[0].share(&house, "A walk", "").await;
    let mut people: Vec<Person> = Vec::new();
    for at in 0..20 {
        people.push(nodes[0].member(&format!("viewer{at}")).await);
    }
    let reaction = |at: usize| ["like", "dislike", "none", "dislike", "like"][(at * 7 + at / 20) % 5];
    let changes = (0..1000).map(|at| nodes[at % 2].react(&people[at % 20], &hash, reaction(at)));
    for answer in join_all(changes).await {
        let shown = answer.response(200);
        let total = shown["likes"].as_i64().unwrap() + shown["dislikes"].as_i64().unwrap();
        assert!((0..=20).contains(&total), "{shown}");
    }
    assert_eq!(nodes[1].react(&house, &hash, "none").await.response(200), stored(&db));
    // Whatever came last of what was sent at once: what each says now stands.
    let last = |at: usize| ["like", "like", "dislike", "none"][at % 4];
    join_all((0..20).map(|at| nodes[at % 2].react(&people[at], &hash, last(at)))).await;
    assert_eq!(nodes[0].react(&house, &hash, "none").await.response(200), counts(10, 5));
    assert_eq!(stored(&db), counts(10, 5));
}
