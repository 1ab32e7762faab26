//! API keys: made, listed and revoked by people, never by a key.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderValue},
};

use super::{
    dto::{KeyDto, MadeKeyDto},
    resources::fresh_page,
};
use crate::{
    actors::auth::KEY_LISTING,
    domain::{
        api_key::{ApiKey, NewApiKey},
        ids::ApiKeyId,
    },
    http::{
        State,
        access::InPerson,
        body::{Id, Json},
        envelope,
        error::ApiError,
        openapi::doc,
        query::ListQuery,
        routes::Routes,
    },
};

type Answer = Result<HttpResponse, ApiError>;

/// Keys of an account.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/keys",
            create,
            doc("Make an API key; its secret is told here and nowhere else")
                .takes::<NewApiKey>()
                .gives::<MadeKeyDto>()
                .creates()
                .refuses(&[(409, "The account has as many keys as it may")]),
        )
        .get("/keys", list, doc("List one's own API keys; an owner, all").gives::<KeyDto>().lists(&KEY_LISTING))
        .get("/keys/{id}", read, doc("Read what is known of one's own API key; an owner, any").gives::<KeyDto>())
        .delete("/keys/{id}", revoke, doc("Revoke one's own API key; an owner, any"))
}

async fn create(InPerson(caller): InPerson, state: State, Json(new): Json<NewApiKey>) -> Answer {
    let made = state.auth.make_key(&caller, new).await?;
    let location = format!("/keys/{}", made.key.id);
    let mut response = envelope::created("Key created successfully", &location, MadeKeyDto::from(&made));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn list(InPerson(caller): InPerson, state: State, query: ListQuery) -> Answer {
    let request = query.against(&KEY_LISTING)?;
    let page = state.auth.keys(&caller, request.clone()).await?;
    Ok(fresh_page::<ApiKey, KeyDto>(&query, &request, page, "Keys fetched successfully"))
}

async fn read(InPerson(caller): InPerson, state: State, Id(id): Id<ApiKeyId>) -> Answer {
    let key = state.auth.key(&caller, id).await?;
    Ok(envelope::ok("Key fetched successfully", KeyDto::from(&key)))
}

async fn revoke(InPerson(caller): InPerson, state: State, Id(id): Id<ApiKeyId>) -> Answer {
    state.auth.revoke_key(&caller, id).await?;
    Ok(envelope::done("Key deleted successfully"))
}
