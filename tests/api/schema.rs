//! The schema is the one Diesel believes in, migrations go both ways, and no binary serves a database it does not know.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text,
};
use playhouse::db::migrations;
use secrecy::ExposeSecret as _;

use crate::support::{app::Plan, stores::TestDb};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tables of `schema.rs`: name → columns in order, each `name -> Type`.
fn believed() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("src/db/schema.rs")).unwrap();
    let mut tables = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some((name, keys)) = line.strip_suffix(" {").and_then(|line| line.split_once(" (")) {
            current = Some(name.to_owned());
            tables.insert(name.to_owned(), vec![format!("key {}", keys.trim_end_matches(')'))]);
        } else if let (Some(name), true) = (&current, line.contains(" -> ") && line.ends_with(',')) {
            tables.get_mut(name).unwrap().push(line.trim_end_matches(',').to_owned());
        }
    }
    tables
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

/// The tables as they are.
fn found(conn: &mut PgConnection) -> BTreeMap<String, Vec<String>> {
    let keys: Vec<Column> = sql_query(
        "SELECT c.table_name::text, string_agg(c.column_name, ', ' ORDER BY c.ordinal_position) AS definition \
         FROM information_schema.key_column_usage c JOIN information_schema.table_constraints t \
         USING (constraint_name, table_schema) WHERE t.constraint_type = 'PRIMARY KEY' AND c.table_schema = 'public' \
         GROUP BY c.table_name",
    )
    .load(conn)
    .unwrap();
    let columns: Vec<Column> = sql_query(
        "SELECT table_name::text, column_name || ' ' || udt_name || ' ' || is_nullable AS definition \
         FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) \
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name, ordinal_position",
    )
    .load(conn)
    .unwrap();
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Column { table_name, definition } in keys {
        tables.insert(table_name, vec![format!("key {definition}")]);
    }
    for Column { table_name, definition } in columns {
        let words: Vec<&str> = definition.split(' ').collect();
        let kind = match words[1] {
            "uuid" => "Uuid",
            "text" => "Text",
            "bool" => "Bool",
            "int4" => "Int4",
            "int8" => "Int8",
            "float8" => "Float8",
            "timestamptz" => "Timestamptz",
            "date" => "Date",
            "jsonb" => "Jsonb",
            "bytea" => "Bytea",
            "_text" => "Array<Text>",
            "_uuid" => "Array<Uuid>",
            other => other,
        };
        let kind = if words[2] == "YES" { format!("Nullable<{kind}>") } else { kind.to_owned() };
        tables.entry(table_name).or_default().push(format!("{} -> {kind}", words[0]));
    }
    tables.retain(|name, _| !name.starts_with("__diesel"));
    tables
}

#[test]
fn the_schema_is_the_migrated_database_and_migrations_go_both_ways() {
    let db = TestDb::create();
    let mut conn = db.connect();
    let before = found(&mut conn);
    assert_eq!(believed(), before);
    assert!(before.len() >= 10);
    migrations::redo(db.url().expose_secret()).expect("down and up again");
    assert_eq!(found(&mut conn), before);
    migrations::check(db.url().expose_secret()).expect("nothing is pending");
    assert_eq!(migrations::apply(db.url().expose_secret()).expect("a second time"), Vec::<String>::new());
    // A difference does show.
    conn.batch_execute("ALTER TABLE series ALTER name DROP NOT NULL").unwrap();
    assert_ne!(believed(), found(&mut conn));
}

#[test]
fn going_back_lets_nobody_in_and_loses_nobody() {
    let db = TestDb::create();
    let mut conn = db.connect();
    let make = "INSERT INTO users (id, username, password_hash, roles, disabled_at) VALUES (gen_random_uuid(), 'ann',";
    for (account, said) in [("'x', '{}', now())", "disabled accounts"), ("NULL, '{}', NULL)", "without a password")] {
        conn.batch_execute(&format!("{make} {account}")).unwrap();
        let error = migrations::redo(db.url().expose_secret()).expect_err("it goes back over accounts");
        let text =
            format!("{error} {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
        assert!(text.contains(said) && text.contains("first"), "{text}");
        // What came after the step that goes no further back comes again; that one stands.
        let again = migrations::apply(db.url().expose_secret()).expect("the later steps");
        assert!(again.iter().all(|name| !name.contains("identities")), "{again:?}");
        assert_eq!(conn.batch_execute("DELETE FROM users"), Ok(()));
    }
    migrations::redo(db.url().expose_secret()).expect("nobody is in the way");
}

#[test]
fn every_migration_has_a_way_back() {
    let mut seen = 0;
    for folder in fs::read_dir(root().join("migrations")).unwrap().flatten().map(|entry| entry.path()) {
        if folder.is_dir() {
            seen += 1;
            for way in ["up.sql", "down.sql"] {
                assert!(!fs::read_to_string(folder.join(way)).unwrap().trim().is_empty(), "{}", folder.display());
            }
        }
    }
    assert!(seen >= 3);
}

/// What a command that has to end says on standard output and standard error.
fn outcome(plan: &Plan, command: &str) -> (Option<i32>, String, String) {
    let mut child =
        plan.command().arg(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let end = Instant::now() + Duration::from_mins(1);
    let code = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
        if Instant::now() > end {
            child.kill().expect("a child");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut out).expect("text");
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
    (code, out, err)
}

#[actix_web::test]
async fn a_database_of_another_version_is_not_served_and_migrate_brings_it_up() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let mut conn = db.connect();

    conn.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')").unwrap();
    for command in ["serve", "migrate"] {
        let (code, out, err) = outcome(&plan, command);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        let told = err.lines().filter(|line| line.contains("newer") && line.contains("20990101000000")).count();
        assert_eq!(told, 1, "{err}");
    }
    conn.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '20990101000000'").unwrap();

    conn.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").unwrap();
    let (code, out, err) = outcome(&plan, "serve");
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("playhouse migrate") && err.trim().lines().count() == 1, "{err}");
    assert_eq!(found(&mut conn), BTreeMap::new(), "serving has changed the schema");

    let (code, out, err) = outcome(&plan, "migrate");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("applied 20261121000005") && out.ends_with("done\n"), "{out}");
    assert_eq!(found(&mut conn), believed());
    let (code, out, _) = outcome(&plan, "migrate");
    assert_eq!((code, out.trim()), (Some(0), "the schema is up to date"));
    let app = plan.start();
    let owner = app.register().await;
    assert_eq!(app.get("/series", &owner).await.status, 200);
}
