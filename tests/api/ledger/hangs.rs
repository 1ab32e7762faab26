//! The ledger where something hangs: another node, a statement, a row that somebody holds.

use super::*;

/// The installation's sum, which every view moves.
const EVERYTHING: &str = "SELECT views FROM view_counts WHERE kind = 'all' AND grain = 'all' FOR UPDATE";

#[actix_web::test]
async fn a_node_that_freezes_within_a_transaction_holds_up_no_other() {
    let db = TestDb::create();
    let (ledger, title) = (node(&db.url()), film());
    assert_eq!(ledger.count(by_nobody(&title)).await.unwrap(), Viewed::Counted);
    let frozen = database(&db.url(), &mut Settings::from_variables(HashMap::new()).unwrap());
    let (thaw, ice) = std::sync::mpsc::channel::<()>();
    let (tell, held) = tokio::sync::oneshot::channel();
    let (say, said) = std::sync::mpsc::channel();
    let work = move |conn: &mut PgConnection| {
        let ended = conn.transaction(|conn| {
            sql_query(EVERYTHING).execute(conn)?;
            tell.send(()).unwrap();
            ice.recv().unwrap_or_default();
            sql_query("SELECT 1").execute(conn)
        });
        say.send(ended.is_err()).unwrap();
        ended.map(drop).map_err(DbError::from)
    };
    let freezer = frozen.clone();
    let freezing = actix_web::rt::spawn(async move { freezer.run(work).await });
    held.await.unwrap();
    let view = by_nobody(&title);
    let counts = async || matches!(ledger.count(view.clone()).await, Ok(Viewed::Counted));
    assert!(eventually(LONG, counts).await, "a frozen node holds up this one");
    thaw.send(()).unwrap();
    assert!(said.recv().unwrap(), "what it had locked was given to others");
    drop(freezing.await);
    // Its next work is done on another connection.
    assert!(eventually(LONG, async || frozen.is_ready().await).await);
    sums_are_those_of_the_rows(&mut db.connect(), &GRAINS);
}

/// Postgres says what its clock shows only a while after it looked, or looks only a while after it was asked.
fn slow_clock(conn: &mut PgConnection, before: &str, after: &str) {
    use diesel::connection::SimpleConnection as _;
    conn.batch_execute(&format!(
        "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ \
         DECLARE now timestamptz; \
         BEGIN PERFORM pg_sleep({before}); now := pg_catalog.clock_timestamp(); PERFORM pg_sleep({after}); RETURN now; \
         END $$; \
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$"
    ))
    .unwrap();
}

#[actix_web::test]
async fn an_end_right_after_the_opening_or_a_heartbeat_is_kept_however_slow_postgres_is() {
    let db = TestDb::create();
    let (title, mut conn) = (film(), db.connect());
    for (before, after) in [("0", "0.15"), ("0.15", "0")] {
        slow_clock(&mut conn, before, after);
        let ledger = node(&db.url());
        let [opened, beaten] = [stream(&mut conn, &title), stream(&mut conn, &title)];
        let ended = |id: StreamId| {
            let mut ended = progress(id, &title, (2.0, 2.0));
            ended.watch.state = PlayState::Ended;
            ended
        };
        let row_ended = Row { state: "ended".to_owned(), ..playing(2.0, 2000) };
        // The first work of a connection takes longer than its deadline where the machine is busy.
        assert!(eventually(LONG, async || ledger.count(by_nobody(&title)).await.is_ok()).await);
        let told = Instant::now();
        sql_query("UPDATE streams SET beat_at = now()").execute(&mut conn).unwrap();
        ledger.save(ended(opened), Duration::ZERO).await.unwrap();
        assert_eq!(row(&mut conn, opened), row_ended, "the end, after {before} and {after} s");
        // A heartbeat; and an end that came ten milliseconds later, and waits till that is stored.
        let came = Instant::now();
        ledger.save(progress(beaten, &title, (1.0, 1.0)), Duration::ZERO).await.unwrap();
        assert!(came.elapsed() > Duration::from_millis(100) && told.elapsed() > came.elapsed(), "no slow clock");
        ledger.save(ended(beaten), came.elapsed().saturating_sub(Duration::from_millis(10))).await.unwrap();
        assert_eq!(row(&mut conn, beaten), row_ended, "the later, after {before} and {after} s");
        // What came before both is late: it does not open it again.
        ledger.save(progress(beaten, &title, (1.0, 1.0)), Duration::from_secs(30)).await.unwrap();
        assert_eq!(row(&mut conn, beaten), row_ended);
    }
}

#[actix_web::test]
async fn a_flush_waits_for_a_stream_that_is_held_for_a_moment() {
    let db = TestDb::create();
    let (ledger, title, mut conn) = (node(&db.url()), film(), db.connect());
    let id = stream(&mut conn, &title);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut holder = db.connect();
    let holding = std::thread::spawn(move || {
        holder.transaction(|conn| {
            let lock = "SELECT id FROM streams WHERE id = $1 FOR UPDATE";
            sql_query(lock).bind::<SqlUuid, _>(id.uuid()).execute(conn)?;
            tell.send(()).unwrap();
            held.recv().unwrap_or_default();
            Ok::<_, diesel::result::Error>(())
        })
    });
    told.await.unwrap();
    ledger.note(progress(id, &title, (7.0, 7.0)), Duration::ZERO);
    let release = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(hold);
    };
    tokio::join!(ledger.flush(), release);
    holding.join().unwrap().unwrap();
    assert_eq!(row(&mut conn, id), playing(7.0, 7000));
}

#[actix_web::test]
async fn a_ledger_whose_thread_is_gone_says_so() {
    let db = TestDb::create();
    let mut settings = Settings::from_variables(HashMap::new()).unwrap();
    let store = database(&db.url(), &mut settings);
    let (thread, (give, given)) = (actix::Arbiter::new(), tokio::sync::oneshot::channel());
    assert!(thread.spawn_fn(move || drop(give.send(Ledger::start(store, || {}, &settings.playback)))));
    let ledger = given.await.unwrap();
    assert!(ledger.is_alive());
    assert_eq!(ledger.count(by_nobody(&film())).await.unwrap(), Viewed::Counted);
    thread.stop();
    assert!(eventually(LONG, async || !ledger.is_alive()).await, "it seems to live on");
    assert!(ledger.count(by_nobody(&film())).await.is_err());
}
