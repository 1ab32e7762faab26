//! Roles: given by an owner, ended with the tokens that had them.

use serde_json::{Value, json};

use crate::support::{
    app::App,
    people::{PASSWORD, Person},
    stores::TestDb,
    tokens::claims,
};

fn permissions(person: &Person) -> Vec<String> {
    let claims = claims(&person.token);
    let mut all: Vec<String> = claims["permissions"]
        .as_array()
        .expect("permissions")
        .iter()
        .map(|permission| permission.as_str().expect("a text").to_owned())
        .collect();
    all.sort();
    all
}

#[actix_web::test]
async fn an_owner_gives_the_roles_and_takes_them_away() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let person = app.register().await;
    let account = format!("/users/{}", person.id);
    app.get("/casting/movies", &person).await.refused(401);
    // Nobody gives a role to themselves.
    let roles = |roles: &[&str]| json!({"roles": roles});
    assert_eq!(app.patch(&account, &person, roles(&["executive_producer"])).await.status, 403);
    let assistant = ["view:actors", "view:movies"];
    let director = ["create:actors", "delete:actors", "modify:actors", "modify:movies", "view:actors", "view:movies"];
    let producer = [
        "create:actors",
        "create:movies",
        "delete:actors",
        "delete:movies",
        "modify:actors",
        "modify:movies",
        "view:actors",
        "view:movies",
    ];
    for (role, may) in
        [("casting_assistant", &assistant[..]), ("casting_director", &director), ("executive_producer", &producer)]
    {
        let data = app.patch(&account, &owner, roles(&[role])).await.data(200);
        assert_eq!(data["roles"], json!([role]));
        let signed_in = app.sign_in(&person.id, &person.email, PASSWORD).await;
        assert_eq!(permissions(&signed_in), may, "{role}");
        app.get("/casting/movies", &signed_in).await.casting(200);
        // A casting role opens nothing else.
        assert_eq!(app.get("/genres", &signed_in).await.status, 403, "{role}");
        app.patch(&account, &owner, roles(&["viewer"])).await.data(200);
        app.get("/casting/movies", &signed_in).await.refused(401);
    }
    // Several roles together may what each of them may.
    app.patch(&account, &owner, roles(&["viewer", "casting_assistant"])).await.data(200);
    let both = app.sign_in(&person.id, &person.email, PASSWORD).await;
    app.get("/casting/actors", &both).await.casting(200);
    app.get("/genres", &both).await.data(200);
    app.post("/casting/actors", &both, json!({"name": "A", "age": 1, "gender": "M"})).await.refused(401);
}

#[actix_web::test]
async fn without_a_right_nothing_is_told_of_what_is_there() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let cast = app.cast(&owner).await;
    let viewer = app.register().await;
    let forged = Person { token: "x.y.z".to_owned(), ..viewer.clone() };
    for path in
        [format!("/casting/movies/{}", cast.movie), "/casting/movies/99".to_owned(), "/casting/movies/x".to_owned()]
    {
        for person in [&viewer, &forged] {
            for answer in [
                app.get(&path, person).await,
                app.delete(&path, person).await,
                app.patch(&path, person, json!({"actors_id": "x"})).await,
            ] {
                answer.refused(401);
                let scheme = answer.header("www-authenticate").expect("how to authenticate");
                let wanted = if person.token == viewer.token { "insufficient_scope" } else { "invalid_token" };
                assert_eq!(scheme, format!("Bearer error=\"{wanted}\""));
            }
        }
        let nobody = app.post_open(&path, Value::Null).await;
        nobody.refused(405);
    }
    let nobody = app.post_open("/casting/movies", json!({})).await;
    nobody.refused(401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
}
