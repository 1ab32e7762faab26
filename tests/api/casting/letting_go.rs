//! Removals of what a movie's film belongs to: they race with movies that begin to name it; and a film that was kept
//! for a movie's sake only goes when the movie lets go of it.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use futures_util::future::join;
use serde_json::json;

use crate::{
    accounts::patient,
    support::{
        app::{Answer, App, eventually},
        channels::Members,
        media::{mp4, png},
        media_folder::look,
        people::Person,
        stores::{TestDb, count},
    },
};

const WAITING: &str = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[derive(Debug, Clone, Copy)]
enum Goes {
    Video,
    Picture,
    Channel,
    Account,
}

impl Goes {
    /// Where its file is named.
    fn file(self, hash: &str) -> String {
        match self {
            Self::Picture => "SELECT picture_id FROM channels WHERE name = 'ann'".to_owned(),
            Self::Video | Self::Channel | Self::Account => format!("SELECT file_id FROM videos WHERE hash = '{hash}'"),
        }
    }

    async fn go(self, app: &App, members: &Members, hash: &str) -> Answer {
        match self {
            Self::Video => app.delete(&format!("/v/{hash}"), &members.ann).await,
            Self::Picture => app.set_picture(&members.ann, png()).await,
            Self::Channel => app.delete("/channel/ann", &members.ann).await,
            Self::Account => app.delete(&format!("/users/{}", members.ann.id), &members.house).await,
        }
    }
}

#[actix_web::test]
async fn a_file_that_a_movie_begins_to_name_stays_when_all_that_had_it_goes() {
    let db = TestDb::create();
    let app = patient(&db).with("PLAYHOUSE_DATABASE__STATEMENT_TIMEOUT_MS", "15000").start();
    let members = app.members().await;
    let actor = app.actor(&members.house, "A").await;
    let (mut conn, mut watching) = (db.connect(), db.connect());
    let mut named = 0;
    for goes in [Goes::Video, Goes::Picture, Goes::Channel, Goes::Account] {
        let hash = app.share(&members.ann, "A walk", "").await;
        app.set_picture(&members.ann, png()).await.response(200);
        let movie = format!(
            "BEGIN; WITH made AS (INSERT INTO casting_movies (id, title, date_release, file_id) \
            SELECT gen_random_uuid(), 'M', '2020-03-30', ({}) RETURNING number) \
            INSERT INTO casting_roles (movie_number, actor_number) SELECT number, {actor} FROM made",
            goes.file(&hash)
        );
        conn.batch_execute(&movie).expect("the movie is made");
        let then = async {
            let waits = async || count(&mut watching, WAITING) > 0;
            assert!(eventually(Duration::from_secs(10), waits).await, "{goes:?}: nobody waits");
            conn.batch_execute("COMMIT").expect("the movie is there");
        };
        let (answer, ()) = join(goes.go(&app, &members, &hash), then).await;
        assert_eq!(answer.status, 200, "{goes:?}: {}", String::from_utf8_lossy(&answer.bytes));
        named += 1;
        let films = "casting_movies m JOIN files f ON f.id = m.file_id WHERE f.owner_id IS NULL";
        assert_eq!(count(&mut watching, films), named, "{goes:?}");
    }
    assert_eq!(count(&mut watching, "videos"), 0);
}

struct Films {
    app: App,
    members: Members,
    actor: i64,
}

impl Films {
    async fn new(db: &TestDb) -> Self {
        let app = App::start(db);
        let members = app.members().await;
        let actor = app.actor(&members.house, "A").await;
        Self { app, members, actor }
    }

    /// A movie that names this file: its path.
    async fn movie(&self, file: &str) -> String {
        let body = json!({"title": "M", "date_release": "20200330", "actors_id": [self.actor], "file_id": file});
        format!("/casting/movies/{}", self.app.post("/casting/movies", &self.members.house, body).await.number())
    }

    /// The file of a video that the person shares, and the video's path.
    async fn video_of(&self, person: &Person) -> (String, String) {
        let hash = self.app.share(person, "A walk", "").await;
        let listed = self.app.get(&format!("/files?type=video&owner_id={}", person.id), &self.members.house).await;
        (listed.data(200)[0]["id"].as_str().expect("an id").to_owned(), format!("/v/{hash}"))
    }

    async fn is_there(&self, file: &str) -> bool {
        self.app.get(&format!("/files/{file}"), &self.members.house).await.status == 200
    }

    /// The row is gone now, the bytes are soon.
    async fn is_gone(&self, file: &str) {
        assert!(!self.is_there(file).await, "the row stays");
        let gone = async || !look(self.app.media_dir()).stored.contains_key(file);
        assert!(eventually(Duration::from_mins(1), gone).await, "the bytes stay");
    }
}

#[actix_web::test]
async fn a_film_whose_account_is_gone_goes_with_the_last_movie_that_names_it() {
    let db = TestDb::create();
    let films = Films::new(&db).await;
    let (app, house) = (&films.app, &films.members.house);
    let (film, _) = films.video_of(&films.members.ann).await;
    let [first, second] = [films.movie(&film).await, films.movie(&film).await];
    assert_eq!(app.delete(&format!("/users/{}", films.members.ann.id), house).await.status, 200);
    assert!(films.is_there(&film).await);
    app.patch(&first, house, json!({"actors_id": [films.actor], "file_id": null})).await.number();
    assert!(films.is_there(&film).await, "another movie names it");
    app.delete(&second, house).await.number();
    films.is_gone(&film).await;
}

#[actix_web::test]
async fn a_film_whose_video_was_removed_goes_when_its_movie_names_another() {
    let db = TestDb::create();
    let films = Films::new(&db).await;
    let (app, house, bob) = (&films.app, &films.members.house, &films.members.bob);
    let (film, video) = films.video_of(bob).await;
    let movie = films.movie(&film).await;
    assert_eq!(app.delete(&video, bob).await.status, 200);
    app.patch(&movie, house, json!({"actors_id": [films.actor], "title": "N"})).await.number();
    app.patch(&movie, house, json!({"actors_id": [films.actor], "file_id": film})).await.number();
    assert!(films.is_there(&film).await);
    let own = app.upload(house, "film.mp4", mp4().to_vec()).await.id();
    app.patch(&movie, house, json!({"actors_id": [films.actor], "file_id": own})).await.number();
    films.is_gone(&film).await;
    // What somebody owns stays.
    app.delete(&movie, house).await.number();
    assert!(films.is_there(&own).await);
}
