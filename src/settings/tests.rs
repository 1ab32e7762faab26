use std::os::unix::ffi::OsStringExt as _;

use super::*;
use crate::domain::access::Role;

fn load(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_variables(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

#[test]
fn defaults_need_nothing() {
    let settings = load(&[]).unwrap();
    assert_eq!(settings.http.bind.port(), 8080);
    assert_eq!(settings.auth.registration_roles, [Role::Viewer]);
}

#[test]
fn variables_win_and_short_names_work() {
    let settings = load(&[
        ("PLAYHOUSE_HTTP__BIND", "127.0.0.1:0"),
        ("DATABASE_URL", "postgres://somewhere/db"),
        ("PLAYHOUSE_AUTH__REGISTRATION_ROLES", "viewer,editor"),
        ("PLAYHOUSE_DATA_DIR", "/tmp/x"),
    ])
    .unwrap();
    assert_eq!(settings.http.bind.port(), 0);
    assert_eq!(settings.database.url.expose_secret(), "postgres://somewhere/db");
    assert_eq!(settings.auth.registration_roles, [Role::Viewer, Role::Editor]);
    assert_eq!(settings.data_dir, PathBuf::from("/tmp/x"));
}

#[test]
fn a_secret_of_digits_stays_as_it_is() {
    let digits = "31415926535897932384626433832795028841";
    let settings = load(&[("PLAYHOUSE_AUTH__TOKEN_SECRET", digits)]).unwrap();
    assert_eq!(settings.auth.token_secret.expose_secret(), digits);
}

#[test]
fn a_wrong_setting_is_named_in_one_line() {
    for (name, value, expected) in [
        ("PLAYHOUSE_HTTP__BIND", "nowhere", "http.bind"),
        ("PLAYHOUSE_AUTH__TOKEN_SECRET", "short", "auth.token_secret"),
        ("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "6", "auth.leeway_seconds"),
        ("PLAYHOUSE_HTTP__UNSENT_BYTES", "16383", "http.unsent_bytes"),
        ("PLAYHOUSE_HTTP__PROT", "1", "http.prot"),
        ("PLAYHOUSE_NOSUCH__X", "1", "nosuch"),
        ("PLAYHOUSE_NOSUCH", "1", "nosuch"),
        ("PLAYHOUSE_HTTP", "1", "http"),
        ("PLAYHOUSE_AUTH__ISSUERS__ACME__NOSUCH", "1", "auth.issuers.acme"),
        ("PLAYHOUSE_AUTH__ISSUERS__ACME__DEADLINE_MS", "1e19", "auth.issuers.acme.deadline_ms"),
        ("PLAYHOUSE_HTTP__WORKERS", "many", "http.workers"),
        ("PLAYHOUSE_HTTP__WORKERS", "-1", "http.workers"),
        ("PLAYHOUSE_HTTP__TRUSTED_PROXIES", "127.0.0.1,x", "http.trusted_proxies"),
        ("PLAYHOUSE_AUTH__REGISTRATION_ROLES", "king", "auth.registration_roles"),
        ("PLAYHOUSE_LOG__FORMAT", "xml", "log.format"),
        ("PLAYHOUSE_STORAGE__KIND", "s3", "storage.bucket"),
        ("PLAYHOUSE_STORAGE__KIND", "ftp", "storage.kind"),
        ("PLAYHOUSE_STORAGE__BUCKET", "s3://films", "storage.bucket"),
        ("PLAYHOUSE_STORAGE__ENDPOINT", "minio.internal", "storage.endpoint"),
        ("PLAYHOUSE_STORAGE__PREFIX", "../films", "storage.prefix"),
        ("PLAYHOUSE_STORAGE__ACCESS_KEY_ID", "alone", "storage.secret_access_key"),
        ("PLAYHOUSE_STORAGE__PART_BYTES", "5242879", "storage.part_bytes"),
        ("PLAYHOUSE_STORAGE__PARALLEL_PARTS", "0", "storage.parallel_parts"),
        ("PLAYHOUSE_STORAGE__REDIRECT_SECONDS", "604801", "storage.redirect_seconds"),
        ("PLAYHOUSE_AUTH__REGISTRATION_ROLES", "owner", "auth.registration_roles"),
        ("PLAYHOUSE_AUTH__HASH_DEADLINE_MS", "0", "auth.hash_deadline_ms"),
        ("PLAYHOUSE_HTTP__HEADER_TIMEOUT_MS", "0", "http.header_timeout_ms"),
        ("PLAYHOUSE_HTTP__BODY_TIMEOUT_MS", "0", "http.body_timeout_ms"),
        ("PLAYHOUSE_HTTP__UPLOAD_IDLE_TIMEOUT_MS", "0", "http.upload_idle_timeout_ms"),
        ("PLAYHOUSE_HTTP__STALLED_READER_SECONDS", "0", "http.stalled_reader_seconds"),
        ("PLAYHOUSE_HTTP__MAX_CONNECTIONS_PER_WORKER", "0", "http.max_connections_per_worker"),
        ("PLAYHOUSE_MEDIA__MAX_UPLOAD_BYTES", "0", "media.max_upload_bytes"),
        ("PLAYHOUSE_MEDIA__MAX_SUBTITLE_BYTES", "0", "media.max_subtitle_bytes"),
    ] {
        let text = load(&[(name, value)]).unwrap_err().to_string();
        assert!(text.starts_with(&format!("wrong setting {expected}")), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn variables_of_others_may_have_any_bytes() {
    let bytes = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
    let theirs = vec![(bytes(b"LESS_TERMCAP"), bytes(b"\xff")), (bytes(b"\xff"), bytes(b"x"))];
    let wrong = vec![(bytes(b"PLAYHOUSE_DATA_DIR"), bytes(b"\xff"))];
    let right = vec![(bytes(b"REDIS_URL"), bytes(b"redis://r")), (bytes(b"playhouse_http__bind"), bytes(b"[::1]:1"))];
    assert!(ours(theirs.clone().into_iter()).unwrap().is_empty());
    assert_eq!(ours(theirs.into_iter().chain(right)).unwrap().len(), 2);
    assert!(ours(wrong.into_iter()).unwrap_err().to_string().starts_with("wrong setting PLAYHOUSE_DATA_DIR"));
}

#[test]
fn every_time_has_bounds() {
    for (name, value) in [
        ("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "1e19"),
        ("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "10000000000000000000"),
        ("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "315360001"),
        ("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "1.5"),
        ("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "-1"),
        ("PLAYHOUSE_REDIS__TIMEOUT_MS", "86400001"),
        ("PLAYHOUSE_AUTH__ACCESS_SECONDS", "4294967295"),
    ] {
        let text = load(&[(name, value)]).unwrap_err().to_string();
        let expected = name.trim_start_matches("PLAYHOUSE_").replace("__", ".").to_lowercase();
        assert!(text.starts_with(&format!("wrong setting {expected}: is a whole number")), "{text}");
    }
    assert!(load(&[("PLAYHOUSE_HTTP__SHUTDOWN_SECONDS", "315360000")]).is_ok());
}

#[test]
fn an_empty_variable_is_the_empty_list() {
    let settings =
        load(&[("PLAYHOUSE_HTTP__TRUSTED_PROXIES", ""), ("PLAYHOUSE_AUTH__REGISTRATION_ROLES", " ")]).unwrap();
    assert!(settings.http.trusted_proxies.is_empty() && settings.auth.registration_roles.is_empty());
    let settings = load(&[("PLAYHOUSE_HTTP__TRUSTED_PROXIES", "10.0.0.1, ::1")]).unwrap();
    assert_eq!(settings.http.trusted_proxies.len(), 2);
}

#[test]
fn production_wants_a_secret() {
    let text = load(&[("PLAYHOUSE_ENV", "production")]).unwrap_err().to_string();
    assert!(text.contains("auth.token_secret"), "{text}");
    let long = "x".repeat(32);
    assert!(load(&[("PLAYHOUSE_ENV", "production"), ("PLAYHOUSE_AUTH__TOKEN_SECRET", &long)]).is_ok());
}
