//! Uploads in two steps: announce a video, then send its bytes.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::{answer, refusal::own, videos::hash_path};
use crate::{
    domain::channels::NewVideo,
    http::{
        State,
        access::{Allowed, UseChannels},
        body::Json,
        error::ApiError,
        openapi::doc,
        routes::Routes,
        upload::{self, UploadError},
    },
};

type Answer = Result<HttpResponse, ApiError>;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.post("/upload", announce, doc("Announce a video; answers its hash path").takes::<NewVideo>()).post(
        "/upload/v/{hash}",
        send,
        doc("Send the bytes of an announced video").takes_bytes("video/*").refuses(&[
            (403, "Another's"),
            (404, "No such video"),
            (409, "Its bytes have come already"),
            (413, "Too large, or over the account's quota"),
        ]),
    )
}

async fn announce(allowed: Allowed<UseChannels>, state: State, Json(body): Json<NewVideo>) -> Answer {
    let hash = state.channels.announce(allowed.caller.user_id, body).await?;
    Ok(answer::ok(hash.as_str()))
}

async fn send(allowed: Allowed<UseChannels>, state: State, request: HttpRequest, payload: web::Payload) -> Answer {
    let hash = hash_path(&request)?;
    upload::check_length(&request, state.files.limit())?;
    let least = upload::least_bytes(&request);
    let mut upload = state.channels.begin_upload(allowed.caller.user_id, hash, least).await?;
    let idle = Duration::from_millis(state.settings.http.upload_idle_timeout_ms);
    upload.incoming = upload::receive_raw(payload, upload.incoming, idle).await.map_err(|error| match error {
        UploadError::NoFile => own(StatusCode::BAD_REQUEST, "no-data"),
        UploadError::Unsupported => own(StatusCode::BAD_REQUEST, "not-a-video"),
        other => other.into(),
    })?;
    state.channels.finish_upload(upload).await?;
    Ok(answer::done())
}
