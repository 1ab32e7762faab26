//! Signing up and in, and forgotten passwords.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde_json::json;

use super::{
    answer::{self, TokenDto},
    bodies::{Forgotten, Reset, SignInBody, SignUp},
    refusal::own,
    reset_page,
};
use crate::{
    actors::auth::{AccessLife, AuthError, SignIn, text_of},
    http::{
        State,
        access::Open,
        body::Json,
        client_address,
        error::{ApiError, Rule},
        openapi::doc,
        routes::Routes,
    },
};

type Answer = Result<HttpResponse, ApiError>;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post("/sign_up", sign_up, doc("Make an account with a channel").takes::<SignUp>())
        .post(
            "/sign_in",
            sign_in,
            doc("Sign in; the token holds 3 hours").takes::<SignInBody>().gives::<TokenDto>().refuses(&[
                (402, "A wrong name or password; says how many tries are left"),
                (403, "Too many of them; says until when"),
            ]),
        )
        .post(
            "/password/forgot",
            forgot,
            doc("Ask for a mail with a link that sets a password")
                .takes::<Forgotten>()
                .refuses(&[(429, "Asked for too often; see Retry-After")]),
        )
        .get("/password/reset", page, doc("The page behind a mailed link").content("text/html"))
        .post("/password/reset", reset, doc("Set a new password by the token of a link").takes::<Reset>())
}

async fn sign_up(_: Open, state: State, Json(body): Json<SignUp>) -> Answer {
    let today = chrono::Utc::now().date_naive();
    state.auth.register(body.account(today)?).await?;
    Ok(answer::done())
}

async fn sign_in(_: Open, state: State, request: HttpRequest, body: Result<Json<SignInBody>, ApiError>) -> Answer {
    let Json(body) = body.map_err(missing_field)?;
    let address = client_address(&request, &state);
    let sign_in = SignIn { address, name: body.username, password: body.password, life: AccessLife::Long };
    let signed_in = state.auth.sign_in(sign_in).await?;
    Ok(answer::ok(TokenDto { vtoken: text_of(&signed_in.tokens.access) }))
}

/// What is a key elsewhere, this one call names a field.
fn missing_field(error: ApiError) -> ApiError {
    match &error {
        ApiError::Invalid(errors) => match errors.iter().find(|error| error.rule == Rule::Present) {
            Some(missing) => own(StatusCode::BAD_REQUEST, json!({"missing-field": missing.field})),
            None => error,
        },
        _ => error,
    }
}

async fn forgot(_: Open, state: State, request: HttpRequest, Json(body): Json<Forgotten>) -> Answer {
    state.auth.forgot_password(client_address(&request, &state), body.email).await?;
    Ok(answer::done())
}

async fn page(_: Open) -> Answer {
    Ok(reset_page::answer())
}

async fn reset(_: Open, state: State, request: HttpRequest, Json(body): Json<Reset>) -> Answer {
    let address = client_address(&request, &state);
    match state.auth.reset_password(address, &body.token, body.password).await {
        Ok(()) => Ok(answer::done()),
        Err(AuthError::WrongResetToken) => Err(own(StatusCode::BAD_REQUEST, "bad-token")),
        Err(error) => Err(error.into()),
    }
}
