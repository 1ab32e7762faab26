//! The search for channels and videos: what it finds, in which order, and what it costs.

use std::time::Instant;

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Text},
};
use playhouse::{
    db::queries::search::{FoundRow, STATEMENT, asked, search},
    domain::search::Searched,
};
use serde_json::Value;

use crate::support::stores::TestDb;

/// A connection set as those of the pool, to a database whose videos need no files.
fn connect(db: &TestDb) -> PgConnection {
    let mut conn = db.connect();
    conn.batch_execute(
        "SET jit = off; SET timezone = 'UTC';
         ALTER TABLE videos DROP CONSTRAINT videos_file_id_fkey, DROP CONSTRAINT videos_thumbnail_id_fkey",
    )
    .unwrap();
    conn
}

fn add_channel(conn: &mut PgConnection, name: &str) {
    sql_query(
        "WITH u AS (INSERT INTO users (id, username, password_hash, roles) \
         VALUES (gen_random_uuid(), $1, '', '{}') RETURNING id, username) \
         INSERT INTO channels (user_id, name) SELECT id, username FROM u",
    )
    .bind::<Text, _>(name)
    .execute(conn)
    .unwrap();
}

/// Announced, not uploaded.
fn announce(conn: &mut PgConnection, hash: &str, title: &str, description: &str) {
    sql_query(
        "INSERT INTO videos (id, hash, channel_id, title, description) \
         SELECT gen_random_uuid(), $1, user_id, $2, $3 FROM channels WHERE name = 'Ann_Smith'",
    )
    .bind::<Text, _>(hash)
    .bind::<Text, _>(title)
    .bind::<Text, _>(description)
    .execute(conn)
    .unwrap();
}

fn add(conn: &mut PgConnection, hash: &str, title: &str, description: &str) {
    announce(conn, hash, title, description);
    let upload = "UPDATE videos SET file_id = gen_random_uuid(), thumbnail_id = gen_random_uuid(), \
        uploaded_at = clock_timestamp() WHERE hash = $1";
    assert_eq!(sql_query(upload).bind::<Text, _>(hash).execute(conn).unwrap(), 1);
}

fn found(conn: &mut PgConnection, what: Searched, query: &str) -> Vec<FoundRow> {
    search(conn, what, query, 20, 0).unwrap_or_else(|error| panic!("{query:?}: {error}"))
}

/// Titles of videos, names of channels.
fn names(conn: &mut PgConnection, what: Searched, query: &str) -> Vec<String> {
    let name = |row: FoundRow| if row.kind == "channel" { format!("@{}", row.channel) } else { row.title };
    found(conn, what, query).into_iter().map(name).collect()
}

fn small(conn: &mut PgConnection) {
    add_channel(conn, "Ann_Smith");
    add_channel(conn, "casablanca.fan");
    add_channel(conn, "Lisbon");
    for (hash, title, description) in [
        ("aaaaaa1", "Old films", "Why Casablanca is still loved"),
        ("aaaaaa2", "Cassablanca, mistyped", ""),
        ("aaaaaa3", "CASABLANCA", "the film"),
        ("aaaaaa4", "A night in Casablanca", ""),
        ("aaaaaa5", "Casablancas of the world", ""),
        ("aaaaaa6", "100% wool", "under_score, O'Hara and a back\\slash"),
        ("aaaaaa7", "%", "percent"),
        ("aaaaaa8", "In the garden", "roses"),
        ("aaaaaa9", "Roses", "from the garden"),
        ("aaaaab1", "Ölgemälde in Łódź", ""),
        ("aaaaab2", "Holiday in Lisbon", "with sardines"),
    ] {
        add(conn, hash, title, description);
    }
    announce(conn, "zzzzzz1", "Casablanca unseen", "xylophone");
}

#[test]
fn titles_come_before_descriptions_exact_words_before_mistyped_ones_and_channels_are_among_them() {
    let db = TestDb::create();
    let conn = &mut connect(&db);
    small(conn);
    let best = [
        "CASABLANCA",
        "A night in Casablanca",
        "@casablanca.fan",
        "Casablancas of the world",
        "Old films",
        "Cassablanca, mistyped",
    ];
    for query in ["casablanca", "Casablanca", "CASABLANCA", " casablanca\0"] {
        assert_eq!(names(conn, Searched::All, query), best, "{query:?}");
    }
    let videos: Vec<_> = best.iter().filter(|name| !name.starts_with('@')).collect();
    assert_eq!(names(conn, Searched::Videos, "casablanca").iter().collect::<Vec<_>>(), videos);
    assert_eq!(names(conn, Searched::Channels, "casablanca"), ["@casablanca.fan"]);
    // The channel of just this name is first; a page is a part of the list.
    assert_eq!(names(conn, Searched::All, "lisbon"), ["@Lisbon", "Holiday in Lisbon"]);
    assert_eq!(names(conn, Searched::All, "garden"), ["In the garden", "Roses"]);
    let page = search(conn, Searched::All, "casablanca", 2, 1).unwrap();
    assert_eq!(page.iter().map(|row| row.hash.as_str()).collect::<Vec<_>>(), ["aaaaaa4", ""]);
    for (limit, offset) in [(0, 0), (-1, -1), (20, i64::MAX), (i64::MAX, i64::MAX)] {
        assert_eq!(search(conn, Searched::All, "casablanca", limit, offset).unwrap(), []);
    }
}

#[test]
fn mistyped_and_unfinished_words_find_what_was_meant() {
    let db = TestDb::create();
    let conn = &mut connect(&db);
    small(conn);
    for (query, first) in [
        ("csaablanca", "CASABLANCA"),
        ("casablnca", "CASABLANCA"),
        ("casab", "CASABLANCA"),
        ("gadren", "In the garden"),
        // Both have both words, one in the title: the newest.
        ("gardenn rosse", "Roses"),
        ("holliday lisbon", "Holiday in Lisbon"),
        ("sardnies", "Holiday in Lisbon"),
        ("holiday sardines", "Holiday in Lisbon"),
        ("ölgemalde", "Ölgemälde in Łódź"),
        ("ÖLGEMÄLDE", "Ölgemälde in Łódź"),
        ("łódź", "Ölgemälde in Łódź"),
    ] {
        let found = names(conn, Searched::Videos, query);
        assert_eq!(found.first().map(String::as_str), Some(first), "{query}: {found:?}");
    }
    for query in ["ann", "an smith", "ann_smiht", "ANN_SMITH", "smith", "Ann Smith"] {
        assert_eq!(names(conn, Searched::Channels, query), ["@Ann_Smith"], "{query}");
    }
    // A changed title is found by its new words, mistyped too.
    conn.batch_execute("UPDATE videos SET title = 'Harpsichord' WHERE hash = 'aaaaaa9'").unwrap();
    assert_eq!(names(conn, Searched::All, "harpsicord"), ["Harpsichord"]);
}

#[test]
fn a_found_item_has_all_that_is_shown_and_what_was_not_uploaded_is_not_found() {
    let db = TestDb::create();
    let conn = &mut connect(&db);
    small(conn);
    let video = found(conn, Searched::Videos, "sardines").remove(0);
    assert_eq!((video.kind.as_str(), video.channel.as_str(), video.hash.as_str()), ("video", "Ann_Smith", "aaaaab2"));
    assert_eq!((video.videos, video.description.as_str()), (11, "with sardines"));
    assert!(video.uploaded_at.is_some());
    let channel = found(conn, Searched::Channels, "ann_smith").remove(0);
    // Its newest video.
    assert_eq!((channel.kind.as_str(), channel.hash.as_str(), channel.videos), ("channel", "aaaaab2", 11));
    assert_eq!((channel.title.as_str(), channel.description.as_str(), channel.uploaded_at), ("", "", None));
    let empty = found(conn, Searched::Channels, "lisbon").remove(0);
    assert_eq!((empty.hash.as_str(), empty.videos), ("", 0));

    for query in ["unseen", "xylophone", "xylophnoe", "casablanca unseen"] {
        assert_eq!(names(conn, Searched::Videos, query), Vec::<String>::new(), "{query}");
    }
    conn.batch_execute("DELETE FROM videos WHERE hash = 'aaaaab2'").unwrap();
    assert_eq!(names(conn, Searched::All, "sardines"), Vec::<String>::new());
}

#[test]
fn every_text_is_an_ordinary_query() {
    let db = TestDb::create();
    let conn = &mut connect(&db);
    small(conn);
    assert_eq!(names(conn, Searched::All, "%"), ["%"]);
    assert_eq!(names(conn, Searched::All, "100%"), ["100% wool"]);
    assert_eq!(names(conn, Searched::All, "o'hara"), ["100% wool"]);
    assert_eq!(names(conn, Searched::All, "under_score"), ["100% wool"]);
    for query in
        ["", " ", "\0", "\t\n", "_", "'", "''", "\\", "\\'", "__", "%%", "a_n", "c%a", "$1", ":*", "&|!()", "🎬"]
    {
        assert_eq!(names(conn, Searched::All, query), Vec::<String>::new(), "{query:?}");
    }
    for query in ["'; DROP TABLE videos; --", "a:* & b:*", "foo <-> (bar", "http://x.org/'a\\'b?c=%", "-1e5 ann@x.org"]
    {
        found(conn, Searched::All, query);
    }
    let long = [("casablanca ").repeat(1_000), "x".repeat(10_000), "ab'\\ ".repeat(2_000), "ü%".repeat(5_000)];
    for query in long {
        let begun = Instant::now();
        found(conn, Searched::All, &query);
        assert!(begun.elapsed().as_secs() < 2, "{:.20} took {:?}", query, begun.elapsed());
    }
}

#[derive(QueryableByName)]
struct Explained {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    plan: String,
}

/// The plan of a search that was run, and the milliseconds of planning and running it.
fn explain(conn: &mut PgConnection, what: Searched, query: &str) -> (Value, f64) {
    let explained: Explained = sql_query(format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {STATEMENT}"))
        .bind::<Text, _>(asked(query))
        .bind::<Text, _>(what.as_str())
        .bind::<BigInt, _>(20)
        .bind::<BigInt, _>(0)
        .get_result(conn)
        .unwrap();
    let plan = serde_json::from_str::<Value>(&explained.plan).unwrap()[0].take();
    let time = ["Planning Time", "Execution Time"].map(|key| plan[key].as_f64().expect("milliseconds"));
    (plan, time.iter().sum())
}

/// The tables that a plan reads from end to end.
fn read_whole(plan: &Value) -> Vec<String> {
    let mut whole = Vec::new();
    match plan {
        Value::Object(node) => {
            if node.get("Node Type").is_some_and(|kind| kind == "Seq Scan") {
                whole.push(node["Relation Name"].to_string());
            }
            whole.extend(node.values().flat_map(read_whole));
        }
        Value::Array(nodes) => whole.extend(nodes.iter().flat_map(read_whole)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    whole
}

#[test]
fn a_search_among_a_hundred_thousand_videos_takes_less_than_20_ms_and_reads_no_table_whole() {
    let db = TestDb::create();
    let conn = &mut connect(&db);
    conn.batch_execute(include_str!("search_fill.sql")).unwrap();
    assert_eq!(names(conn, Searched::All, "cassablanca"), ["Casablanca"]);
    assert_eq!(names(conn, Searched::All, "zebrafihs"), ["A walk"]);
    assert_eq!(found(conn, Searched::Videos, "garden").len(), 20);
    assert_eq!(found(conn, Searched::Videos, "subscribe today").len(), 20);

    let long = "mudifona sumubranba garden the subscribe today ".repeat(200);
    let queries = [
        "casablanca",
        "cassablanca",
        "csaablanca",
        "zebrafish",
        "zebrafihs",
        "garden",
        "the",
        "the garden",
        "gardne",
        "subscribe",
        "subscribe today",
        "subscirbe todya",
        "garden subscribe",
        "garden zebrafish",
        "bababafo",
        "bababafo roloba",
        "a",
        "b",
        "ba",
        "bab",
        "casab",
        "%",
        "_",
        "'",
        "qqqqqq",
        "babamufo_625",
        "xabafobe 1",
        &long,
    ];
    for query in queries {
        for what in [Searched::All, Searched::Videos, Searched::Channels] {
            let mut times = Vec::new();
            // The least counts: other tests run beside this one.
            while times.len() < 3 || (times.len() < 50 && times.iter().all(|time| *time >= 20.0)) {
                let (plan, time) = explain(conn, what, query);
                assert_eq!(read_whole(&plan), Vec::<String>::new(), "{query:.20}");
                times.push(time);
            }
            assert!(times.iter().any(|time| *time < 20.0), "{query:.20} {what:?}: {times:?}");
        }
    }
    // A table that is read whole does show.
    conn.batch_execute("DROP INDEX videos_title_words_idx").unwrap();
    assert_ne!(read_whole(&explain(conn, Searched::Videos, "garden").0), Vec::<String>::new());
}
