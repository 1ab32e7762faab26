//! A browser that a test can type in: Chromium behind chromedriver (W3C `WebDriver`).

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::app::eventually;

/// The key under which an element is named (`WebDriver`, "web element identifier").
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page; closed when dropped.
pub struct Browser {
    driver: Child,
    client: reqwest::Client,
    session: String,
}

impl Browser {
    /// Opens one.
    #[allow(clippy::disallowed_methods, reason = "a test looks at a page with a browser")]
    pub async fn open() -> Self {
        // Free at this moment; chromedriver cannot tell which port it would take.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let driver = std::process::Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed by `make test`");
        let client = reqwest::Client::new();
        let base = format!("http://127.0.0.1:{port}");
        let up = eventually(Duration::from_mins(1), async || client.get(format!("{base}/status")).send().await.is_ok());
        assert!(up.await, "chromedriver answers");
        let options = json!({"args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
        ]});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let answer = send(&client, &format!("{base}/session"), wanted).await;
        let id = answer["sessionId"].as_str().expect("a session");
        Self { driver, client, session: format!("{base}/session/{id}") }
    }

    /// Goes to an address.
    pub async fn go(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    /// Types into the element that the CSS selector names.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// Clicks on the element that the CSS selector names.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// What a script of this page gives.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    async fn element(&self, selector: &str) -> String {
        let found = self.post("/element", json!({"using": "css selector", "value": selector})).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// Ends the session, from a place that may not wait for a future.
    fn end_session(&self) -> std::io::Result<()> {
        let (address, path) =
            self.session.strip_prefix("http://").and_then(|url| url.split_once('/')).unwrap_or_default();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "DELETE /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        send(&self.client, &format!("{}{path}", self.session), body).await
    }
}

async fn send(client: &reqwest::Client, url: &str, body: Value) -> Value {
    let answer = client.post(url).json(&body).send().await.expect("chromedriver answers");
    let (status, text) = (answer.status(), answer.text().await.expect("an answer"));
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert!(status.is_success(), "{url}: {answer}");
    answer["value"].clone()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes the browser of a session that ends, and can leave it running when it is told to end itself.
        self.end_session().unwrap_or_default();
        let driver = i32::try_from(self.driver.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(driver) = driver {
            rustix::process::kill_process(driver, rustix::process::Signal::TERM).unwrap_or_default();
        }
        drop(self.driver.wait());
    }
}
