//! API keys on every route: one that was made for nothing, and one that was made for everything.

use playhouse::domain::access::Permission;

use super::{OWNERS, Row, TABLE, Things};
use crate::support::{
    app::{Answer, App},
    people::Person,
    stores::TestDb,
};

/// What people do and keys never: of accounts, only one's own is meant where an id stands.
const IN_PERSON: [&str; 2] = ["/users/logout", "/keys"];
/// What any account may read, with the status that the owner's key gets.
const READ_BY_ALL: [(&str, u16); 11] = [
    ("/users", 200),
    ("/users/<user>", 403),
    ("/me", 200),
    ("/movies", 503),
    ("/request-count", 200),
    ("/stats", 200),
    ("/stats/top?kind=videos", 200),
    ("/stats/episodes/<episode>", 200),
    ("/stats/series/<series>", 200),
    ("/stats/videos/<hash>", 200),
    ("/stats/events", 200),
];

fn is_in_person(path: &str) -> bool {
    IN_PERSON.iter().any(|start| path.starts_with(start))
}

/// What a key of the owner's that was made for nothing gets.
pub(super) fn of_nothing((method, path, _, statuses): &Row) -> u16 {
    let is_open = statuses.iter().all(|status| status == &statuses[0]);
    match READ_BY_ALL.iter().find(|(known, _)| *method == "GET" && known == path) {
        Some((_, status)) => *status,
        // The casting contract knows no 403.
        None if path.starts_with("/casting/") => 401,
        None if is_in_person(path) || path.contains("/plays") || !is_open => 403,
        None => statuses[OWNERS],
    }
}

/// What a key of the owner's that was made for everything gets: what the owner gets, but for what keys never do.
fn of_everything((_, path, _, statuses): &Row) -> u16 {
    if is_in_person(path) { 403 } else { statuses[OWNERS] }
}

async fn answers(expected: fn(&Row) -> u16, permissions: &[&str]) {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (_, key): (_, Person) = app.key_of(&owner, permissions).await;
    let standing = Things::make_all(&app, &owner).await;
    for row in TABLE {
        let (method, path, ..) = row;
        let fresh = if *method == "GET" { None } else { Some(Things::make_for(&app, &owner, row).await) };
        let things = fresh.as_ref().unwrap_or(&standing);
        let answer = Answer::of(things.request(&app, row, Some(&key))).await;
        let text = String::from_utf8_lossy(&answer.bytes);
        assert_eq!(answer.status, expected(row), "{method} {path}: {text}");
    }
}

#[actix_web::test]
async fn a_key_that_was_made_for_nothing_reads_what_any_account_may_and_changes_nothing() {
    answers(of_nothing, &[]).await;
}

#[actix_web::test]
async fn a_key_that_was_made_for_everything_does_what_its_maker_may_but_for_what_people_do() {
    let all = Permission::ALL.map(Permission::name);
    answers(of_everything, &all).await;
}
