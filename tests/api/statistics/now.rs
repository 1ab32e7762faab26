//! Who views now: of the installation, of a title, and on a node.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{SOON, ask, metric, title};
use crate::support::{
    app::{App, Catalogue, eventually},
    media::mp4,
    people::Person,
    stores::TestDb,
};

/// Opens a stream of an episode; its path.
async fn open(app: &App, person: &Person, episode: &str) -> String {
    format!(
        "/streams/{}",
        app.post("/streams", person, json!({"episode_id": episode})).await.data(201)["id"].as_str().unwrap()
    )
}

/// Another episode of the same series; and the titles that can be viewed: the first, the other, their series.
async fn titles(app: &App, owner: &Person, catalogue: &Catalogue) -> (String, [String; 3]) {
    let body = json!({"name": "Another", "season_id": catalogue.season});
    let other = app.post("/episodes", owner, body).await.id();
    let Catalogue { episode, series, .. } = catalogue;
    let titles = [format!("episodes/{episode}"), format!("episodes/{other}"), format!("series/{series}")];
    (other, titles)
}

/// Sessions and viewers of all, then the viewers of each title.
async fn live(app: &App, owner: &Person, titles: &[String; 3]) -> [u64; 5] {
    let number = |data: &Value, name: &str| data[name].as_u64().expect("a number");
    let all = app.get("/stats", owner).await.data(200);
    let mut told = [number(&all, "sessions"), number(&all, "viewers"), 0, 0, 0];
    for (place, title) in told[2..].iter_mut().zip(titles) {
        *place = number(&app.get(&format!("/stats/{title}"), owner).await.data(200), "viewers");
    }
    told
}

#[actix_web::test]
async fn an_account_views_until_the_last_of_its_sessions_ends() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (owner, ann) = (app.register().await, app.register().await);
    let catalogue = app.catalogue(&owner).await;
    let (other, titles) = titles(&app, &owner, &catalogue).await;
    let live = async || live(&app, &owner, &titles).await;
    let (one, two) = (open(&app, &ann, &catalogue.episode).await, open(&app, &ann, &catalogue.episode).await);
    let three = open(&app, &ann, &other).await;
    assert_eq!(live().await, [3, 1, 1, 1, 1]);
    app.patch(&two, &ann, json!({"state": "ended"})).await.data(200);
    assert_eq!(live().await, [2, 1, 1, 1, 1]);
    assert_eq!(app.delete(&one, &ann).await.status, 200);
    assert_eq!(live().await, [1, 1, 0, 1, 1]);
    let of_owner = open(&app, &owner, &other).await;
    assert_eq!(live().await, [2, 2, 0, 2, 2]);
    app.patch(&three, &ann, json!({"state": "ended"})).await.data(200);
    app.patch(&of_owner, &owner, json!({"state": "ended"})).await.data(200);
    assert_eq!(live().await, [0; 5]);
}

#[actix_web::test]
async fn a_session_that_is_given_another_episode_or_user_views_there_alone() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (owner, ann, bob) = (app.register().await, app.register().await, app.register().await);
    let catalogue = app.catalogue(&owner).await;
    let (other, titles) = titles(&app, &owner, &catalogue).await;
    let live = async || live(&app, &owner, &titles).await;
    let stream = open(&app, &ann, &catalogue.episode).await;
    assert_eq!(live().await, [1, 1, 1, 0, 1]);
    app.patch(&stream, &ann, json!({"episode_id": other})).await.data(200);
    assert_eq!(live().await, [1, 1, 0, 1, 1]);
    app.patch(&stream, &owner, json!({"user_id": bob.id})).await.data(200);
    assert_eq!(live().await, [1, 1, 0, 1, 1]);
    app.patch(&stream, &bob, json!({"state": "ended"})).await.data(200);
    assert_eq!(live().await, [0; 5]);
}

#[actix_web::test]
async fn many_viewers_are_counted_by_account_and_their_number_is_kept_for_a_second() {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    let id = |n: u32| Uuid::from_u128(n.into()).to_string();
    // 10,000 sessions of 4,000 accounts, and 500 of nobody.
    let key = format!("{}:stats:live", db.prefix());
    let mut command = redis::cmd("ZADD");
    command.arg(&key);
    let now = chrono::Utc::now().timestamp();
    for n in 0..10_000 {
        command.arg(now).arg(format!("{}/{}", id(n % 4_000), id(100_000 + n)));
    }
    for n in 0..500 {
        command.arg(now).arg(id(200_000 + n));
    }
    ask::<()>(&db.redis_url(), &command);
    assert_eq!(app.get("/stats", &owner).await.data(200)["viewers"], 4_500);
    // It is taken from where it is kept, and counted anew without it.
    let kept = format!("{key}:count");
    ask::<()>(&db.redis_url(), redis::cmd("SET").arg(&kept).arg(7));
    assert_eq!(app.get("/stats", &owner).await.data(200)["viewers"], 7);
    ask::<()>(&db.redis_url(), redis::cmd("DEL").arg(&kept));
    assert_eq!(app.get("/stats", &owner).await.data(200)["viewers"], 4_500);
}

#[actix_web::test]
async fn a_nodes_metrics_tell_what_it_counted_and_who_views_through_it() {
    let db = TestDb::create();
    let app = App::start(&db);
    let (owner, ann) = (app.register().await, app.register().await);
    let told = async || {
        let mut told = [0; 4];
        let names = ["views_total", "watch_seconds_total", "sessions", "viewers"];
        for (place, name) in told.iter_mut().zip(names) {
            *place = metric(&app, &format!("playhouse_{name}")).await;
        }
        told
    };
    assert_eq!(told().await, [0; 4]);
    let season = app.catalogue(&owner).await.season;
    let film = app.upload(&owner, "film.mp4", mp4().to_vec()).await.id();
    let body = json!({"name": "Short", "season_id": season, "file_id": film});
    let episode = app.post("/episodes", &owner, body).await.id();
    // Two seconds long: one makes a view.
    let stream = open(&app, &ann, &episode).await;
    let beaten = app.patch(&stream, &ann, json!({"position_seconds": 1.5})).await.data(200);
    assert_eq!(beaten["viewed"], true);
    let second = open(&app, &ann, &episode).await;
    assert!(eventually(SOON, async || told().await == [1, 1, 2, 1]).await, "{:?}", told().await);
    app.patch(&stream, &ann, json!({"state": "ended"})).await.data(200);
    assert!(eventually(SOON, async || told().await[2..] == [1, 1]).await, "{:?}", told().await);
    app.delete(&second, &ann).await;
    assert!(eventually(SOON, async || told().await[2..] == [0, 0]).await, "{:?}", told().await);
    assert_eq!(told().await[..2], [1, 1]);
}

#[actix_web::test]
async fn which_files_are_played_is_told_to_those_only_who_may_see_all_files() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    for path in ["/stats/top?kind=files".to_owned(), format!("/stats/files/{}", title())] {
        for (person, status) in [(&people.viewer, 403), (&people.editor, 200), (&people.owner, 200)] {
            assert_eq!(app.get(&path, person).await.status, status, "{path}");
        }
    }
    for kind in ["episodes", "series", "videos"] {
        assert_eq!(app.get(&format!("/stats/top?kind={kind}"), &people.viewer).await.status, 200, "{kind}");
    }
}
