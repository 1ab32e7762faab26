//! Query parameters of lists.

use serde_json::json;
use uuid::Uuid;

use super::{House, digest, names};
use crate::support::shape::Shape;

#[actix_web::test]
async fn wrong_query_parameters_are_named_on_every_list() {
    let house = House::new().await;
    let before = digest(&house.db);
    let forged = "eyJ0IjoidXNlcnMiLCJzIjoiW10iLCJrIjpbXX0";
    let long = "x".repeat(20_000);
    let fixed: Vec<(String, &str)> = [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=", "page"),
        ("page", "page"),
        ("page=1.5", "page"),
        ("page=%201", "page"),
        ("page=+1", "page"),
        ("page=0x1", "page"),
        ("page=1e3", "page"),
        ("page=100000001", "page"),
        ("page=9223372036854775808", "page"),
        ("page=1;DROP%20TABLE%20users", "page"),
        ("page=%00", "page"),
        ("page=%EF%BC%91", "page"),
        ("page=1&page=2", "page"),
        ("page=1&page=1", "page"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=101", "limit"),
        ("limit=1000", "limit"),
        ("limit=18446744073709551616", "limit"),
        ("limit=ALL", "limit"),
        ("limit=1&limit=1", "limit"),
        ("sort=id;DROP%20TABLE%20users", "sort"),
        ("sort=id;DROP", "sort"),
        ("sort=", "sort"),
        ("sort=-", "sort"),
        ("sort=--id", "sort"),
        ("sort=,", "sort"),
        ("sort=id,", "sort"),
        ("sort=id,-id", "sort"),
        ("sort=nope", "sort"),
        ("sort=id%00", "sort"),
        ("sort=t.id", "sort"),
        ("sort=(1)", "sort"),
        ("sort=id%20desc", "sort"),
        ("sort=password_hash", "sort"),
        ("sort=created_at", "sort"),
        ("sort=ID", "sort"),
        ("sort=id&sort=id", "sort"),
        ("cursor=", "cursor"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=bnVsbA", "cursor"),
        ("cursor=e30", "cursor"),
        ("id=", "id"),
        ("id=1", "id"),
        ("id=%00", "id"),
        ("id='%20OR%201=1--", "id"),
        ("id=%FF", "id"),
        ("id_gte=00000000-0000-0000-0000-000000000000", "id_gte"),
        ("id%5B%5D=x", "id[]"),
        ("nope=1", "nope"),
        ("NAME=x", "NAME"),
        ("created_at=2020-01-01", "created_at"),
        ("user.password=x", "user.password"),
        ("%00=1", "\0"),
        ("=1", ""),
        ("%FF=1", "query"),
        ("%C3%28=1", "query"),
        ("%ED%A0%80=1", "query"),
        ("createdAt=yesterday", "createdAt"),
        ("createdAt_gte=", "createdAt_gte"),
        ("createdAt_gte=%00", "createdAt_gte"),
        ("createdAt_gte=0", "createdAt_gte"),
        ("createdAt_gte=2020-13-01", "createdAt_gte"),
        ("createdAt_gte=2020-02-30T00:00:00Z", "createdAt_gte"),
        ("createdAt_lte=99999-01-01T00:00:00Z", "createdAt_lte"),
        ("createdAt_lte=-9999-1-01", "createdAt_lte"),
        ("createdAt_lte=9223372036854775807", "createdAt_lte"),
        ("createdAt_lte=infinity", "createdAt_lte"),
        ("createdAt_gt=2020-01-01", "createdAt_gt"),
        ("createdAt_gte=2020-01-01&createdAt_gte=2020-01-01", "createdAt_gte"),
    ]
    .into_iter()
    .map(|(query, field)| (query.to_owned(), field))
    .chain([
        (format!("sort={long}"), "sort"),
        (format!("cursor={long}"), "cursor"),
        (format!("id={long}"), "id"),
        (format!("createdAt={long}"), "createdAt"),
        (format!("page={}", "9".repeat(5000)), "page"),
    ])
    .collect();
    for (path, _) in house.lists().await {
        let shape = Shape::of(&path);
        for (query, field) in &fixed {
            if shape == Shape::Success && query == "id=1" {
                continue;
            }
            let raw = house.target(format!("{path}?{query}")).await;
            let shown: String = query.chars().take(60).collect();
            names(&raw.answer(), field, &format!("{path}?{shown}"));
        }
        if !path.ends_with("/users") && path != "/users" {
            let raw = house.target(format!("{path}?cursor={forged}")).await;
            names(&raw.answer(), "cursor", &path);
        }
        let all = house.target(format!("{path}?page=0&limit=0&sort=x&nope=1&id=x")).await;
        if shape == Shape::Success {
            all.answer().refused(400);
            continue;
        }
        let named = match shape {
            Shape::Envelope => &["page", "limit", "sort", "nope", "id"][..],
            Shape::Response => &["page"],
            // No list of the images contract has pages.
            Shape::Detail | Shape::Error | Shape::Success => &["id", "limit", "nope", "page", "sort"],
        };
        assert_eq!(all.answer().wrong_fields(), named, "{path}: all at once");
    }
    assert_eq!(digest(&house.db), before);
}

#[actix_web::test]
async fn wrong_values_of_filters_are_named_and_strange_ones_find_nothing() {
    let house = House::new().await;
    let before = digest(&house.db);
    for (path, parameters) in house.lists().await {
        for (name, schema) in parameters {
            if matches!(&*name, "page" | "limit" | "cursor" | "sort") {
                continue;
            }
            let long = "x".repeat(1001);
            let (wrong, strange): (Vec<&str>, Vec<&str>) = if schema["type"] == "number" {
                (
                    vec![
                        "",
                        "x",
                        "%00",
                        "1,5",
                        "0x10",
                        "1e400",
                        "-1e400",
                        "NaN",
                        "nan",
                        "inf",
                        "-infinity",
                        "1_0",
                        "'1'",
                    ],
                    vec!["-1", "9223372036854775808", "-9223372036854775809", "1e308", "4e-324", "-0", "1.5"],
                )
            } else if schema["format"] == "uuid" {
                (vec!["", "x", "%00", "1", "%FF", &long], vec!["00000000-0000-0000-0000-000000000000"])
            } else if schema["format"] == "date-time" {
                (
                    vec!["", "x", "%00", "2020-1-1", "2020-01-01T25:00:00Z", "10000-01-01T00:00:00Z"],
                    vec![
                        "0001-01-01",
                        "9999-12-31T23:59:59.999999999Z",
                        "2020-01-01T00:00:00-23:59",
                        "2016-12-31T23:59:60Z",
                    ],
                )
            } else {
                (
                    vec!["%00", "a%00b", "%FF", "%C0%AF", "%ED%A0%80", &long],
                    vec![
                        "",
                        "'",
                        "%27%3B--",
                        "%22",
                        "%5C",
                        "%25",
                        "_",
                        "%24%24",
                        "%7B%7D",
                        "%F0%9F%8E%AC",
                        "%E2%80%AE",
                        "%01",
                        "a%20%26%20b",
                        "!",
                        "%7C",
                        "%28",
                        "%3A%2A",
                        "-",
                        "%22a",
                        "a%20OR%20",
                        "%3C-%3E",
                        "%EF%BF%BF",
                    ],
                )
            };
            for value in wrong {
                let raw = house.target(format!("{path}?{name}={value}")).await;
                let shown: String = value.chars().take(30).collect();
                names(&raw.answer(), &name, &format!("{path}?{name}={shown}"));
            }
            for value in strange {
                let raw = house.target(format!("{path}?{name}={value}")).await;
                let answer = raw.answer();
                assert_eq!(answer.status, 200, "{path}?{name}={value}: {}", String::from_utf8_lossy(&answer.bytes));
            }
        }
    }
    assert_eq!(digest(&house.db), before);
}

#[actix_web::test]
async fn days_and_cursors_beyond_the_calendar_are_400() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let house = House::new().await;
    // Ten characters each, so they could pass for days.
    for day in ["-9999-1-01", "-9999-01-1", "%2B99999-1-1", "%2B12345-1-1", "0000-01-01", "-999-01-01"] {
        let raw = house.target(format!("/genres?createdAt_gte={day}")).await;
        names(&raw.answer(), "createdAt_gte", day);
    }
    let cursor = |spelling: &str, keys: &[&str]| {
        let cursor = json!({"t": "series", "s": spelling, "k": keys}).to_string();
        format!("/series?cursor={}", URL_SAFE_NO_PAD.encode(cursor))
    };
    let id = Uuid::nil().to_string();
    let (time, rating, name) = (r#"[["sort","createdAt"]]"#, r#"[["sort","rating"]]"#, r#"[["sort","name"]]"#);
    let search = r#"[["q","x"]]"#;
    assert_eq!(house.target(cursor(time, &["2020-01-01T00:00:00Z", &id])).await.status, 200, "a good one is taken");
    for (spelling, keys) in [
        (time, vec!["-9999-1-01", &id]),
        (time, vec!["%00", &id]),
        (time, vec!["2020-01-01T00:00:00Z", "x"]),
        (time, vec!["2020-01-01T00:00:00Z"]),
        (time, vec!["2020-01-01T00:00:00Z", &id, &id]),
        (rating, vec!["NaN", &id]),
        (rating, vec!["1e999", &id]),
        (rating, vec!["x", &id]),
        (name, vec!["a\0b", &id]),
        (search, vec!["inf", &id]),
        (r#"[["q","a\u0000b"]]"#, vec!["1", &id]),
        (r#"[["sort","id;DROP"]]"#, vec![&id]),
        (r#"[["id","x"]]"#, vec![&id]),
        (r#"[["nope","x"]]"#, vec![&id]),
        (r#"[["page","0"]]"#, vec![&id]),
        ("[[]]", vec![&id]),
        ("", vec![&id]),
        ("{}", vec![&id]),
    ] {
        let raw = house.target(cursor(spelling, &keys)).await;
        names(&raw.answer(), "cursor", &format!("{spelling} {keys:?}"));
    }
}
