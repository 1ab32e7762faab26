//! How the contracts shape what they say, by the first segment of a path; but for plays, which lie below the path
//! of a video and speak as all playback does. Written out here, not taken from the server: a path that changes
//! its shape is noticed.

use serde_json::{Value, json};

use super::app::Answer;

/// The shape of a contract's JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{status, response, message}` with `data` or `errors`.
    Envelope,
    /// `{response}`.
    Response,
    /// Plain objects, with `{detail}` or the wrong fields where it refuses.
    Detail,
    /// Plain objects, with `{error}` where it refuses.
    Error,
    /// `{success}`, with `{success, error, message}` where it refuses.
    Success,
}

/// What is not here is in the envelope, also where nothing is.
const RESPONSES: [&str; 10] =
    ["sign_up", "sign_in", "upload", "v", "video", "videos", "thumbnails", "search", "channel", "password"];

const DETAILS: [&str; 4] = ["movies", "register", "collection", "request-count"];

impl Shape {
    /// The shape of what is said below `path`.
    pub fn of(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        match segments[..] {
            ["v", hash, "plays", ..] if !hash.is_empty() => Self::Envelope,
            [first, ..] if RESPONSES.contains(&first) => Self::Response,
            ["casting", ..] => Self::Success,
            ["images", ..] => Self::Error,
            [first, ..] if DETAILS.contains(&first) => Self::Detail,
            _ => Self::Envelope,
        }
    }
}

impl Answer {
    /// The shape that an answer of its path has.
    pub fn shape(&self) -> Shape {
        Shape::of(&self.path)
    }

    /// The member `response` of an answer that must have this status, and no other member.
    #[track_caller]
    pub fn response(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.path, String::from_utf8_lossy(&self.bytes));
        // An answer that was read from a bare socket has no headers here.
        assert!(self.headers.is_empty() || self.header("content-type") == Some("application/json"), "{}", self.path);
        let json = self.json();
        let members: Vec<&String> = json.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["response"], "{}: {json}", self.path);
        json["response"].clone()
    }

    /// What a refusal says, which must have the shape of its path: the envelope's `message`, `response`, `error`, or
    /// `detail`; where fields are wrong, those of the last.
    #[track_caller]
    pub fn refusal(&self) -> Value {
        let said = match self.shape() {
            Shape::Response => self.response(self.status),
            Shape::Detail => {
                let json = self.json();
                let members = json.as_object().expect("an object");
                match members.get("detail") {
                    Some(detail) => {
                        assert_eq!(members.len(), 1, "{}: {json}", self.path);
                        detail.clone()
                    }
                    None => json,
                }
            }
            Shape::Error => {
                let json = self.json();
                assert_eq!(json.as_object().expect("an object").len(), 1, "{}: {json}", self.path);
                assert!(json["error"].is_string(), "{}: {json}", self.path);
                json["error"].clone()
            }
            Shape::Success => {
                let json = self.casting(self.status);
                assert_eq!(json["error"], self.status, "{}: {json}", self.path);
                assert_eq!(json.as_object().expect("an object").len(), 3, "{}: {json}", self.path);
                json["message"].clone()
            }
            Shape::Envelope => {
                let json = self.json();
                assert_eq!(json["status"], self.status, "{}: {json}", self.path);
                assert!(json["response"].as_str().is_some_and(|text| !text.is_empty()), "{}: {json}", self.path);
                assert!(json.get("data").is_none(), "{}: {json}", self.path);
                json["message"].clone()
            }
        };
        let says = said
            .as_str()
            .map_or_else(|| said.as_object().is_some_and(|words| !words.is_empty()), |text| !text.is_empty());
        assert!((400..600).contains(&self.status) && says, "{}: {} {said}", self.path, self.status);
        said
    }

    /// The names of the fields that a 400 is about: all of them in the envelope and in `error`, else the first.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<String> {
        assert_eq!(self.status, 400, "{}: {}", self.path, String::from_utf8_lossy(&self.bytes));
        let text = |value: &Value| value.as_str().expect("a field").to_owned();
        match self.shape() {
            Shape::Envelope => {
                let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
                errors.iter().map(|error| text(&error["field"])).collect()
            }
            Shape::Detail => {
                let json = self.json();
                let fields = json.as_object().expect("an object").iter().filter(|(_, messages)| messages.is_array());
                fields.map(|(field, _)| field.clone()).collect()
            }
            // `limit must be …; after must be …`
            Shape::Error => {
                let said = self.refusal();
                let named = said.as_str().unwrap_or_default().split("; ").map(|rule| rule.split(' ').next());
                named.map(|field| field.unwrap_or_default().to_owned()).collect()
            }
            Shape::Success => panic!("{}: the casting contract names no field", self.path),
            Shape::Response => {
                let said = self.response(400);
                let one = said.as_object().filter(|words| words.len() == 1).and_then(|words| words.iter().next());
                let known = |word: &str| matches!(word, "missing-key" | "missing-field" | "invalid-field");
                one.filter(|(word, _)| known(word)).map(|(_, field)| text(field)).into_iter().collect()
            }
        }
    }

    /// A 400 because `field` is not there.
    #[track_caller]
    pub fn misses(&self, field: &str) {
        if self.shape() == Shape::Success {
            return self.refused(400);
        }
        assert_eq!(self.wrong_fields(), [field], "{}: {}", self.path, String::from_utf8_lossy(&self.bytes));
        match self.shape() {
            Shape::Success => {}
            Shape::Envelope => assert_eq!(self.json()["errors"], json!([{"field": field, "message": "is required"}])),
            Shape::Detail => assert_eq!(self.json(), json!({field: ["is required"]})),
            Shape::Error => assert_eq!(self.json(), json!({"error": format!("{field} is required")})),
            Shape::Response => {
                let word = if self.path.starts_with("/sign_in") { "missing-field" } else { "missing-key" };
                assert_eq!(self.response(400), json!({word: field}), "{}", self.path);
            }
        }
    }
}
