//! What a collection may be, and how it is said what it may not.

use serde_json::{Value, json};

use super::{movie, movies, plain, uuid};
use crate::support::{
    app::App,
    stores::{TestDb, count},
};

#[actix_web::test]
async fn every_wrong_field_is_named_and_every_wrong_movie_by_its_place() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let wrong = [
        movie(1, "Drama"),
        json!({}),
        json!("no movie"),
        json!({"title": "", "description": 7, "genres": ["Drama"], "uuid": "x", "year": 1942}),
        json!({"title": " ", "description": "a\0b", "genres": null, "uuid": uuid(2)}),
    ];
    let body = json!({"title": 7, "movies": wrong, "owner": "me"});
    let said = plain(&app.post("/collection/", &ann, body).await, 400);
    assert_eq!(
        said,
        json!({
            "title": ["must be a string"],
            "description": ["is required"],
            "owner": ["is unknown"],
            "movies": [
                "1: uuid is required",
                "1: title is required",
                "1: description is required",
                "2: must be an object",
                "3: uuid must be a UUID",
                "3: title must have 1 to 255 characters",
                "3: description must be a string",
                "3: genres must be a string",
                "3: year is unknown",
                "4: title must not be blank",
                "4: description must not contain a NUL character",
            ],
        })
    );
    let path = app.collect(&ann, "Nights", &movies([1])).await;
    let said = plain(&app.put(&path, &ann, json!({"title": null, "movies": null, "uuid": uuid(1)})).await, 400);
    let null = json!({"title": ["must be a string"], "movies": ["must be an array"], "uuid": ["is unknown"]});
    assert_eq!(said, null);
    for no_object in [json!([]), json!("x"), json!(null)] {
        let answer = app.post("/collection/", &ann, no_object).await;
        assert_eq!(plain(&answer, 400), json!({"detail": "The body must be a JSON object"}));
    }
    assert_eq!(plain(&app.get("/collection/1/", &ann).await, 400), json!({"id": ["must be a UUID"]}));
    assert_eq!(count(&mut db.connect(), "movies"), 1, "nothing of it was stored");
}

#[actix_web::test]
async fn texts_have_their_limits_in_characters() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let with = |title: String, description: String, genres: String| {
        let movie = json!({"title": title, "description": description, "genres": genres, "uuid": uuid(1)});
        json!({"title": title, "description": description, "movies": [movie]})
    };
    let wide = |count: usize| "\u{1f3ac}".repeat(count);
    let largest = with(wide(255), wide(10_000), wide(1000));
    let made = plain(&app.post("/collection/", &ann, largest.clone()).await, 201);
    let path = format!("/collection/{}", made["collection_uuid"].as_str().unwrap());
    assert_eq!(plain(&app.get(&path, &ann).await, 200), largest, "nothing is cut");
    let too_long = [
        (
            with(wide(256), wide(1), wide(1)),
            json!({
                "title": ["must have 1 to 255 characters"],
                "movies": ["0: title must have 1 to 255 characters"],
            }),
        ),
        (
            with(wide(1), wide(10_001), wide(1)),
            json!({
                "description": ["must have 0 to 10000 characters"],
                "movies": ["0: description must have 0 to 10000 characters"],
            }),
        ),
        (with(wide(1), wide(1), wide(1001)), json!({"movies": ["0: genres must have 0 to 1000 characters"]})),
    ];
    for (body, said) in too_long {
        assert_eq!(plain(&app.post("/collection/", &ann, body.clone()).await, 400), said);
        assert_eq!(plain(&app.put(&path, &ann, body).await, 400), said);
    }
    assert_eq!(plain(&app.get(&path, &ann).await, 200), largest);
}

#[actix_web::test]
async fn genres_are_kept_as_they_are_spelled_and_may_be_absent() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let mut given = vec![movie(1, " Sci-Fi,, drama ,"), movie(2, ""), movie(3, ""), movie(4, ", ,")];
    let mut shown = given.clone();
    given[1].as_object_mut().unwrap().remove("genres");
    given[2]["genres"] = Value::Null;
    let path = app.collect(&ann, "Nights", &given).await;
    assert_eq!(plain(&app.get(&path, &ann).await, 200)["movies"], json!(shown));
    shown.reverse();
    assert_eq!(plain(&app.put(&path, &ann, json!({"movies": shown})).await, 200)["movies"], json!(shown));
}

#[actix_web::test]
async fn a_movie_that_is_there_twice_counts_once_and_a_thousand_are_the_most() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let (first, second, mut last) = (movie(10, "Drama"), movie(11, "Noir"), movie(10, "Comedy"));
    // One id, whatever the case it is spelled in.
    last["uuid"] = json!(uuid(10).to_uppercase());
    let path = app.collect(&ann, "Twice", &[first, second.clone(), last]).await;
    let movies_of = async |path: &str| plain(&app.get(path, &ann).await, 200)["movies"].clone();
    assert_eq!(movies_of(&path).await, json!([movie(10, "Comedy"), second]));

    let thousand = movies(0..1000);
    let path = app.collect(&ann, "Many", &thousand).await;
    assert_eq!(movies_of(&path).await, json!(thousand));
    let with_one_twice = [thousand.clone(), movies([5])].concat();
    assert_eq!(movies_of(&app.collect(&ann, "Still many", &with_one_twice).await).await, json!(thousand));
    let refused = json!({"movies": ["must be 1000 movies at most"]});
    assert_eq!(plain(&app.try_collect(&ann, "More", &movies(0..1001)).await, 400), refused);
    assert_eq!(plain(&app.put(&path, &ann, json!({"movies": movies(0..1001)})).await, 400), refused);
    assert_eq!(movies_of(&path).await, json!(thousand));
    // Of many wrong ones fifty are told.
    let wrong = vec![json!({"title": "X"}); 900];
    let said = plain(&app.try_collect(&ann, "Wrong", &wrong).await, 400);
    assert_eq!(said["movies"].as_array().unwrap().len(), 50);
}

#[actix_web::test]
async fn genres_that_are_absent_leave_those_that_are_known() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    let path = app.collect(&ann, "Nights", &[movie(1, "Noir"), movie(2, "Drama"), movie(3, "Western")]).await;
    let mut given = vec![movie(1, ""), movie(2, ""), movie(3, "")];
    given[0].as_object_mut().unwrap().remove("genres");
    given[0]["title"] = json!("Renamed");
    given[1]["genres"] = Value::Null;
    let mut shown = given.clone();
    shown[0]["genres"] = json!("Noir");
    shown[1]["genres"] = json!("Drama");
    assert_eq!(plain(&app.put(&path, &ann, json!({"movies": given})).await, 200)["movies"], json!(shown));
    app.collect(&ann, "Days", &given).await;
    assert_eq!(plain(&app.get(&path, &ann).await, 200)["movies"], json!(shown));
}
