//! What reads and writes cost: a fixed number of statements, whatever they are about.

use serde_json::json;

use crate::{
    lists::statements,
    support::{
        app::{App, eventually},
        people::Person,
        stores::TestDb,
    },
};

/// The least of what these requests cost: a connection that is opened meanwhile is tested by a statement too.
async fn least<Fut: Future<Output = ()>>(app: &App, person: &Person, requests: impl IntoIterator<Item = Fut>) -> u64 {
    let mut least = u64::MAX;
    for request in requests {
        let before = statements(app, person).await;
        request.await;
        least = least.min(statements(app, person).await - before);
    }
    least
}

#[actix_web::test]
async fn a_list_costs_two_statements_its_next_page_one_and_the_same_again_none() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let actors = [app.actor(&owner, "A").await, app.actor(&owner, "B").await, app.actor(&owner, "C").await];
    for title in ["One", "Two", "Three"] {
        app.movie(&owner, title, &actors).await;
    }
    // The node knows its Redis, and keeps.
    let kept = async || {
        app.get("/casting/actors/1", &owner).await.casting(200);
        let before = statements(&app, &owner).await;
        app.get("/casting/actors/1", &owner).await.casting(200);
        statements(&app, &owner).await == before
    };
    assert!(eventually(std::time::Duration::from_secs(10), kept).await, "nothing is kept");
    let ask = async |path: String| drop(app.get(&path, &owner).await.casting(200));
    for list in ["/casting/actors", "/casting/movies"] {
        // Of each filter, of which the total is not known yet, a page; then further ones of the same list.
        let fresh = (0..5).map(|id| ask(format!("{list}?id_gte=-{id}&limit=2")));
        assert_eq!(least(&app, &owner, fresh).await, 2, "{list}");
        let further = (3..8).map(|limit| ask(format!("{list}?id_gte=-1&limit={limit}")));
        assert_eq!(least(&app, &owner, further).await, 1, "{list}");
        let same = (0..5).map(|_| ask(format!("{list}?id_gte=-1&limit=3")));
        assert_eq!(least(&app, &owner, same).await, 0, "{list}");
        let whole = ["", "?sort=id", "?sort=-id"].into_iter().map(|sort| ask(format!("{list}{sort}")));
        assert!(least(&app, &owner, whole).await <= 2, "{list}");
    }
}

#[actix_web::test]
async fn a_write_costs_the_same_whatever_the_length_of_its_array() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    {
        use diesel::connection::SimpleConnection as _;
        let extras = "INSERT INTO casting_actors (id, name, age, gender) \
            SELECT gen_random_uuid(), 'Extra', 20, 'F' FROM generate_series(1, 600)";
        db.connect().batch_execute(extras).expect("the actors are made");
    }
    let movie = format!("/casting/movies/{}", app.movie(&owner, "Crowd", &[1]).await);
    let change = async |actors: Vec<i64>| {
        app.patch(&movie, &owner, json!({"actors_id": actors})).await.number();
    };
    let few = least(&app, &owner, (1..=5).map(|actor| change(vec![actor, 6]))).await;
    let many = least(&app, &owner, (1..=5).map(|first| change((first..=600).collect()))).await;
    assert_eq!(few, many);
}
