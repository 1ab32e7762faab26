//! `playhouse user`: accounts from the command line, by the rules of HTTP and beside servers that run.

mod private;
mod terminal;

use std::{
    io::Write as _,
    process::{Output, Stdio},
    time::Duration,
};

use diesel::{RunQueryDsl as _, sql_query};
use serde_json::{Value, json};

use crate::{
    accounts::patient,
    issuers::next_second,
    lists::statements,
    support::{
        app::{App, Plan, eventually},
        issuer::{self, Issuer},
        people::{PASSWORD, Person},
        smtp::Smtp,
        stores::{TestDb, count},
    },
};

const NEW: &str = "a brand new password";

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    /// Nothing it prints may hold what it read.
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!said.out.contains(PASSWORD) && !said.err.contains(PASSWORD), "{said:?}");
        said
    }

    /// The output of a command that did what it was told, silently.
    #[track_caller]
    fn done(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// The output of a command that did what it was told while no server ran: it says so.
    #[track_caller]
    fn unheard(self) -> String {
        assert!(self.err.contains("no server listens") && self.err.lines().count() == 1, "{}", self.err);
        Self { err: String::new(), ..self }.done()
    }

    /// Why it did not: one line.
    #[track_caller]
    fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err.trim_end().strip_prefix("playhouse: ").expect("the program's name").to_owned()
    }
}

fn started(plan: &Plan, words: &[&str], input: &str) -> std::process::Child {
    let mut command = plan.clone().under(&["timeout", "120"]).command();
    command.arg("user").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // It may end without reading.
    drop(child.stdin.take().expect("a pipe").write_all(input.as_bytes()));
    child
}

fn user(plan: &Plan, words: &[&str], input: &str) -> Said {
    Said::of(&started(plan, words, input).wait_with_output().expect("an end"))
}

/// Accounts as `list --json` gives them.
fn listed(plan: &Plan) -> Vec<Value> {
    serde_json::from_str(&user(plan, &["list", "--json"], "").done()).expect("a JSON array")
}

async fn signed_in(app: &App, email: &str) -> Person {
    let id = app.login(email, PASSWORD).await.data(200)["user"]["id"].as_str().expect("an id").to_owned();
    app.sign_in(&id, email, PASSWORD).await
}

/// Whether the token ends at once: as soon as a message from Redis arrives, and long before what a node has in
/// memory expires by itself.
async fn is_out(node: &App, person: &Person) -> bool {
    eventually(Duration::from_secs(10), async || node.get("/users", person).await.status == 401).await
}

#[actix_web::test]
async fn an_account_from_the_command_line_signs_in_and_the_first_owns_the_installation() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let said = user(&plan, &["make", "--username", "ann", "--first-name", " Ann "], &format!("{PASSWORD}\nmore\n"));
    assert!(said.done().ends_with("with the roles owner\n"));
    user(&plan, &["make", "--email", "bob@example.org"], PASSWORD).done();
    let roles = ["make", "--email", "eve@example.org", "--role", "editor", "--role", "casting_director"];
    user(&plan, &roles, &format!("{PASSWORD}\r\n")).done();

    let app = plan.start();
    let data = app.login("ann", PASSWORD).await.data(200);
    assert_eq!(data["user"]["roles"], json!(["owner"]));
    let owner = signed_in(&app, "ANN").await;
    let of = async |path: &str| app.get(path, &owner).await.data(200);
    let ann = of(&format!("/users/{}", owner.id)).await;
    assert_eq!((&ann["first_name"], &ann["last_name"]), (&json!("Ann"), &json!("")));
    for (email, roles) in [("bob", json!(["viewer"])), ("eve", json!(["editor", "casting_director"]))] {
        let person = signed_in(&app, &format!("{email}@example.org")).await;
        assert_eq!(of(&format!("/users/{}", person.id)).await["roles"], roles);
    }
}

#[actix_web::test]
async fn the_roles_that_are_given_decide_and_only_an_owner_ends_the_claim_of_the_first() {
    for (role, next) in [("editor", "owner"), ("owner", "viewer")] {
        let db = TestDb::create();
        let plan = Plan::over(&db);
        let said = user(&plan, &["make", "--username", "ann", "--role", role], PASSWORD).done();
        assert!(said.ends_with(&format!("with the roles {role}\n")), "{said}");
        let app = plan.start();
        let person = app.register().await;
        let account = app.get(&format!("/users/{}", person.id), &person).await.data(200);
        assert_eq!(account["roles"], json!([next]), "after {role}");
    }
}

#[actix_web::test]
async fn disabling_ends_all_there_is_on_every_node_at_once_and_enabling_brings_keys_back_and_no_token() {
    let (db, smtp) = (TestDb::create(), Smtp::start());
    let mail = ("PLAYHOUSE_MAIL__SMTP_URL", "PLAYHOUSE_MAIL__FROM");
    let issuer = Issuer::start("acme", &[&issuer::keys()[0]]).await;
    let plan = Plan::over(&db).with(mail.0, &smtp.url()).with(mail.1, "The House <house@example.org>");
    // Seconds that are forgiven would have to be waited for.
    let plan = plan.with_issuer(&issuer).with("PLAYHOUSE_AUTH__LEEWAY_SECONDS", "0");
    let nodes = [plan.start(), plan.start()];
    let (owner, person) = (nodes[0].register().await, nodes[0].register().await);
    let (_, key) = nodes[0].key_of(&person, &[]).await;
    let elsewhere = issuer.person(&issuer::keys()[0], "ann", &[]);
    // Both nodes have the accounts in memory.
    for node in &nodes {
        for known in [&person, &key, &elsewhere] {
            node.get("/me", known).await.data(200);
        }
    }
    let me = nodes[0].get("/me", &elsewhere).await.data(200);
    let stranger = me["id"].as_str().unwrap();
    user(&plan, &["disable", stranger], "").done();
    for node in &nodes {
        assert!(is_out(node, &elsewhere).await, "the token of another issuer");
    }
    // It is open again, and not for a token that was made before.
    user(&plan, &["enable", stranger], "").done();
    next_second().await;
    let later = issuer.person(&issuer::keys()[0], "ann", &[]);
    for node in &nodes {
        let open = async || node.get("/me", &later).await.status == 200;
        assert!(eventually(Duration::from_secs(10), open).await, "a token that was made later");
        assert_eq!(node.account(&later).await, stranger, "the same account");
        assert_eq!(node.get("/me", &elsewhere).await.status, 401, "a token of another issuer came back");
    }
    let forgot = json!({"email": person.email});
    nodes[0].post_open("/password/forgot", forgot.clone()).await;
    smtp.wait_for(1).await;

    let said = user(&plan, &["disable", &person.email.to_uppercase()], "").done();
    assert_eq!(said, format!("{} is disabled\n", person.id));
    for node in &nodes {
        assert!(is_out(node, &person).await);
        assert!(is_out(node, &key).await, "the key of an account that is shut");
    }
    let refresh = json!({"refresh_token": person.refresh_token});
    assert_eq!(nodes[1].post_open("/users/refresh", refresh.clone()).await.status, 401);
    for (password, left) in [(NEW, 4), (PASSWORD, 3)] {
        let refused = nodes[1].login(&person.email, password).await;
        let message = format!("Invalid email or password. Tries left: {left}.");
        assert_eq!((refused.status, &refused.json()["message"]), (401, &json!(message)), "the password tells nothing");
    }
    assert!(listed(&plan).iter().any(|account| account["id"] == person.id && account["disabledAt"].is_string()));

    // No new link is mailed: the owner's, asked for later, is the second that goes out; and the first one is over.
    nodes[0].post_open("/password/forgot", forgot).await;
    let done = async || count(&mut db.connect(), "graphile_worker._private_jobs") == 0;
    assert!(eventually(Duration::from_secs(30), done).await, "the job is carried out");
    nodes[0].post_open("/password/forgot", json!({"email": owner.email})).await;
    assert_eq!(smtp.wait_for(2).await[1].to, [owner.email]);
    assert_eq!(count(&mut db.connect(), &format!("password_resets WHERE user_id = '{}'", person.id)), 0);

    // Again changes nothing but tells again.
    let since =
        |listed: Vec<Value>| listed.into_iter().find(|one| one["id"] == person.id).unwrap()["disabledAt"].clone();
    let before = since(listed(&plan));
    user(&plan, &["disable", &person.id], "").done();
    assert_eq!(since(listed(&plan)), before);

    assert_eq!(user(&plan, &["enable", &person.id], "").done(), format!("{} is enabled\n", person.id));
    for node in &nodes {
        let holds = async || node.get("/me", &key).await.status == 200;
        assert!(eventually(Duration::from_secs(10), holds).await, "the key stayed away");
        assert_eq!(node.get("/users", &person).await.status, 401, "a token came back");
    }
    assert_eq!(nodes[0].post_open("/users/refresh", refresh).await.status, 401);
    let again = signed_in(&nodes[1], &person.email).await;
    nodes[0].get("/users", &again).await.data(200);
}

#[actix_web::test]
async fn a_link_that_was_mailed_sets_no_password_of_a_disabled_account() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let app = plan.start();
    app.register().await;
    let person = app.register().await;
    user(&plan, &["disable", &person.email], "").done();
    // Its job had read the account before it was disabled, and stored the link after that.
    let digest = "sha256('the secret of a link'::bytea)";
    let link = format!("INSERT INTO password_resets VALUES ({digest}, '{}', now() + interval '1 hour')", person.id);
    sql_query(link).execute(&mut db.connect()).unwrap();
    let body = json!({"token": "the secret of a link", "password": NEW});
    assert_eq!(app.post_open("/password/reset", body.clone()).await.json(), json!({"response": "bad-token"}));
    user(&plan, &["enable", &person.email], "").done();
    assert_eq!(app.post_open("/password/reset", body).await.status, 200, "the link was one");
}

#[actix_web::test]
async fn a_password_and_roles_from_the_command_line_end_the_tokens_that_were() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let app = plan.start();
    app.register().await;
    let person = app.register().await;
    app.get("/users", &person).await.data(200);
    user(&plan, &["roles", &person.id, "editor"], "").done();
    assert!(is_out(&app, &person).await);
    let person = signed_in(&app, &person.email).await;
    assert_eq!(app.post("/genres", &person, json!({"name": "Noir"})).await.status, 201, "an editor");
    // The same roles again end nothing.
    user(&plan, &["roles", &person.id, "editor"], "").done();
    app.get("/users", &person).await.data(200);

    user(&plan, &["password", &person.email], &format!("{NEW}\n")).done();
    assert!(is_out(&app, &person).await);
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 401);
    assert_eq!(app.login(&person.email, NEW).await.status, 200);
}

#[actix_web::test]
async fn an_owner_whose_account_is_open_always_stays() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    for name in ["ann", "bob"] {
        user(&plan, &["make", "--username", name, "--role", "owner"], PASSWORD).done();
    }
    // Of two that would shut both, one is refused.
    for _ in 0..4 {
        let both = ["ann", "bob"].map(|name| started(&plan, &["disable", name], ""));
        let said = both.map(|child| Said::of(&child.wait_with_output().expect("an end")));
        let refused = said.iter().filter(|said| said.code == Some(1) && said.err.contains("the last owner stays"));
        assert_eq!(refused.count(), 1, "{said:?}");
        assert_eq!(count(&mut db.connect(), "users WHERE disabled_at IS NULL"), 1);
        for name in ["ann", "bob"] {
            user(&plan, &["enable", name], "").unheard();
        }
    }
    // A disabled owner is none who stays: not for demoting, not for removing.
    user(&plan, &["disable", "bob"], "").unheard();
    assert_eq!(user(&plan, &["roles", "ann", "viewer"], "").refused(), "the last owner stays");
    let app = plan.start();
    let ann = signed_in(&app, "ann").await;
    assert_eq!(app.delete(&format!("/users/{}", ann.id), &ann).await.status, 400);
    user(&plan, &["roles", "bob", "viewer"], "").done();
}

#[actix_web::test]
async fn what_is_wrong_is_one_line_and_has_its_exit_code() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    user(&plan, &["make", "--username", "ann", "--email", "ann@example.org"], PASSWORD).done();
    for (words, input, line) in [
        (&["disable", "nobody"][..], "", "there is no account 'nobody'"),
        (&["disable", "01a1fc61-80b8-71a1-a670-ad8adf08d980"], "", "there is no account '01a1fc61-80b8"),
        (&["disable", "ann"], "", "the last owner stays"),
        (&["make", "--username", "ANN"], PASSWORD, "the username is taken"),
        (&["make", "--email", "Ann@example.org"], PASSWORD, "the e-mail address is taken"),
        (
            &["make", "--username", "ANN", "--email", "Ann@example.org"],
            PASSWORD,
            "the e-mail address and the username are taken",
        ),
        (&["make", "--username", "bob"], "", "no password was given"),
        (&["make", "--username", "bob"], "short\n", "the password must have 8 to 128 characters"),
        (&["password", "ann"], "password1\n", "the password is one of the commonest passwords"),
    ] {
        let said = user(&plan, words, input).refused();
        assert!(said.starts_with(line), "{words:?}: {said}");
    }
    for words in [
        &["make"][..],
        &["make", "--username", "a b"],
        &["make", "--email", "nowhere"],
        &["make", "--username", "bob", "--role", "king"],
        &["make", "--username", "bob", "--password", PASSWORD],
        &["password", "ann", "another password"],
        &["roles", "ann"],
        &["roles", "ann", "king"],
        &["shoot", "ann"],
        &[],
    ] {
        let Said { code, out, .. } = Said::of(&{
            let child = started(&plan, words, PASSWORD);
            let mut output = child.wait_with_output().expect("an end");
            // clap shows the words that it was given.
            output.stderr.clear();
            output
        });
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}");
    }
    assert_eq!(listed(&plan).len(), 1);

    // An account of another issuer has no password, and gets none.
    let other = "INSERT INTO users (id, username, roles) VALUES (gen_random_uuid(), 'eve', '{viewer}')";
    sql_query(other).execute(&mut db.connect()).unwrap();
    let said = user(&plan, &["password", "eve"], PASSWORD).refused();
    assert_eq!(said, "the account 'eve' signs in elsewhere: it has no password here");
}

#[actix_web::test]
async fn all_accounts_are_listed_for_people_and_for_programs() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    assert_eq!(listed(&plan), Vec::<Value>::new());
    assert_eq!(user(&plan, &["list"], "").done().lines().count(), 1, "the head");
    // More than a page.
    sql_query(
        "INSERT INTO users (id, username, email, roles) SELECT gen_random_uuid(), 'u' || n, 'u' || n || '@example.org', \
         '{viewer}' FROM generate_series(1, 1201) n",
    )
    .execute(&mut db.connect())
    .unwrap();
    user(&plan, &["disable", "u7"], "").unheard();
    let all = listed(&plan);
    let names: std::collections::BTreeSet<_> = all.iter().map(|one| one["username"].to_string()).collect();
    assert_eq!((all.len(), names.len()), (1201, 1201));
    let seventh = all.iter().find(|one| one["username"] == "u7").unwrap();
    assert_eq!((&seventh["email"], &seventh["roles"]), (&json!("u7@example.org"), &json!(["viewer"])));
    assert!(chrono::DateTime::parse_from_rfc3339(seventh["disabledAt"].as_str().unwrap()).is_ok(), "{seventh}");

    let table = user(&plan, &["list"], "").done();
    assert_eq!(table.lines().count(), 1202);
    let line = table.lines().find(|line| line.ends_with(" u7@example.org")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((words[1], words[3], words[4]), ("disabled", "viewer", "u7"));
    assert_eq!(table.matches(" active ").count(), 1200);
    // Whoever has seen enough is not bothered.
    let cut = plan.command().args(["user", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut cut = cut;
    drop(cut.stdout.take());
    assert_eq!(Said::of(&cut.wait_with_output().unwrap()).done(), "");
}

#[actix_web::test]
async fn a_disabled_account_is_refused_from_memory() {
    let db = TestDb::create();
    let issuer = Issuer::start("acme", &[&issuer::keys()[0]]).await;
    // A server that sends hardly any statement by itself.
    let plan = patient(&db).with("PLAYHOUSE_STATISTICS__FOLLOW_MS", "60000").with_issuer(&issuer);
    let app = plan.start();
    let owner = app.register().await;
    let person = app.register().await;
    let (_, key) = app.key_of(&person, &[]).await;
    let elsewhere = issuer.person(&issuer::keys()[0], "ann", &[]);
    let stranger = app.account(&elsewhere).await;
    for id in [&person.id, &stranger] {
        user(&plan, &["disable", id], "").done();
    }
    for known in [&person, &key, &elsewhere] {
        assert!(is_out(&app, known).await);
        let before = statements(&app, &owner).await;
        for _ in 0..50 {
            assert_eq!(app.get("/stats", known).await.status, 401);
        }
        let spent = statements(&app, &owner).await - before;
        assert!(spent <= 10, "{spent} statements");
    }
}

#[actix_web::test]
async fn one_address_of_two_is_refused_unless_a_server_runs_on_the_data_folder() {
    let db = TestDb::create();
    let whole = Plan::over(&db);
    for (missing, given) in [("REDIS_URL", "DATABASE_URL"), ("DATABASE_URL", "REDIS_URL")] {
        let said = user(&whole.clone().with(missing, ""), &["list"], "").refused();
        assert!(said.starts_with(&format!("{given} is given and {missing} is not")), "{said}");
    }
    let plan = whole.with("REDIS_URL", "");
    let app = plan.start();
    app.register().await;
    let person = app.register().await;
    app.get("/users", &person).await.data(200);
    user(&plan, &["disable", &person.id], "").done();
    assert!(is_out(&app, &person).await, "told through the server's own Redis");
}

#[actix_web::test]
async fn without_redis_a_change_is_stored_and_said_to_be_untold() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let app = plan.start();
    app.register().await;
    let person = app.register().await;
    let cut_off = plan.clone().with("REDIS_URL", "redis://127.0.0.1:1");
    let said = user(&cut_off, &["disable", &person.id], "");
    assert_eq!((said.code, said.out), (Some(0), format!("{} is disabled\n", person.id)));
    assert!(said.err.contains("Redis did not answer") && said.err.lines().count() == 1, "{}", said.err);
    assert_eq!(app.login(&person.email, PASSWORD).await.status, 401);
    // As the warning says.
    user(&plan, &["disable", &person.id], "").done();
    assert!(is_out(&app, &person).await);
}
