//! Movies that several collections hold.

use serde_json::json;

use super::{movie, movies, plain, uuid};
use crate::support::{
    app::App,
    stores::{TestDb, count},
};

#[actix_web::test]
async fn of_a_shared_movie_what_was_said_last_is_shown_to_all() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (ann, bob) = (app.register().await, app.register().await);
    let of_ann = app.collect(&ann, "Ann's", &movies([1, 2])).await;
    let newer = json!({"title": "Renamed", "description": "Seen again", "genres": "Noir", "uuid": uuid(1)});
    let of_bob = app.collect(&bob, "Bob's", &[movie(3, ""), newer.clone()]).await;
    assert_eq!(plain(&app.get(&of_ann, &ann).await, 200)["movies"], json!([newer, movie(2, "Drama")]));
    // A PUT says something too.
    plain(&app.put(&of_ann, &ann, json!({"movies": movies([1])})).await, 200);
    assert_eq!(plain(&app.get(&of_bob, &bob).await, 200)["movies"], json!([movie(3, ""), movie(1, "Drama")]));
    assert_eq!(count(&mut db.connect(), "movies"), 2);
}

#[actix_web::test]
async fn a_movie_goes_with_the_last_collection_that_holds_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (ann, bob) = (app.register().await, app.register().await);
    let kept = || count(&mut db.connect(), "movies");
    let one = app.collect(&ann, "One", &movies([1, 2, 3])).await;
    let two = app.collect(&bob, "Two", &movies([3, 4])).await;
    assert_eq!(kept(), 4);
    plain(&app.put(&one, &ann, json!({"movies": movies([2, 3, 5])})).await, 200);
    assert_eq!(kept(), 4, "the first is gone, the fifth has come");
    plain(&app.delete(&one, &ann).await, 200);
    assert_eq!(kept(), 2);
    assert_eq!(plain(&app.get(&two, &bob).await, 200)["movies"], json!(movies([3, 4])));
    plain(&app.put(&two, &bob, json!({"movies": []})).await, 200);
    assert_eq!(kept(), 0);
}

#[actix_web::test]
async fn an_account_that_is_removed_takes_its_collections_along_and_no_movie_of_others() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (ann, bob) = (app.register().await, app.register().await);
    let of_ann = app.collect(&ann, "Ann's", &movies([1, 2])).await;
    for (title, held) in [("Bob's", vec![2, 3]), ("His other", vec![4, 1]), ("Empty", vec![])] {
        app.collect(&bob, title, &movies(held)).await;
    }
    app.delete(&format!("/users/{}", bob.id), &bob).await.data(200);
    let conn = &mut db.connect();
    let left = ["collections", "collection_movies", "movies"].map(|table| count(conn, table));
    assert_eq!(left, [1, 2, 2]);
    assert_eq!(plain(&app.get(&of_ann, &ann).await, 200)["movies"], json!(movies([1, 2])));
}
