//! Private stores: those of a server that runs, or started for the command.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{PASSWORD, Said, is_out, listed, signed_in, started, user};
use crate::support::{
    app::{App, Plan},
    load::my_turn,
};

/// Private stores that have just been started, on a machine that is busy with other tests, may take their time.
fn patient() -> Plan {
    Plan::private()
        .with("PLAYHOUSE_DATABASE__DEADLINE_MS", "20000")
        .with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "20000")
}

fn root(plan: &Plan) -> PathBuf {
    fs::read_link(plan.data_dir().join("private")).unwrap_or_else(|_| plan.data_dir())
}

/// The process numbers of all that works in the folders of the private stores.
fn running(plan: &Plan) -> Vec<String> {
    let root = root(plan);
    let works_there = |pid: &Path| fs::read_link(pid.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&root));
    let all = fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| works_there(&entry.path()));
    all.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether any process works there.
fn runs(plan: &Plan) -> bool {
    !running(plan).is_empty()
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
    let plan = patient();
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

/// The server, asked to stop, has ended in order; of what it started nothing is left at that moment.
fn ends_alone(app: &mut App, plan: &Plan, signal: Signal) {
    app.signal(signal);
    let status = app.ended(Duration::from_mins(1)).expect("it ends");
    assert_eq!(running(plan), Vec::<String>::new(), "what {signal:?} left behind");
    assert!(status.success(), "{status}");
}

#[actix_web::test]
async fn a_server_that_is_told_to_stop_ends_after_all_that_it_started() {
    let plan = patient();
    for signal in [Signal::TERM, Signal::INT] {
        let mut app = plan.start();
        app.register().await;
        assert!(runs(&plan), "the look for processes does not look");
        ends_alone(&mut app, &plan, signal);
    }
}

/// A `setpriv` whose programs are not told when the server dies.
const SETPRIV: &str = r#"#!/bin/sh
for word; do
    shift
    if [ "$before" = --pdeathsig ]; then set -- "$@" clear; else set -- "$@" "$word"; fi
    before=$word
done
PATH=${PATH#*:} exec setpriv "$@"
"#;

/// The same, with stores that outlive a server that is killed.
fn outlived(plan: Plan) -> Plan {
    let folder = plan.data_dir().with_file_name("bin");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("setpriv");
    fs::write(&program, SETPRIV).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    plan.with("PATH", &format!("{}:{path}", folder.display()))
}

/// Kills what is left in the stores' folders when the test has ended, however it did.
struct Left<'a>(&'a Plan);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        for pid in running(self.0).iter().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
    }
}

#[actix_web::test]
async fn stores_that_outlive_a_killed_server_hold_up_no_start_and_lose_nothing() {
    let plan = outlived(patient());
    let _left = Left(&plan);
    let mut app = plan.start();
    let person = app.register().await;
    let mut times = Vec::new();
    let _turn = my_turn().await;
    // What else runs on the machine slows a start down; a wait of ours is in each.
    while times.len() < 5 && times.iter().all(|took| *took >= Duration::from_secs(3)) {
        let left = stores(&plan);
        app.kill();
        // A signal that comes with its death would have come by now.
        std::thread::sleep(Duration::from_millis(100));
        let now = running(&plan);
        assert!(left.iter().all(|pid| now.contains(pid)), "the stores died, too: {now:?} of {left:?}");
        let began = Instant::now();
        app = plan.start();
        times.push(began.elapsed());
        // Stopped, or taken over.
        let (now, stores) = (running(&plan), stores(&plan));
        assert!(left.iter().all(|pid| stores.contains(pid) || !now.contains(pid)), "{left:?} are beside {stores:?}");
        assert_eq!(app.login(&person.email, PASSWORD).await.status, 200);
        assert_eq!(app.get("/readyz", &person).await.json()["redis"], "ok");
    }
    assert!(times.iter().any(|took| *took < Duration::from_secs(3)), "{times:?}");
    ends_alone(&mut app, &plan, Signal::TERM);
}
