//! What it costs to ask for what was watched.

use std::collections::BTreeSet;

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Text},
};
use playhouse::{
    db::{
        listing::{ListQuery, Narrow},
        queries::me,
        rows::viewing::ViewingRow,
    },
    domain::{
        ids::{EpisodeId, FileId, UserId},
        listing::parse,
        playback::Played,
    },
};
use uuid::Uuid;

use super::{Rows, Show, titles};
use crate::{
    lists::statements,
    support::{app::App, stores::TestDb},
};

#[actix_web::test]
async fn what_to_go_on_with_takes_two_statements_at_most_whatever_its_length() {
    let db = TestDb::create();
    let app = App::start(&db);
    let person = app.register().await;
    let mut rows = Rows::of(&db);
    for (length, most) in [(0, 1), (1, 2), (30, 2)] {
        for _ in titles(&app, &person, "?limit=100").await.len()..length {
            let show = Show::make(&mut rows);
            rows.stream(&person, ("episode_id", &show.one), 950.0, 1);
        }
        // The least of three, because a connection that is opened meanwhile is tested by a statement too.
        let mut least = u64::MAX;
        for _ in 0..3 {
            let before = statements(&app, &person).await;
            assert_eq!(titles(&app, &person, "?limit=100").await.len(), length);
            least = least.min(statements(&app, &person).await - before);
        }
        assert!((1..=most).contains(&least), "{least} statements for {length}");
    }
}

/// What was read of the streams.
#[derive(Debug, QueryableByName)]
struct Touched {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Rows of `streams` that `work` reads, from the table and from its indexes.
fn touched<T>(conn: &mut PgConnection, work: impl FnOnce(&mut PgConnection) -> T) -> (T, i64) {
    let read = |conn: &mut PgConnection| -> i64 {
        let statement = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows \
            FROM pg_stat_xact_user_tables WHERE relname = 'streams'";
        sql_query(statement).get_result::<Touched>(conn).unwrap().rows
    };
    conn.transaction::<_, diesel::result::Error, _>(|conn| {
        let before = read(conn);
        let done = work(conn);
        Ok((done, read(conn) - before))
    })
    .unwrap()
}

/// Ten thousand streams of one account, of 2,000 films; as many of each of three others.
const MANY: &str = "
    INSERT INTO users (id, email, password_hash, roles)
        SELECT gen_random_uuid(), 'u' || i || '@example.org', '', '{viewer}' FROM generate_series(1, 4) i;
    INSERT INTO files (id, original_name, kind, mime_type, size, sha256, state, duration_seconds)
        SELECT gen_random_uuid(), 'film ' || i, 'video', 'video/mp4', 1, repeat('0', 64), 'ready', 1000
        FROM generate_series(1, 2000) i;
    INSERT INTO streams (id, user_id, file_id, position_seconds, state, created_at, beat_at)
        SELECT gen_random_uuid(), u.id, f.id, 500, 'ended', now() - make_interval(mins => (random() * 100000)::int),
            now() - make_interval(mins => (random() * 100000)::int)
        FROM users u, files f, generate_series(1, 5);
    ANALYZE;";

#[test]
fn what_is_asked_of_ten_thousand_streams_reads_a_bounded_number_of_them() {
    let db = TestDb::create();
    let mut conn = db.connect();
    conn.batch_execute(MANY).unwrap();
    let user = UserId::from(id_of(&mut conn, "SELECT id FROM users LIMIT 1"));
    let film = FileId::from(id_of(&mut conn, "SELECT id FROM files LIMIT 1"));

    let (newest, rows) = touched(&mut conn, |conn| me::newest(conn, user).unwrap());
    let bound = usize::try_from(me::LOOKED_BACK).unwrap();
    assert!((500..=bound).contains(&newest.len()), "{} of them", newest.len());
    assert!(rows <= 2 * me::LOOKED_BACK + 10, "{rows} rows read");
    let files: BTreeSet<_> = newest.iter().map(|row| row.stream.file_id).collect();
    assert_eq!(files.len(), newest.len(), "each film once");

    // The total of a history asks for no names.
    let plan = format!("EXPLAIN SELECT count(*) FROM viewings WHERE user_id = '{}'", user.uuid());
    let plan: Vec<Line> = sql_query(plan).load(&mut conn).unwrap();
    assert!(!plan.iter().any(|line| line.text.contains("Join") || line.text.contains("Nested")), "{plan:?}");

    let (left, rows) = touched(&mut conn, |conn| me::left_at(conn, user, Played::File(film)).unwrap());
    assert_eq!(left, Some(500.0));
    assert!(rows <= 1, "{rows} rows read");
    for sort in ["-createdAt,-id", "createdAt,id"] {
        let mut pairs = vec![("limit".to_owned(), "20".to_owned()), ("sort".to_owned(), sort.to_owned())];
        for _ in 0..3 {
            let request = parse(&me::LISTING, &pairs).unwrap();
            let own = Narrow { condition: "t.user_id = {}", id: user.uuid() };
            let query = ListQuery { listing: &me::LISTING, request, narrow: vec![own], parent: None };
            let (page, rows) = touched(&mut conn, |conn| query.page::<ViewingRow>(conn, 10_000).unwrap());
            assert_eq!(page.items.len(), 20);
            assert!(rows <= 50, "{rows} rows read");
            pairs.truncate(2);
            pairs.push(("cursor".to_owned(), page.next.expect("there are more").encode()));
        }
    }
    let unseen = Played::Episode(EpisodeId::new());
    let (left, rows) = touched(&mut conn, |conn| me::left_at(conn, user, unseen).unwrap());
    assert_eq!((left, rows), (None, 0));
}

/// A line of a plan.
#[derive(Debug, QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

fn id_of(conn: &mut PgConnection, statement: &str) -> Uuid {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
    }
    sql_query(statement).get_result::<Id>(conn).unwrap().id
}
