//! The address of the database, said so that the queue's driver understands it: it knows fewer parameters
//! than libpq, and refuses what it does not know.

/// What both know, but for those that are set here.
const KNOWN: [&str; 12] = [
    "user",
    "password",
    "dbname",
    "options",
    "host",
    "hostaddr",
    "port",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
    "sslnegotiation",
    "keepalives_interval",
];

/// Says who is connected, and gives up on a silent peer.
const OURS: &str = "application_name=playhouse-jobs&connect_timeout=2&keepalives_idle=5&tcp_user_timeout=5";

/// libpq's `url` for the driver. Parameters that it does not know are left out; a wish for TLS stays one.
pub(super) fn for_driver(url: &str) -> String {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let kept = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        match (key, value) {
            // How far a certificate is checked is not for this driver to choose: it always is.
            ("sslmode", "require" | "verify-ca" | "verify-full") => Some("sslmode=require"),
            _ => KNOWN.contains(&key).then_some(pair),
        }
    });
    let query: Vec<&str> = kept.chain([OURS]).collect();
    format!("{place}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use graphile_worker::tokio_postgres::TokioPostgresDatabase;

    use super::*;

    #[test]
    fn what_libpq_takes_is_taken() {
        for url in [
            "postgres://user:password@host:5432/playhouse",
            "postgresql:///playhouse?host=/run/postgresql&user=playhouse",
            "postgres://playhouse@/playhouse?host=%2Ftmp%2Frun&port=5432",
            "postgres://host/db?sslmode=verify-full&sslrootcert=%2Fca.pem&connect_timeout=9&gssencmode=disable",
            "postgres://host/db?sslmode=allow&tcp_user_timeout=5000&client_encoding=utf8",
        ] {
            let address = for_driver(url);
            assert!(TokioPostgresDatabase::from_url(&address, 1).is_ok(), "{address}");
        }
        assert!(TokioPostgresDatabase::from_url(&for_driver("nonsense"), 1).is_err());
    }

    #[test]
    fn a_wish_for_tls_is_kept_and_nothing_else_unknown() {
        let address = for_driver("postgres://host/db?sslmode=verify-full&sslrootcert=x&user=me");
        assert_eq!(address, format!("postgres://host/db?sslmode=require&user=me&{OURS}"));
    }
}
