//! Steps of the channels contract: signing up and in, sharing videos, and what its answers hold.

use std::{process::Stdio, sync::LazyLock};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    app::{Answer, App},
    media::{ffmpeg, temporary},
    people::{PASSWORD, Person},
    tokens::claims,
};

/// Less than a second of H.264, 160 by 90 pixels.
pub fn tiny() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> =
        LazyLock::new(|| video("testsrc2=duration=0.4:size=160x90:rate=10", &["-movflags", "+faststart"]));
    &BYTES
}

/// An MP4 of the source `lavfi`, made with these arguments.
pub fn video(lavfi: &str, arguments: &[&str]) -> Vec<u8> {
    let codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
    ffmpeg(&[&["-f", "lavfi", "-i", lavfi], &codec[..], arguments].concat(), "mp4")
}

/// `codec,width,height` of the picture in `bytes`, as ffprobe says it.
#[allow(clippy::disallowed_methods, reason = "a test looks at what the server made")]
pub fn picture_facts(bytes: &[u8]) -> String {
    let path = temporary("picture");
    std::fs::write(&path, bytes).expect("a file");
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=codec_name,width,height"])
        .args(["-of", "csv=p=0"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .expect("ffprobe starts");
    std::fs::remove_file(path).expect("a file");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A body for `POST /sign_up` that is right.
pub fn signing_up(username: &str) -> Value {
    json!({
        "fname": "Ilsa", "mname": "", "lname": "Lund", "username": username,
        "email": format!("{}@example.org", username.to_lowercase()), "password": PASSWORD,
        "day": 29, "month": 2, "year": 1996,
    })
}

/// Who shares videos: an owner, who signed up first, and two viewers.
pub struct Members {
    pub house: Person,
    pub ann: Person,
    pub bob: Person,
}

/// What somebody shares.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The channel's name.
    pub channel: String,
    /// The hash path of a video that has been uploaded.
    pub hash: String,
    /// The hash path of one that is announced only.
    pub announced: String,
}

impl Answer {
    /// The values of `name` in a list of items.
    #[track_caller]
    pub fn each(&self, name: &str) -> Vec<String> {
        let list = self.response(200);
        let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
        items.iter().map(|item| item[name].as_str().expect("a text").to_owned()).collect()
    }
}

impl App {
    pub async fn sign_up(&self, username: &str) -> Answer {
        self.post_open("/sign_up", signing_up(username)).await
    }

    pub async fn channel_sign_in(&self, username: &str, password: &str) -> Answer {
        self.post_open("/sign_in", json!({"username": username, "password": password})).await
    }

    /// Signs somebody up and in.
    pub async fn member(&self, username: &str) -> Person {
        assert_eq!(self.sign_up(username).await.response(200), "");
        let signed_in = self.channel_sign_in(username, PASSWORD).await.response(200);
        let token = signed_in["vtoken"].as_str().expect("a token").to_owned();
        let id = claims(&token)["sub"].as_str().expect("an id").to_owned();
        let email = format!("{}@example.org", username.to_lowercase());
        Person { id, email, token, refresh_token: String::new() }
    }

    pub async fn members(&self) -> Members {
        Members { house: self.member("house").await, ann: self.member("ann").await, bob: self.member("bob").await }
    }

    /// A GET without a token.
    pub async fn see(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path, None)).await
    }

    pub async fn put(&self, path: &str, person: &Person, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path, Some(person)).json(&body)).await
    }

    /// Announces a video and gives its hash path.
    pub async fn announce(&self, person: &Person, title: &str, description: &str) -> String {
        let body = json!({"title": title, "description": description});
        let hash = self.post("/upload", person, body).await.response(200);
        hash.as_str().expect("a hash path").to_owned()
    }

    /// Sends the bytes of an announced video.
    pub async fn send(&self, person: &Person, hash: &str, bytes: &[u8]) -> Answer {
        let request = self.request(Method::POST, &format!("/upload/v/{hash}"), Some(person));
        Answer::of(request.body(bytes.to_vec())).await
    }

    /// Announces a video and sends it; gives its hash path.
    pub async fn share(&self, person: &Person, title: &str, description: &str) -> String {
        let hash = self.announce(person, title, description).await;
        assert_eq!(self.send(person, &hash, tiny()).await.response(200), "");
        hash
    }

    /// A video of the person's, and one more announced; the channel comes with the first.
    pub async fn sharing(&self, person: &Person, title: &str) -> Shared {
        let hash = self.share(person, title, "In the park").await;
        let announced = self.announce(person, "Not yet", "In the park").await;
        let item = self.see(&format!("/v/{hash}")).await.response(200);
        Shared { channel: item["channel"].as_str().expect("a channel").to_owned(), hash, announced }
    }

    pub async fn react(&self, person: &Person, hash: &str, reaction: &str) -> Answer {
        self.put(&format!("/v/{hash}/reaction"), person, json!({"reaction": reaction})).await
    }

    pub async fn set_picture(&self, person: &Person, bytes: &[u8]) -> Answer {
        Answer::of(self.request(Method::PUT, "/channel/picture", Some(person)).body(bytes.to_vec())).await
    }
}
