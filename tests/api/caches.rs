//! Caches over two nodes: what one writes the other shows, no order of events leaves anything
//! stale, and without Redis everything goes on.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text};
use futures_util::future::join_all;
use playhouse::{
    cache::{Cache, Kind, Scope, Told},
    settings::Settings,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{App, Plan, eventually},
    channels::{Shared, tiny},
    people::{PASSWORD, Person},
    stores::{Stores, TestDb},
};

/// How soon a write has to be seen on the other node.
const SEEN_WITHIN: Duration = Duration::from_millis(200);
/// Where the machine may be busy with other tests: what is stale would stay so for a minute.
const HEARD: Duration = Duration::from_secs(5);

async fn name(app: &App, person: &Person, path: &str) -> String {
    app.get(path, person).await.data(200)["name"].as_str().expect("a name").to_owned()
}

/// The names in a list, in order, and its total.
async fn listed(app: &App, person: &Person, path: &str) -> (Vec<String>, u64) {
    let json = app.get(path, person).await.json();
    assert_eq!(json["status"], 200, "{json}");
    let names = json["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned());
    (names.collect(), json["pagination"]["total"].as_u64().unwrap())
}

async fn statements(app: &App, person: &Person) -> u64 {
    let metrics = String::from_utf8(app.get("/metrics", person).await.bytes).unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("playhouse_sql_statements_total "));
    line.expect("the counter").parse().expect("a number")
}

/// Waits until a read of `path` costs no statement: the node knows its Redis, and keeps.
async fn warm(app: &App, person: &Person, path: &str) {
    let kept = async || {
        let before = statements(app, person).await;
        app.get(path, person).await;
        statements(app, person).await == before
    };
    assert!(eventually(Duration::from_secs(10), kept).await, "{path} is never kept");
}

#[actix_web::test]
async fn a_write_on_one_node_is_seen_on_the_other_within_200_ms() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let base = nodes[0].catalogue(&owner).await;
    let (one, list) = (format!("/series/{}", base.series), format!("/genres/{}/series", base.genre));
    let mut delays = Vec::new();
    for round in 0..40 {
        let (writer, reader) = (&nodes[round % 2], &nodes[1 - round % 2]);
        for path in [&one, &list] {
            warm(reader, &owner, path).await;
        }
        let new = format!("Name {round}");
        writer.patch(&one, &owner, json!({"name": new})).await.data(200);
        let written = Instant::now();
        while name(reader, &owner, &one).await != new || listed(reader, &owner, &list).await.0 != [new.as_str()] {
            assert!(written.elapsed() < Duration::from_secs(5), "the write is never seen");
        }
        delays.push(written.elapsed());
        assert_eq!(name(writer, &owner, &one).await, new, "one reads what one wrote");
        assert_eq!(listed(writer, &owner, &list).await.0, [new.as_str()]);
    }
    // A pause of the machine is not the server's doing; a rule that does not hold shows every time.
    delays.sort();
    assert!(delays[delays.len() / 2] <= SEEN_WITHIN, "{delays:?}");

    // Making and removing are seen as well, and nothing is left of what went along.
    let made = nodes[0].post("/series", &owner, json!({"name": "Late", "genre_id": base.genre})).await.id();
    let both = async || listed(&nodes[1], &owner, &list).await.1 == 2;
    assert!(eventually(HEARD, both).await);
    let episode = format!("/episodes/{}", base.episode);
    warm(&nodes[0], &owner, &episode).await;
    nodes[1].delete(&one, &owner).await.data(200);
    for path in [one.clone(), format!("/seasons/{}", base.season), episode] {
        let gone = async || nodes[0].get(&path, &owner).await.status == 404;
        assert!(eventually(HEARD, gone).await, "{path}");
    }
    nodes[1].delete(&format!("/genres/{}", base.genre), &owner).await.data(200);
    let unlinked = async || {
        let shown = nodes[0].get(&format!("/series/{made}"), &owner).await.data(200);
        shown["genre_ids"] == json!([]) && nodes[0].get(&list, &owner).await.status == 404
    };
    assert!(eventually(HEARD, unlinked).await);
}

#[actix_web::test]
async fn a_further_sign_in_is_looked_up_once_and_no_more() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    warm(&app, &owner, "/genres").await;
    let again = app.sign_in(&owner.id, &owner.email, PASSWORD).await;
    // What is known of the account is from before it, and has just been read again.
    for _ in 0..10 {
        app.get("/genres", &owner).await.json();
    }
    let before = statements(&app, &owner).await;
    for _ in 0..50 {
        assert_eq!(app.get("/genres", &again).await.status, 200);
    }
    // One on each thread at most; a new connection is tested by another, and something goes on by itself.
    let spent = statements(&app, &owner).await - before;
    assert!((1..=10).contains(&spent), "{spent} statements");
}

/// The title of a video by its item, in the list of all, in that of its channel: one reader sees the same.
async fn titles(app: &App, person: &Person, shared: &Shared) -> Vec<Value> {
    let item = app.get(&format!("/v/{}", shared.hash), person).await.response(200);
    let mut titles = vec![item["title"].clone()];
    for list in ["/videos/all", &format!("/videos/channel/{}", shared.channel)] {
        let items = app.get(list, person).await.response(200);
        let of_this = |item: &&Value| item["thumbnail"] == shared.hash.as_str();
        titles.extend(items.as_array().unwrap().iter().filter(of_this).map(|item| item["title"].clone()));
    }
    titles
}

#[actix_web::test]
async fn a_video_that_changes_on_one_node_is_seen_on_the_other_within_200_ms() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let shared = nodes[0].sharing(&owner, "First").await;
    let (one, of) = (format!("/v/{}", shared.hash), format!("/videos/channel/{}", shared.channel));
    let mut delays = Vec::new();
    for round in 0..30 {
        let (writer, reader) = (&nodes[round % 2], &nodes[1 - round % 2]);
        for path in [&one, &of, "/videos/all"] {
            warm(reader, &owner, path).await;
        }
        let new = format!("Title {round}");
        let wanted = vec![json!(new); 3];
        writer.patch(&one, &owner, json!({"title": new})).await.response(200);
        let written = Instant::now();
        while titles(reader, &owner, &shared).await != wanted {
            assert!(written.elapsed() < Duration::from_secs(5), "the change is never seen");
        }
        delays.push(written.elapsed());
        assert_eq!(titles(writer, &owner, &shared).await, wanted, "one reads what one wrote");
    }
    delays.sort();
    assert!(delays[delays.len() / 2] <= SEEN_WITHIN, "{delays:?}");

    // Another's list, the name of the channel, the removal of a video and of the channel are seen as well.
    nodes[1].send(&owner, &shared.announced, tiny()).await.response(200);
    let both = async || nodes[0].get(&of, &owner).await.response(200).as_array().unwrap().len() == 2;
    assert!(eventually(HEARD, both).await, "a new video is not listed");
    warm(&nodes[0], &owner, &one).await;
    nodes[1].patch(&format!("/users/{}", owner.id), &owner, json!({"username": "walker"})).await.data(200);
    let renamed = async || nodes[0].get(&one, &owner).await.response(200)["channel"] == "walker";
    assert!(eventually(HEARD, renamed).await, "the channel is called as before");
    for path in [one.clone(), format!("/video/d/{}", shared.hash), format!("/thumbnails/{}", shared.hash)] {
        assert_eq!(nodes[0].get(&path, &owner).await.status, 200, "{path}");
    }
    nodes[1].delete(&one, &owner).await.response(200);
    let gone = async || nodes[0].get(&one, &owner).await.status == 404;
    assert!(eventually(HEARD, gone).await, "{one} is still there");
    // Bytes that nobody speaks of are held open for two seconds: of some, one goes sooner, however busy the machine is.
    for (of, status) in [("/video/d", 400), ("/thumbnails", 404)] {
        let mut soonest = HEARD;
        for _ in 0..4 {
            let hash = nodes[1].share(&owner, "Seen elsewhere", "").await;
            let bytes = format!("{of}/{hash}");
            assert_eq!(nodes[0].get(&bytes, &owner).await.status, 200, "{bytes}");
            nodes[1].delete(&format!("/v/{hash}"), &owner).await.response(200);
            let removed = Instant::now();
            let gone = async || nodes[0].get(&bytes, &owner).await.status == status;
            assert!(eventually(HEARD, gone).await, "{bytes} is still there");
            soonest = soonest.min(removed.elapsed());
        }
        assert!(soonest < Duration::from_secs(1), "{of}: {soonest:?}");
    }
    nodes[0].delete("/channel/walker", &owner).await.response(200);
    let empty = async || nodes[1].get("/videos/all", &owner).await.response(200) == json!([]);
    assert!(eventually(HEARD, empty).await, "videos of a channel that is gone are listed");
    assert_eq!(nodes[1].get("/videos/channel/walker", &owner).await.response(404), "channel");
}

#[actix_web::test]
async fn racing_reads_and_changes_of_videos_leave_nothing_stale() {
    const ROUNDS: usize = 60;
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_DATABASE__DEADLINE_MS", "20000");
    let nodes = &[plan.start(), plan.start()];
    let owner = &nodes[0].register().await;
    let mut all = Vec::new();
    for at in 0..3 {
        all.push(nodes[0].sharing(owner, &format!("video {at} of 0")).await);
    }
    // Each video has one writer, which must read what it wrote, on its own node.
    let writers = all.iter().enumerate().map(|(at, shared)| async move {
        for round in 1..=ROUNDS {
            let node = &nodes[(at + round / 10) % 2];
            let new = format!("video {at} of {round}");
            let path = format!("/v/{}", shared.hash);
            node.patch(&path, owner, json!({"title": new})).await.response(200);
            assert_eq!(titles(node, owner, shared).await, vec![json!(new); 3], "older than one's own change");
        }
    });
    let readers = (0..6_usize).map(|reader| {
        let all = &all;
        async move {
            for round in 0..ROUNDS {
                titles(&nodes[(reader + round) % 2], owner, &all[round % all.len()]).await;
            }
        }
    });
    futures_util::future::join(join_all(writers), join_all(readers)).await;
    for node in nodes {
        for (at, shared) in all.iter().enumerate() {
            let wanted = vec![json!(format!("video {at} of {ROUNDS}")); 3];
            let right = async || titles(node, owner, shared).await == wanted;
            assert!(eventually(HEARD, right).await, "stale: video {at}");
        }
    }
}

#[derive(QueryableByName, Debug)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    name: String,
}

#[actix_web::test]
async fn ten_thousand_racing_reads_and_writes_leave_nothing_stale() {
    const ROWS: usize = 8;
    const ROUNDS: usize = 130;
    const READERS: usize = 16;
    const READS: usize = 500;
    const { assert!(2 * ROWS * ROUNDS + READERS * READS >= 10_000) };
    let db = TestDb::create();
    // What is tested is not how long a busy machine takes.
    let plan = Plan::over(&db).with("PLAYHOUSE_DATABASE__DEADLINE_MS", "20000");
    let nodes = [plan.start(), plan.start()];
    let owner = &nodes[0].register().await;
    let mut rows = Vec::new();
    for at in 0..ROWS {
        rows.push(nodes[0].post("/series", owner, json!({"name": format!("row {at} of 0")})).await.id());
    }
    let (rows, nodes) = (&rows, &nodes);
    let lists = ["/series?limit=50&sort=id", "/series?limit=50&sort=-name"];
    // Each row has one writer, which must read what it wrote, on its own node.
    let writers = rows.iter().enumerate().map(|(at, id)| async move {
        let path = format!("/series/{id}");
        for round in 1..=ROUNDS {
            let node = &nodes[(at + round / 10) % 2];
            let new = format!("row {at} of {round}");
            node.patch(&path, owner, json!({"name": new})).await.data(200);
            assert_eq!(name(node, owner, &path).await, new, "a writer read something older than its own write");
            if round % 10 == 5 {
                assert!(listed(node, owner, lists[at % 2]).await.0.contains(&new), "an old list after a write");
            }
        }
    });
    let readers = (0..READERS).map(|reader| async move {
        for round in 0..READS {
            let node = &nodes[(reader + round) % 2];
            if round % 8 == 7 {
                assert_eq!(listed(node, owner, lists[reader % 2]).await.1, 8);
            } else {
                name(node, owner, &format!("/series/{}", rows[(reader * 5 + round) % ROWS])).await;
            }
        }
    });
    futures_util::future::join(join_all(writers), join_all(readers)).await;

    let truth: Vec<Row> =
        sql_query("SELECT id::text AS id, name FROM series ORDER BY id").load(&mut db.connect()).unwrap();
    let mut down: Vec<String> = truth.iter().map(|row| row.name.clone()).collect();
    let up = down.clone();
    down.sort();
    down.reverse();
    // The last message may still be on its way; nothing else may.
    for node in nodes {
        for row in &truth {
            let path = format!("/series/{}", row.id);
            let right = async || name(node, owner, &path).await == row.name;
            assert!(eventually(HEARD, right).await, "stale: {path}");
        }
        for (list, wanted) in [(lists[0], &up), (lists[1], &down)] {
            let right = async || listed(node, owner, list).await == (wanted.clone(), 8);
            assert!(eventually(HEARD, right).await, "stale: {list}");
        }
    }
}

/// Both nodes answer as Postgres would.
async fn both_show(nodes: &[App; 2], person: &Person, path: &str, wanted: &str) -> bool {
    name(&nodes[0], person, path).await == wanted && name(&nodes[1], person, path).await == wanted
}

#[actix_web::test]
async fn without_redis_and_after_it_reads_and_logins_go_on_with_right_answers() {
    let mut stores = Stores::own();
    let plan = Plan::over_own(&stores);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let base = nodes[0].catalogue(&owner).await;
    let path = format!("/series/{}", base.series);
    for node in &nodes {
        warm(node, &owner, &path).await;
    }

    // Emptied.
    let client = redis::Client::open(stores.redis_url().expose_secret()).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut link).await.unwrap();
    assert!(both_show(&nodes, &owner, &path, "Casablanca").await);
    nodes[1].patch(&path, &owner, json!({"name": "After the flood"})).await.data(200);
    assert!(eventually(HEARD, async || both_show(&nodes, &owner, &path, "After the flood").await).await);

    // Paused: connections stand, nothing answers.
    stores.pause_redis();
    for node in &nodes {
        assert_eq!(name(node, &owner, &path).await, "After the flood");
        node.login(&owner.email, PASSWORD).await.data(200);
        node.register().await;
    }
    nodes[0].patch(&path, &owner, json!({"name": "While it slept"})).await.data(200);
    assert_eq!(name(&nodes[0], &owner, &path).await, "While it slept");
    assert!(eventually(HEARD, async || name(&nodes[1], &owner, &path).await == "While it slept").await);
    nodes[1].patch(&path, &owner, json!({"name": "While it slept on"})).await.data(200);
    assert_eq!(name(&nodes[1], &owner, &path).await, "While it slept on");
    stores.resume_redis();
    stays(&nodes, &owner, &path, "While it slept on").await;

    // Stopped, and back with the keys of before.
    stores.stop_redis();
    assert_eq!(name(&nodes[0], &owner, &path).await, "While it slept on");
    nodes[0].patch(&path, &owner, json!({"name": "While it was gone"})).await.data(200);
    assert_eq!(name(&nodes[0], &owner, &path).await, "While it was gone");
    assert!(eventually(HEARD, async || name(&nodes[1], &owner, &path).await == "While it was gone").await);
    for node in &nodes {
        node.login(&owner.email, PASSWORD).await.data(200);
        assert_eq!(listed(node, &owner, "/series").await, (vec!["While it was gone".to_owned()], 1));
    }
    stores.start_redis();
    stays(&nodes, &owner, &path, "While it was gone").await;
}

#[actix_web::test]
async fn however_much_could_not_be_told_is_told_when_redis_is_back() {
    let mut stores = Stores::own();
    let mut settings = Settings::from_variables(std::iter::empty().collect()).unwrap();
    stores.apply_to(&mut settings);
    let nodes = [(); 2].map(|()| Cache::start(&settings.redis, &settings.cache).unwrap());
    for node in &nodes {
        node.linked(Duration::from_secs(10)).await;
        assert!(node.is_up());
    }
    stores.stop_redis();
    let gone = async || !nodes[0].is_up();
    assert!(eventually(Duration::from_secs(10), gone).await);
    // More than a Redis takes in one go within its timeout.
    let rows = 200_000;
    for _ in 0..rows {
        nodes[0].moved(&[Scope::Row(Kind::Accounts, Uuid::now_v7()), Scope::List(Kind::Accounts)]);
    }
    stores.start_redis();
    let back = async || nodes.iter().all(Cache::is_up);
    assert!(eventually(Duration::from_mins(1), back).await, "the link never stands again");
    let client = redis::Client::open(stores.redis_url().expose_secret()).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    let tokens: usize = redis::cmd("DBSIZE").query_async(&mut link).await.unwrap();
    assert_eq!(tokens, rows + 1);
    let told = async || nodes[0].tell(&[Scope::List(Kind::Accounts)]).await == Told::Others;
    assert!(eventually(Duration::from_secs(10), told).await, "the nodes do not hear each other");
}

/// Redis is back: both nodes show `wanted` soon, keep it, and hear each other again.
async fn stays(nodes: &[App; 2], owner: &Person, path: &str, wanted: &str) {
    assert!(eventually(HEARD, async || both_show(nodes, owner, path, wanted).await).await);
    for node in nodes {
        let up = async || node.get("/readyz", owner).await.json()["redis"] == "ok";
        assert!(eventually(Duration::from_secs(10), up).await, "Redis is back and not used");
    }
    for node in nodes {
        let right = async || name(node, owner, path).await == wanted;
        assert!(eventually(HEARD, right).await);
        warm(node, owner, path).await;
    }
    assert!(both_show(nodes, owner, path, wanted).await, "something old was kept");
    let new = format!("{wanted}, and on");
    nodes[0].patch(path, owner, json!({"name": new})).await.data(200);
    assert!(eventually(HEARD, async || name(&nodes[1], owner, path).await == new).await);
    nodes[0].patch(path, owner, json!({"name": wanted})).await.data(200);
    assert!(eventually(HEARD, async || name(&nodes[1], owner, path).await == wanted).await);
}

#[actix_web::test]
async fn misses_for_one_key_are_joined_into_one_load() {
    let db = TestDb::create();
    let app = Plan::over(&db)
        .with("PLAYHOUSE_DATABASE__DEADLINE_MS", "20000")
        .with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "20000")
        .start();
    let owner = app.register().await;
    let base = app.catalogue(&owner).await;
    let path = format!("/series/{}", base.series);
    warm(&app, &owner, &path).await;
    let mut spent = u64::MAX;
    // Nobody waits long for another's load, so a pause of the machine parts them; without the rule they never join.
    for round in 0..10 {
        // A new state of the row, and the load of it held up by a lock until all are waiting.
        let new = format!("Metropolis {round}");
        app.patch(&path, &owner, json!({"name": new})).await.data(200);
        let before = statements(&app, &owner).await;
        let mut conn = db.connect();
        conn.batch_execute("BEGIN; LOCK TABLE series IN ACCESS EXCLUSIVE MODE").unwrap();
        let release = async {
            let all_wait = async || statements(&app, &owner).await > before;
            assert!(eventually(Duration::from_secs(10), all_wait).await);
            conn.batch_execute("COMMIT").unwrap();
        };
        let asks = join_all((0..50).map(|_| name(&app, &owner, &path)));
        let (names, ()) = futures_util::future::join(asks, release).await;
        assert!(names.iter().all(|name| *name == new), "{names:?}");
        spent = spent.min(statements(&app, &owner).await - before);
        // The server has statements of its own meanwhile: it sweeps, and tests connections.
        if spent < 25 {
            return;
        }
    }
    panic!("each asked for itself: {spent} statements");
}

#[actix_web::test]
async fn with_caches_off_every_read_asks_postgres() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_CACHE__BYTES", "0");
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let base = nodes[0].catalogue(&owner).await;
    let path = format!("/series/{}", base.series);
    for round in 0..10 {
        let new = format!("Name {round}");
        nodes[round % 2].patch(&path, &owner, json!({"name": new})).await.data(200);
        assert!(both_show(&nodes, &owner, &path, &new).await, "at once, on both");
        for node in &nodes {
            assert_eq!(listed(node, &owner, "/series").await.0, [new.as_str()]);
        }
    }
    let before = statements(&nodes[0], &owner).await;
    for _ in 0..5 {
        name(&nodes[0], &owner, &path).await;
    }
    assert!(statements(&nodes[0], &owner).await >= before + 5);
    let before = statements(&nodes[0], &owner).await;
    for _ in 0..5 {
        listed(&nodes[0], &owner, "/series").await;
    }
    assert!(statements(&nodes[0], &owner).await >= before + 5);
    // A change past the server shows at once.
    db.connect().batch_execute("UPDATE series SET name = 'By hand'").unwrap();
    assert!(both_show(&nodes, &owner, &path, "By hand").await);
}

#[actix_web::test]
async fn totals_stay_right_on_both_nodes() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let genre = nodes[0].post("/genres", &owner, json!({"name": "Drama"})).await.id();
    let lists = [
        "/series?limit=1".to_owned(),
        "/series?limit=2&name=same".to_owned(),
        format!("/genres/{genre}/series?limit=3"),
    ];
    let right = async |wanted: [u64; 3]| {
        for node in &nodes {
            for (list, wanted) in lists.iter().zip(wanted) {
                let holds = async || listed(node, &owner, list).await.1 == wanted;
                assert!(eventually(HEARD, holds).await, "{list} is not {wanted}");
            }
        }
    };
    let mut made = Vec::new();
    for at in 0..6_usize {
        let genres: &[&String] = if at % 2 == 0 { &[&genre] } else { &[] };
        let body: Value = json!({"name": if at < 3 { "Same" } else { "Other" }, "genre_ids": genres});
        made.push(nodes[at % 2].post("/series", &owner, body).await.id());
        let count = |of: usize| u64::try_from(of).unwrap();
        right([count(at + 1), count((at + 1).min(3)), count(at / 2 + 1)]).await;
    }
    nodes[0].patch(&format!("/series/{}", made[5]), &owner, json!({"name": "same", "genre_id": genre})).await.data(200);
    right([6, 4, 4]).await;
    nodes[1].delete(&format!("/series/{}", made[0]), &owner).await.data(200);
    right([5, 3, 3]).await;
}
