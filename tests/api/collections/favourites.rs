//! Favourite genres: which, in which spelling and order, and right after every change, on every node.

use serde_json::{Value, json};

use super::{movie, patient, plain};
use crate::support::{app::App, people::Person, stores::TestDb};

/// What the account sees of its favourites with these collections, each a list of genres by movie.
async fn of(app: &App, person: &Person, collections: &[&[&str]]) -> String {
    let mut paths = Vec::new();
    let mut number = 0;
    for genres in collections {
        let movies: Vec<Value> = genres
            .iter()
            .map(|genres| {
                number += 1;
                movie(number, genres)
            })
            .collect();
        paths.push(app.collect(person, "Nights", &movies).await);
    }
    let favourites = app.favourites(person).await;
    for path in paths {
        plain(&app.delete(&path, person).await, 200);
    }
    assert_eq!(app.favourites(person).await, "", "nothing is left of them");
    favourites
}

#[actix_web::test]
async fn the_three_most_frequent_genres_in_their_most_frequent_spelling() {
    let db = TestDb::create();
    let app = App::start(&db);
    let ann = app.register().await;
    for (expected, collections) in [
        ("", vec![&["", ", ,", " , \u{3000},\t"][..]]),
        ("Drama", vec![&[",, ,Drama"][..]]),
        ("Drama, Comedy, Action", vec![&["Drama,Comedy,Action", "Drama, Comedy", "Drama,Zombies"][..]]),
        // Ties in alphabetical order, whatever the case.
        ("action, Comedy, drama", vec![&["Western,drama", "Comedy,action"][..]]),
        // Over all collections.
        ("Noir, Action", vec![&["Action", "Noir"][..], &["Noir"][..]]),
        // Case and surrounding space make no difference, and the most frequent spelling is shown.
        ("drama, Sci-Fi", vec![&["Sci-Fi, drama ,Drama", "drama", "\u{a0}DRAMA\t"][..]]),
        // A genre counts once a movie; so two movies with noir beat one that says drama three times.
        ("Noir, Drama", vec![&["Drama,Drama,drama", "Noir", "Noir"][..]]),
        // Spellings that are as frequent: in alphabetical order.
        ("Drama", vec![&["drama", "Drama"][..]]),
        // Case is Unicode's, and so is the alphabet.
        ("épouvante, Ωmega", vec![&["ÉPOUVANTE", "épouvante", "épouvante", "Ωmega", "ωMEGA"][..]]),
        ("Drama, épouvante, Western", vec![&["Western", "épouvante", "Drama", "Жанр"][..]]),
        // What is inside a name makes a difference.
        ("Science  Fiction, Science Fiction, SciFi", vec![&["Science Fiction", "Science  Fiction", "SciFi"][..]]),
        ("%, \\, ' OR 1=1 --", vec![&["%,\\,' OR 1=1 --", "%,\\", "%"][..]]),
    ] {
        assert_eq!(of(&app, &ann, &collections).await, expected, "{collections:?}");
    }
}

#[actix_web::test]
async fn a_movie_in_two_collections_counts_twice_and_others_do_not_count() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (ann, bob) = (app.register().await, app.register().await);
    app.collect(&ann, "One", &[movie(1, "Noir"), movie(2, "Drama"), movie(3, "Drama")]).await;
    assert_eq!(app.favourites(&ann).await, "Drama, Noir");
    app.collect(&ann, "Two", &[movie(1, "Noir")]).await;
    assert_eq!(app.favourites(&ann).await, "Drama, Noir", "two each");
    app.collect(&ann, "Three", &[movie(1, "Noir"), movie(1, "Noir")]).await;
    assert_eq!(app.favourites(&ann).await, "Noir, Drama");
    app.collect(&bob, "Bob's", &[movie(4, "Western"), movie(5, "Western"), movie(6, "Western"), movie(7, "Western")])
        .await;
    assert_eq!(app.favourites(&ann).await, "Noir, Drama");
    assert_eq!(app.favourites(&bob).await, "Western");
}

/// Waits until the node keeps what it knows of the person's favourites: then only the list's two statements are sent.
async fn warm(app: &App, person: &Person) {
    let kept = async || {
        let before = crate::lists::statements(app, person).await;
        app.favourites(person).await;
        crate::lists::statements(app, person).await - before == 2
    };
    let in_time = crate::support::app::eventually(std::time::Duration::from_secs(20), kept).await;
    assert!(in_time, "favourites are never kept");
}

#[actix_web::test]
async fn favourites_are_right_after_every_change_on_every_node() {
    let db = TestDb::create();
    let plan = patient(&db);
    let nodes = [plan.start(), plan.start()];
    let (ann, bob) = (nodes[0].register().await, nodes[0].register().await);
    let of_ann = nodes[0].collect(&ann, "Ann's", &[movie(1, "Drama")]).await;
    let of_bob = nodes[1].collect(&bob, "Bob's", &[movie(2, "Western")]).await;
    for round in 0..10 {
        let (writer, reader) = (&nodes[round % 2], &nodes[1 - round % 2]);
        let shown = async |person, expected: &str, what: &str| {
            for node in [writer, reader] {
                assert_eq!(node.favourites(person).await, expected, "{what}, round {round}");
            }
            for node in &nodes {
                warm(node, person).await;
            }
        };
        let genre = format!("Genre {round}");
        plain(&writer.put(&of_ann, &ann, json!({"movies": [movie(1, &genre)]})).await, 200);
        shown(&ann, &genre, "after a PUT").await;
        let made = writer.collect(&ann, "Another", &[movie(3, "Aa"), movie(4, "Aa")]).await;
        shown(&ann, &format!("Aa, {genre}"), "after a POST").await;
        plain(&writer.delete(&made, &ann).await, 200);
        shown(&ann, &genre, "after a DELETE").await;
        // Somebody else says something new of a movie that one holds: by a PUT, by a POST.
        let others = [movie(2, "Western"), movie(1, &format!("Other {round}"))];
        plain(&writer.put(&of_bob, &bob, json!({"movies": others})).await, 200);
        shown(&ann, &format!("Other {round}"), "after another's PUT").await;
        let made = writer.collect(&bob, "More", &[movie(1, &format!("More {round}"))]).await;
        shown(&ann, &format!("More {round}"), "after another's POST").await;
        plain(&writer.delete(&made, &bob).await, 200);
        plain(&writer.put(&of_bob, &bob, json!({"movies": [movie(2, "Western")]})).await, 200);
        shown(&bob, "Western", "after one's own").await;
    }
}

#[actix_web::test]
async fn a_movie_that_many_hold_moves_the_favourites_of_all() {
    let db = TestDb::create();
    let app = patient(&db).start();
    let ann = app.register().await;
    // More holders than are told one by one.
    let fill = format!(
        "INSERT INTO users (id, email, password_hash, roles)
            SELECT gen_random_uuid(), 'u' || i || '@example.org', '', '{{viewer}}' FROM generate_series(1, 150) i;
        INSERT INTO movies (uuid, title, description, genres) VALUES ('{0}', 'X', '', 'Old');
        INSERT INTO collections (id, user_id, title, description) SELECT gen_random_uuid(), id, 'X', '' FROM users;
        INSERT INTO collection_movies (collection_id, movie_uuid, position) SELECT id, '{0}', 0 FROM collections",
        super::uuid(1)
    );
    diesel::connection::SimpleConnection::batch_execute(&mut db.connect(), &fill).unwrap();
    let bob = app.register().await;
    assert_eq!(app.favourites(&ann).await, "Old");
    warm(&app, &ann).await;
    app.collect(&bob, "Bob's", &[movie(1, "New")]).await;
    assert_eq!(app.favourites(&ann).await, "New");
}

#[actix_web::test]
async fn a_thousand_new_movies_of_one_account_leave_what_others_like_kept() {
    let db = TestDb::create();
    // Nothing else sends statements meanwhile, and no second connection is opened.
    let plan =
        patient(&db).with("PLAYHOUSE_STATISTICS__FOLLOW_MS", "600000").with("PLAYHOUSE_DATABASE__POOL_SIZE", "1");
    let app = plan.start();
    let (ann, bob) = (app.register().await, app.register().await);
    app.collect(&ann, "Ann's", &[movie(5000, "Noir")]).await;
    app.favourites(&ann).await;
    warm(&app, &ann).await;
    app.collect(&bob, "Bob's", &super::movies(0..1000)).await;
    let before = crate::lists::statements(&app, &ann).await;
    assert_eq!(app.favourites(&ann).await, "Noir");
    assert_eq!(crate::lists::statements(&app, &ann).await - before, 2, "they were computed again");
}
