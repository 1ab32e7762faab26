//! Stores that stop, hang and come back, and a disk that is full.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Plan, eventually},
    channels::tiny,
    load::{computed, my_turn, timed},
    media::{VTT, mp4, padded},
    media_folder::{agreed, arriving},
    people::{PASSWORD, Person},
    raw::status,
    stores::{OwnStores, Stores, TestDb, count},
};

const BACK_WITHIN: Duration = Duration::from_secs(5);

/// A read that no cache has seen.
async fn read_fresh(app: &App, person: &Person) -> Answer {
    app.get(&format!("/series?name={}", Uuid::new_v4().simple()), person).await
}

/// The best of three: another test may hold the processors for a moment.
async fn best_of_three(mut ask: impl AsyncFnMut() -> Answer) -> (Answer, Duration) {
    let mut best: Option<(Answer, Duration)> = None;
    for _ in 0..3 {
        let next = timed(ask()).await;
        best = match best {
            Some(best) if best.1 <= next.1 && best.0.status == next.0.status => Some(best),
            _ => Some(next),
        };
    }
    best.expect("three tries")
}

async fn postgres_is_missed(app: &App, person: &Person) {
    let (answer, took) = best_of_three(async || read_fresh(app, person).await).await;
    assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.bytes));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(took < Duration::from_secs(1), "{took:?} for a 503");
    channels_miss_postgres(app, person).await;
    health_is_quick(app).await;
    let ready = answer_of(app, "/readyz").await;
    assert_eq!((ready.status, ready.header("retry-after")), (503, Some("1")));
}

/// Reads that no cache has seen, a sign-in and an announcement: 503 in the shape of their contract.
async fn channels_miss_postgres(app: &App, person: &Person) {
    let page = || format!("/videos/all?page={}", Uuid::new_v4().as_u128() % 1_000_000);
    let body = json!({"username": person.email, "password": PASSWORD});
    let missed = |(answer, took): (Answer, Duration)| {
        let path = &answer.path;
        assert_eq!(answer.response(503), "The service is temporarily unavailable", "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
        assert!(took < Duration::from_secs(1), "{path}: {took:?} for a 503");
    };
    missed(best_of_three(async || answer_of(app, &page()).await).await);
    missed(best_of_three(async || answer_of(app, "/v/0000000").await).await);
    missed(best_of_three(async || answer_of(app, "/search/all/walk").await).await);
    missed(best_of_three(async || app.post_open("/sign_in", body.clone()).await).await);
    let video = json!({"title": "Never", "description": ""});
    missed(best_of_three(async || app.post("/upload", person, video.clone()).await).await);
    let email = json!({"email": format!("{}@example.org", Uuid::new_v4().simple())});
    missed(best_of_three(async || app.post_open("/password/forgot", email.clone()).await).await);
}

async fn answer_of(app: &App, path: &str) -> Answer {
    Answer::of(app.request(reqwest::Method::GET, path, None)).await
}

async fn health_is_quick(app: &App) {
    let (answer, took) = best_of_three(async || answer_of(app, "/healthz").await).await;
    assert_eq!(answer.status, 200);
    assert!(took < Duration::from_millis(100), "{took:?} for health");
}

async fn is_back(app: &App, person: &Person, after: &str) {
    let reads = || async { read_fresh(app, person).await.status == 200 };
    let genre = || json!({"name": Uuid::new_v4().simple().to_string()});
    let writes = || async { app.post("/genres", person, genre()).await.status == 201 };
    let back = Instant::now();
    assert!(eventually(BACK_WITHIN, reads).await, "reads are not back {after}");
    assert!(eventually(BACK_WITHIN.saturating_sub(back.elapsed()), writes).await, "writes are not back {after}");
}

async fn started() -> (OwnStores, App, Person) {
    let stores = Stores::own();
    let app = Plan::over_own(&stores).start();
    let owner = app.register().await;
    is_back(&app, &owner, "at the start").await;
    (stores, app, owner)
}

#[actix_web::test]
async fn without_postgres_there_is_503_at_once_and_it_comes_back_by_itself() {
    let (mut stores, app, owner) = started().await;
    stores.stop_postgres();
    postgres_is_missed(&app, &owner).await;
    stores.start_postgres();
    is_back(&app, &owner, "after a stop").await;
    // Restarted at once: every connection of the pool is dead, and nobody was told.
    stores.start_postgres();
    is_back(&app, &owner, "after a restart").await;
    stores.pause_postgres();
    postgres_is_missed(&app, &owner).await;
    stores.resume_postgres();
    is_back(&app, &owner, "after a pause").await;
}

#[actix_web::test]
async fn a_postgres_that_was_restarted_while_all_rested_costs_nobody_an_answer() {
    let mut stores = Stores::own();
    // Requests alone are to find out.
    let plan = Plan::over_own(&stores).with("PLAYHOUSE_STATISTICS__FOLLOW_MS", "3600000");
    let (app, log) = plan.start_logging();
    let owner = app.register().await;
    is_back(&app, &owner, "at the start").await;
    for _ in 0..5 {
        // Every thread of the database has a connection of its own.
        futures_util::future::join_all((0..200).map(|_| read_fresh(&app, &owner))).await;
        stores.start_postgres();
        for _ in 0..20 {
            read_fresh(&app, &owner).await;
        }
    }
    // To connect anew can take too long beside other tests; that is another cause.
    let log = std::fs::read_to_string(log).expect("a log");
    let costly = |line: &&str| line.contains("unavailable") && line.contains("the connection broke");
    let broken: Vec<&str> = log.lines().filter(costly).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(read_fresh(&app, &owner).await.status, 200);
}

#[actix_web::test]
async fn connections_that_are_old_are_made_anew() {
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_DATABASE__CONNECTION_SECONDS", "1").start();
    let owner = app.register().await;
    let ours = "pg_stat_activity WHERE datname = current_database() AND application_name = 'playhouse'";
    let conn = &mut db.connect();
    let old = format!("{ours} AND backend_start < now() - interval '6 seconds'");
    for _ in 0..9 {
        futures_util::future::join_all((0..40).map(|_| read_fresh(&app, &owner))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    futures_util::future::join_all((0..40).map(|_| read_fresh(&app, &owner))).await;
    assert!(count(conn, ours) > 0);
    assert_eq!(count(conn, &old), 0, "of {}", count(conn, ours));
}

#[actix_web::test]
async fn a_postgres_that_refuses_connections_keeps_no_core_busy() {
    let (mut stores, app, _) = started().await;
    stores.stop_postgres();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = computed(app.pid());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let computed = computed(app.pid()) - before;
    assert!(computed < 1.0, "{computed} s of 4 s");
    stores.start_postgres();
}

#[actix_web::test]
async fn many_requests_to_a_postgres_that_hangs_do_not_wait_in_line() {
    let (stores, app, owner) = started().await;
    stores.pause_postgres();
    let asked = futures_util::future::join_all((0..200).map(|_| timed(read_fresh(&app, &owner))));
    let (answers, health) = tokio::join!(asked, health_is_quick(&app));
    let () = health;
    assert!(answers.iter().all(|(answer, _)| answer.status == 503));
    let slowest = answers.iter().map(|(_, took)| *took).max().expect("answers");
    assert!(slowest < Duration::from_secs(4), "{slowest:?} though all deadlines run at once");
    stores.resume_postgres();
    is_back(&app, &owner, "after a pause").await;
}

/// What needs no Redis goes on, with a bound on its time.
async fn all_but_statistics_goes_on(app: &App, person: &Person) {
    let bound = Duration::from_secs(2);
    let (read, took) = best_of_three(async || read_fresh(app, person).await).await;
    assert_eq!(read.status, 200);
    assert!(took < bound, "{took:?} for a read");
    let (login, took) = best_of_three(async || app.login(&person.email, PASSWORD).await).await;
    assert_eq!(login.status, 200);
    assert!(took < bound, "{took:?} for a login");
    let (upload, took) = best_of_three(async || app.upload(person, "a.vtt", VTT.to_vec()).await).await;
    assert_eq!(upload.status, 201);
    assert!(took < bound, "{took:?} for an upload");
    let id = upload.id();
    assert!(app.get(&format!("/media/{id}"), person).await.bytes == VTT);
    let name = Uuid::new_v4().simple().to_string();
    let genre = format!("/genres/{}", app.post("/genres", person, json!({"name": name})).await.id());
    assert_eq!(app.get(&genre, person).await.data(200)["name"], name);
    // What was read before is seen changed: a cache without its messenger is no cache.
    app.patch(&genre, person, json!({"name": format!("{name}-2")})).await.data(200);
    assert_eq!(app.get(&genre, person).await.data(200)["name"], format!("{name}-2"));
    channels_go_on(app, person).await;
    health_is_quick(app).await;
}

/// Sharing needs no Redis, with a bound on its time.
async fn channels_go_on(app: &App, person: &Person) {
    let bound = Duration::from_secs(2);
    let within = |(answer, took): (Answer, Duration)| {
        assert!(took < bound, "{took:?} for {}", answer.path);
        answer.response(200)
    };
    let shared = app.sharing(person, "A walk").await;
    let item = within(best_of_three(async || answer_of(app, &format!("/v/{}", shared.hash)).await).await);
    assert_eq!(item["title"], "A walk");
    for list in ["/videos/all", &format!("/videos/channel/{}", shared.channel), "/search/video/walk"] {
        let items = within(best_of_three(async || answer_of(app, list).await).await);
        assert!(items.as_array().is_some_and(|items| items.contains(&item)), "{list}: {items}");
    }
    let film = answer_of(app, &format!("/video/d/{}", shared.hash)).await;
    assert!(film.status == 200 && film.bytes == tiny());
    let body = json!({"username": shared.channel, "password": PASSWORD});
    let token = within(best_of_three(async || app.post_open("/sign_in", body.clone()).await).await);
    assert!(token["vtoken"].is_string());
    // Each its own address: how often is counted without Redis too.
    let email = || json!({"email": format!("{}@example.org", Uuid::new_v4().simple())});
    assert_eq!(within(best_of_three(async || app.post_open("/password/forgot", email()).await).await), "");
    let path = format!("/v/{}", shared.hash);
    app.patch(&path, person, json!({"title": "A ride"})).await.response(200);
    assert_eq!(answer_of(app, &path).await.response(200)["title"], "A ride");
    assert_eq!(answer_of(app, "/videos/all?limit=1").await.response(200)[0]["title"], "A ride");
    app.delete(&path, person).await.response(200);
    assert_eq!(answer_of(app, &path).await.response(404), "video");
}

async fn statistics_are(app: &App, person: &Person, expected: u16) -> bool {
    eventually(BACK_WITHIN, || async { app.get("/stats", person).await.status == expected }).await
}

#[allow(clippy::disallowed_methods, reason = "a test empties its Redis")]
fn empty_redis(stores: &OwnStores) {
    use secrecy::ExposeSecret as _;
    let client = redis::Client::open(stores.redis_url().expose_secret()).expect("an address");
    let mut conn = client.get_connection().expect("a connection");
    redis::cmd("FLUSHALL").query::<()>(&mut conn).expect("it is emptied");
}

#[actix_web::test]
async fn without_redis_all_but_the_statistics_goes_on() {
    let (mut stores, app, owner) = started().await;
    assert!(statistics_are(&app, &owner, 200).await);
    stores.stop_redis();
    assert!(statistics_are(&app, &owner, 503).await);
    all_but_statistics_goes_on(&app, &owner).await;
    assert_eq!(answer_of(&app, "/readyz").await.json()["redis"], "away");
    stores.start_redis();
    assert!(statistics_are(&app, &owner, 200).await, "statistics are not back after a stop");
    empty_redis(&stores);
    all_but_statistics_goes_on(&app, &owner).await;
    assert!(statistics_are(&app, &owner, 200).await, "statistics are not back after it was emptied");
    stores.pause_redis();
    assert!(statistics_are(&app, &owner, 503).await);
    all_but_statistics_goes_on(&app, &owner).await;
    stores.resume_redis();
    assert!(statistics_are(&app, &owner, 200).await, "statistics are not back after a pause");
    all_but_statistics_goes_on(&app, &owner).await;
}

#[actix_web::test]
async fn both_stores_away_at_once_come_back_by_themselves() {
    let (mut stores, app, owner) = started().await;
    stores.pause_postgres();
    stores.pause_redis();
    let (answer, took) = best_of_three(async || read_fresh(&app, &owner).await).await;
    assert_eq!(answer.status, 503);
    assert!(took < Duration::from_secs(2), "{took:?} for a 503");
    health_is_quick(&app).await;
    stores.resume_postgres();
    stores.resume_redis();
    is_back(&app, &owner, "after a pause of both").await;
    stores.stop_postgres();
    stores.stop_redis();
    assert_eq!(read_fresh(&app, &owner).await.status, 503);
    health_is_quick(&app).await;
    stores.start_redis();
    stores.start_postgres();
    is_back(&app, &owner, "after a stop of both").await;
    assert!(statistics_are(&app, &owner, 200).await);
}

#[actix_web::test]
async fn a_store_that_hangs_during_an_upload_leaves_no_half_of_it() {
    let (stores, app, owner) = started().await;
    let film = padded(mp4(), 2_000_000);
    let (mut stream, rest) = app.half_upload(&owner, &film).await;
    arriving(app.media_dir()).await;
    stores.pause_redis();
    stream.write_all(&rest).await.expect("the rest");
    assert_eq!(status(&mut stream).await, Some(201), "an upload needs no Redis");
    stores.resume_redis();
    let mut conn = diesel::Connection::establish(secrecy::ExposeSecret::expose_secret(&stores.database_url()))
        .expect("a connection");
    assert_eq!(agreed(app.media_dir(), &mut conn).len(), 1);
    let (mut stream, rest) = app.half_upload(&owner, &film).await;
    arriving(app.media_dir()).await;
    stores.pause_postgres();
    stream.write_all(&rest).await.expect("the rest");
    assert_eq!(status(&mut stream).await, Some(503));
    stores.resume_postgres();
    // The insertion that hung may have been done in the end; then the bytes are there too.
    let rows = agreed(app.media_dir(), &mut conn);
    assert!((1..=2).contains(&rows.len()), "{rows:?}");
    is_back(&app, &owner, "after the upload").await;
}

/// A disk of 3 MB in place of a folder, where this user may mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn at(folder: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.to_str().expect("a path");
        run(&["mount", "-t", "tmpfs", "-o", "size=3m", "none", path]).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(&["umount", "--lazy", self.0.to_str().expect("a path")]);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test makes its disk")]
fn run(words: &[&str]) -> bool {
    let silent = std::process::Stdio::null;
    let ended = std::process::Command::new(words[0]).args(&words[1..]).stderr(silent()).stdout(silent()).status();
    ended.is_ok_and(|status| status.success())
}

/// Of what is refused nothing is kept, what fits is taken, and what is there is served.
async fn takes_what_fits(app: &App, owner: &Person, db: &TestDb, lengths: &[usize]) {
    let id = app.upload(owner, "a.mp4", mp4().to_vec()).await.id();
    for length in lengths {
        let refused = app.upload(owner, "b.mp4", padded(mp4(), *length)).await;
        assert_eq!(refused.status, 503, "{}", String::from_utf8_lossy(&refused.bytes));
        assert_eq!(refused.header("retry-after"), Some("1"));
        let rows = agreed(app.media_dir(), &mut db.connect());
        assert_eq!(rows.keys().collect::<Vec<_>>(), [&id]);
    }
    assert_eq!(app.upload(owner, "c.mp4", padded(mp4(), 900_000)).await.status, 201, "what fits is taken");
    assert!(app.get(&format!("/media/{id}"), owner).await.bytes == mp4(), "what is there is served");
}

#[actix_web::test]
async fn a_disk_that_takes_no_more_is_503_and_keeps_nothing() {
    let _turn = my_turn().await;
    let db = TestDb::create();
    // No file may grow beyond 1 MB: to the server this is a disk that ends there.
    let limited = ["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=1000000", "--"];
    let app = Plan::over(&db).under(&limited).start();
    let owner = app.register().await;
    takes_what_fits(&app, &owner, &db, &[1_100_000, 5_000_000, 20_000_000]).await;
}

#[actix_web::test]
async fn a_full_disk_is_503_and_keeps_nothing() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let Some(disk) = SmallDisk::at(plan.media_dir()) else {
        eprintln!("no disk of its own for this user: the test of a limit on files stands alone");
        return;
    };
    let app = plan.start();
    let owner = app.register().await;
    takes_what_fits(&app, &owner, &db, &[3_200_000, 5_000_000, 20_000_000]).await;
    // Full to the last page.
    let rest = takes_all_that_is_left(&disk.0);
    let refused = app.upload(&owner, "d.vtt", VTT.to_vec()).await;
    assert_eq!(refused.status, 503, "{}", String::from_utf8_lossy(&refused.bytes));
    std::fs::remove_file(rest).expect("the rest");
    assert_eq!(agreed(app.media_dir(), &mut db.connect()).len(), 2);
    app.upload(&owner, "e.vtt", VTT.to_vec()).await.id();
}

fn takes_all_that_is_left(folder: &std::path::Path) -> std::path::PathBuf {
    use std::io::Write as _;
    let path = folder.join("tmp").join("rest.lock");
    let mut file = std::fs::File::create(&path).expect("a file");
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}
