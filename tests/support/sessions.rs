//! Sessions: viewings that somebody has opened, with the links that their player was given.

use serde_json::Value;

use super::{app::App, people::Person};

/// A session, as it was opened.
#[derive(Debug, Clone)]
pub struct Session {
    pub stream: String,
    /// The links.
    pub playback: Value,
}

impl Session {
    /// The link to the bytes.
    pub fn file(&self) -> &str {
        self.playback["file"].as_str().expect("a link")
    }

    /// The token in it.
    pub fn token(&self) -> &str {
        self.file().split('/').nth(2).expect("a token")
    }

    /// The link to the poster, also where none was given.
    pub fn poster(&self) -> String {
        format!("/play/{}/poster.jpg", self.token())
    }
}

impl App {
    /// Opens a stream of `played`: `{"file_id": …}` or `{"episode_id": …}`.
    pub async fn watch(&self, person: &Person, played: Value) -> Session {
        let data = self.post("/streams", person, played).await.data(201);
        Session { stream: data["id"].as_str().expect("an id").to_owned(), playback: data["playback"].clone() }
    }
}
