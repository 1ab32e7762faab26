//! `GET /stats/events`: the numbers of now as server-sent events (HTML Standard §9.2).

use std::{convert::Infallible, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::{
    actors::statistics::Sample,
    http::{State, access::SignedIn, error::ApiError, openapi::doc, routes::Routes},
};

/// While there are no numbers.
const AWAY: &[u8] = b"event: away\ndata: {}\n\n";

pub(super) fn routes(routes: Routes) -> Routes {
    let about = doc("The numbers of now, once a second, as server-sent events").content("text/event-stream");
    routes.get("/stats/events", events, about.refuses(&[(503, "As many listen to this node as may")]))
}

#[derive(Serialize)]
struct NowDto {
    viewers: u64,
    views: u64,
    requests: u64,
    bytes: u64,
}

/// An event without a name, so that the plainest listener gets it; one that is named where Redis is away, so
/// that it does not.
fn shape(sample: Option<&Sample>) -> Bytes {
    let Some(&Sample { viewers, views, requests, bytes }) = sample else { return Bytes::from_static(AWAY) };
    let data = serde_json::to_string(&NowDto { viewers, views, requests, bytes }).unwrap_or_default();
    Bytes::from(format!("data: {data}\n\n"))
}

async fn events(_: SignedIn, state: State, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        // nginx would gather them.
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")));
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Infallible>>()));
    }
    let listener = state.statistics.listen()?;
    let events = stream::unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event.bytes(shape)), listener))
    });
    // Kernels hold so much for a reader that takes nothing that it would be noticed after hours only.
    let longest = Duration::from_secs(state.settings.statistics.listen_seconds);
    let over = async move {
        tokio::select! {
            () = state.drain.ending() => {}
            () = tokio::time::sleep(longest) => {}
        }
    };
    Ok(response.streaming(events.take_until(Box::pin(over)).boxed_local()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json() {
        let sample = Sample { viewers: 1, views: 2, requests: 3, bytes: 4 };
        let expected = "data: {\"viewers\":1,\"views\":2,\"requests\":3,\"bytes\":4}\n\n";
        assert_eq!(shape(Some(&sample)), expected);
        assert_eq!(shape(None), "event: away\ndata: {}\n\n");
    }
}
