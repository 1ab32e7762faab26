//! Those who view: they ask again until they are answered, and keep what they were told.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::App,
    channels::video,
    people::{PASSWORD, Person},
};

/// Length of every title, in seconds; half of it makes a view.
const LENGTH: f64 = 4.0;
/// Whoever has watched this long has viewed, or was refused.
const DECIDED: f64 = LENGTH / 2.0 + 0.1;
/// Random numbers that can be had again.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(u64::try_from(all.len()).unwrap());
        &all[usize::try_from(at).unwrap()]
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    /// About so many seconds.
    pub(super) fn about(&mut self, seconds: u64) -> Duration {
        self.millis(seconds * 500, seconds * 1500)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Played {
    File(String),
    Episode(String),
    Video(String),
}

impl Played {
    /// What a view of it is a view of.
    fn name(&self) -> &str {
        match self {
            Self::File(name) | Self::Episode(name) | Self::Video(name) => name,
        }
    }
}

/// What the servers have answered.
#[derive(Default)]
pub(super) struct Told {
    pub(super) viewed: BTreeSet<String>,
    /// Account and title.
    pub(super) refused: BTreeSet<(String, String)>,
}

/// What all callers share.
pub(super) struct Shared {
    client: Client,
    /// Where the nodes listen; one that was killed listens elsewhere when it is back.
    pub(super) bases: RwLock<Vec<String>>,
    pub(super) told: Mutex<Told>,
    pub(super) over: AtomicBool,
    pub(super) retries: AtomicU64,
}

impl Shared {
    pub(super) fn over(nodes: &[App]) -> Self {
        Self {
            client: Client::builder().timeout(Duration::from_secs(10)).build().expect("a client"),
            bases: RwLock::new(nodes.iter().map(|node| node.base.clone()).collect()),
            told: Mutex::default(),
            over: AtomicBool::new(false),
            retries: AtomicU64::new(0),
        }
    }
}

struct Account {
    id: String,
    token: String,
    /// How often it will view; then somebody else comes.
    left: usize,
}

/// A viewer: one account after the other, or nobody.
pub(super) struct Caller {
    shared: Arc<Shared>,
    dice: Dice,
    titles: Arc<Vec<Played>>,
    account: Option<Account>,
}

impl Caller {
    pub(super) const fn new(shared: Arc<Shared>, dice: Dice, titles: Arc<Vec<Played>>) -> Self {
        Self { shared, dice, titles, account: None }
    }

    /// Asks some node, again until one answers.
    async fn ask(&mut self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        loop {
            let base = self.dice.of(&self.shared.bases.read().expect("the nodes")).clone();
            let mut request = self.shared.client.request(method.clone(), format!("{base}{path}")).json(body);
            if let Some(account) = &self.account {
                request = request.bearer_auth(&account.token);
            }
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                if let (Ok(body), false) = (answer.bytes().await, status >= 500 || status == 429) {
                    return (status, serde_json::from_slice(&body).expect("JSON"));
                }
            }
            self.shared.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.dice.millis(50, 250)).await;
        }
    }

    async fn somebody_new(&mut self) {
        self.account = None;
        let email = format!("{}@example.org", Uuid::new_v4().simple());
        let body = json!({"first_name": "Ann", "last_name": "Lee", "email": email, "password": PASSWORD});
        let (status, answer) = self.ask(Method::POST, "/users/registration", &body).await;
        // The answer to an earlier try may have been lost.
        let is_there = status == 400 && answer["errors"][0]["message"] == "is already taken";
        assert!(status == 201 || is_there, "{status} {answer}");
        let body = json!({"email": email, "password": PASSWORD});
        let (status, answer) = self.ask(Method::POST, "/users/login", &body).await;
        assert_eq!(status, 200, "{answer}");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let (id, token) = (text(&answer["data"]["user"]["id"]), text(&answer["data"]["token"]));
        self.account = Some(Account { id, token, left: 2 * self.titles.len() });
    }

    pub(super) async fn live(mut self, with_account: bool) {
        while !self.shared.over.load(Ordering::SeqCst) {
            if with_account && self.account.as_ref().is_none_or(|account| account.left == 0) {
                self.somebody_new().await;
            }
            if let Some(account) = &mut self.account {
                account.left -= 1;
            }
            let played = self.dice.of(&self.titles).clone();
            if with_account || matches!(played, Played::Video(_)) {
                self.view(&played).await;
            }
        }
    }

    /// Opens a session: its id, and the path of its heartbeats.
    async fn open(&mut self, played: &Played) -> (String, String) {
        let (path, member, body) = match played {
            Played::File(id) => ("/streams".to_owned(), "id", json!({"file_id": id})),
            Played::Episode(id) => ("/streams".to_owned(), "id", json!({"episode_id": id})),
            Played::Video(hash) => (format!("/v/{hash}/plays"), "session", json!({})),
        };
        let (status, answer) = self.ask(Method::POST, &path, &body).await;
        assert_eq!(status, 201, "{path}: {answer}");
        let id = answer["data"][member].as_str().expect("an id").to_owned();
        let path = format!("{path}/{id}");
        (id, path)
    }

    /// Watches until the view is acknowledged, or it is clear that it does not count.
    async fn view(&mut self, played: &Played) {
        let (id, path) = self.open(played).await;
        let (mut position, mut heard) = (0.0, Instant::now());
        // Some players are a little ahead; they are let.
        let mut ahead = if self.dice.below(2) == 0 { 1.8 } else { 0.0 };
        loop {
            tokio::time::sleep(self.dice.millis(200, 1000)).await;
            position += heard.elapsed().as_secs_f64() + std::mem::take(&mut ahead);
            heard = Instant::now();
            if position > LENGTH {
                position = 0.0;
            }
            let beat = json!({"position_seconds": position, "state": "playing"});
            let (status, answer) = self.ask(Method::PATCH, &path, &beat).await;
            assert_eq!(status, 200, "{path}: {answer}");
            let data = &answer["data"];
            if data["viewed"] == true {
                self.shared.told.lock().expect("the list").viewed.insert(id);
                break;
            }
            if data["watched_seconds"].as_f64().expect("a number") >= DECIDED {
                let account = self.account.as_ref().unwrap_or_else(|| panic!("nobody's view is refused: {answer}"));
                let refused = (account.id.clone(), played.name().to_owned());
                self.shared.told.lock().expect("the list").refused.insert(refused);
                break;
            }
        }
        self.leave(&path, position).await;
    }

    /// Says so, removes the stream, or just goes.
    async fn leave(&mut self, path: &str, position: f64) {
        match self.dice.below(8) {
            0..3 => {
                let beat = json!({"position_seconds": position, "state": "ended"});
                let (status, answer) = self.ask(Method::PATCH, path, &beat).await;
                assert_eq!(status, 200, "{path}: {answer}");
            }
            3 if path.starts_with("/streams") => {
                let (status, answer) = self.ask(Method::DELETE, path, &Value::Null).await;
                // The answer to an earlier try may have been lost.
                assert!(matches!(status, 200 | 404), "{path}: {status} {answer}");
            }
            _ => {}
        }
    }
}

/// Six episodes of one series, three of which are played as files; four videos of a channel.
pub(super) async fn titles(app: &App, owner: &Person) -> Vec<Played> {
    let bytes = |number: usize| video(&format!("testsrc2=duration={LENGTH}:size=160x90:rate={}", 5 + number), &[]);
    let season = app.catalogue(owner).await.season;
    let mut titles = Vec::new();
    for number in 0..6 {
        let file = app.upload(owner, "film.mp4", bytes(number)).await.id();
        let body = json!({"name": "Pilot", "season_id": season, "file_id": file});
        let episode = app.post("/episodes", owner, body).await.id();
        titles.push(if number % 2 == 0 { Played::Episode(episode) } else { Played::File(file) });
    }
    for number in 6..10 {
        let hash = app.announce(owner, "A walk", "In the park").await;
        assert_eq!(app.send(owner, &hash, &bytes(number)).await.response(200), "");
        titles.push(Played::Video(hash));
    }
    titles
}
