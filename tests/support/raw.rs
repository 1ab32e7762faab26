//! HTTP by hand: requests that a well-behaved client cannot send.

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{app::App, people::Person};

/// The boundary of [`multipart`].
pub const BOUNDARY: &str = "a-boundary-of-the-tests";

/// A multipart body of these parts: name, file name, bytes.
pub fn multipart(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// The head of an upload that says it has `length` bytes.
pub fn upload_head(person: &Person, length: u64) -> String {
    format!(
        "POST /files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
        Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n",
        person.token
    )
}

impl App {
    /// A connection of its own.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.expect("a connection")
    }

    /// Sends half of an upload of `bytes` and gives the connection, and the half that is left.
    pub async fn half_upload(&self, person: &Person, bytes: &[u8]) -> (TcpStream, Vec<u8>) {
        let mut body = multipart(&[("file", Some("half.mp4"), bytes)]);
        let mut stream = self.connect().await;
        let head = upload_head(person, u64::try_from(body.len()).expect("a length"));
        stream.write_all(head.as_bytes()).await.expect("the head");
        let rest = body.split_off(body.len() / 2);
        stream.write_all(&body).await.expect("a half");
        (stream, rest)
    }
}

/// The status of the answer that comes; `None` when the connection ends without one.
pub async fn status(stream: &mut (impl AsyncRead + Unpin)) -> Option<u16> {
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while answer.len() < 12 {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
        }
    }
    std::str::from_utf8(&answer[9..12]).ok()?.parse().ok()
}
