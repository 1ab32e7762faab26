//! Lists: all of it, pages, filters, order.

use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App, Plan, eventually},
    people::Person,
    stores::TestDb,
};

struct Agency {
    app: App,
    owner: Person,
    db: TestDb,
}

/// The ids of what is listed, and the total.
fn listed(json: &Value) -> (Vec<i64>, i64) {
    let (name, total) =
        if json.get("movies").is_some() { ("movies", "total_movies") } else { ("actors", "total_actors") };
    let rows = json[name].as_array().expect("a list").iter();
    (rows.map(|row| row["id"].as_i64().expect("an id")).collect(), json[total].as_i64().expect("a total"))
}

impl Agency {
    async fn new() -> Self {
        let db = TestDb::create();
        let app = App::start(&db);
        let owner = app.register().await;
        for (name, age, gender) in [("Peter", 23, "M"), ("ingrid", 30, "F"), ("Ingrid", 41, "F"), ("Victor", 30, "M")] {
            app.post("/casting/actors", &owner, json!({"name": name, "age": age, "gender": gender})).await.number();
        }
        for (title, day, actors) in
            [("Genesis", "20200330", vec![1, 2]), ("M", "19310511", vec![4, 3]), ("m", "00020101", vec![1])]
        {
            let body = json!({"title": title, "date_release": day, "actors_id": actors});
            app.post("/casting/movies", &owner, body).await.number();
        }
        Self { app, owner, db }
    }

    async fn ask(&self, path: &str) -> Answer {
        self.app.get(&format!("/casting/{path}"), &self.owner).await
    }
}

/// A list, the ids in it, and how many match in all.
const LISTS: &[(&str, &[i64], i64)] = &[
    ("actors", &[1, 2, 3, 4], 4),
    ("actors?page=1", &[1, 2, 3, 4], 4),
    ("actors?limit=2", &[1, 2], 4),
    ("actors?page=2&limit=3", &[4], 4),
    ("actors?page=3&limit=3", &[], 4),
    ("actors?page=100000000&limit=100", &[], 4),
    ("actors?sort=-id", &[4, 3, 2, 1], 4),
    ("actors?sort=-age,name", &[3, 2, 4, 1], 4),
    ("actors?sort=name&limit=2", &[2, 3], 4),
    ("actors?name=INGRID", &[2, 3], 2),
    ("actors?name=ingrid&limit=1", &[2], 2),
    ("actors?name=ingrid&limit=1&page=2", &[3], 2),
    ("actors?name=nobody", &[], 0),
    ("actors?age=30", &[2, 4], 2),
    ("actors?age_gte=30&age_lte=40", &[2, 4], 2),
    ("actors?gender=f", &[2, 3], 2),
    ("actors?id=3", &[3], 1),
    ("actors?id_gte=3", &[3, 4], 2),
    ("movies", &[1, 2, 3], 3),
    ("movies?title=M", &[2, 3], 2),
    ("movies?sort=date_release", &[3, 2, 1], 3),
    ("movies?date_release=20200330", &[1], 1),
    ("movies?date_release_gte=19310511", &[1, 2], 2),
    ("movies?date_release_lte=19310511&sort=-id", &[3, 2], 2),
    ("movies?uuid=00000000-0000-0000-0000-000000000000", &[], 0),
    ("movies?sort=-title&limit=1&page=2", &[3], 3),
];

/// Lists that cannot be asked for.
const NO_LISTS: &[&str] = &[
    "actors?page=0",
    "actors?limit=0",
    "actors?limit=101",
    "actors?limit=1000",
    "actors?page=x",
    "actors?page=1&page=1",
    "actors?sort=colour",
    "actors?sort=id;DROP",
    "actors?colour=red",
    "actors?title=M",
    "actors?age=old",
    "actors?q=peter",
    "actors?cursor=x",
    "actors?cursor=eyJ0IjoiY2FzdGluZ19hY3RvcnMiLCJzIjoiW10iLCJrIjpbIjEiXX0",
    "actors?name=%FF",
    "actors?name=a%00b",
    "movies?name=Peter",
    "movies?uuid=x",
    "movies?date_release=tomorrow",
    "movies?actors_id=1",
];

#[actix_web::test]
async fn lists_are_filtered_sorted_and_paged() {
    let agency = Agency::new().await;
    for (path, ids, total) in LISTS {
        assert_eq!(listed(&agency.ask(path).await.casting(200)), (ids.to_vec(), *total), "{path}");
    }
}

#[actix_web::test]
async fn what_a_list_does_not_know_is_refused() {
    let agency = Agency::new().await;
    for path in NO_LISTS {
        agency.ask(path).await.refused(400);
    }
}

#[actix_web::test]
async fn a_list_without_a_page_is_whole_up_to_a_thousand() {
    use diesel::connection::SimpleConnection as _;
    let agency = Agency::new().await;
    let extras = "INSERT INTO casting_actors (id, name, age, gender) \
        SELECT gen_random_uuid(), 'Extra ' || n, 20, 'F' FROM generate_series(1, 1100) n";
    agency.db.connect().batch_execute(extras).expect("the actors are made");
    let whole: Vec<i64> = (1..=1000).collect();
    // A total that was known before is not asked of the database again: this server has none yet.
    let answer = agency.ask("actors").await;
    assert_eq!(listed(&answer.casting(200)), (whole, 1104));
    assert!(answer.header("link").is_none());
    assert_eq!(listed(&agency.ask("actors?age=20").await.casting(200)).0.len(), 1000);
    assert_eq!(listed(&agency.ask("actors?sort=-id").await.casting(200)).0[..2], [1104, 1103]);
    let page = agency.ask("actors?page=111").await;
    assert_eq!(listed(&page.casting(200)), ((1101..=1104).collect(), 1104));
    let link = page.header("link").expect("a link");
    for relation in [
        "</casting/actors?page=1>; rel=\"first\"",
        "</casting/actors?page=110>; rel=\"prev\"",
        "</casting/actors?page=111>; rel=\"last\"",
    ] {
        assert!(link.contains(relation), "{link}");
    }
    assert!(!link.contains("next"), "{link}");
}

#[actix_web::test]
async fn totals_are_right_on_the_other_node_after_a_write() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let owner = nodes[0].register().await;
    let actor = nodes[0].actor(&owner, "Peter").await;
    let lists =
        ["/casting/actors", "/casting/actors?age=23&limit=1", "/casting/movies", "/casting/movies?title=m&page=1"];
    let mut delays = Vec::new();
    for round in 0..20_usize {
        let (writer, reader) = (&nodes[round % 2], &nodes[1 - round % 2]);
        let totals = async || {
            let mut totals = Vec::new();
            for list in lists {
                totals.push(listed(&reader.get(list, &owner).await.casting(200)).1);
            }
            totals
        };
        let before = totals().await;
        // Now there is one more of each, now one less.
        let more = if round % 4 < 2 { 1 } else { -1 };
        if more > 0 {
            writer.actor(&owner, "Peter").await;
            writer.movie(&owner, "M", &[actor]).await;
        } else {
            for (list, name) in [("/casting/actors?sort=-id&limit=1", "actors"), ("/casting/movies?limit=1", "movies")]
            {
                let one = writer.get(list, &owner).await.casting(200)[name][0]["id"].clone();
                writer.delete(&format!("/casting/{name}/{one}"), &owner).await.number();
            }
        }
        let written = std::time::Instant::now();
        let after: Vec<i64> = before.iter().map(|total| total + more).collect();
        let seen = async || totals().await == after;
        assert!(eventually(std::time::Duration::from_secs(5), seen).await, "round {round}: {:?}", totals().await);
        delays.push(written.elapsed());
    }
    // A pause of the machine is not the server's doing.
    delays.sort();
    assert!(delays[delays.len() / 2].as_millis() <= 200, "{delays:?}");
}
