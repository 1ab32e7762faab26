//! Private stores: those of a server that runs, or started for the command.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{PASSWORD, Said, is_out, listed, signed_in, started, user};
use crate::support::app::Plan;

fn root(plan: &Plan) -> PathBuf {
    fs::read_link(plan.data_dir().join("private")).unwrap_or_else(|_| plan.data_dir())
}

/// Whether any process works in the folders of the private stores.
fn runs(plan: &Plan) -> bool {
    let root = root(plan);
    let works_there = |pid: &Path| fs::read_link(pid.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&root));
    fs::read_dir("/proc").expect("/proc").flatten().any(|entry| works_there(&entry.path()))
}

/// The process numbers of Postgres and Redis.
fn stores(plan: &Plan) -> [String; 2] {
    ["postgres/postmaster.pid", "redis/redis.pid"].map(|file| {
        let text = fs::read_to_string(root(plan).join(file)).expect("a store that runs");
        text.lines().next().expect("a number").to_owned()
    })
}

#[actix_web::test]
async fn with_private_stores_a_command_uses_those_of_the_server_that_runs_and_else_its_own() {
    // Stores that have just been started, on a machine that is busy with other tests, may take their time.
    let plan = Plan::private()
        .with("PLAYHOUSE_DATABASE__DEADLINE_MS", "20000")
        .with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "20000");
    fs::create_dir_all(plan.data_dir()).unwrap();
    // Nothing is there yet: the command makes the installation, and leaves nothing running.
    let made = user(&plan, &["make", "--username", "ann"], PASSWORD).done();
    assert!(made.ends_with("with the roles owner\n"), "{made}");
    assert!(!runs(&plan), "something still runs");

    let mut app = plan.start();
    let before = stores(&plan);
    assert!(runs(&plan), "the look for processes does not look");
    let ann = signed_in(&app, "ann").await;
    user(&plan, &["make", "--email", "bob@example.org"], PASSWORD).done();
    let bob = signed_in(&app, "bob@example.org").await;
    app.get("/users", &bob).await.data(200);
    // Told through the server's own Redis.
    user(&plan, &["disable", "bob@example.org"], "").done();
    assert!(is_out(&app, &bob).await);
    assert_eq!(stores(&plan), before, "the server's stores were touched");
    app.get("/users", &ann).await.data(200);
    assert_eq!(app.get("/readyz", &ann).await.json()["redis"], "ok");

    app.signal(rustix::process::Signal::TERM);
    assert!(app.ended(std::time::Duration::from_mins(1)).is_some_and(|status| status.success()));
    // Several at once go one after the other.
    let several = ["ann", "bob@example.org", "ann"].map(|name| started(&plan, &["password", name], PASSWORD));
    for child in several {
        Said::of(&child.wait_with_output().expect("an end")).done();
    }
    assert_eq!(listed(&plan).len(), 2);
    assert!(!runs(&plan), "something still runs");
}

#[actix_web::test]
async fn a_private_postgres_that_somebody_tells_to_stop_is_started_again() {
    let plan = Plan::private();
    fs::create_dir_all(plan.data_dir()).unwrap();
    let app = plan.start();
    let owner = app.register().await;
    let [before, _] = stores(&plan);
    // It would wait until its last client leaves.
    let pid = rustix::process::Pid::from_raw(before.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let pid_file = root(&plan).join("postgres/postmaster.pid");
    let back = async || {
        let now = fs::read_to_string(&pid_file).unwrap_or_default();
        let is_another = now.lines().next().is_some_and(|now| now != before);
        is_another && app.get(&format!("/series?name={before}"), &owner).await.status == 200
    };
    assert!(crate::support::app::eventually(std::time::Duration::from_secs(30), back).await);
}

#[actix_web::test]
async fn a_data_folder_of_another_user_is_left_alone() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away; anyone else cannot even open such a folder.
        return;
    }
    let plan = Plan::private();
    fs::create_dir_all(plan.data_dir()).unwrap();
    let lock = plan.data_dir().join("lock");
    fs::write(&lock, "").unwrap();
    std::os::unix::fs::chown(&lock, Some(65534), None).unwrap();
    let said = user(&plan, &["list"], "").refused();
    assert!(said.ends_with("belongs to the user 65534: run this as that user"), "{said}");
    assert_eq!(fs::read_dir(plan.data_dir()).unwrap().count(), 1, "something was made there");
}
