//! The yardstick of `make bench`: actix-web with one JSON handler and nothing else.
//!
//! `bare BYTES` answers `GET /` with a JSON body of that many bytes, under the server settings and
//! the allocator of Playhouse itself, but without middleware, tokens, caches or stores. It binds
//! a free port and prints `bare listening on http://…`.

use std::{
    io::{Error, ErrorKind, Write as _},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `{"data":"…"}` without its text.
const FRAME: usize = r#"{"data":""}"#.len();

#[derive(Clone, Serialize)]
struct Answer {
    data: String,
}

async fn answer(body: web::Data<Answer>) -> HttpResponse {
    HttpResponse::Ok().json(body.get_ref())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let usage = || Error::new(ErrorKind::InvalidInput, "usage: bare BYTES");
    let size: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).ok_or_else(usage)?;
    let http = playhouse::settings::Settings::load().map_err(Error::other)?.http;
    let body = web::Data::new(Answer { data: "x".repeat(size.saturating_sub(FRAME)) });
    let workers = match http.workers {
        0 => std::thread::available_parallelism()?.get(),
        given => given,
    };
    let server = HttpServer::new(move || App::new().app_data(body.clone()).route("/", web::get().to(answer)))
        .workers(workers)
        .max_connections(http.max_connections_per_worker)
        .keep_alive(Duration::from_secs(http.keep_alive_seconds))
        .tcp_nodelay(true)
        .bind(("127.0.0.1", 0))?;
    if let Some(address) = server.addrs().first() {
        writeln!(std::io::stdout(), "bare listening on http://{address}")?;
    }
    server.run().await
}
