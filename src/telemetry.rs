//! Logs: one subscriber, to standard error, as text or as a JSON object a line. Metrics: one
//! recorder, read by `GET /metrics`.

use std::{
    io::{self, IsTerminal as _},
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use actix_web::http::{Method, StatusCode};
use metrics::Histogram;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::settings::{LogFormat, LogSettings};

/// The queue's library logs what jobs hold, secrets among it. `jobs` tells what is worth telling. Only who names
/// a module of the library in `log.filter` hears it.
const SILENT: &str = "graphile_worker=off";

/// The parser of requests takes what clients send amiss for errors. Only a `log.filter` that names it hears it.
const PARSER: &str = "actix_http::h1::dispatcher";

/// Why no log is written; its text is one line.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.filter` is not understood.
    #[error("wrong setting log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else has set a subscriber.
    #[error("logs are set up already")]
    Twice,
}

/// Sends all logs of this process to standard error from now on.
///
/// # Errors
/// See [`TelemetryError`].
pub fn start(settings: &LogSettings) -> Result<(), TelemetryError> {
    let filter = filter(&settings.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match settings.format {
        LogFormat::Text => registry.with(layer.with_ansi(io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)
}

fn filter(text: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    // An empty filter stands for errors only as long as nothing is added to it.
    let text = if text.trim().is_empty() { "error" } else { text };
    let filter = EnvFilter::builder().parse(text)?.add_directive(SILENT.parse()?);
    if text.contains(PARSER) {
        return Ok(filter);
    }
    Ok(filter.add_directive(format!("{PARSER}=off").parse()?))
}

/// Seconds that separate the buckets of `playhouse_request_seconds`.
const REQUEST_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// How often what was recorded is folded up.
const UPKEEP: Duration = Duration::from_secs(5);

static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The recorder of this process, installed at the first call.
fn recorder() -> Option<&'static PrometheusHandle> {
    METRICS
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &REQUEST_BUCKETS)
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|error| tracing::error!(%error, "no metrics"))
                .ok()
        })
        .as_ref()
}

/// Begins to record. Needs a running runtime: what was recorded is folded up again and again, or it
/// would grow where nobody asks for the metrics.
pub fn start_metrics() {
    let Some(recorder) = recorder() else { return };
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            recorder.run_upkeep();
        }
    });
}

/// Fixed words: what a client makes up must not become a label.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Looked up once: a request only adds to one of them.
static REQUESTS: LazyLock<[[Histogram; CLASSES.len()]; METHODS.len()]> = LazyLock::new(|| {
    METHODS.map(|method| {
        CLASSES.map(|class| metrics::histogram!("playhouse_request_seconds", "method" => method, "status" => class))
    })
});

/// Counts an answered request and how long it took.
pub fn request(method: &Method, status: StatusCode, took: Duration) {
    let other = METHODS.len() - 1;
    let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(other);
    let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(CLASSES.len() - 1);
    if let Some(histogram) = REQUESTS.get(method).and_then(|classes| classes.get(class)) {
        histogram.record(took.as_secs_f64());
    }
}

/// Sets gauges to what they are now.
pub fn gauges(values: &[(&'static str, u64)]) {
    for (name, value) in values {
        // Exact up to 2^53.
        #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a gauge is a float")]
        metrics::gauge!(*name).set(*value as f64);
    }
}

/// Sets counters to what this process has counted so far.
pub fn counters(values: &[(&'static str, u64)]) {
    for (name, value) in values {
        metrics::counter!(*name).absolute(*value);
    }
}

/// All metrics in Prometheus' text format.
#[must_use]
pub fn render() -> String {
    recorder().map_or_else(String::new, |recorder| {
        recorder.run_upkeep();
        recorder.render()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_s_library_is_not_heard() {
        for text in ["info", "trace", "info,graphile_worker=debug", ""] {
            let subscriber = tracing_subscriber::registry().with(filter(text).unwrap());
            tracing::subscriber::with_default(subscriber, || {
                assert!(
                    !tracing::enabled!(target: "graphile_worker::runner::release", tracing::Level::ERROR),
                    "{text}"
                );
                assert!(!tracing::enabled!(target: "graphile_worker_recovery", tracing::Level::ERROR), "{text}");
                assert!(tracing::enabled!(target: "playhouse::jobs", tracing::Level::ERROR), "{text}");
            });
        }
    }

    #[test]
    fn what_clients_send_amiss_is_heard_only_by_who_names_the_parser() {
        let heard = |text: &str| {
            let subscriber = tracing_subscriber::registry().with(filter(text).unwrap());
            tracing::subscriber::with_default(
                subscriber,
                || tracing::enabled!(target: "actix_http::h1::dispatcher", tracing::Level::ERROR),
            )
        };
        for text in ["warn", "info", "trace", "", "actix_http=debug", "info,actix_server=warn"] {
            assert!(!heard(text), "{text}");
        }
        assert!(heard("warn,actix_http::h1::dispatcher=error"));
    }
}
