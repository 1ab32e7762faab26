//! The most viewed.

use serde_json::{Value, json};

use super::{count, shows};
use crate::support::{app::App, stores::TestDb};

/// The seven letters of a hash path that begins with `text`.
fn hash(text: &str) -> String {
    format!("{text:0<7}")
}

fn rows(rows: &[(&str, u64)]) -> Value {
    rows.iter().map(|(title, views)| json!({"id": hash(title), "views": views})).collect()
}

#[actix_web::test]
async fn each_window_looks_as_far_back_as_it_says() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let mut conn = db.connect();
    // Far enough from the ends of the windows, whatever the hour.
    for (text, ages) in [
        ("a", &[("0 seconds", 1_i64), ("3 days", 5), ("40 days", 100)][..]),
        ("b", &[("30 minutes", 2), ("3 hours", 1)]),
        ("c", &[("3 hours", 4)]),
        ("d", &[("3 days", 6), ("10 days", 1)]),
        ("e", &[("10 days", 8)]),
        ("f", &[("400 days", 9)]),
    ] {
        for (age, views) in ages {
            count(&mut conn, ("videos", &hash(text)), &format!("now() - interval '{age}'"), (*views, 0));
        }
    }
    count(&mut conn, ("files", &hash("z")), "now()", (1000, 0));
    for (window, expected) in [
        ("1h", &[("b", 2), ("a", 1)][..]),
        ("24h", &[("c", 4), ("b", 3), ("a", 1)]),
        ("7d", &[("a", 6), ("d", 6), ("c", 4), ("b", 3)]),
        ("30d", &[("e", 8), ("d", 7), ("a", 6), ("c", 4), ("b", 3)]),
        ("all", &[("a", 106), ("f", 9), ("e", 8), ("d", 7), ("c", 4), ("b", 3)]),
    ] {
        let path = format!("/stats/top?kind=videos&window={window}");
        let wanted = rows(expected);
        shows(&app, &owner, &path, |data| *data == wanted).await;
        let two = app.get(&format!("{path}&limit=2"), &owner).await.data(200);
        assert_eq!(two, rows(&expected[..2]), "{window}");
    }
    assert_eq!(app.get("/stats/top?kind=videos", &owner).await.data(200).as_array().unwrap().len(), 3, "a day");
    assert_eq!(app.get("/stats/top?kind=series&window=all", &owner).await.data(200), json!([]));
    // It changes with what is viewed, within seconds.
    count(&mut conn, ("videos", &hash("c")), "now()", (4, 0));
    shows(&app, &owner, "/stats/top?kind=videos&window=24h", |data| data[0] == rows(&[("c", 8)])[0]).await;
    shows(&app, &owner, "/stats/top?kind=videos&window=1h", |data| data[0] == rows(&[("c", 4)])[0]).await;
}

#[actix_web::test]
async fn equal_ones_come_by_name_also_where_a_list_ends() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let mut conn = db.connect();
    count(&mut conn, ("videos", &hash("zz")), "now()", (7, 0));
    for n in 0..150 {
        count(&mut conn, ("videos", &hash(&format!("x{n:03}"))), "now()", (2, 0));
    }
    for window in ["1h", "24h", "7d", "30d", "all"] {
        let path = format!("/stats/top?kind=videos&limit=100&window={window}");
        let names: Vec<String> = (0..99).map(|n| format!("x{n:03}")).collect();
        let wanted: Vec<(&str, u64)> = [("zz", 7)].into_iter().chain(names.iter().map(|name| (&**name, 2))).collect();
        let wanted = rows(&wanted);
        shows(&app, &owner, &path, |data| *data == wanted).await;
    }
}

#[actix_web::test]
async fn wrong_parameters_are_named_all_at_once() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for (query, fields) in [
        ("", &["kind"][..]),
        ("?kind=all", &["kind"]),
        ("?kind=videos&window=1w", &["window"]),
        ("?kind=videos&window=", &["window"]),
        ("?kind=videos&limit=0", &["limit"]),
        ("?kind=videos&limit=101", &["limit"]),
        ("?kind=videos&limit=-1", &["limit"]),
        ("?kind=videos&limit=99999999999999999999", &["limit"]),
        ("?kind=videos&kind=files", &["kind"]),
        ("?kind=%FF", &["kind"]),
        ("?kind=x&window=x&limit=x&page=1", &["kind", "window", "limit", "page"]),
    ] {
        let answer = app.get(&format!("/stats/top{query}"), &owner).await;
        assert_eq!(answer.wrong_fields(), fields, "{query}");
    }
}
