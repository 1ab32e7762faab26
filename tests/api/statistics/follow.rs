//! The way from Postgres to Redis, when something comes between.

use std::time::Duration;

use diesel::{PgConnection, RunQueryDsl as _, sql_query};
use playhouse::{
    db::queries::statistics::{forget, forget_hours},
    domain::statistics::Grain,
};
use uuid::Uuid;

use super::{SOON, ask, count, differences, empty, metric, shows, title, view};
use crate::support::{
    app::{App, Plan, eventually},
    stores::{Stores, TestDb},
};

/// Sums of many videos, each in all grains.
fn many(conn: &mut PgConnection, titles: u32) {
    sql_query(format!(
        "INSERT INTO view_counts (kind, title, grain, begins_at, views, watched_ms) \
         SELECT 'videos', lpad(n::text, 7, 'v'), grain, CASE grain WHEN 'all' THEN to_timestamp(0) \
         ELSE date_trunc(grain, now(), 'UTC') END, 1 + n % 1000, CASE grain WHEN 'all' THEN n ELSE 0 END \
         FROM generate_series(1, {titles}) n, unnest(ARRAY['all', 'day', 'hour', 'minute']) grain"
    ))
    .execute(conn)
    .expect("many sums");
}

/// Waits until Redis has the sums of Postgres.
async fn agrees(db: &TestDb, conn: &mut PgConnection, kind: &str) {
    let end = std::time::Instant::now() + SOON * 2;
    loop {
        let wrong = differences(db, conn, kind);
        if wrong.is_empty() {
            return;
        }
        let few: Vec<_> = wrong.iter().take(5).collect();
        assert!(std::time::Instant::now() < end, "{} wrong: {few:?}", wrong.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[actix_web::test]
async fn redis_emptied_again_and_again_while_everything_is_read_anew_has_all_in_the_end() {
    let db = TestDb::create();
    let mut conn = db.connect();
    many(&mut conn, 8_000);
    let app = App::start(&db);
    // Each comes at another moment of the reading.
    for round in 0..15 {
        tokio::time::sleep(Duration::from_millis(40 + 23 * round)).await;
        empty(&db);
        count(&mut conn, ("videos", "vvvv100"), "now()", (1, 500));
    }
    agrees(&db, &mut conn, "videos").await;
    // And it is believed to be whole: what comes now is all that is carried.
    let before = metric(&app, "playhouse_statistics_rebuilds_total").await;
    count(&mut conn, ("videos", "vvvvvv1"), "now()", (1, 500));
    agrees(&db, &mut conn, "videos").await;
    assert_eq!(metric(&app, "playhouse_statistics_rebuilds_total").await, before);
}

#[actix_web::test]
async fn several_nodes_tell_the_same_and_one_of_them_reads_everything_anew() {
    let db = TestDb::create();
    let mut conn = db.connect();
    many(&mut conn, 3_000);
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    agrees(&db, &mut conn, "videos").await;
    empty(&db);
    let (episode, series) = (title(), title());
    view(&mut conn, (&episode, &series), 0, 5);
    for node in &nodes {
        let whole = |data: &serde_json::Value| data["views"] == 5 && data["unique_viewers"] == 5;
        shows(node, &owner, &format!("/stats/episodes/{episode}"), whole).await;
    }
    agrees(&db, &mut conn, "videos").await;
    let settled = async || {
        let mut anew = 0;
        for node in &nodes {
            anew += metric(node, "playhouse_statistics_rebuilds_total").await;
        }
        // At the start and after the loss; one more for a node that was kept waiting for long.
        assert!(anew <= 3, "{anew} times");
        anew >= 2
    };
    assert!(eventually(SOON, settled).await);
}

#[actix_web::test]
async fn what_another_state_of_postgres_left_in_redis_is_made_anew() {
    let db = TestDb::create();
    let mut conn = db.connect();
    view(&mut conn, (&title(), &title()), 0, 5);
    count(&mut conn, ("videos", "abc1234"), "now()", (3, 9_000));
    let app = App::start(&db);
    let owner = app.register().await;
    shows(&app, &owner, "/stats", |data| data["views"] == 5).await;
    let key = |key: &str| format!("{}:{key}", db.prefix());
    let followed: String = ask(&db.redis_url(), redis::cmd("GET").arg(key("stats:followed")));
    let (database, _) = followed.split_once(' ').unwrap();
    for wrong in [format!("{database} 4611686018427387904"), "another 3".to_owned(), "nonsense".to_owned()] {
        // More than there is: as if views had been lost with the old state.
        let all = key("stats:views:all:all");
        let more = "redis.call('ZADD', KEYS[1], 9000, ''); redis.call('ZADD', KEYS[2], 9000, 'abc1234', 9, 'gone123'); \
                    redis.call('SET', KEYS[3], ARGV[1])";
        let mut command = redis::cmd("EVAL");
        command.arg(more).arg(3).arg(all).arg(key("stats:views:all:videos")).arg(key("stats:followed")).arg(&wrong);
        ask::<()>(&db.redis_url(), &command);
        shows(&app, &owner, "/stats", |data| data["views"] == 5).await;
        agrees(&db, &mut conn, "videos").await;
    }
}

#[actix_web::test]
async fn what_is_committed_late_by_a_transaction_that_began_early_is_carried_too() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (mut early, mut late) = (db.connect(), db.connect());
    let (one, two, series) = (title(), title(), title());
    sql_query("BEGIN").execute(&mut early).unwrap();
    view(&mut early, (&one, &series), 0, 1);
    // Others commit, and are carried, while it is open.
    for n in 1..=3 {
        count(&mut late, ("episodes", &two), "now()", (1, 0));
        shows(&app, &owner, &format!("/stats/episodes/{two}"), |data| data["views"] == n).await;
    }
    sql_query("COMMIT").execute(&mut early).unwrap();
    let whole = |data: &serde_json::Value| data["views"] == 1 && data["unique_viewers"] == 1;
    shows(&app, &owner, &format!("/stats/episodes/{one}"), whole).await;
    assert_eq!(metric(&app, "playhouse_statistics_rebuilds_total").await, 1, "it was not by reading all anew");
}

#[actix_web::test]
async fn without_redis_statistics_are_away_and_with_it_they_are_whole_again() {
    let mut stores = Stores::own();
    let app = Plan::over_own(&stores).start();
    let owner = app.register().await;
    let (episode, series) = (title(), title());
    let connect = |stores: &crate::support::stores::OwnStores| {
        use diesel::Connection as _;
        use secrecy::ExposeSecret as _;
        PgConnection::establish(stores.database_url().expose_secret()).unwrap()
    };
    let mut conn = connect(&stores);
    view(&mut conn, (&episode, &series), 0, 2);
    shows(&app, &owner, "/stats", |data| data["views"] == 2).await;
    stores.stop_redis();
    let paths = [
        "/stats".to_owned(),
        format!("/stats/episodes/{episode}"),
        format!("/stats/videos/{}", &Uuid::new_v4().simple().to_string()[..7]),
        "/stats/top?kind=episodes".to_owned(),
    ];
    for path in &paths {
        let away = async || app.get(path, &owner).await.status == 503;
        assert!(eventually(SOON, away).await, "{path}");
    }
    view(&mut conn, (&episode, &series), 2, 3);
    stores.start_redis();
    shows(&app, &owner, "/stats", |data| data["views"] == 5).await;
    shows(&app, &owner, &paths[1], |data| data["unique_viewers"] == 5).await;
    for path in &paths {
        assert_eq!(app.get(path, &owner).await.status, 200, "{path}");
    }
    // Postgres is asked for nothing but the caller, who is known.
    stores.stop_postgres();
    for path in &paths {
        let told = async || app.get(path, &owner).await.status == 200;
        assert!(eventually(SOON, told).await, "{path}");
    }
}

#[actix_web::test]
async fn sums_that_no_list_looks_at_are_removed_and_the_others_stay() {
    let db = TestDb::create();
    let mut conn = db.connect();
    for age in ["1 minute", "3 hours", "30 hours", "40 days"] {
        count(&mut conn, ("videos", "abc1234"), &format!("now() - interval '{age}'"), (1, 0));
    }
    for grain in Grain::ALL {
        forget(&mut conn, grain, 1_000).unwrap();
    }
    let mut left =
        |grain: &str| crate::support::stores::count(&mut conn, &format!("view_counts WHERE grain = '{grain}'"));
    assert_eq!((left("minute"), left("all")), (1, 1));
    assert_eq!(left("hour"), 2);
    // Days stay: the first three ages may lie in one or two of them.
    assert!(left("day") >= 2);
}

#[test]
fn hours_in_which_a_view_counted_are_forgotten_when_they_are_over() {
    let db = TestDb::create();
    let mut conn = db.connect();
    sql_query(
        "INSERT INTO last_views (title, viewer_id, viewed_at) SELECT 'abc1234', gen_random_uuid(), \
         now() - make_interval(mins => age) FROM unnest(ARRAY[0, 59, 119, 121, 180, 9999]) age",
    )
    .execute(&mut conn)
    .unwrap();
    assert_eq!([2, 2, 2].map(|limit| forget_hours(&mut conn, limit).unwrap()), [2, 1, 0]);
    assert_eq!(crate::support::stores::count(&mut conn, "last_views"), 3);
}
