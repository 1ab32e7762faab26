//! What is particular to a bucket as the store: what is asked of it and how often, what becomes of bytes where it fails,
//! and what goes on where it is away. What holds for both stores is told by the tests of files.

mod away;
mod places;
mod reads;
mod removals;
mod uploads;

use reqwest::Method;

use crate::support::{
    app::{Answer, App, Plan},
    home::Home,
    media::{mp4, padded},
    people::Person,
    s3::{Bucket, Fault},
    stores::TestDb,
};

/// One try more than `storage.retries`.
const TRIES: usize = 4;

/// Everyone in a bucket's test. The server goes before its bucket.
struct House {
    app: App,
    owner: Person,
    plan: Plan,
    db: TestDb,
    home: Home,
}

/// A server over a bucket, with these settings besides.
async fn house(settings: &[Settings]) -> House {
    let (home, db) = (Home::bucket(), TestDb::create());
    let plan = settings.iter().copied().flatten().fold(home.plan(&db), |plan, (name, value)| plan.with(name, value));
    let app = plan.start();
    let owner = app.register().await;
    House { app, owner, plan, db, home }
}

type Settings = &'static [(&'static str, &'static str)];

/// The bucket is given up soon.
const IMPATIENT: Settings = &[("PLAYHOUSE_STORAGE__READ_TIMEOUT_MS", "500"), ("PLAYHOUSE_STORAGE__TIMEOUT_MS", "500")];
/// [`two_parts`] are two.
const SMALL_PARTS: Settings = &[("PLAYHOUSE_STORAGE__PART_BYTES", "5242880")];

/// A film that travels in parts.
fn two_parts() -> Vec<u8> {
    padded(mp4(), 7_000_000)
}

impl House {
    fn bucket(&self) -> &Bucket {
        self.home.s3()
    }

    /// Puts bytes and a row in place, past the server.
    async fn put(&self, bytes: &[u8]) -> String {
        self.home.put(self.app.media_dir(), &mut self.db.connect(), "video/mp4", bytes).await
    }

    async fn ask(&self, method: Method, id: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.app.request(method, &format!("/media/{id}"), Some(&self.owner));
        Answer::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    async fn see(&self, path: &str) -> Answer {
        Answer::of(self.app.request(Method::GET, path, None)).await
    }

    /// Waits until bytes and rows agree; gives their number. No upload in parts is left either.
    fn agreed(&self) -> usize {
        let rows = self.home.agreed(self.app.media_dir(), &mut self.db.connect());
        assert_eq!(self.bucket().unfinished(), 0, "an upload in parts is left");
        rows.len()
    }
}

/// The 503 of the shared envelope.
#[track_caller]
fn is_away(answer: &Answer) {
    let text = String::from_utf8_lossy(&answer.bytes);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{text}");
    let told = serde_json::json!({
        "status": 503,
        "response": "Service Unavailable",
        "message": "The service is temporarily unavailable",
    });
    assert_eq!(answer.json(), told);
}

/// In which ways a bucket is away.
fn ways_to_be_away() -> [Fault; 4] {
    [Fault::Status(500), Fault::Status(503), Fault::Refuse, Fault::Hang]
}
