//! Actors: listed, shown, made, changed, removed.

use actix_web::http::StatusCode;
use bytes::Bytes;

use super::{
    Answer, CONTRACT, NO_FIELDS, Numbered, WHOLE_LIST, bytes,
    dto::{CastActorDto, DoneActorDto, ManyActorsDto, OneActorDto},
    list, ok,
};
use crate::{
    actors::catalog::{Listed as _, Shape},
    domain::{
        casting::{Actor, ActorChange, ActorId, NewActor},
        listing::{ListRequest, Page},
    },
    http::{
        State,
        access::{Allowed, CreateActors, DeleteActors, ModifyActors, ViewActors},
        body::Json,
        envelope,
        openapi::doc,
        query::ListQuery,
        routes::Routes,
    },
};

pub(super) fn routes(routes: Routes) -> Routes {
    let create = doc("Make an actor").takes::<NewActor>().gives::<DoneActorDto>();
    let change = doc("Change an actor; `movies_id` replaces the ones before");
    let remove = doc("Remove an actor").gives::<DoneActorDto>();
    routes
        .get(
            "/casting/actors",
            all,
            doc("List actors").gives::<ManyActorsDto<'_>>().lists_whole(Actor::LISTING, WHOLE_LIST),
        )
        .post(
            "/casting/actors",
            make,
            create.refuses(&[(400, NO_FIELDS), (422, "A value that cannot be; a movie that is not there")]),
        )
        .get("/casting/actors/{id}", one, doc("Read an actor").gives::<OneActorDto<'_>>())
        .patch(
            "/casting/actors/{id}",
            modify,
            change.takes::<ActorChange>().gives::<DoneActorDto>().refuses(&[
                (400, NO_FIELDS),
                (422, "A value that cannot be; a movie that is not there, or would be left without an actor"),
            ]),
        )
        .delete("/casting/actors/{id}", delete, remove.refuses(&[(422, "A movie would be left without an actor")]))
}

fn shape_one(actor: &Actor) -> Bytes {
    bytes(&OneActorDto::new(CastActorDto::from(actor)))
}

fn shape_page((_, page): &(ListRequest, Page<Actor>)) -> Bytes {
    bytes(&ManyActorsDto::new(page.items.iter().map(CastActorDto::from).collect(), page.total))
}

async fn all(_: Allowed<ViewActors>, state: State, query: ListQuery) -> Answer {
    list(&state, &query, shape_page).await
}

async fn one(_: Allowed<ViewActors>, state: State, Numbered(id): Numbered<ActorId>) -> Answer {
    let body = state.casting.actor(id, Shape { contract: CONTRACT, shape: shape_one }).await?;
    Ok(envelope::json(StatusCode::OK, body))
}

async fn make(_: Allowed<CreateActors>, state: State, Json(new): Json<NewActor>) -> Answer {
    Ok(ok(&DoneActorDto::from(state.casting.create_actor(new).await?)))
}

async fn modify(
    _: Allowed<ModifyActors>,
    state: State,
    Numbered(id): Numbered<ActorId>,
    Json(change): Json<ActorChange>,
) -> Answer {
    state.casting.change_actor(id, change).await?;
    Ok(ok(&DoneActorDto::from(id)))
}

async fn delete(_: Allowed<DeleteActors>, state: State, Numbered(id): Numbered<ActorId>) -> Answer {
    state.casting.remove_actor(id).await?;
    Ok(ok(&DoneActorDto::from(id)))
}
