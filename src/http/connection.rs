//! How the kernel treats a connection: set once, when it is taken. Knows no request.

use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use crate::settings::HttpSettings;

/// Limits of the kernel's for readers.
#[derive(Debug, Clone, Copy)]
pub struct ReaderLimits {
    stalled_ms: u32,
    unsent_bytes: u32,
}

impl ReaderLimits {
    /// As `http.stalled_reader_seconds` and `http.unsent_bytes` say.
    #[must_use]
    pub const fn new(http: &HttpSettings) -> Self {
        Self { stalled_ms: http.stalled_reader_seconds.saturating_mul(1000), unsent_bytes: http.unsent_bytes }
    }

    /// Sets them for `stream`, and that answers go out at once. Where the kernel refuses one, the connection serves
    /// without it.
    pub fn set(self, stream: &TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may wait for more to send");
        }
        // Ends a connection whose peer takes nothing for so long, also at a closed window.
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, self.stalled_ms) {
            tracing::debug!(%error, "no limit for stalled readers");
        }
        // A send buffer may hold megabytes, and a worker that fills hundreds of them serves nobody else meanwhile.
        // Not SO_SNDBUF: that would also bound what is on its way, and so the speed of readers far away.
        if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(self.unsent_bytes) {
            tracing::debug!(%error, "no limit for what waits to be sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::rt::net::TcpListener;

    use super::*;
    use crate::settings::Settings;

    #[actix_web::test]
    async fn a_connection_that_is_taken_has_what_the_settings_say() {
        let mut http = Settings::from_variables(config::Map::new()).unwrap().http;
        (http.stalled_reader_seconds, http.unsent_bytes) = (7, 54_321);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (taken, _) = listener.accept().await.unwrap();
        assert!(!taken.nodelay().unwrap(), "it needs no setting");
        ReaderLimits::new(&http).set(&taken);
        assert!(taken.nodelay().unwrap());
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&taken).unwrap(), 7000);
        assert_eq!(SockRef::from(&taken).tcp_notsent_lowat().unwrap(), 54_321);
    }
}
