//! Accounts: registration, sign-in and its lockout, refresh tokens, owners, and what is asked of passwords.

mod changes;
mod lockout;
mod refresh_tokens;
mod registration;
mod secrets;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::BigInt};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Answer, App, Plan},
    people::PASSWORD,
    stores::TestDb,
};

/// A server that waits for its stores and its hash threads as long as a busy machine takes: what is
/// proven here does not depend on the machine's speed.
pub(crate) fn patient(db: &TestDb) -> Plan {
    Plan::over(db)
        .with("PLAYHOUSE_REDIS__TIMEOUT_MS", "10000")
        .with("PLAYHOUSE_DATABASE__DEADLINE_MS", "20000")
        .with("PLAYHOUSE_AUTH__HASH_DEADLINE_MS", "60000")
}

fn fresh_email() -> String {
    format!("{}@example.org", Uuid::new_v4().simple())
}

fn registration(email: &str) -> Value {
    json!({"first_name": "Ann", "last_name": "Lee", "email": email, "password": PASSWORD})
}

/// A registration with one field replaced.
fn registering(field: &str, value: Value) -> Value {
    let mut body = registration(&fresh_email());
    body[field] = value;
    body
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(db: &TestDb, of: &str) -> i64 {
    sql_query(format!("SELECT count(*) AS count FROM {of}")).get_result::<Count>(&mut db.connect()).unwrap().count
}

fn owners(db: &TestDb) -> i64 {
    count(db, "users WHERE 'owner' = ANY (roles)")
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().expect("a message").to_owned()
}

/// An answer that asks to come back later.
#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").expect("Retry-After").parse().expect("whole seconds")
}

/// A fixed share of parallel requests, all sent at once.
async fn at_once<F: Future>(count: usize, one: impl Fn(usize) -> F) -> Vec<F::Output> {
    join_all((0..count).map(one)).await
}

async fn refresh(app: &App, token: &str) -> Answer {
    app.post_open("/users/refresh", json!({"refresh_token": token})).await
}

fn pair(answer: &Answer) -> (String, String) {
    let data = answer.data(200);
    let text = |name: &str| data[name].as_str().expect("a token").to_owned();
    (text("token"), text("refresh_token"))
}
