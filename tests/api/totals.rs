//! Totals of lists: counted once, not at every page, and right at once after every write.

use std::{io::Write as _, process::Stdio, time::Duration};

use serde_json::{Value, json};

use crate::{
    lists::statements,
    support::{
        app::{App, Plan, eventually},
        media::{VTT, png},
        people::{PASSWORD, Person},
        stores::TestDb,
    },
};

/// Where the machine may be busy with other tests: what is stale would stay so for a minute.
const HEARD: Duration = Duration::from_secs(5);

async fn total(app: &App, person: &Person, path: &str) -> u64 {
    let json = app.get(path, person).await.json();
    json["pagination"]["total"].as_u64().unwrap_or_else(|| panic!("no total of {path}: {json}"))
}

/// Two nodes, and a person who asks both of them for the total of a list.
struct Asked<'a> {
    nodes: &'a [App; 2],
    person: &'a Person,
    /// With rows on its first page: to read them takes one statement.
    path: &'a str,
    owner: &'a Person,
}

impl Asked<'_> {
    /// Waits until both nodes know the total: a page costs the statement that reads its rows.
    async fn known(&self) -> u64 {
        for node in self.nodes {
            let known = async || {
                let before = statements(node, self.owner).await;
                total(node, self.person, self.path).await;
                statements(node, self.owner).await == before + 1
            };
            assert!(eventually(Duration::from_secs(10), known).await, "{} is counted at every page", self.path);
        }
        total(&self.nodes[0], self.person, self.path).await
    }

    /// Both nodes know the total; after `write` on the first of them it is larger by `more` there at once, and
    /// soon on the other.
    async fn moves<T>(&self, more: i64, write: impl AsyncFnOnce(&App) -> T) -> T {
        let wanted = self.known().await.checked_add_signed(more).expect("a total");
        let done = write(&self.nodes[0]).await;
        let now = total(&self.nodes[0], self.person, self.path).await;
        assert_eq!(now, wanted, "{}: one reads what one wrote", self.path);
        let seen = async || total(&self.nodes[1], self.person, self.path).await == wanted;
        assert!(eventually(HEARD, seen).await, "{}: the other node tells an old total", self.path);
        done
    }
}

#[actix_web::test]
async fn a_list_of_accounts_is_counted_once_and_anew_after_each_write() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    nodes[0].register().await;
    let list = |path| Asked { nodes: &nodes, person: &owner, path, owner: &owner };
    let all = list("/users?limit=1&page=2");
    let person = all.moves(1, async |app| app.register().await).await;
    all.moves(1, async |app| app.sign_up("ilsa").await.response(200)).await;
    let rick = json!({"username": "rick", "password": PASSWORD});
    all.moves(1, async |app| assert!(app.post_open("/register/", rick).await.status < 300)).await;
    let path = format!("/users/{}", person.id);
    let anns = list("/users?first_name=ann&sort=-id&limit=2");
    anns.moves(-1, async |app| app.patch(&path, &owner, json!({"first_name": "Zoe"})).await.data(200)).await;
    let viewers = list("/users?roles=viewer");
    viewers.moves(-1, async |app| app.patch(&path, &owner, json!({"roles": ["editor"]})).await.data(200)).await;
    // A channel gives its account a username, and changes it by that.
    let nameless = list("/users?username=");
    let person = nodes[0].sign_in(&person.id, &person.email, PASSWORD).await;
    nameless.moves(-1, async |app| app.announce(&person, "A film", "").await).await;
    all.moves(-1, async |app| app.delete(&path, &owner).await.json()).await;
    // The command is heard as every node is that another one hears.
    let wanted = all.known().await + 1;
    let mut command = plan.command();
    command.args(["user", "make", "--username", "laszlo"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(PASSWORD.as_bytes()).expect("a reader");
    assert!(child.wait().expect("an end").success());
    for node in &nodes {
        let seen = async || total(node, &owner, all.path).await == wanted;
        assert!(eventually(HEARD, seen).await, "the command tells nobody");
    }
}

#[actix_web::test]
async fn a_list_of_files_is_counted_once_and_anew_after_each_write() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let people = nodes[0].people().await;
    let (owner, viewer) = (&people.owner, &people.viewer);
    let base = nodes[0].catalogue(owner).await;
    let first = nodes[0].upload(owner, "a.vtt", VTT.to_vec()).await.id();
    let list = |person, path| Asked { nodes: &nodes, person, path, owner };
    let all = list(owner, "/files?limit=1");
    let image = all.moves(1, async |app| app.upload(owner, "a.png", png().to_vec()).await.id()).await;
    all.moves(2, async |app| {
        // A film of a channel comes with its thumbnail.
        let hash = app.share(viewer, "A film", "In the park").await;
        assert_eq!(total(app, viewer, "/files").await, 2);
        hash
    })
    .await;
    // What the catalogue shows a viewer sees, and no longer when it shows it no more.
    let (series, shown) = (format!("/series/{}", base.series), list(viewer, "/files?limit=2"));
    for (more, id) in [(1, json!(image)), (-1, Value::Null)] {
        shown.moves(more, async |app| app.patch(&series, owner, json!({"image_id": id})).await.data(200)).await;
    }
    // Another viewer's list has a total of its own.
    assert_eq!(total(&nodes[0], &people.other, "/files").await, 0);
    all.moves(1, async |app| app.set_picture(viewer, png()).await.response(200)).await;
    all.moves(0, async |app| app.set_picture(viewer, png()).await.response(200)).await;
    all.moves(-1, async |app| app.delete(&format!("/files/{image}"), owner).await.json()).await;
    // With the channel go its film, thumbnail and picture.
    all.moves(-3, async |app| app.delete(&format!("/users/{}", viewer.id), owner).await.json()).await;
    assert_eq!(all.known().await, 1);
    assert_eq!(nodes[0].get("/files", owner).await.data(200)[0]["id"], json!(first));
}

/// The path of the page after the first of `path`.
async fn second(app: &App, person: &Person, path: &str) -> String {
    let json = app.get(&format!("{path}?limit=2"), person).await.json();
    let cursor = json["pagination"]["next_cursor"].as_str().unwrap_or_else(|| panic!("one page of {path}: {json}"));
    format!("{path}?limit=2&cursor={cursor}")
}

#[actix_web::test]
async fn a_walk_by_cursor_over_what_changes_all_the_time_is_counted_when_it_begins() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let viewer = app.register().await;
    let base = app.catalogue(&owner).await;
    let mut genres = vec![base.genre.clone()];
    let mut stream = String::new();
    let more = async |at: usize, genres: &mut Vec<String>| {
        genres.push(app.post("/genres", &owner, json!({"name": format!("Genre {at}")})).await.id());
        app.patch(&format!("/series/{}", base.series), &owner, json!({"genre_ids": genres})).await.data(200);
        let body = json!({"name": format!("Episode {at}"), "season_id": base.season});
        let episode = app.post("/episodes", &owner, body).await.id();
        app.watch(&viewer, json!({"episode_id": episode})).await;
        app.key_of(&viewer, &["view:catalogue"]).await;
        app.watch(&viewer, json!({"episode_id": base.episode})).await.stream
    };
    for at in 0..3 {
        stream = more(at, &mut genres).await;
    }
    let mut lists = Vec::new();
    for (path, statements, rows) in [
        ("/streams".to_owned(), 1, 2),
        ("/me/history".to_owned(), 1, 2),
        ("/keys".to_owned(), 1, 1),
        (format!("/users/{}/streams", viewer.id), 2, 2),
        (format!("/users/{}/streams/episode", viewer.id), 2, 1),
        (format!("/episodes/{}/streams", base.episode), 2, 1),
        (format!("/streams/{stream}/episode/season/series/genre"), 2, 1),
    ] {
        let before = total(&app, &viewer, &path).await;
        let next = second(&app, &viewer, &path).await;
        // Its rows, and where it hangs on something, whether that is there.
        let costs = async || cost_of(&app, &viewer, &owner, &next).await == statements;
        assert!(eventually(Duration::from_secs(10), costs).await, "{path} does not cost {statements} statements");
        lists.push((path, before, rows, next));
    }
    more(3, &mut genres).await;
    for (path, before, rows, next) in &lists {
        assert_eq!(total(&app, &viewer, next).await, *before, "{path} is counted at each page");
        for page in [path.clone(), format!("{path}?limit=2&page=2")] {
            assert_eq!(total(&app, &viewer, &page).await, before + rows, "{page} tells an old total");
        }
    }
    // The total is all that a cursor brings along: who may not see the list is refused, and who may no more.
    let other = app.register().await;
    for (path, _, _, next) in lists.iter().filter(|(path, ..)| path.starts_with("/users") || path.contains("genre")) {
        assert_eq!(app.get(next, &other).await.status, 403, "{path}");
    }
    let (chain, .., next) = lists.last().expect("a list");
    app.delete(&format!("/streams/{stream}"), &viewer).await;
    assert_eq!(app.get(next, &viewer).await.status, 404, "{chain}");
}

/// Statements that `path` costs, and what the server does besides at that moment.
async fn cost_of(app: &App, person: &Person, owner: &Person, path: &str) -> u64 {
    let before = statements(app, owner).await;
    total(app, person, path).await;
    statements(app, owner).await - before
}
