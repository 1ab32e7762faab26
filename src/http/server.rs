//! The server that requests come in by: its connections, their limits, and what every request passes.

use std::{
    future, io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_http::HttpService;
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{App, dev::AppConfig, middleware::from_fn, rt::net::TcpStream};

use super::{House, State, connection::ReaderLimits, cors::Preflights, edge, pipelining::InOrder};
use crate::settings::HttpSettings;

/// For a client to take its last answer and close, where the connection ends with it; also, while what is left of a
/// body of known length is passed over that was refused before.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Answers what comes in on `listener`, which is bound to `address`, through `house`, on its own threads (`http.workers`), from when the server is
/// awaited. Signals are the caller's.
///
/// # Errors
/// The listener cannot be taken over.
pub fn serve(house: House, listener: TcpListener, address: SocketAddr) -> io::Result<Server> {
    let http = house.settings.http.clone();
    let limits = ReaderLimits::new(&http);
    let header_timeout = Duration::from_millis(http.header_timeout_ms);
    let server = ServerBuilder::new()
        .workers(workers(&http))
        .max_concurrent_connections(http.max_connections_per_worker)
        .shutdown_timeout(http.shutdown_seconds)
        .disable_signals();
    let shutdown = server.graceful_shutdown_signal();
    let connections = move || {
        let shutdown = shutdown.clone();
        let app = App::new()
            .app_data(State::of_worker(&house))
            .wrap(from_fn(edge::maintenance))
            .wrap(Preflights)
            .wrap(from_fn(edge::edge))
            .configure(super::configure)
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let requests = HttpService::build()
            .keep_alive(Duration::from_secs(http.keep_alive_seconds))
            .client_request_timeout(header_timeout)
            .client_disconnect_timeout(LAST_ANSWER)
            .local_addr(address)
            .graceful_shutdown_signal(move || {
                let shutdown = shutdown.clone();
                async move { shutdown.notified().await }
            })
            .on_connect_ext(|stream: &InOrder<TcpStream>, data| {
                data.insert(stream.order());
            })
            // Nobody asks it for the server's own address: `origin` knows.
            .h1(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            limits.set(&stream);
            let peer = stream.peer_addr().ok();
            future::ready(Ok((InOrder::new(stream, header_timeout), peer)))
        })
        .and_then(requests)
    };
    Ok(server.listen("http", listener, connections)?.run())
}

fn workers(http: &HttpSettings) -> usize {
    match http.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        count => count,
    }
}
