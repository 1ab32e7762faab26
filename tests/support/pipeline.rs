//! A client for many requests: a kept connection on which several are sent before their answers are read.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
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

    /// Sends a request without a body for each of these (method, path).
    pub async fn send(&mut self, requests: &[(&str, &str)]) -> std::io::Result<()> {
        let one = |(method, path): &(&str, &str)| format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let text = requests.iter().map(one).collect::<Vec<_>>().concat();
        self.stream.write_all(text.as_bytes()).await
    }

    /// The status of the next answer, which is read whole and has a body of known length; `None` when the
    /// connection ended before it.
    pub async fn answer(&mut self) -> Option<u16> {
        loop {
            if let Some((status, length)) = head(&self.came)
                && self.came.len() >= length
            {
                self.came.drain(..length);
                return Some(status);
            }
            if !matches!(self.stream.read_buf(&mut self.came).await, Ok(1..)) {
                return None;
            }
        }
    }
}

/// The status of the answer that `came` begins with, and the length of all of it.
fn head(came: &[u8]) -> Option<(u16, usize)> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&came[..end]).expect("text");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    Some((text[9..12].parse().expect("a status"), end + length.parse::<usize>().expect("a number")))
}
