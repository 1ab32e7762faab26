//! Every setting is explained; settings that are wrong; what the log says at all levels.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use playhouse::settings::Settings;

use crate::support::{
    app::{Plan, eventually},
    stores::TestDb,
};

/// Where no store is given: private ones would be started.
fn alone(db: &TestDb) -> Plan {
    Plan::over(db).with("DATABASE_URL", "").with("REDIS_URL", "")
}

fn is_refused(plan: &Plan, told: &str, data_dir: &Path) {
    let output = plan.clone().with("PLAYHOUSE_DATA_DIR", data_dir.to_str().unwrap()).command().output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}: {err}");
    assert_eq!(err.trim().lines().count(), 1, "{told}: {err}");
    assert!(err.starts_with(&format!("playhouse: wrong setting {told}: ")), "{told}: {err}");
    assert!(output.stdout.is_empty() && !err.contains("hush"), "{told}: {err}");
    assert!(!data_dir.exists(), "{told}: a store was begun");
}

#[test]
fn a_wrong_setting_is_told_in_one_line_before_any_store_is_started() {
    let db = TestDb::create();
    let data_dir = crate::support::media::temporary("data");
    for (name, value, told) in [
        ("REDIS_URL", "hush", "redis.url"),
        ("DATABASE_URL", "hush", "database.url"),
        ("PLAYHOUSE_PROVIDER__BASE_URL", "ftp://hush", "provider.base_url"),
        ("PLAYHOUSE_MAIL__SMTP_URL", "hush", "mail.smtp_url"),
        ("PLAYHOUSE_MAIL__FROM", "hush", "mail.from"),
        ("PLAYHOUSE_AUTH__ISSUERS__ACME__JWKS_URL", "ftp://hush", "auth.issuers.acme.jwks_url"),
        ("PLAYHOUSE_LOG__FILTER", "playhouse=loud", "log.filter"),
        ("PLAYHOUSE_NOSUCH__X", "1", "nosuch"),
        ("PLAYHOUSE_HTTP__BIND", "nowhere", "http.bind"),
        ("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "1e19", "http.shutdown_seconds"),
    ] {
        let issuer = "PLAYHOUSE_AUTH__ISSUERS__ACME__";
        let mut plan = alone(&db).with(name, value);
        if name.starts_with(issuer) {
            plan = plan.with(&format!("{issuer}ISSUER"), "acme").with(&format!("{issuer}AUDIENCE"), "playhouse");
        }
        is_refused(&plan, told, &data_dir);
    }
}

#[test]
fn an_address_that_is_taken_is_told_before_any_store_is_started() {
    let db = TestDb::create();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data_dir = crate::support::media::temporary("data");
    is_refused(&alone(&db).with("PLAYHOUSE_HTTP__BIND", &address), "http.bind", &data_dir);
}

#[actix_web::test]
async fn what_clients_send_amiss_is_no_error_in_the_log_whatever_its_filter() {
    let db = TestDb::create();
    let (app, log) = Plan::over(&db).with("PLAYHOUSE_LOG__FILTER", "warn,playhouse=info").start_logging();
    let before = std::fs::read_to_string(&log).unwrap().lines().count();
    for head in ["GET / HTTP/1.1\r\nno header\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut client = TcpStream::connect(app.address()).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
    }
    // What is written at the end comes after anything the clients caused.
    app.signal(rustix::process::Signal::TERM);
    let lines = || std::fs::read_to_string(&log).unwrap();
    let stopping = async || lines().contains("stopping");
    assert!(eventually(Duration::from_secs(10), stopping).await);
    let text = lines();
    assert!(!text.lines().skip(before).any(|line| line.contains("ERROR")), "{text}");
}

#[test]
fn every_setting_is_explained_and_taken() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml")).unwrap();
    let (mut section, mut above, mut keys) = (String::new(), "", Vec::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            // One comment may explain keys that follow each other.
            let explained = above.starts_with("# ") || above.contains(" = ");
            assert!(explained, "{section}{key} has no comment");
            keys.push((format!("{section}{key}"), value.to_owned()));
        }
        above = line;
    }
    assert!(keys.len() > 40, "{keys:?}");
    let with = |pairs: &[(String, String)]| Settings::from_variables(pairs.iter().cloned().collect());
    with(&[]).expect("the defaults");
    for (key, value) in keys {
        let name = format!("PLAYHOUSE_{}", key.replace('.', "__").to_uppercase());
        let plain = value.trim_matches(['"', '[', ']']).replace('"', "");
        if !plain.is_empty() {
            with(&[(name.clone(), plain)]).unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        // It is a key that is read: another one beside it is refused by name.
        let error = with(&[(format!("{name}_X"), "1".to_owned())]).expect_err(&key).to_string();
        let bare = key.rsplit('.').next().unwrap();
        assert!(error.contains(&format!("{bare}_x")), "{error}");
    }
    // The file is the list of all: a setting without a default there would not start.
    for other in ["test", "production"] {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/{other}.toml"))).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")) {
            let key = line.split(" = ").next().unwrap();
            assert!(
                fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml"))
                    .unwrap()
                    .contains(&format!("\n{key} = "))
            );
        }
    }
}
