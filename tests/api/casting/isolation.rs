//! Levels of isolation that an operator may set, and statements that give way to others.

use diesel::{connection::SimpleConnection as _, prelude::*, sql_query};
use futures_util::future::join;
use playhouse::db::DbError;

use super::races::LONELY;
use crate::support::{
    app::App,
    stores::{TestDb, count},
};

#[actix_web::test]
async fn of_two_transactions_that_each_take_one_of_two_actors_one_fails_at_every_level_of_isolation() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let (mut one, mut other) = (db.connect(), db.connect());
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let actors = [app.actor(&owner, "A").await, app.actor(&owner, "B").await];
        app.movie(&owner, "M", &actors).await;
        for (conn, actor) in [(&mut one, actors[0]), (&mut other, actors[1])] {
            let take = format!("BEGIN ISOLATION LEVEL {level}; DELETE FROM casting_roles WHERE actor_number = {actor}");
            conn.batch_execute(&take).expect("it is taken");
        }
        one.batch_execute("COMMIT").expect("one is left");
        assert!(other.batch_execute("COMMIT").is_err(), "{level}");
        assert_eq!(count(&mut one, LONELY), 0, "{level}");
    }
}

#[actix_web::test]
async fn where_transactions_see_one_moment_a_racing_removal_is_refused_or_to_be_tried_again() {
    let db = TestDb::create();
    let level = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L', \
        current_database(), 'repeatable read'); END $$";
    db.connect().batch_execute(level).expect("the level is set");
    let app = App::start(&db);
    let owner = app.register().await;
    for round in 0..20 {
        let actors = [app.actor(&owner, "A").await, app.actor(&owner, "B").await];
        let movie = app.movie(&owner, "M", &actors).await;
        let paths = actors.map(|actor| format!("/casting/actors/{actor}"));
        let (one, other) = join(app.delete(&paths[0], &owner), app.delete(&paths[1], &owner)).await;
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert!(matches!(statuses, [200, 422 | 503]), "round {round}: {statuses:?}");
        assert_eq!(count(&mut db.connect(), LONELY), 0, "round {round}");
        app.delete(&format!("/casting/movies/{movie}"), &owner).await.casting(200);
    }
}

#[actix_web::test]
async fn a_deadlock_and_a_statement_that_takes_too_long_are_to_be_tried_again() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let actors = [app.actor(&owner, "A").await, app.actor(&owner, "B").await];
    let lock = |conn: &mut PgConnection, actor: i64| {
        sql_query(format!("SELECT 1 FROM casting_actors WHERE number = {actor} FOR UPDATE")).execute(conn)
    };
    let (mut one, mut other) = (db.connect(), db.connect());
    for (conn, actor) in [(&mut one, actors[0]), (&mut other, actors[1])] {
        conn.batch_execute("BEGIN").expect("it begins");
        lock(conn, actor).expect("it is locked");
    }
    let ended = std::thread::scope(|scope| {
        let crossed = scope.spawn(|| lock(&mut one, actors[1]));
        let second = lock(&mut other, actors[0]);
        if second.is_err() {
            other.batch_execute("ROLLBACK").expect("it ends");
        }
        [crossed.join().expect("it answers"), second]
    });
    let failed: Vec<DbError> = ended.into_iter().filter_map(Result::err).map(DbError::from).collect();
    assert!(matches!(&failed[..], [DbError::Away(_)]), "{failed:?}");
    let mut slow = db.connect();
    slow.batch_execute("SET statement_timeout = '50ms'").expect("it is set");
    let slept = sql_query("SELECT 1 FROM pg_sleep(60)").execute(&mut slow).expect_err("it is ended");
    assert!(matches!(DbError::from(slept), DbError::Away(_)));
}
