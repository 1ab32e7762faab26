//! The ledger: what it answered is stored, once; what it refused can be told again.

mod hangs;
mod stops;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::InstrumentationEvent,
    sql_query,
    sql_types::{BigInt, Double, Text, Uuid as SqlUuid},
};
use futures_util::future::join_all;
use playhouse::{
    actors::playback::Ledger,
    db::{
        Db, DbError,
        queries::ledger::{self, Group, Heard},
    },
    domain::{
        ids::{EpisodeId, FileId, SeriesId, StreamId, UserId},
        playback::{PlayState, Progress, Title, View, Viewed, ViewedBy, Watch},
    },
    settings::Settings,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::support::{
    app::eventually,
    stores::{Stores, TestDb, count},
    views::{sum, sums_are_those_of_the_rows},
};

const GRAINS: [&str; 4] = ["all", "day", "hour", "minute"];
const LONG: Duration = Duration::from_mins(1);

fn database(url: &SecretString, settings: &mut Settings) -> Db {
    settings.database.url = url.clone();
    settings.database.pool_size = 4;
    Db::start(&settings.database)
}

fn node(url: &SecretString) -> Ledger {
    let mut settings = Settings::from_variables(HashMap::new()).unwrap();
    settings.playback.save_seconds = 1;
    Ledger::start(database(url, &mut settings), || {}, &settings.playback)
}

fn film() -> Title {
    Title {
        file: Some(FileId::new()),
        episode: None,
        series: None,
        video: None,
        duration_seconds: Some(100.0),
        owner: None,
    }
}

fn episode(series: SeriesId) -> Title {
    Title { episode: Some(EpisodeId::new()), series: Some(series), ..film() }
}

fn by(account: UserId, title: &Title) -> View {
    View { stream: StreamId::new(), by: ViewedBy::Account(account), title: title.clone() }
}

fn by_nobody(title: &Title) -> View {
    let stream = StreamId::new();
    View { stream, by: ViewedBy::Session(stream), title: title.clone() }
}

fn counted(viewed: &[Result<Viewed, DbError>]) -> usize {
    viewed.iter().filter(|viewed| matches!(viewed, Ok(Viewed::Counted))).count()
}

/// A file, and a stream of it by nobody.
fn stream(conn: &mut PgConnection, title: &Title) -> StreamId {
    let file = title.file.expect("a file").uuid();
    sql_query(
        "INSERT INTO files (id, original_name, kind, mime_type, size, sha256, state) \
            VALUES ($1, 'a', 'video', 'video/mp4', 1, repeat('0', 64), 'ready') ON CONFLICT DO NOTHING",
    )
    .bind::<SqlUuid, _>(file)
    .execute(conn)
    .unwrap();
    let id = StreamId::new();
    sql_query("INSERT INTO streams (id, file_id, beat_at) VALUES ($1, $2, now() - interval '1 minute')")
        .bind::<SqlUuid, _>(id.uuid())
        .bind::<SqlUuid, _>(file)
        .execute(conn)
        .unwrap();
    id
}

fn progress(stream: StreamId, title: &Title, (position, watched): (f64, f64)) -> Progress {
    let mut watch = Watch::begin(position, Duration::ZERO);
    watch.watched = watched;
    Progress { stream, watch, title: title.clone() }
}

#[derive(QueryableByName, Debug, PartialEq)]
struct Row {
    #[diesel(sql_type = Double)]
    position_seconds: f64,
    #[diesel(sql_type = BigInt)]
    watched_ms: i64,
    #[diesel(sql_type = Text)]
    state: String,
}

fn row(conn: &mut PgConnection, stream: StreamId) -> Row {
    sql_query("SELECT position_seconds, watched_ms, state FROM streams WHERE id = $1")
        .bind::<SqlUuid, _>(stream.uuid())
        .get_result(conn)
        .unwrap()
}

fn playing(position_seconds: f64, watched_ms: i64) -> Row {
    Row { position_seconds, watched_ms, state: "playing".to_owned() }
}

#[actix_web::test]
async fn a_view_told_to_two_nodes_many_times_at_once_counts_once() {
    let db = TestDb::create();
    let nodes = [node(&db.url()), node(&db.url())];
    for view in [by(UserId::new(), &film()), by_nobody(&film())] {
        let told = join_all((0..20).map(|round| nodes[round % 2].count(view.clone()))).await;
        assert_eq!(counted(&told), 20, "{told:?}");
    }
    let mut conn = db.connect();
    assert_eq!(count(&mut conn, "views"), 2);
    assert_eq!(sum(&mut conn, "views", ("all", "", "day")), 2);
    sums_are_those_of_the_rows(&mut conn, &GRAINS);
    assert_eq!(nodes[0].committed().0 + nodes[1].committed().0, 2);
}

#[actix_web::test]
async fn of_an_account_one_view_of_a_title_an_hour_counts_whatever_races() {
    let db = TestDb::create();
    let nodes = [node(&db.url()), node(&db.url())];
    let (series, ann, bob) = (SeriesId::new(), UserId::new(), UserId::new());
    let titles = [episode(series), episode(series)];
    // Two accounts, two episodes and 16 streams of each, in changing order; and plays of nobody between them.
    let of = |round: usize, node: &Ledger| {
        let view = by(if round.is_multiple_of(2) { ann } else { bob }, &titles[round / 2 % 2]);
        let (node, other) = (node.clone(), by_nobody(&titles[round % 2]));
        async move { (node.count(view).await, node.count(other).await) }
    };
    let told = join_all((0..64).map(|round| of(round * 7 % 64, &nodes[round / 3 % 2]))).await;
    let (accounts, nobody): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    assert_eq!(counted(&accounts), 4, "{accounts:?}");
    assert!(accounts.iter().all(Result::is_ok), "{accounts:?}");
    assert_eq!(counted(&nobody), 64);
    let mut conn = db.connect();
    assert_eq!(count(&mut conn, "views"), 68);
    assert_eq!(sum(&mut conn, "views", ("series", &series.to_string(), "all")), 68);
    sums_are_those_of_the_rows(&mut conn, &GRAINS);
}

#[actix_web::test]
async fn within_the_hour_a_view_is_refused_and_after_it_counts() {
    let db = TestDb::create();
    let (ledger, title, account) = (node(&db.url()), film(), UserId::new());
    let mut conn = db.connect();
    let first = by(account, &title);
    let tell = async |view: &View| ledger.count(view.clone()).await.unwrap();
    assert_eq!(tell(&first).await, Viewed::Counted);
    let age = |conn: &mut PgConnection, by: &str| {
        sql_query(format!("UPDATE last_views SET viewed_at = now() - interval '{by}'")).execute(conn).unwrap()
    };
    assert_eq!(age(&mut conn, "59 minutes"), 1);
    let second = by(account, &title);
    assert_eq!(tell(&second).await, Viewed::Refused);
    assert_eq!(age(&mut conn, "61 minutes"), 1);
    // The first is told again much later: that begins no hour.
    assert_eq!(tell(&first).await, Viewed::Counted);
    assert_eq!(tell(&second).await, Viewed::Counted);
    assert_eq!(tell(&by(account, &title)).await, Viewed::Refused);
    // The clock was wrong by a day, then put right.
    assert_eq!(age(&mut conn, "-1 day"), 1);
    assert_eq!(tell(&by(account, &title)).await, Viewed::Counted);
    assert_eq!(count(&mut conn, "views"), 3);
    sums_are_those_of_the_rows(&mut conn, &GRAINS);
}

#[actix_web::test]
async fn many_at_once_share_commits_and_a_group_costs_the_same_statements_whatever_its_size() {
    let db = TestDb::create();
    let (ledger, title) = (node(&db.url()), film());
    let told = join_all((0..1000).map(|_| ledger.count(by_nobody(&title)))).await;
    assert_eq!(counted(&told), 1000);
    let mut conn = db.connect();
    let commits = count(&mut conn, "(SELECT DISTINCT changed_in FROM views) AS commits");
    assert!(commits <= 10, "{commits} commits");
    sums_are_those_of_the_rows(&mut conn, &GRAINS);

    let statements = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&statements);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if matches!(event, InstrumentationEvent::StartQuery { .. }) {
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    let known = by(UserId::new(), &title);
    ledger.count(known.clone()).await.unwrap();
    let mut cost = |size: usize| {
        let mut other = db.connect();
        let streams: Vec<_> = (0..size).map(|_| stream(&mut other, &title)).chain([StreamId::new()]).collect();
        let heard = |id: &StreamId| Heard::new(progress(*id, &title, (5.0, 5.0)), Duration::ZERO);
        let ViewedBy::Account(account) = known.by else { unreachable!("an account's") };
        // New ones, one that is refused, one that was counted before.
        let views = (0..size).map(|_| by(UserId::new(), &title)).chain([by(account, &title), known.clone()]);
        let group = Group { views: views.collect(), heard: streams.iter().map(heard).collect() };
        let before = statements.load(Ordering::Relaxed);
        let posted = ledger::post(&mut conn, &group).unwrap();
        assert_eq!((posted.views, posted.watched_ms), (u64::try_from(size).unwrap(), 5000 * posted.views));
        statements.load(Ordering::Relaxed) - before
    };
    let (small, large) = (cost(1), cost(300));
    assert!(small == large && small <= 11, "{small} and {large} statements");
}

#[actix_web::test]
async fn without_postgres_views_are_refused_and_notes_are_kept() {
    let mut stores = Stores::own();
    let url = stores.database_url();
    let connect = || PgConnection::establish(url.expose_secret()).unwrap();
    let (ledger, title) = (node(&url), film());
    let id = stream(&mut connect(), &title);
    assert_eq!(ledger.count(by_nobody(&title)).await.unwrap(), Viewed::Counted);
    stores.stop_postgres();
    ledger.note(progress(id, &title, (7.0, 6.0)), Duration::ZERO);
    let views: Vec<_> = (0..20).map(|_| by_nobody(&title)).collect();
    let told = join_all(views.iter().map(|view| ledger.count(view.clone()))).await;
    assert!(told.iter().all(|told| matches!(told, Err(DbError::Away(_)))), "{told:?}");
    let began = Instant::now();
    assert!(ledger.save(progress(id, &title, (3.0, 3.0)), Duration::from_secs(9)).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    stores.start_postgres();
    let again = async || {
        let told = join_all(views.iter().map(|view| ledger.count(view.clone()))).await;
        counted(&told) == 20
    };
    assert!(eventually(LONG, again).await, "views do not count again");
    let mut conn = connect();
    assert_eq!(count(&mut conn, "views"), 21);
    assert!(eventually(LONG, async || row(&mut connect(), id) == playing(7.0, 6000)).await, "the note is lost");
    assert_eq!(sum(&mut conn, "watched_ms", ("all", "", "all")), 6000);
    sums_are_those_of_the_rows(&mut conn, &GRAINS);
}

#[actix_web::test]
async fn a_group_whose_outcome_nobody_knows_can_be_told_again() {
    let stores = Stores::own();
    let url = stores.database_url();
    let connect = || PgConnection::establish(url.expose_secret()).unwrap();
    let (nodes, title) = ([node(&url), node(&url)], film());
    let mut conn = connect();
    let id = stream(&mut conn, &title);
    nodes[0].count(by_nobody(&title)).await.unwrap();
    nodes[1].count(by_nobody(&title)).await.unwrap();
    // Everything is on its way when Postgres hangs: it is done when that goes on, after its deadline.
    for round in 1..=5 {
        let (account, watched) = (UserId::new(), f64::from(round));
        let views = [by(account, &title), by_nobody(&title), by(UserId::new(), &title)];
        stores.pause_postgres();
        let told = join_all(views.iter().map(|view| nodes[0].count(view.clone()))).await;
        assert_eq!(counted(&told), 0, "{told:?}");
        assert!(nodes[0].save(progress(id, &title, (watched, watched)), Duration::ZERO).await.is_err());
        stores.resume_postgres();
        // To the other node, and to both at once, while the first telling may be under way.
        let again = |view: &View| {
            let (view, nodes) = (view.clone(), &nodes);
            async move {
                let counts = async |node: &Ledger| {
                    eventually(LONG, async || matches!(node.count(view.clone()).await, Ok(Viewed::Counted))).await
                };
                let (one, other) = tokio::join!(counts(&nodes[1]), counts(&nodes[0]));
                one && other
            }
        };
        assert!(join_all(views.iter().map(again)).await.into_iter().all(|counted| counted));
        let saved = async || nodes[1].save(progress(id, &title, (watched, watched)), Duration::ZERO).await.is_ok();
        assert!(eventually(LONG, saved).await);
        assert_eq!(row(&mut conn, id), playing(watched, i64::from(round) * 1000));
        assert_eq!(count(&mut conn, "views"), 2 + 3 * i64::from(round));
        assert_eq!(sum(&mut conn, "watched_ms", ("all", "", "all")), i64::from(round) * 1000);
        sums_are_those_of_the_rows(&mut conn, &GRAINS);
    }
}

#[actix_web::test]
async fn watch_time_is_summed_once_and_what_was_heard_last_stays() {
    let db = TestDb::create();
    let (nodes, title, mut conn) = ([node(&db.url()), node(&db.url())], film(), db.connect());
    let id = stream(&mut conn, &title);
    let now = Duration::ZERO;
    for node in [0, 1, 0, 1] {
        nodes[node].save(progress(id, &title, (20.0, 10.0)), now).await.unwrap();
    }
    // Late, from a node that has less; then late, from one that credited more.
    nodes[1].save(progress(id, &title, (10.0, 4.0)), Duration::from_secs(30)).await.unwrap();
    assert_eq!(row(&mut conn, id), playing(20.0, 10_000));
    nodes[1].save(progress(id, &title, (10.0, 12.5)), Duration::from_secs(30)).await.unwrap();
    assert_eq!(row(&mut conn, id), playing(20.0, 12_500));
    let mut ended = progress(id, &title, (25.0, 12.5));
    ended.watch.state = PlayState::Ended;
    // A note from before does not open it again, on whatever node it waits.
    for node in &nodes {
        node.note(progress(id, &title, (24.0, 12.0)), Duration::from_secs(2));
    }
    nodes[0].save(ended, now).await.unwrap();
    join_all(nodes.iter().map(Ledger::flush)).await;
    assert_eq!(row(&mut conn, id), Row { state: "ended".to_owned(), ..playing(25.0, 12_500) });
    let file = title.file.unwrap().to_string();
    for of in [("all", "", "all"), ("files", &file, "all")] {
        assert_eq!(sum(&mut conn, "watched_ms", of), 12_500, "{of:?}");
    }
    assert_eq!(count(&mut conn, "view_counts"), 2, "watch time has no days");
    assert_eq!(nodes[0].committed().1 + nodes[1].committed().1, 12_500);
    let gone = nodes[0].save(progress(StreamId::new(), &title, (1.0, 1.0)), now).await;
    assert!(matches!(gone, Err(DbError::NotFound)), "{gone:?}");
}

#[actix_web::test]
async fn notes_are_stored_within_their_time_and_at_a_flush() {
    let db = TestDb::create();
    let (ledger, title, mut conn) = (node(&db.url()), film(), db.connect());
    let streams: Vec<_> = (0..1200).map(|_| stream(&mut conn, &title)).collect();
    let note = |watched: f64| {
        for id in &streams {
            ledger.note(progress(*id, &title, (watched, watched)), Duration::ZERO);
        }
    };
    let reached = |conn: &mut PgConnection, ms: i64| count(conn, &format!("streams WHERE watched_ms = {ms}"));
    note(1.0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    note(2.0);
    assert!(eventually(LONG, async || reached(&mut db.connect(), 2000) == 1200).await);
    note(3.0);
    ledger.flush().await;
    assert_eq!(reached(&mut conn, 3000), 1200);
    assert_eq!(sum(&mut conn, "watched_ms", ("all", "", "all")), 3000 * 1200);
    let settings = Settings::from_variables(HashMap::new()).unwrap();
    assert!(settings.playback.save_seconds <= 8, "positions reach Postgres within 10 s");
}

#[actix_web::test]
async fn a_stream_that_another_transaction_holds_holds_up_nothing_else() {
    let db = TestDb::create();
    let (ledger, title, mut conn) = (node(&db.url()), film(), db.connect());
    let (held, free) = (stream(&mut conn, &title), stream(&mut conn, &title));
    let (hold, mut holder) = (std::sync::mpsc::channel::<()>(), db.connect());
    let (tell, told) = tokio::sync::oneshot::channel();
    let holding = std::thread::spawn(move || {
        holder.transaction(|conn| {
            sql_query("DELETE FROM streams WHERE id = $1").bind::<SqlUuid, _>(held.uuid()).execute(conn)?;
            tell.send(()).unwrap();
            hold.1.recv().unwrap_or_default();
            Err::<(), _>(diesel::result::Error::RollbackTransaction)
        })
    });
    told.await.unwrap();
    let now = Duration::ZERO;
    ledger.note(progress(held, &title, (4.0, 4.0)), now);
    let waits = ledger.save(progress(held, &title, (5.0, 5.0)), now);
    let others = async {
        ledger.save(progress(free, &title, (6.0, 6.0)), now).await.unwrap();
        ledger.count(by_nobody(&title)).await.unwrap()
    };
    let (refused, counted) = tokio::join!(waits, others);
    assert!(matches!(refused, Err(DbError::Away(_))), "{refused:?}");
    assert_eq!((counted, row(&mut conn, free)), (Viewed::Counted, playing(6.0, 6000)));
    drop(hold.0);
    holding.join().unwrap().unwrap_err();
    assert!(eventually(LONG, async || row(&mut db.connect(), held) == playing(5.0, 5000)).await, "the later is lost");
}
