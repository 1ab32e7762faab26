//! The ground itself: databases apart from each other, stores that come back with their data.

use std::time::Duration;

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, sql_query};
use secrecy::ExposeSecret as _;

use crate::support::stores::{Stores, TestDb, count};

#[test]
fn each_test_has_the_schema_and_none_of_the_others_rows() {
    let (one, other) = (TestDb::create(), TestDb::create());
    assert_ne!(one.prefix(), other.prefix());
    let (mut one, mut other) = (one.connect(), other.connect());
    sql_query("CREATE TABLE mark AS SELECT 1").execute(&mut one).unwrap();
    let tables = "pg_tables WHERE schemaname = 'public'";
    let schema = count(&mut other, tables);
    assert!(schema > 1, "the template was not migrated");
    assert_eq!(count(&mut one, tables), schema + 1);
}

#[test]
fn a_stopped_postgres_comes_back_with_its_rows_and_a_paused_one_is_silent() {
    let mut stores = Stores::own();
    let url = stores.database_url();
    let connect = || PgConnection::establish(url.expose_secret());
    sql_query("CREATE TABLE mark AS SELECT 1").execute(&mut connect().unwrap()).unwrap();
    stores.stop_postgres();
    assert!(connect().is_err());
    stores.start_postgres();
    assert_eq!(count(&mut connect().unwrap(), "mark"), 1);

    let mut conn = connect().unwrap();
    stores.pause_postgres();
    let (tell, told) = std::sync::mpsc::channel();
    let asked = std::thread::spawn(move || tell.send(count(&mut conn, "mark")));
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "it answered while it was paused");
    stores.resume_postgres();
    assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok(1));
    asked.join().unwrap().unwrap();
}

#[actix_web::test]
async fn a_redis_of_ones_own_keeps_its_keys_over_a_restart() {
    let mut stores = Stores::own();
    let client = redis::Client::open(stores.redis_url().expose_secret()).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("SET").arg("mark").arg("1").exec_async(&mut link).await.unwrap();
    stores.stop_redis();
    assert!(client.get_multiplexed_async_connection().await.is_err());
    stores.start_redis();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    let kept: Option<String> = redis::cmd("GET").arg("mark").query_async(&mut link).await.unwrap();
    assert_eq!(kept.as_deref(), Some("1"));
}
