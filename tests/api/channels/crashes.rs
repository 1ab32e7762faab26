//! The server is killed during uploads and right after removals: bytes and rows agree again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::{
    app::{App, Plan, eventually},
    channels::tiny,
    home::{Home, on_both_stores},
    load::my_turn,
    media::{padded, png},
    people::Person,
    stores::{TestDb, count},
};

/// A node that died is noticed soon.
fn plan(home: &Home, db: &TestDb) -> Plan {
    home.plan(db).with("PLAYHOUSE_JOBS__DEAD_AFTER_SECONDS", "2").with("PLAYHOUSE_JOBS__POLL_MS", "200")
}

on_both_stores! {
    bytes_of_what_was_removed_go_also_when_the_server_dies_right_after_its_answer,
    a_server_killed_during_uploads_has_whole_videos_or_none,
}

async fn bytes_of_what_was_removed_go_also_when_the_server_dies_right_after_its_answer(home: Home) {
    let db = TestDb::create();
    let plan = plan(&home, &db);
    let mut app = plan.start();
    let members = app.members().await;
    for round in 0..4 {
        let hash = app.share(&members.ann, "A walk", "").await;
        app.share(&members.ann, "A swim", "").await;
        app.set_picture(&members.ann, png()).await.response(200);
        let path = if round % 2 == 0 { "/channel/ann".to_owned() } else { format!("/v/{hash}") };
        assert_eq!(app.delete(&path, &members.ann).await.response(200), "");
        app.kill();
        app = plan.start();
        let rest = if round % 2 == 0 { 0 } else { 3 };
        assert_eq!(home.agreed(app.media_dir(), &mut db.connect()).len(), rest, "round {round}");
        assert_eq!(app.see(&format!("/v/{hash}")).await.response(404), "video");
        if round % 2 == 1 {
            app.delete("/channel/ann", &members.ann).await.response(200);
        }
    }
    let gone = async || home.look(app.media_dir()).stored.is_empty() && count(&mut db.connect(), "files") == 0;
    assert!(eventually(Duration::from_mins(1), gone).await);
}

/// One that shares videos until the server is gone.
struct Sharer {
    client: Client,
    base: String,
    token: String,
    bytes: Vec<u8>,
    /// Hash paths of acknowledged uploads.
    told: Arc<Mutex<Vec<String>>>,
    ending: Arc<AtomicBool>,
}

impl Sharer {
    async fn work(self) {
        while self.share().await.is_some() {}
        assert!(self.ending.load(Ordering::SeqCst), "nobody has killed the server yet");
    }

    /// `None` when the server is gone.
    async fn share(&self) -> Option<()> {
        let announce = self.client.post(format!("{}/upload", self.base)).bearer_auth(&self.token);
        let answer = announce.json(&json!({"title": "A walk", "description": ""})).send().await.ok()?;
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.ok()?;
        let hash = body["response"].as_str()?;
        let send = self.client.post(format!("{}/upload/v/{hash}", self.base)).bearer_auth(&self.token);
        let answer = send.body(self.bytes.clone()).send().await.ok()?;
        assert_eq!(answer.status(), 200);
        self.told.lock().expect("the list").push(hash.to_owned());
        Some(())
    }
}

/// Lets four share and kills the server after `pause`.
async fn crash(mut app: App, person: &Person, told: &Arc<Mutex<Vec<String>>>, pause: Duration) {
    let ending = Arc::new(AtomicBool::new(false));
    let sharers = (0..4).map(|at| {
        let bytes = if at % 2 == 0 { tiny().to_vec() } else { padded(tiny(), 1_500_000) };
        let (base, token) = (app.base.clone(), person.token.clone());
        let (told, ending) = (Arc::clone(told), Arc::clone(&ending));
        actix_web::rt::spawn(Sharer { client: Client::new(), base, token, bytes, told, ending }.work())
    });
    let sharers: Vec<_> = sharers.collect();
    tokio::time::sleep(pause).await;
    ending.store(true, Ordering::SeqCst);
    app.kill();
    for sharer in join_all(sharers).await {
        sharer.expect("a sharer that ends");
    }
}

async fn a_server_killed_during_uploads_has_whole_videos_or_none(home: Home) {
    let _turn = my_turn().await;
    let db = TestDb::create();
    let plan = plan(&home, &db);
    let conn = &mut db.connect();
    let mut app = plan.start();
    let ann = app.member("ann").await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut seed = 20_261_122_u64;
    eprintln!("the pauses before the kills come from the seed {seed}");
    for round in 0..8 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        crash(app, &ann, &told, Duration::from_millis(100 + (seed >> 33) % 1200)).await;
        app = plan.start();
        let files = home.agreed(app.media_dir(), conn).len();
        let whole = count(conn, "videos WHERE uploaded_at IS NOT NULL");
        assert_eq!(i64::try_from(files).unwrap(), 2 * whole, "files without a video in round {round}");
        let told = told.lock().expect("the list").clone();
        for hash in &told {
            assert_eq!(app.see(&format!("/v/{hash}")).await.status, 200, "lost in round {round}: {hash}");
            assert_eq!(app.see(&format!("/thumbnails/{hash}")).await.status, 200, "round {round}: {hash}");
        }
        assert_eq!(app.see("/search/channel/ann").await.response(200)[0]["nb_count"], whole);
    }
    let told = told.lock().expect("the list");
    eprintln!("{} videos were acknowledged", told.len());
    assert!(told.len() >= 4, "hardly anything was going on: {}", told.len());
}
