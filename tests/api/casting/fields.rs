//! Every field: what is not of its type is 400, what is but cannot be is 422.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::{Answer, App},
    media::VTT,
    people::Person,
    stores::TestDb,
};

/// A field, a value as JSON text, and what it is refused with; 200 where it is taken.
type Case = (&'static str, &'static str, u16);

const ACTOR: &[Case] = &[
    ("name", "\"\"", 422),
    ("name", "\"   \"", 422),
    ("name", "\"a\\u0000b\"", 422),
    ("name", "\"<256>\"", 422),
    ("name", "\"<255>\"", 200),
    ("name", "\"é\"", 200),
    ("name", "null", 400),
    ("name", "7", 400),
    ("name", "true", 400),
    ("name", "[\"Peter\"]", 400),
    ("name", "{\"first\":\"Peter\"}", 400),
    ("age", "0", 200),
    ("age", "150", 200),
    ("age", "-1", 422),
    ("age", "151", 422),
    ("age", "2147483648", 422),
    ("age", "-9223372036854775809", 422),
    ("age", "99999999999999999999", 422),
    ("age", "23.5", 400),
    ("age", "23.0", 400),
    ("age", "\"23\"", 400),
    ("age", "null", 400),
    ("age", "false", 400),
    ("age", "[23]", 400),
    ("age", "{}", 400),
    ("gender", "\"M\"", 200),
    ("gender", "\"F\"", 200),
    ("gender", "\"X\"", 422),
    ("gender", "\"m\"", 422),
    ("gender", "\"\"", 422),
    ("gender", "\"MF\"", 422),
    ("gender", "null", 400),
    ("gender", "0", 400),
    ("gender", "[\"M\"]", 400),
    ("movies_id", "[]", 200),
    ("movies_id", "[<movie>]", 200),
    ("movies_id", "[<movie>,<movie>]", 200),
    ("movies_id", "[0]", 422),
    ("movies_id", "[-1]", 422),
    ("movies_id", "[<movie>,4711]", 422),
    ("movies_id", "[2147483648]", 422),
    ("movies_id", "[99999999999999999999]", 422),
    ("movies_id", "<1001>", 422),
    ("movies_id", "null", 400),
    ("movies_id", "<movie>", 400),
    ("movies_id", "\"<movie>\"", 400),
    ("movies_id", "[\"<movie>\"]", 400),
    ("movies_id", "[1.5]", 400),
    ("movies_id", "[null]", 400),
    ("movies_id", "[[<movie>]]", 400),
    ("movies_id", "[<movie>,\"x\"]", 400),
    ("movies_id", "[0,\"x\"]", 400),
    ("movies_id", "{\"0\":<movie>}", 400),
];

const MOVIE: &[Case] = &[
    ("title", "\"\"", 422),
    ("title", "\" \"", 422),
    ("title", "\"\\u0000\"", 422),
    ("title", "\"<256>\"", 422),
    ("title", "\"<255>\"", 200),
    ("title", "null", 400),
    ("title", "1984", 400),
    ("title", "[\"M\"]", 400),
    ("date_release", "\"20200229\"", 200),
    ("date_release", "\"00010101\"", 200),
    ("date_release", "\"99991231\"", 200),
    ("date_release", "\"20200231\"", 422),
    ("date_release", "\"20190229\"", 422),
    ("date_release", "\"20201301\"", 422),
    ("date_release", "\"20200100\"", 422),
    ("date_release", "\"00000101\"", 422),
    ("date_release", "\"2020-03-30\"", 422),
    ("date_release", "\"200330\"", 422),
    ("date_release", "\" 2020033\"", 422),
    ("date_release", "\"\"", 422),
    ("date_release", "\"tomorrow\"", 422),
    ("date_release", "20200330", 400),
    ("date_release", "null", 400),
    ("date_release", "{}", 400),
    ("actors_id", "[<actor>]", 200),
    ("actors_id", "[<actor>,<actor>]", 200),
    ("actors_id", "[]", 422),
    ("actors_id", "[0]", 422),
    ("actors_id", "[-7]", 422),
    ("actors_id", "[<actor>,4711]", 422),
    ("actors_id", "[2147483648]", 422),
    ("actors_id", "<1001>", 422),
    ("actors_id", "null", 400),
    ("actors_id", "<actor>", 400),
    ("actors_id", "\"<actor>\"", 400),
    ("actors_id", "[\"<actor>\"]", 400),
    ("actors_id", "[1.5]", 400),
    ("actors_id", "[true]", 400),
    ("actors_id", "{}", 400),
    ("file_id", "null", 200),
    ("file_id", "\"<film>\"", 200),
    ("file_id", "\"<subtitle>\"", 422),
    ("file_id", "\"00000000-0000-0000-0000-000000000000\"", 422),
    ("file_id", "\"x\"", 422),
    ("file_id", "\"\"", 422),
    ("file_id", "7", 400),
    ("file_id", "[\"<film>\"]", 400),
    ("uuid", "null", 200),
    ("uuid", "\"01a1fc61-837e-7598-b9ad-3f8b4d62e590\"", 200),
    ("uuid", "\"01a1fc61837e7598b9ad3f8b4d62e590\"", 422),
    ("uuid", "\"x\"", 422),
    ("uuid", "7", 400),
    ("uuid", "{}", 400),
];

/// What the names in a case stand for.
struct Names {
    actor: i64,
    movie: i64,
    film: String,
    subtitle: String,
}

impl Names {
    fn fill(&self, text: &str) -> String {
        let many = format!("[{}]", (1..=1001).map(|number| number.to_string()).collect::<Vec<_>>().join(","));
        let (actor, movie) = (self.actor.to_string(), self.movie.to_string());
        let names = [
            ("<actor>", actor.as_str()),
            ("<movie>", &movie),
            ("<film>", &self.film),
            ("<subtitle>", &self.subtitle),
            ("<1001>", &many),
            ("<255>", &"é".repeat(255)),
            ("<256>", &"é".repeat(256)),
        ];
        names.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

struct House {
    app: App,
    owner: Person,
    names: Names,
    _db: TestDb,
}

impl House {
    async fn new() -> Self {
        let db = TestDb::create();
        let app = App::start(&db);
        let owner = app.register().await;
        let cast = app.cast(&owner).await;
        let subtitle = app.upload(&owner, "a.vtt", VTT.to_vec()).await.id();
        let names = Names { actor: cast.actor, movie: cast.movie, film: cast.file, subtitle };
        Self { app, owner, names, _db: db }
    }

    async fn send(&self, method: &Method, path: &str, body: String) -> Answer {
        let request = self.app.request(method.clone(), path, Some(&self.owner));
        Answer::of(request.header("content-type", "application/json").body(body)).await
    }

    /// All that is shown.
    async fn all(&self) -> [Value; 2] {
        let of = async |path| self.app.get(path, &self.owner).await.casting(200);
        [of("/casting/actors").await, of("/casting/movies").await]
    }

    /// Sends `base` with the field of each case.
    async fn hold(&self, method: &Method, path: &str, (base, cases): (&Value, &[Case])) {
        for (field, value, status) in cases {
            let value = self.names.fill(value);
            let mut fields: Vec<String> = Vec::new();
            for (name, value) in base.as_object().expect("an object").iter().filter(|(name, _)| name != field) {
                fields.push(format!("{}:{value}", json!(name)));
            }
            fields.push(format!("\"{field}\":{value}"));
            let before = self.all().await;
            let answer = self.send(method, path, format!("{{{}}}", fields.join(","))).await;
            let what = format!("{method} {path} {field}: {value:.60}");
            assert_eq!(answer.status, *status, "{what}: {}", String::from_utf8_lossy(&answer.bytes));
            if *status == 200 {
                answer.number();
            } else {
                answer.refused(*status);
                assert_eq!(self.all().await, before, "{what}");
            }
        }
    }

    /// Leaves out each of `required`, adds what is unknown, and sends what is no object.
    async fn hold_form(&self, method: &Method, path: &str, (base, required): (&Value, &[&str])) {
        let before = self.all().await;
        for name in required {
            let mut body = base.clone();
            body.as_object_mut().expect("an object").remove(*name);
            self.send(method, path, body.to_string()).await.refused(400);
        }
        for name in ["id", "actor_id", "Name", "nam", "created_at", "number", ""] {
            let mut body = base.clone();
            body[name] = json!(1);
            self.send(method, path, body.to_string()).await.refused(400);
        }
        for body in ["", "{", "[]", "null", "7", "\"x\"", "[{}]", "{}{}", "name=Peter", "{\"name\":\"\\ud800\"}"] {
            self.send(method, path, body.to_owned()).await.refused(400);
        }
        // What is not said to be JSON is none.
        let request = self.app.request(method.clone(), path, Some(&self.owner)).body(base.to_string());
        Answer::of(request.header("content-type", "text/plain")).await.refused(400);
        assert_eq!(self.all().await, before, "{method} {path}");
    }
}

#[actix_web::test]
async fn a_new_actor_is_checked_field_by_field() {
    let house = House::new().await;
    let base = json!({"name": "Peter", "age": 23, "gender": "M"});
    house.hold(&Method::POST, "/casting/actors", (&base, ACTOR)).await;
    house.hold_form(&Method::POST, "/casting/actors", (&base, &["name", "age", "gender"])).await;
}

#[actix_web::test]
async fn a_changed_actor_is_checked_field_by_field() {
    let house = House::new().await;
    let path = format!("/casting/actors/{}", house.names.actor);
    house.hold(&Method::PATCH, &path, (&json!({}), ACTOR)).await;
    house.hold_form(&Method::PATCH, &path, (&json!({}), &[])).await;
}

#[actix_web::test]
async fn a_new_movie_is_checked_field_by_field() {
    let house = House::new().await;
    let base = json!({"title": "M", "date_release": "19310511", "actors_id": [house.names.actor]});
    house.hold(&Method::POST, "/casting/movies", (&base, MOVIE)).await;
    house.hold_form(&Method::POST, "/casting/movies", (&base, &["title", "date_release", "actors_id"])).await;
}

#[actix_web::test]
async fn a_changed_movie_is_checked_field_by_field() {
    let house = House::new().await;
    let path = format!("/casting/movies/{}", house.names.movie);
    let base = json!({"actors_id": [house.names.actor]});
    house.hold(&Method::PATCH, &path, (&base, MOVIE)).await;
    house.hold_form(&Method::PATCH, &path, (&base, &["actors_id"])).await;
}

#[actix_web::test]
async fn of_two_kinds_of_faults_the_wrong_type_is_told() {
    let house = House::new().await;
    let actors = "/casting/actors";
    for (body, status) in [
        (json!({"name": "", "age": -1, "gender": "X"}), 422),
        (json!({"name": "", "age": "1", "gender": "X"}), 400),
        (json!({"name": "", "age": -1}), 400),
        (json!({"name": "", "age": -1, "gender": "X", "colour": "red"}), 400),
        // A value that no field has is found before a reference is looked up.
        (json!({"name": "A", "age": 200, "gender": "M", "movies_id": [4711]}), 422),
    ] {
        house.send(&Method::POST, actors, body.to_string()).await.refused(status);
    }
}
