//! Background jobs: they belong to a transaction, run once it commits, and are not lost.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, result::Error as DieselError, sql_query};
use playhouse::{
    db::migrations::{self, MigrationError},
    domain::text::Email,
    jobs::{self, Failure, Handlers, Job, Jobs},
    mail::{Mail, Mailer},
    settings::{DatabaseSettings, JobSettings, Settings},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::support::{
    app::eventually,
    smtp::{Mood, Smtp},
    stores::{Stores, TestDb, count},
};

const LONG: Duration = Duration::from_mins(1);

/// A job that says which it is.
#[derive(Serialize, Deserialize)]
struct Mark {
    number: u32,
}

impl Job for Mark {
    const NAME: &'static str = "mark";
}

/// One that nobody here handles.
#[derive(Serialize, Deserialize)]
struct Unknown;

impl Job for Unknown {
    const NAME: &'static str = "unknown";
}

/// How often each job was begun.
#[derive(Clone, Default)]
struct Begun(Arc<Mutex<HashMap<u32, usize>>>);

impl Begun {
    fn note(&self, number: u32) -> usize {
        let mut begun = self.0.lock().unwrap();
        let count = begun.entry(number).or_default();
        *count += 1;
        *count
    }

    fn of(&self, number: u32) -> usize {
        self.0.lock().unwrap().get(&number).copied().unwrap_or_default()
    }

    async fn reaches(&self, number: u32, count: usize) -> bool {
        eventually(LONG, async || self.of(number) >= count).await
    }
}

async fn note(begun: Begun, job: Mark) -> Result<(), Failure> {
    begun.note(job.number);
    Ok(())
}

fn settings(url: &SecretString) -> (DatabaseSettings, JobSettings) {
    let mut settings = Settings::from_variables(HashMap::new()).unwrap();
    settings.database.url = url.clone();
    settings.jobs.poll_ms = 200;
    settings.jobs.dead_after_seconds = 3;
    (settings.database, settings.jobs)
}

fn start(url: &SecretString, handlers: Handlers) -> Jobs {
    let (database, jobs) = settings(url);
    Jobs::start(&database, &jobs, handlers).expect("an address")
}

fn add(conn: &mut PgConnection, number: u32) {
    jobs::add(conn, &Mark { number }).expect("a job is added");
}

const QUEUE: &str = "graphile_worker._private_jobs";

#[tokio::test]
async fn a_job_runs_once_when_its_transaction_commits_and_never_when_it_does_not() {
    let db = TestDb::create();
    let mut conn = db.connect();
    let begun = Begun::default();
    let jobs = start(&db.url(), Handlers::default().on(begun.clone(), note));
    conn.transaction(|conn| {
        add(conn, 1);
        Err::<(), _>(DieselError::RollbackTransaction)
    })
    .unwrap_err();
    conn.transaction(|conn| {
        add(conn, 2);
        // Not before the end, however long that takes.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(begun.of(2), 0);
        Ok::<_, DieselError>(())
    })
    .unwrap();
    assert!(begun.reaches(2, 1).await);
    // What waits is done in order: whatever the first would have done is done by now.
    add(&mut conn, 3);
    assert!(begun.reaches(3, 1).await);
    assert!(eventually(LONG, async || count(&mut db.connect(), QUEUE) == 0).await, "done jobs are gone");
    jobs.stop().await;
    assert_eq!((begun.of(1), begun.of(2), begun.of(3)), (0, 1, 1));
}

#[tokio::test]
async fn many_jobs_are_shared_by_nodes_and_each_runs_once() {
    let db = TestDb::create();
    let (one, other) = (Begun::default(), Begun::default());
    let mut conn = db.connect();
    // Before the nodes start, so that no notification tells of any.
    conn.transaction(|conn| {
        (0..400).for_each(|number| add(conn, number));
        Ok::<_, DieselError>(())
    })
    .unwrap();
    let nodes = [&one, &other].map(|begun| start(&db.url(), Handlers::default().on(begun.clone(), note)));
    let began = Instant::now();
    assert!(eventually(LONG, async || count(&mut db.connect(), QUEUE) == 0).await);
    // Not one at each look for jobs: that would take 20 seconds.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    for node in nodes {
        node.stop().await;
    }
    for number in 0..400 {
        assert_eq!(one.of(number) + other.of(number), 1, "{number}");
    }
    assert_eq!(count(&mut conn, "graphile_worker._private_workers"), 0, "both said goodbye");
}

#[tokio::test]
async fn a_failed_job_is_tried_again_and_one_that_cannot_succeed_is_given_up() {
    let db = TestDb::create();
    let begun = Begun::default();
    let handlers = Handlers::default().on(begun.clone(), |begun: Begun, job: Mark| async move {
        match (job.number, begun.note(job.number)) {
            (1, 1) => Err("not now".into()),
            (2, 1) => panic!("a handler of a test"),
            (3, _) => Err(Failure::Final("never".into())),
            _ => Ok(()),
        }
    });
    let jobs = start(&db.url(), handlers);
    let mut conn = db.connect();
    (1..=3).for_each(|number| add(&mut conn, number));
    assert!(begun.reaches(1, 2).await && begun.reaches(2, 2).await);
    assert!(eventually(LONG, async || count(&mut db.connect(), QUEUE) == 0).await);
    jobs.stop().await;
    assert_eq!((begun.of(1), begun.of(2), begun.of(3)), (2, 2, 1));
}

/// One that has a single try.
#[derive(Serialize, Deserialize)]
struct Once;

impl Job for Once {
    const NAME: &'static str = "once";
    const ATTEMPTS: i16 = 1;
}

#[tokio::test]
async fn a_job_that_was_given_up_is_kept_with_its_cause_and_can_be_tried_again() {
    let db = TestDb::create();
    let begun = Begun::default();
    let handlers = Handlers::default().on(begun.clone(), |begun: Begun, _: Once| async move {
        if begun.note(1) == 1 { Err("the cause".into()) } else { Ok(()) }
    });
    let jobs = start(&db.url(), handlers);
    let mut conn = db.connect();
    jobs::add(&mut conn, &Once).unwrap();
    // As docs/OPERATIONS.md has it.
    let given_up = "graphile_worker.jobs WHERE attempts >= max_attempts AND task_identifier = 'once' \
        AND locked_by IS NULL AND last_error LIKE '%the cause%'";
    assert!(eventually(LONG, async || count(&mut db.connect(), given_up) == 1).await);
    sql_query(
        "SELECT graphile_worker.reschedule_jobs(array_agg(id), run_at => now(), attempts => 0) FROM graphile_worker.jobs",
    )
    .execute(&mut conn)
    .unwrap();
    assert!(eventually(LONG, async || count(&mut db.connect(), QUEUE) == 0).await);
    jobs.stop().await;
    assert_eq!(begun.of(1), 2);
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_tried_again_and_holds_up_no_other() {
    let db = TestDb::create();
    let begun = Begun::default();
    let handlers = Handlers::default().on(begun.clone(), |begun: Begun, job: Mark| async move {
        if begun.note(job.number) == 1 && job.number == 1 { pending().await } else { Ok(()) }
    });
    let (database, mut settings) = settings(&db.url());
    settings.deadline_seconds = 1;
    let jobs = Jobs::start(&database, &settings, handlers).unwrap();
    let mut conn = db.connect();
    add(&mut conn, 1);
    assert!(begun.reaches(1, 1).await);
    add(&mut conn, 2);
    assert!(begun.reaches(2, 1).await);
    assert!(begun.reaches(1, 2).await);
    jobs.stop().await;
}

#[tokio::test]
async fn a_job_without_a_handler_here_waits_for_a_node_that_has_one() {
    let db = TestDb::create();
    let begun = Begun::default();
    let jobs = start(&db.url(), Handlers::default().on(begun.clone(), note));
    let mut conn = db.connect();
    jobs::add(&mut conn, &Unknown).unwrap();
    add(&mut conn, 1);
    assert!(begun.reaches(1, 1).await);
    jobs.stop().await;
    assert_eq!(count(&mut conn, &format!("{QUEUE} WHERE attempts = 0 AND locked_by IS NULL")), 1);
}

/// A node whose process is gone from one moment to the next: its runtime ends, nobody says goodbye.
fn node_that_dies(url: &SecretString, begun: &Begun) -> impl FnOnce() + use<> {
    let handlers = Handlers::default().on(begun.clone(), |begun: Begun, job: Mark| async move {
        begun.note(job.number);
        pending().await
    });
    let (die, dead) = tokio::sync::oneshot::channel();
    let url = url.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let jobs = runtime.block_on(async {
            let jobs = start(&url, handlers);
            dead.await.unwrap();
            jobs
        });
        drop(runtime);
        drop(jobs);
    });
    move || {
        die.send(()).unwrap();
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn the_job_of_a_dead_node_runs_again_soon_and_that_of_a_living_one_does_not() {
    let db = TestDb::create();
    let (dying, living) = (Begun::default(), Begun::default());
    let dies = node_that_dies(&db.url(), &dying);
    add(&mut db.connect(), 1);
    assert!(dying.reaches(1, 1).await);
    dies();
    let since = Instant::now();
    let release = Arc::new(tokio::sync::Notify::new());
    let handlers =
        Handlers::default().on((living.clone(), Arc::clone(&release)), |(living, release), job: Mark| async move {
            living.note(job.number);
            if job.number == 2 {
                release.notified().await;
            }
            Ok(())
        });
    let jobs = start(&db.url(), handlers);
    add(&mut db.connect(), 2);
    assert!(living.reaches(2, 1).await);
    assert!(living.reaches(1, 1).await, "nobody took the job over");
    let took = since.elapsed();
    assert!(took > Duration::from_secs(2), "taken from a node that may live: {took:?}");
    // As long again, and again: job 2 runs all the while, and nobody takes it.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(living.of(2), 1);
    release.notify_one();
    assert!(eventually(LONG, async || count(&mut db.connect(), QUEUE) == 0).await);
    jobs.stop().await;
    assert_eq!((dying.of(1), living.of(1), living.of(2)), (1, 1, 1));
}

#[tokio::test]
async fn a_node_that_has_just_found_postgres_gives_the_others_time_to_say_that_they_live() {
    let db = TestDb::create();
    let mut conn = db.connect();
    let mut run = |statement: &str| sql_query(statement).execute(&mut conn).map(drop).unwrap();
    // After an outage of a minute: the other node does its job, but could not say so.
    add(&mut db.connect(), 1);
    run("UPDATE graphile_worker._private_jobs SET locked_by = 'other', locked_at = now() - interval '1 min'");
    run("SELECT graphile_worker.worker_heartbeat('other', NULL)");
    run("UPDATE graphile_worker._private_workers SET last_heartbeat_at = now() - interval '1 min'");
    let begun = Begun::default();
    let jobs = start(&db.url(), Handlers::default().on(begun.clone(), note));
    // It has looked for dead nodes three times; they are dead after 3 s.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..8 {
        assert_eq!(begun.of(1), 0, "taken from a node that lives");
        run("SELECT graphile_worker.worker_heartbeat('other', NULL)");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Now it is dead.
    assert!(begun.reaches(1, 1).await);
    jobs.stop().await;
}

#[tokio::test]
async fn jobs_go_on_when_postgres_comes_back_and_running_ones_are_not_begun_twice() {
    let mut stores = Stores::own();
    let url = stores.database_url();
    let begun = Begun::default();
    let finished = Begun::default();
    // Two nodes: each could take the other for dead.
    let nodes = [(); 2].map(|()| {
        let with = (begun.clone(), finished.clone());
        let handlers = Handlers::default().on(with, |(begun, finished), job: Mark| async move {
            begun.note(job.number);
            if job.number == 1 {
                // Longer than both outages and twice what makes a node dead.
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
            finished.note(job.number);
            Ok(())
        });
        start(&url, handlers)
    });
    let connect = || PgConnection::establish(url.expose_secret()).unwrap();
    add(&mut connect(), 1);
    assert!(begun.reaches(1, 1).await);
    stores.stop_postgres();
    tokio::time::sleep(Duration::from_secs(5)).await;
    stores.start_postgres();
    add(&mut connect(), 2);
    assert!(begun.reaches(2, 1).await, "after a stop");
    stores.pause_postgres();
    tokio::time::sleep(Duration::from_secs(5)).await;
    stores.resume_postgres();
    add(&mut connect(), 3);
    assert!(begun.reaches(3, 1).await, "after a pause");
    assert!(eventually(LONG, async || count(&mut connect(), QUEUE) == 0).await);
    assert_eq!((begun.of(1), finished.of(1)), (1, 1));
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_stop_waits_for_a_running_job_and_leaves_the_next_to_others() {
    let db = TestDb::create();
    let (begun, done) = (Begun::default(), Begun::default());
    let handlers = Handlers::default().on((begun.clone(), done.clone()), |(begun, done), job: Mark| async move {
        begun.note(job.number);
        tokio::time::sleep(Duration::from_secs(if job.number == 2 { 3600 } else { 1 })).await;
        done.note(job.number);
        Ok(())
    });
    let (database, mut settings) = settings(&db.url());
    settings.stop_seconds = 3;
    let jobs = Jobs::start(&database, &settings, handlers).unwrap();
    (1..=2).for_each(|number| add(&mut db.connect(), number));
    assert!(begun.reaches(1, 1).await && begun.reaches(2, 1).await);
    let asked = Instant::now();
    jobs.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!((done.of(1), done.of(2)), (1, 0));
    // At once, not when the node has been dead for long enough.
    let free = "graphile_worker._private_jobs WHERE locked_by IS NULL AND run_at <= now()";
    assert_eq!(count(&mut db.connect(), free), 1);
}

#[tokio::test]
async fn a_node_without_work_asks_postgres_now_and_then() {
    let db = TestDb::create();
    let begun = Begun::default();
    let jobs = start(&db.url(), Handlers::default().on(begun.clone(), note));
    let mut conn = db.connect();
    add(&mut conn, 1);
    assert!(begun.reaches(1, 1).await);
    let mut asked = || {
        let of = "generate_series(1, (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()))";
        count(&mut conn, of)
    };
    // Counts reach the statistics within a second or so.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = asked();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let in_five_seconds = asked() - before;
    jobs.stop().await;
    // Looks for jobs and signs of life: some 15 a second with the intervals of these tests.
    assert!((5..250).contains(&in_five_seconds), "{in_five_seconds}");
}

#[derive(Serialize, Deserialize)]
struct Greet {
    to: String,
}

impl Job for Greet {
    const NAME: &'static str = "greet";
}

async fn greet(mailer: Mailer, job: Greet) -> Result<(), Failure> {
    let to = Email::parse(&job.to).map_err(|error| Failure::Final(error.into()))?;
    Ok(mailer.send(Mail { to, subject: "Hello".to_owned(), text: "Here's looking at you.".to_owned() }).await?)
}

#[tokio::test]
async fn a_mail_that_is_refused_for_now_is_sent_by_the_next_try() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    smtp.be(Mood::RefusesForNow);
    let mailer = Mailer::new(&smtp.settings()).unwrap();
    let jobs = start(&db.url(), Handlers::default().on(mailer, greet));
    jobs::add(&mut db.connect(), &Greet { to: "ilsa@example.org".to_owned() }).unwrap();
    assert!(eventually(LONG, async || !smtp.refused().is_empty()).await);
    smtp.be(Mood::Takes);
    assert_eq!(smtp.wait_for(1).await[0].to, ["ilsa@example.org"]);
    assert!(eventually(LONG, async || count(&mut db.connect(), QUEUE) == 0).await);
    jobs.stop().await;
    assert_eq!(smtp.mails().len(), 1);
}

#[test]
fn the_queue_s_tables_are_migrated_by_many_at_once_and_missed_when_they_are_not_there() {
    let db = TestDb::create();
    let url = db.url();
    let mut conn = db.connect();
    sql_query("DROP SCHEMA graphile_worker CASCADE").execute(&mut conn).unwrap();
    let error = migrations::check(url.expose_secret()).unwrap_err();
    assert!(matches!(error, MigrationError::Pending(1..)), "{error}");
    let applied: Vec<usize> = std::thread::scope(|scope| {
        let all = [(); 4].map(|()| scope.spawn(|| migrations::apply(url.expose_secret()).unwrap().len()));
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
    migrations::check(url.expose_secret()).unwrap();
    add(&mut conn, 1);
    // The library believes it as well: a worker migrates what it finds lacking.
    let of_library = "graphile_worker.migrations";
    let before = count(&mut conn, of_library);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Begun::default();
    runtime.block_on(async {
        let jobs = start(&url, Handlers::default().on(begun.clone(), note));
        assert!(begun.reaches(1, 1).await);
        jobs.stop().await;
    });
    assert_eq!(count(&mut conn, of_library), before);
    sql_query("INSERT INTO graphile_worker.migrations (id, breaking) VALUES (1000, true)").execute(&mut conn).unwrap();
    let error = migrations::check(url.expose_secret()).unwrap_err();
    assert!(matches!(error, MigrationError::Newer(_)), "{error}");
}
