//! Statistics: carried from Postgres to Redis and made anew there, told of titles, in lists of the most
//! viewed, and as events.

mod events;
mod follow;
mod now;
mod top;

use std::time::Duration;

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{BigInt, Text},
};
use redis::FromRedisValue;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, eventually},
    people::Person,
    stores::TestDb,
};

/// For what happens by itself; other tests run on the same processors.
const SOON: Duration = Duration::from_secs(20);

/// Writes sums as the ledger does: `views` more of a title at the time `at` (SQL), and so much watch time.
pub(super) fn count(conn: &mut PgConnection, (kind, title): (&str, &str), at: &str, (views, watched_ms): (i64, i64)) {
    let statement = format!(
        "INSERT INTO view_counts AS c (kind, title, grain, begins_at, views, watched_ms) \
         SELECT $1, $2, grain, begins_at, $3, CASE grain WHEN 'all' THEN $4 ELSE 0 END FROM (VALUES \
         ('all', to_timestamp(0)), ('day', date_trunc('day', {at}, 'UTC')), \
         ('hour', date_trunc('hour', {at}, 'UTC')), ('minute', date_trunc('minute', {at}, 'UTC'))) t (grain, begins_at) \
         ON CONFLICT (kind, title, grain, begins_at) DO UPDATE SET views = c.views + excluded.views, \
         watched_ms = c.watched_ms + excluded.watched_ms, changed_in = pg_current_xact_id()::text::bigint"
    );
    sql_query(statement)
        .bind::<Text, _>(kind)
        .bind::<Text, _>(title)
        .bind::<BigInt, _>(views)
        .bind::<BigInt, _>(watched_ms)
        .execute(conn)
        .expect("sums");
}

/// Writes `views` of an episode of a series by as many viewers, from the `first`th on.
pub(super) fn view(conn: &mut PgConnection, (episode, series): (&str, &str), first: i64, views: i64) {
    sql_query(
        "INSERT INTO views (stream_id, viewer_id, title, episode, series) \
         SELECT md5($1 || 'stream' || n)::uuid, md5('viewer' || n)::uuid, $1, $1, $2 \
         FROM generate_series($3, $3 + $4 - 1) n",
    )
    .bind::<Text, _>(episode)
    .bind::<Text, _>(series)
    .bind::<BigInt, _>(first)
    .bind::<BigInt, _>(views)
    .execute(conn)
    .expect("views");
    for title in [("all", ""), ("episodes", episode), ("series", series)] {
        count(conn, title, "now()", (views, views * 10_500));
    }
}

/// One command to Redis.
#[allow(clippy::disallowed_methods, reason = "a test looks into its Redis")]
pub(super) fn ask<T: FromRedisValue>(url: &SecretString, command: &redis::Cmd) -> T {
    let client = redis::Client::open(url.expose_secret()).expect("an address");
    let mut conn = client.get_connection().expect("a connection");
    command.query(&mut conn).expect("an answer")
}

/// Removes all keys of the test at one moment.
pub(super) fn empty(db: &TestDb) {
    let script = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end";
    ask::<()>(&db.redis_url(), redis::cmd("EVAL").arg(script).arg(0).arg(format!("{}:*", db.prefix())));
}

/// What a title's sums are in Redis and in Postgres, where they differ.
pub(super) fn differences(db: &TestDb, conn: &mut PgConnection, kind: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Sum {
        #[diesel(sql_type = Text)]
        title: String,
        #[diesel(sql_type = BigInt)]
        views: i64,
        #[diesel(sql_type = BigInt)]
        watched_ms: i64,
    }
    let sums: Vec<Sum> =
        sql_query("SELECT title, views, watched_ms FROM view_counts WHERE kind = $1 AND grain = 'all'")
            .bind::<Text, _>(kind)
            .load(conn)
            .expect("sums");
    let scores = |key: &str| -> std::collections::HashMap<String, i64> {
        let key = format!("{}:{key}", db.prefix());
        let scores: Vec<(String, i64)> =
            ask(&db.redis_url(), redis::cmd("ZRANGE").arg(key).arg(0).arg(-1).arg("WITHSCORES"));
        scores.into_iter().collect()
    };
    let (views, watched) = (scores(&format!("stats:views:all:{kind}")), scores(&format!("stats:watched:{kind}")));
    let mut wrong = Vec::new();
    if views.len() != sums.len() {
        wrong.push(format!("{} titles for {}", views.len(), sums.len()));
    }
    for Sum { title, views: wanted, watched_ms } in sums {
        let found = (views.get(&title).copied().unwrap_or(0), watched.get(&title).copied().unwrap_or(0));
        if found != (wanted, watched_ms) {
            wrong.push(format!("{title}: {found:?} for {wanted} and {watched_ms}"));
        }
    }
    wrong
}

/// A metric of the node, 0 where it has not begun.
pub(super) async fn metric(app: &App, name: &str) -> u64 {
    let answer = Answer::of(app.request(Method::GET, "/metrics", None)).await;
    let text = String::from_utf8(answer.bytes).expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a whole number"))
}

/// Waits until `path` shows `wanted`; what it shows last.
pub(super) async fn shows(app: &App, person: &Person, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let holds = async || {
        let answer = app.get(path, person).await;
        answer.status == 200 && wanted(&answer.json()["data"])
    };
    let held = eventually(SOON, holds).await;
    let last = app.get(path, person).await;
    assert!(held, "{path}: {}", String::from_utf8_lossy(&last.bytes));
    last.data(200)
}

fn title() -> String {
    Uuid::now_v7().to_string()
}

#[actix_web::test]
async fn views_become_statistics_by_themselves_and_the_same_again_when_redis_was_emptied() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (one, two, series) = (title(), title(), title());
    let mut conn = db.connect();
    view(&mut conn, (&one, &series), 0, 7);
    view(&mut conn, (&two, &series), 5, 4);
    // Yesterday, and in no window that looks at days.
    count(&mut conn, ("episodes", &one), "now() - interval '24 hours'", (3, 0));
    count(&mut conn, ("episodes", &one), "now() - interval '40 days'", (100, 0));

    let all = shows(&app, &owner, "/stats", |data| data["views"] == 11).await;
    assert_eq!(all["watch_seconds"], json!(115.5));
    let path = format!("/stats/episodes/{one}");
    let of_one = shows(&app, &owner, &path, |data| data["views"] == 110 && data["unique_viewers"] == 7).await;
    assert_eq!((&of_one["watch_seconds"], &of_one["viewers"]), (&json!(73.5), &json!(0)));
    let days = of_one["days"].as_array().unwrap();
    assert_eq!(days.len(), 30);
    let mut ordered: Vec<&str> = days.iter().map(|day| day["day"].as_str().unwrap()).collect();
    assert_eq!(ordered[29], chrono::Utc::now().date_naive().to_string());
    ordered.dedup();
    assert!(ordered.is_sorted() && ordered.len() == 30, "{days:?}");
    let views: Vec<u64> = days.iter().map(|day| day["views"].as_u64().unwrap()).collect();
    assert_eq!((&views[28..], views[..28].iter().sum()), (&[3, 7][..], 0_u64));
    // Two of the viewers viewed both.
    let series = format!("/stats/series/{series}");
    let of_series = shows(&app, &owner, &series, |data| data["unique_viewers"] == 9).await;
    assert_eq!(of_series["views"], 11);

    empty(&db);
    shows(&app, &owner, "/stats", |data| data["views"] == 11 && data["watch_seconds"] == json!(115.5)).await;
    shows(&app, &owner, &path, |data| *data == of_one).await;
    shows(&app, &owner, &series, |data| *data == of_series).await;
    // It goes on from there.
    view(&mut conn, (&two, &title()), 100, 1);
    shows(&app, &owner, "/stats", |data| data["views"] == 12).await;
    assert_eq!(metric(&app, "playhouse_statistics_rebuilds_total").await, 2);
}

#[actix_web::test]
async fn a_title_that_nobody_viewed_has_zeros_and_a_malformed_name_is_refused() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    for path in ["episodes", "series", "files"].map(|kind| format!("/stats/{kind}/{}", title())) {
        zeros(&app.get(&path, &owner).await);
    }
    zeros(&app.get("/stats/videos/abc1234", &owner).await);
    for (path, field) in [
        ("/stats/episodes/abc1234".to_owned(), "id"),
        ("/stats/files/x".to_owned(), "id"),
        (format!("/stats/videos/{}", title()), "hash"),
        ("/stats/videos/ABCDEFG".to_owned(), "hash"),
        ("/stats/videos/abc%00ef".to_owned(), "hash"),
    ] {
        assert_eq!(app.get(&path, &owner).await.wrong_fields(), [field], "{path}");
    }
    for path in [format!("/stats/users/{}", title()), "/stats/all/x".to_owned(), "/stats/episodes".to_owned()] {
        assert_eq!(app.get(&path, &owner).await.status, 404, "{path}");
    }
}

#[track_caller]
fn zeros(answer: &Answer) {
    let data = answer.data(200);
    for name in ["views", "unique_viewers", "viewers"] {
        assert_eq!(data[name], 0, "{data}");
    }
    assert_eq!(data["watch_seconds"], json!(0.0));
    let days = data["days"].as_array().unwrap();
    assert!(days.len() == 30 && days.iter().all(|day| day["views"] == 0), "{data}");
}

#[actix_web::test]
async fn ten_thousand_viewers_are_counted_within_one_percent() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (episode, series) = (title(), title());
    view(&mut db.connect(), (&episode, &series), 0, 10_000);
    for path in [format!("/stats/episodes/{episode}"), format!("/stats/series/{series}")] {
        let near = |data: &Value| (9_900..=10_100).contains(&data["unique_viewers"].as_u64().unwrap());
        let told = shows(&app, &owner, &path, near).await;
        assert_eq!(told["views"], 10_000);
    }
}

#[actix_web::test]
async fn who_was_heard_of_within_two_minutes_views_now() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (episode, now) = (title(), chrono::Utc::now().timestamp());
    let live = |key: &str, heard: &[(i64, &str)]| {
        let mut command = redis::cmd("ZADD");
        command.arg(format!("{}:{key}", db.prefix()));
        for (at, member) in heard {
            command.arg(at).arg(*member);
        }
        ask::<()>(&db.redis_url(), &command);
    };
    live("stats:sessions", &[(now, "a"), (now - 60, "b"), (now - 30, "c"), (now - 121, "d")]);
    live("stats:live", &[(now, "ann"), (now - 60, "bob"), (now - 1000, "eve")]);
    live(&format!("stats:live:episodes:{episode}"), &[(now, "ann"), (now - 121, "bob")]);
    let all = app.get("/stats", &owner).await.data(200);
    assert_eq!((&all["sessions"], &all["viewers"]), (&json!(3), &json!(2)));
    let of_title = app.get(&format!("/stats/episodes/{episode}"), &owner).await.data(200);
    assert_eq!(of_title["viewers"], 1);
    // Whoever reads removes nothing: its clock may be wrong.
    let held = |key: &str| ask::<u64>(&db.redis_url(), redis::cmd("ZCARD").arg(format!("{}:{key}", db.prefix())));
    assert_eq!((held("stats:sessions"), held("stats:live")), (4, 3));
}
