//! Refresh tokens: each works once.

use std::time::Duration;

use serde_json::json;

use super::{at_once, message, pair, patient, refresh};
use crate::support::{
    app::{Answer, eventually},
    people::{PASSWORD, Person},
    stores::TestDb,
};

fn holding(person: &Person, token: String) -> Person {
    Person { token, ..person.clone() }
}

#[actix_web::test]
async fn a_refresh_token_gives_one_new_pair_and_a_replay_ends_the_family() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let person = app.register().await;
    let device = app.sign_in(&person.id, &person.email, PASSWORD).await;
    let answer = refresh(&app, &person.refresh_token).await;
    let data = answer.data(200);
    assert_eq!(data["expires_in"], 3600);
    assert_eq!(data["user"]["id"], json!(person.id));
    let (token, next) = pair(&answer);
    assert_ne!((&token, &next), (&person.token, &person.refresh_token));
    let (later, last) = pair(&refresh(&app, &next).await);
    for token in [&token, &later] {
        assert_eq!(app.get("/genres", &holding(&person, token.clone())).await.status, 200);
    }
    let replayed = refresh(&app, &person.refresh_token).await;
    assert_eq!(
        (replayed.status, message(&replayed)),
        (401, "The refresh token was used before. Sign in again.".into())
    );
    for token in [person.token.clone(), token, later] {
        assert_eq!(app.get("/genres", &holding(&person, token)).await.status, 401);
    }
    for token in [&next, &last] {
        assert_eq!(refresh(&app, token).await.status, 401);
    }
    assert_eq!(app.get("/genres", &device).await.status, 200, "the other sign-in ended, too");
    assert_eq!(refresh(&app, &device.refresh_token).await.status, 200);
}

#[actix_web::test]
async fn of_twenty_refreshes_at_once_one_wins_and_the_family_has_ended() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    for _ in 0..4 {
        let person = nodes[0].register().await;
        let answers = at_once(20, |at| refresh(&nodes[at % 2], &person.refresh_token)).await;
        let winners: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(winners.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 19);
        // The nineteen others were replays.
        let (token, next) = pair(winners[0]);
        for node in &nodes {
            assert_eq!(refresh(node, &next).await.status, 401);
            let person = holding(&person, token.clone());
            let ended = || async { node.get("/genres", &person).await.status == 401 };
            assert!(eventually(Duration::from_secs(5), ended).await);
        }
    }
}

#[actix_web::test]
async fn the_oldest_sign_in_ends_when_there_are_too_many() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_AUTH__SESSIONS_PER_ACCOUNT", "2").start();
    let first = app.register().await;
    let second = app.sign_in(&first.id, &first.email, PASSWORD).await;
    assert_eq!(app.get("/genres", &first).await.status, 200);
    let third = app.sign_in(&first.id, &first.email, PASSWORD).await;
    for (person, status) in [(&first, 401), (&second, 200), (&third, 200)] {
        assert_eq!(app.get("/genres", person).await.status, status);
    }
    assert_eq!(refresh(&app, &first.refresh_token).await.status, 401);
}
