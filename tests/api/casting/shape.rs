//! The contract's own shape, for everything below its path and nothing else.

use reqwest::Method;
use serde_json::json;

use crate::support::{
    app::{Answer, App, Plan, eventually},
    stores::{Stores, TestDb},
};

#[actix_web::test]
async fn what_is_not_there_and_a_wrong_method_are_told_in_the_contracts_shape() {
    let db = TestDb::create();
    let app = App::start(&db);
    for path in
        ["/casting", "/casting/", "/casting/x", "/casting/actors/1/x", "/casting/movies/1/actors/", "/casting//"]
    {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            Answer::of(app.request(method, path, None)).await.refused(404);
        }
    }
    for path in ["/castings", "/castin", "/"] {
        let answer = app.see(path).await;
        assert_eq!((answer.status, &answer.json()["response"]), (404, &json!("Not Found")), "{path}");
    }
    for (path, allowed) in [
        ("/casting/actors", "GET, HEAD, POST"),
        ("/casting/movies", "GET, HEAD, POST"),
        ("/casting/actors/1", "DELETE, GET, HEAD, PATCH"),
        ("/casting/movies/1", "DELETE, GET, HEAD, PATCH"),
    ] {
        for slash in ["", "/"] {
            let method = Method::from_bytes(b"PROPFIND").expect("a method");
            let answer = Answer::of(app.request(method, &format!("{path}{slash}"), None)).await;
            answer.refused(405);
            let mut methods: Vec<_> = answer.header("allow").expect("Allow").split(", ").collect();
            methods.sort_unstable();
            assert_eq!(methods.join(", "), allowed, "{path}");
        }
    }
}

#[actix_web::test]
async fn a_large_body_maintenance_and_a_store_that_is_away_are_told_in_it() {
    let mut stores = Stores::own();
    let app = Plan::over_own(&stores).start();
    let owner = app.register().await;
    let large = json!({"name": "x".repeat(300_000), "age": 1, "gender": "M"});
    app.post("/casting/actors", &owner, large).await.refused(413);

    app.put("/maintenance", &owner, json!({"on": true, "message": "Back at noon"})).await.data(200);
    for path in ["/casting/actors", "/casting/nothing"] {
        let answer = app.see(path).await;
        assert_eq!(answer.casting(503), json!({"success": false, "error": 503, "message": "Back at noon"}), "{path}");
        assert!(answer.header("retry-after").is_some(), "{path}");
    }
    app.put("/maintenance", &owner, json!({"on": false})).await.data(200);
    let open = async || app.get("/casting/actors", &owner).await.status == 200;
    assert!(eventually(std::time::Duration::from_secs(10), open).await);

    stores.stop_postgres();
    app.get("/casting/actors/1", &owner).await.refused(503);
    app.post("/casting/actors", &owner, json!({"name": "A", "age": 1, "gender": "M"})).await.refused(503);
}
