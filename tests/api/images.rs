//! Images that accounts keep, on the disk and in a bucket.

mod bombs;
mod clients;
mod limits;
mod lists;
mod outages;
mod reads;
mod refusals;
mod removals;
mod uploads;
mod upright;
mod variants;

use std::collections::BTreeMap;

use crate::support::{
    app::{Answer, App, Plan},
    home::Home,
    people::{People, Person},
    stores::{TestDb, count},
};

/// The rows of smaller copies.
const VARIANTS: &str = "image_variants";

/// A server, its people, and where it keeps bytes.
struct House {
    db: TestDb,
    home: Home,
    plan: Plan,
    app: App,
    people: People,
}

impl House {
    async fn new(home: Home) -> Self {
        Self::with(home, &[]).await
    }

    /// With these settings.
    async fn with(home: Home, settings: &[(&str, &str)]) -> Self {
        let db = TestDb::create();
        let plan = settings.iter().fold(home.plan(&db), |plan, (name, value)| plan.with(name, value));
        let app = plan.start();
        let people = app.people().await;
        Self { db, home, plan, app, people }
    }

    /// Waits until bytes and rows agree, and gives them: id and length.
    #[track_caller]
    fn stored(&self) -> BTreeMap<String, u64> {
        self.home.agreed(self.app.media_dir(), &mut self.db.connect())
    }

    /// Waits until bytes and rows agree; there must be so many images, smaller copies, and files in all.
    #[track_caller]
    fn holds(&self, images: i64, variants: i64, files: usize) {
        assert_eq!(self.stored().len(), files);
        let conn = &mut self.db.connect();
        assert_eq!((count(conn, "images"), count(conn, VARIANTS)), (images, variants));
    }

    async fn image(&self, person: &Person, id: &str) -> Answer {
        self.app.get(&format!("/images/{id}"), person).await
    }

    async fn wide(&self, person: &Person, id: &str, width: u32) -> Answer {
        self.app.get(&format!("/images/{id}?width={width}"), person).await
    }

    async fn delete(&self, person: &Person, id: &str) -> Answer {
        self.app.delete(&format!("/images/{id}"), person).await
    }

    /// The ids that a list gives.
    async fn list(&self, person: &Person, query: &str) -> Vec<String> {
        let answer = self.app.get(&format!("/images{query}"), person).await;
        assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.bytes));
        let ids = answer.json();
        ids.as_array().expect("a list").iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
    }
}

/// How often `node` has run this tool.
async fn runs(node: &App, tool: &str) -> u64 {
    let answer = Answer::of(node.request(reqwest::Method::GET, "/metrics", None)).await;
    let text = String::from_utf8(answer.bytes).expect("text");
    let of_tool = |line: &&str| line.starts_with("playhouse_tool_runs_total{") && line.contains(&format!("\"{tool}\""));
    let counts = text.lines().filter(of_tool).filter_map(|line| line.rsplit(' ').next());
    counts.map(|count| count.parse::<u64>().expect("a count")).sum()
}

/// What a refusal of this status says.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}: {}", answer.path, String::from_utf8_lossy(&answer.bytes));
    answer.refusal().as_str().expect("a text").to_owned()
}
