//! Operation: health, readiness, metrics, maintenance, and the API description.

mod swagger;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::{
    State,
    access::{Allowed, Open, OperateServer},
    body::Json,
    contract::Contract,
    envelope,
    error::ApiError,
    openapi::doc,
    routes::Routes,
};
use crate::{
    actors::{operation::Maintenance, tally::NodeGauges},
    body, telemetry,
};

type Answer = Result<HttpResponse, ApiError>;

/// Paths that answer in maintenance: health, sign-in, and the switch itself.
pub const OPEN_IN_MAINTENANCE: [&str; 7] =
    ["/healthz", "/readyz", "/metrics", "/users/login", "/users/refresh", "/sign_in", "/maintenance"];

/// The operations.
#[must_use]
pub fn routes() -> Routes {
    Routes::new(Contract::Operation)
        .get("/healthz", health, doc("Whether the process is alive"))
        .get("/readyz", readiness, doc("Whether it can serve: each store by name"))
        .get("/metrics", metrics, doc("Metrics for Prometheus").content("text/plain"))
        .put("/maintenance", maintenance, doc("Switch maintenance").takes::<Switch>().gives::<MaintenanceDto>())
        .get("/api-docs/openapi.json", description, doc("This description"))
}

/// Swagger UI, from files inside the binary.
pub fn configure_documentation(config: &mut web::ServiceConfig) {
    swagger::configure(config);
}

async fn health(_: Open) -> Answer {
    Ok(HttpResponse::Ok().json(json!({"status": "ok"})))
}

/// How long an answer to "can it serve?" is believed: anyone may ask, and asking touches the disk.
const READINESS_LIFE: Duration = Duration::from_millis(500);

/// What was last found out of the stores.
#[derive(Debug, Clone, Copy)]
struct Readiness {
    at: Instant,
    postgres: bool,
    media: bool,
}

impl Readiness {
    async fn of(state: &State) -> Self {
        static LAST: Mutex<Option<Readiness>> = Mutex::const_new(None);
        let mut last = LAST.lock().await;
        if let Some(known) = last.filter(|known| known.at.elapsed() < READINESS_LIFE) {
            return known;
        }
        let (postgres, media) = (state.db.is_ready().await, state.files.is_ready().await);
        *last.insert(Self { at: Instant::now(), postgres, media })
    }
}

async fn readiness(_: Open, state: State) -> Answer {
    let Readiness { postgres, media, .. } = Readiness::of(&state).await;
    let (redis, workers) = (state.cache.is_up(), state.auth.is_alive() && state.playback.is_alive());
    let word = |ready: bool| if ready { "ok" } else { "away" };
    // Without Redis everything but the statistics goes on.
    let status = match (postgres && workers && media && !state.drain.is_ending(), redis) {
        (true, true) => "ok",
        (true, false) => "degraded",
        (false, _) => "unavailable",
    };
    let code = if status == "unavailable" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut answer = HttpResponse::build(code);
    if code == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((header::RETRY_AFTER, "1"));
    }
    Ok(answer.json(json!({
        "status": status,
        "postgres": word(postgres),
        "redis": word(redis),
        "media": word(media),
        "workers": word(workers),
    })))
}

async fn metrics(_: Open, state: State) -> Answer {
    let counts = state.tally.here();
    let NodeGauges { views, watched_ms, sessions, viewers } = state.tally.gauges();
    telemetry::counters(&[("playhouse_views_total", views), ("playhouse_watch_seconds_total", watched_ms / 1000)]);
    telemetry::gauges(&[
        ("playhouse_sessions", sessions),
        ("playhouse_viewers", viewers),
        ("playhouse_statistics_listeners", u64::try_from(state.statistics.listeners()).unwrap_or(u64::MAX)),
        ("playhouse_requests_served", counts.requests),
        ("playhouse_requests_untold", state.tally.untold()),
        ("playhouse_bytes_served", counts.bytes),
        ("playhouse_uptime_seconds", state.tally.uptime().as_secs()),
        ("playhouse_database_connections", u64::from(state.db.connections())),
        ("playhouse_redis_up", u64::from(state.cache.is_up())),
    ]);
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(telemetry::render()))
}

/// `PUT /maintenance`.
struct Switch {
    on: bool,
    message: Option<String>,
}

body!(Switch { required on, optional message });

/// Whether everything but health and sign-in answers 503.
#[derive(Debug, Serialize, ToSchema)]
struct MaintenanceDto {
    on: bool,
    message: String,
}

async fn maintenance(_: Allowed<OperateServer>, state: State, Json(switch): Json<Switch>) -> Answer {
    let message = switch.message.unwrap_or_else(|| "Down for maintenance".to_owned());
    let dto = MaintenanceDto { on: switch.on, message: message.clone() };
    state.operation.set_maintenance(Maintenance { on: switch.on, message }).await?;
    Ok(envelope::ok("Maintenance updated successfully", dto))
}

async fn description(_: Open) -> Answer {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
        serde_json::to_vec(&super::openapi::document(&super::contracts())).map(Bytes::from).unwrap_or_default()
    });
    Ok(envelope::json(StatusCode::OK, DOCUMENT.clone()))
}
