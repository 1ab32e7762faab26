//! A client for many requests: a kept connection on which several are sent before their answers are read.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::app::App;

/// A connection, and what came on it that was not looked at yet.
pub struct Pipeline {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Pipeline {
    pub async fn open(app: &App) -> Self {
        Self { stream: app.connect().await, came: Vec::new() }
    }

    /// One that takes next to nothing before it is read.
    pub async fn open_narrow(app: &App) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let stream = socket.connect(app.address().parse().expect("an address")).await.expect("a connection");
        Self { stream, came: Vec::new() }
    }

    /// Sends a request without a body for each of these (method, path).
    pub async fn send(&mut self, requests: &[(&str, &str)]) -> std::io::Result<()> {
        let one = |(method, path): &(&str, &str)| format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let text = requests.iter().map(one).collect::<Vec<_>>().concat();
        self.send_bytes(text.as_bytes()).await
    }

    /// Sends these bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The status of the next answer, which is read whole and has a body of known length; `None` when the
    /// connection ended before it.
    pub async fn answer(&mut self) -> Option<u16> {
        self.answer_to("GET").await.map(|answer| answer.status)
    }

    /// The next answer, to a request of this method, as [`Self::answer`] says.
    pub async fn answer_to(&mut self, method: &str) -> Option<Answered> {
        loop {
            if let Some((status, head, length)) = head(&self.came)
                && let end = if method == "HEAD" { head } else { head + length }
                && self.came.len() >= end
            {
                let mut answer: Vec<u8> = self.came.drain(..end).collect();
                let body = answer.split_off(head);
                return Some(Answered { status, length, head: String::from_utf8(answer).expect("text"), body });
            }
            if !matches!(self.stream.read_buf(&mut self.came).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// What comes until the other side ends the connection, which is an error where it resets it.
    pub async fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        while self.stream.read_buf(&mut self.came).await? > 0 {}
        Ok(std::mem::take(&mut self.came))
    }

    /// Whether these bytes come first. They are taken off.
    pub async fn begins_with(&mut self, bytes: &[u8]) -> bool {
        while self.came.len() < bytes.len() && matches!(self.stream.read_buf(&mut self.came).await, Ok(1..)) {}
        let begins = self.came.starts_with(bytes);
        if begins {
            self.came.drain(..bytes.len());
        }
        begins
    }

    /// Sends no more, and goes on reading.
    pub async fn half_close(&mut self) -> std::io::Result<()> {
        self.stream.shutdown().await
    }
}

/// An answer as it came.
pub struct Answered {
    pub status: u16,
    /// The length of the body that its head tells, in bytes.
    pub length: usize,
    pub head: String,
    pub body: Vec<u8>,
}

/// The status of the answer that `came` begins with, the length of its head, and of the body that it tells.
fn head(came: &[u8]) -> Option<(u16, usize, usize)> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&came[..end]).expect("text");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    Some((text[9..12].parse().expect("a status"), end, length.parse().expect("a number")))
}
