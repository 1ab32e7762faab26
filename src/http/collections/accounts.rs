//! Registering.

use actix_web::{HttpResponse, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer::json, bodies::Registration};
use crate::{
    actors::auth::{AccessLife, text_of},
    http::{State, access::Open, body::Json, error::ApiError, openapi::doc, routes::Routes},
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.post(
        "/register",
        register,
        doc("Make an account and sign in; the token holds 3 hours")
            .takes::<Registration>()
            .gives::<AccessDto>()
            .creates(),
    )
}

/// A token that opens every contract's routes.
#[derive(Debug, Serialize, ToSchema)]
struct AccessDto<'a> {
    access_token: &'a str,
}

async fn register(_: Open, state: State, Json(body): Json<Registration>) -> Result<HttpResponse, ApiError> {
    let signed_in = state.auth.sign_up(body.into(), AccessLife::Long).await?;
    json(StatusCode::CREATED, &AccessDto { access_token: text_of(&signed_in.tokens.access) })
}
