//! Tokens of another issuer on every route: one that says nothing of permissions, and one that has them all.

use playhouse::domain::access::Permission;

use super::{OWNERS, Row, TABLE, Things, keys::of_nothing as of_nothing_by_key};
use crate::support::{
    app::{Answer, Plan},
    issuer::{Issuer, keys},
    stores::TestDb,
};

/// What a token without permissions gets: what a key without any gets, and what people may do of themselves.
fn of_nothing(row: &Row) -> u16 {
    match row {
        ("POST", "/users/logout", ..) | ("GET", "/keys", ..) => 200,
        // Videos are for everybody, and so are plays of them.
        (_, path, _, statuses) if path.contains("/plays") => statuses[OWNERS],
        row => of_nothing_by_key(row),
    }
}

/// What a token with all permissions gets: what the owner gets, but for keys, which are made by roles alone.
fn of_everything((method, path, _, statuses): &Row) -> u16 {
    if (*method, *path) == ("POST", "/keys") { 403 } else { statuses[OWNERS] }
}

async fn answers(expected: fn(&Row) -> u16, permissions: &[&str]) {
    let issuer = Issuer::start("acme", &[&keys()[2]]).await;
    let db = TestDb::create();
    let grants = Permission::ALL.map(Permission::name).join(",");
    let app = Plan::over(&db).with_issuer(&issuer).with_of(&issuer, "GRANTS", &grants).start();
    let owner = app.register().await;
    let standing = Things::make_all(&app, &owner).await;
    let mut wrong = Vec::new();
    for (number, row) in TABLE.iter().enumerate() {
        let (method, path, ..) = row;
        let fresh = if *method == "GET" { None } else { Some(Things::make_for(&app, &owner, row).await) };
        let things = fresh.as_ref().unwrap_or(&standing);
        let person = issuer.person(&keys()[2], &format!("ann {number}"), permissions);
        let answer = Answer::of(things.request(&app, row, Some(&person))).await;
        if answer.status != expected(row) {
            wrong.push(format!("{method} {path}: {} and not {}", answer.status, expected(row)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[actix_web::test]
async fn a_token_of_another_issuer_that_says_nothing_reads_what_any_account_may() {
    answers(of_nothing, &[]).await;
}

#[actix_web::test]
async fn a_token_of_another_issuer_that_has_all_permissions_does_what_an_owner_may_but_for_making_keys() {
    let all = Permission::ALL.map(Permission::name);
    answers(of_everything, &all).await;
}
