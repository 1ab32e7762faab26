//! Fields of bodies: unknown, of the wrong kind, too large, at random.

use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use super::{House, clear, digest, names};
use crate::support::{app::Catalogue, people::PASSWORD};

/// `schema` takes values of this JSON type.
fn takes(schema: &Value, kind: &str) -> bool {
    schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(|known| known == kind))
}

#[actix_web::test]
async fn unknown_and_privileged_fields_are_refused_by_name_on_every_route() {
    let house = House::new().await;
    let before = digest(&house.db);
    for (method, path, schema) in house.json_routes().await {
        let long = "x".repeat(100);
        let privileged = [
            "roles",
            "id",
            "owner_id",
            "user_id",
            "createdAt",
            "updatedAt",
            "created_at",
            "epoch",
            "password_hash",
            "permissions",
            "genre",
            "is_admin",
            "__proto__",
            "constructor",
            "Name",
            "NAME ",
            "",
            "$where",
            "a.b",
            &long,
        ];
        for name in privileged.into_iter().filter(|name| schema["properties"].get(name).is_none()) {
            for value in [json!("x"), json!(null), json!(["owner"]), json!({"x": 1}), json!(1)] {
                let mut body = house.good_body(&method, &path);
                body[name] = value;
                let answer = house.send(&method, &path, body.to_string()).await;
                names(&answer, name, &format!("{method} {path} {name:?}"));
            }
        }
    }
    assert_eq!(digest(&house.db), before);
}

/// Values, as JSON text, that no field of this schema takes.
fn bad_values(schema: &Value) -> Vec<String> {
    let long = |length: usize| json!("x".repeat(length)).to_string();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut all = vec![r#"{"a":1}"#.to_owned(), deep(3), "[null]".to_owned(), "[[]]".to_owned()];
    if !takes(schema, "boolean") {
        all.extend(["true", "false"].map(str::to_owned));
    }
    if takes(schema, "string") {
        all.extend(["0", "-1", "1.5", "9223372036854775808", "[]", r#"["x"]"#].map(str::to_owned));
        if schema["format"] == "password" {
            all.push(long(10_000));
        } else {
            all.extend([r#""\u0000""#, r#""a\u0000b""#].map(str::to_owned));
            all.extend([long(10_001), long(100_000)]);
        }
        if schema["format"] == "uuid" {
            let nil = Uuid::nil().to_string();
            all.extend(["", "x", "' OR 1=1 --", "../../etc/passwd", &nil[1..]].map(|text| json!(text).to_string()));
        }
    } else {
        all.extend([r#""x""#, r#""1""#, r#""\u0000""#, r#""""#].map(str::to_owned));
        all.push(long(10_000));
    }
    if takes(schema, "number") || takes(schema, "integer") {
        all.extend(["-1", "-0.5", "-9223372036854775809", "1e300", "[]", "[1]"].map(str::to_owned));
    }
    if takes(schema, "integer") {
        all.extend(["1.5", "9223372036854775807", "9223372036854775808", "18446744073709551616"].map(str::to_owned));
        all.extend(["2147483648", "-2147483649"].map(str::to_owned));
        all.extend(schema["maximum"].as_u64().map(|most| (most + 1).to_string()));
    }
    if takes(schema, "array") {
        all.extend(["0", "{}", r#""x""#, r#"["\u0000"]"#, "[0]", r#"["x","x"]"#].map(str::to_owned));
        all.push(format!("[{}]", vec!["\"x\""; 1001].join(",")));
    }
    all
}

/// A body with `value` (JSON text) as the field `name`.
fn replaced(body: &Value, name: &str, value: &str) -> String {
    let mut rest = body.clone();
    if let Some(map) = rest.as_object_mut() {
        map.remove(name);
    }
    let rest = rest.to_string();
    let comma = if rest == "{}" { "" } else { "," };
    format!("{{\"{name}\":{value}{comma}{}", &rest[1..])
}

#[actix_web::test]
async fn a_field_of_the_wrong_kind_or_size_is_refused_by_name_on_every_route() {
    let house = House::new().await;
    let before = digest(&house.db);
    let mut sent = 0;
    for (method, path, schema) in house.json_routes().await {
        let good = house.good_body(&method, &path);
        for (name, property) in schema["properties"].as_object().expect("properties") {
            let mut values = bad_values(property);
            if !takes(property, "null") {
                values.push("null".to_owned());
            }
            // 2 to the 63 is a rating or a count of seconds no less than it is an ordinal.
            if name == "rating" {
                values.extend(["9223372036854775808", "10.01"].map(str::to_owned));
            }
            for value in values {
                let shown: String = value.chars().take(60).collect();
                let what = format!("{method} {path} {name}: {shown}");
                let answer = house.send(&method, &path, replaced(&good, name, &value)).await;
                names(&answer, name, &what);
                sent += 1;
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let mut body = good.clone();
            body.as_object_mut().expect("an object").remove(name);
            let answer = house.send(&method, &path, body.to_string()).await;
            names(&answer, name, &format!("{method} {path} no {name}"));
            answer.misses(name);
        }
    }
    assert!(sent > 500, "only {sent} sent");
    assert_eq!(digest(&house.db), before);
}

#[actix_web::test]
async fn secrets_with_nul_are_wrong_not_faults() {
    let house = House::new().await;
    let before = digest(&house.db);
    let email = &house.owner.email;
    for (body, path, status) in [
        (json!({"email": email, "password": "a\0b"}), "/users/login", 401),
        (json!({"email": "x".repeat(1000), "password": "a"}), "/users/login", 401),
        (json!({"email": email, "password": "x".repeat(8192)}), "/users/login", 401),
        (json!({"refresh_token": "a\0b"}), "/users/refresh", 401),
        (json!({"refresh_token": "x".repeat(8192)}), "/users/refresh", 401),
        (json!({"username": house.shared.channel, "password": "a\0b"}), "/sign_in", 402),
        (json!({"username": "x".repeat(1000), "password": "a"}), "/sign_in", 402),
        (json!({"username": "%' OR 1=1 --", "password": "x".repeat(8192)}), "/sign_in", 402),
        (json!({"token": "a\0b", "password": "good enough"}), "/password/reset", 400),
        (json!({"token": "x".repeat(8192), "password": "good enough"}), "/password/reset", 400),
        (json!({"token": "' OR 1=1 --", "password": "good enough"}), "/password/reset", 400),
    ] {
        let answer = house.app.post_open(path, body).await;
        clear(&answer, path);
        assert_eq!(answer.status, status, "{path}");
    }
    let own = format!("/users/{}", house.owner.id);
    let answer = house.app.patch(&own, &house.owner, json!({"password": "a\0bcdefgh", "current_password": PASSWORD}));
    names(&answer.await, "password", "a NUL in a new password");
    let answer = house.app.patch(&own, &house.owner, json!({"password": "good enough", "current_password": "a\0"}));
    names(&answer.await, "current_password", "a NUL in the current password");
    assert_eq!(digest(&house.db), before);
}

#[actix_web::test]
async fn references_to_nothing_or_to_something_else_are_refused_by_name() {
    let house = House::new().await;
    let before = digest(&house.db);
    let Catalogue { genre, series, .. } = &house.things;
    for wrong in [Uuid::nil().to_string(), Uuid::now_v7().to_string(), genre.clone()] {
        for (path, field, body) in [
            ("/series", "trailer_id", json!({"name": "X", "trailer_id": wrong})),
            ("/series", "image_id", json!({"name": "X", "image_id": wrong})),
            ("/seasons", "series_id", json!({"name": "X", "series_id": wrong})),
            ("/episodes", "season_id", json!({"name": "X", "season_id": wrong})),
            ("/streams", "episode_id", json!({"episode_id": wrong})),
            ("/streams", "user_id", json!({"episode_id": house.things.episode, "user_id": wrong})),
        ] {
            names(&house.app.post(path, &house.owner, body).await, field, path);
        }
    }
    let body = json!({"name": "X", "genre_ids": [genre, series]});
    clear(&house.app.post("/series", &house.owner, body).await, "a series as a genre");
    assert_eq!(digest(&house.db), before);
}

/// A small generator of repeatable numbers (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % sides
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.roll(of.len().try_into().unwrap())).unwrap()]
    }

    fn value(&mut self, depth: u32) -> Value {
        let text = ["", "x", "\0", "'; DROP TABLE users; --", "\u{202e}", "%s", "../..", "\u{10ffff}", "null"];
        match self.roll(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.roll(2) == 0),
            2 => json!(*self.one(&[0, -1, i64::MAX, i64::MIN, 1 << 31, 1 << 53])),
            3 => json!(*self.one(&[u64::MAX, 1 << 63])),
            4 => json!(*self.one(&[0.5, -0.0, 1e308, f64::MIN_POSITIVE, -1e-9])),
            5 => json!(self.one(&text).repeat(usize::try_from(self.roll(3)).unwrap())),
            6 => (0..self.roll(4)).map(|_| self.value(depth - 1)).collect(),
            _ => (0..self.roll(4)).map(|at| (format!("{}{at}", self.one(&text)), self.value(depth - 1))).collect(),
        }
    }
}

#[actix_web::test]
async fn bodies_at_random_are_never_faults() {
    let house = House::new().await;
    let mut dice = Dice(20_261_121);
    for (method, path, schema) in house.json_routes().await {
        // Were maintenance switched on, all else would be 503.
        if path == "/maintenance" {
            continue;
        }
        let names: Vec<&String> = schema["properties"].as_object().expect("properties").keys().collect();
        for _ in 0..40 {
            let mut body = house.good_body(&method, &path);
            for name in &names {
                if dice.roll(3) == 0 {
                    body[name.as_str()] = dice.value(3);
                }
            }
            let answer = house.send(&method, &path, body.to_string()).await;
            let fine = matches!(answer.status, 200 | 201) || (400..500).contains(&answer.status);
            assert!(fine, "{method} {path} {body}: {}", String::from_utf8_lossy(&answer.bytes));
            if answer.status >= 400 {
                clear(&answer, &body.to_string());
            }
        }
    }
    assert_eq!(house.app.get("/users", &house.owner).await.status, 200);
}
