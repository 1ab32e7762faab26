//! The count of requests, and its reset.

use actix_web::{HttpResponse, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{MessageDto, json};
use crate::http::{
    State,
    access::{Allowed, OperateServer, SignedIn},
    counted::Counted,
    error::ApiError,
    openapi::doc,
    routes::Routes,
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/request-count",
            count,
            doc("The requests that were answered since the last reset, this one included").gives::<CountDto>(),
        )
        .post(
            "/request-count/reset",
            reset,
            doc("Begins the count of requests anew; this one is the last of the old count").gives::<MessageDto>(),
        )
}

/// Requests answered by all nodes, on all contracts, whatever the status.
#[derive(Debug, Serialize, ToSchema)]
struct CountDto {
    requests: u64,
}

async fn count(_: SignedIn, state: State, _: Counted) -> Result<HttpResponse, ApiError> {
    let requests = state.tally.request_count().await?;
    json(StatusCode::OK, &CountDto { requests })
}

async fn reset(owner: Allowed<OperateServer>, state: State, _: Counted) -> Result<HttpResponse, ApiError> {
    state.tally.reset_request_count(owner.caller.user_id).await?;
    json(StatusCode::OK, &MessageDto { message: "request count reset successfully" })
}
