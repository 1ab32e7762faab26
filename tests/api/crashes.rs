//! The server is killed in the middle of its work, again and again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::{
    Client, Method,
    multipart::{Form, Part},
};

use crate::support::{
    app::App,
    home::{Home, on_both_stores},
    load::my_turn,
    media::{VTT, mp4, padded},
    people::Person,
    stores::TestDb,
};

/// What the server has acknowledged.
#[derive(Default)]
struct Told {
    stored: BTreeSet<String>,
    /// Removals that were asked for; the file may be there or not until one is acknowledged.
    doubtful: BTreeSet<String>,
    removed: BTreeSet<String>,
}

/// One that uploads, and now and then removes, until the server is gone.
struct Worker {
    client: Client,
    base: String,
    token: String,
    told: Arc<Mutex<Told>>,
    ending: Arc<AtomicBool>,
    bytes: Vec<u8>,
}

impl Worker {
    async fn work(self) {
        for round in 0_u32.. {
            let Some(id) = self.upload().await else { break };
            self.told.lock().expect("the list").stored.insert(id.clone());
            if round % 3 == 2 && !self.remove(&id).await {
                break;
            }
        }
        assert!(self.ending.load(Ordering::SeqCst), "nobody has killed the server yet");
    }

    /// `None` when the server is gone.
    async fn upload(&self) -> Option<String> {
        let part = Part::bytes(self.bytes.clone()).file_name("a.mp4");
        let request = self.client.request(Method::POST, format!("{}/files", self.base)).bearer_auth(&self.token);
        let answer = request.multipart(Form::new().part("file", part)).send().await.ok()?;
        assert_eq!(answer.status(), 201);
        let body: serde_json::Value = answer.json().await.ok()?;
        body["data"]["id"].as_str().map(str::to_owned)
    }

    async fn remove(&self, id: &str) -> bool {
        {
            let mut told = self.told.lock().expect("the list");
            told.stored.remove(id);
            told.doubtful.insert(id.to_owned());
        }
        let request = self.client.request(Method::DELETE, format!("{}/files/{id}", self.base));
        let answered = request.bearer_auth(&self.token).send().await.is_ok_and(|answer| answer.status() == 200);
        if answered {
            let mut told = self.told.lock().expect("the list");
            told.doubtful.remove(id);
            told.removed.insert(id.to_owned());
        }
        answered
    }
}

/// What the worker of this number sends.
fn bytes_of(number: usize) -> Vec<u8> {
    match number % 3 {
        0 => VTT.to_vec(),
        1 => mp4().to_vec(),
        // In a bucket, two parts.
        _ => padded(mp4(), 6_000_000),
    }
}

/// Lets six upload and kills the server after `pause`.
async fn crash(mut app: App, owner: &Person, told: &Arc<Mutex<Told>>, pause: Duration) {
    let ending = Arc::new(AtomicBool::new(false));
    let workers = (0..6).map(|number| {
        let bytes = bytes_of(number);
        let (told, ending) = (Arc::clone(told), Arc::clone(&ending));
        let (base, token) = (app.base.clone(), owner.token.clone());
        actix_web::rt::spawn(Worker { client: Client::new(), base, token, told, ending, bytes }.work())
    });
    let workers: Vec<_> = workers.collect();
    tokio::time::sleep(pause).await;
    ending.store(true, Ordering::SeqCst);
    app.kill();
    for worker in join_all(workers).await {
        worker.expect("a worker that ends");
    }
}

on_both_stores! {
    a_server_killed_during_uploads_leaves_no_bytes_without_row_and_no_row_without_bytes,
}

async fn a_server_killed_during_uploads_leaves_no_bytes_without_row_and_no_row_without_bytes(home: Home) {
    let _turn = my_turn().await;
    let db = TestDb::create();
    let plan = home.plan(&db).with("PLAYHOUSE_STORAGE__PART_BYTES", "5242880");
    let mut conn = db.connect();
    let mut app = plan.start();
    let owner = app.register().await;
    let told = Arc::new(Mutex::new(Told::default()));
    let mut seed = 20_261_121_u64;
    eprintln!("the pauses before the kills come from the seed {seed}");
    for round in 0..20 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        crash(app, &owner, &told, Duration::from_millis(20 + (seed >> 33) % 400)).await;
        app = plan.start();
        let rows = home.agreed(app.media_dir(), &mut conn);
        let told = told.lock().expect("the list");
        let lost: Vec<_> = told.stored.iter().filter(|id| !rows.contains_key(*id)).collect();
        assert!(lost.is_empty(), "lost in round {round}: {lost:?}");
        let risen: Vec<_> = told.removed.iter().filter(|id| rows.contains_key(*id)).collect();
        assert!(risen.is_empty(), "removed and back in round {round}: {risen:?}");
    }
    let sent = [0, 1, 2].map(bytes_of);
    for id in home.agreed(app.media_dir(), &mut conn).keys() {
        assert!(sent.contains(&home.read(app.media_dir(), id)), "{id} is stored, and is none that was sent");
    }
    let told = told.lock().expect("the list");
    eprintln!("{} stored, {} removed, {} in doubt", told.stored.len(), told.removed.len(), told.doubtful.len());
    assert!(told.stored.len() > 20, "hardly anything was going on: {}", told.stored.len());
}
