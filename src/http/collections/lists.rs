//! Collections: made, listed, shown, changed, removed by whom they belong to.

use actix_web::{HttpResponse, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{MessageDto, json, place, placed};
use crate::{
    domain::{
        collections::{Collection, CollectionChange, Listed, Movie, NewCollection, Shelf},
        ids::CollectionId,
    },
    http::{
        State,
        access::{Allowed, UseCollections},
        body::{Id, Json},
        error::ApiError,
        openapi::doc,
        routes::Routes,
    },
};

type Keeping = Allowed<UseCollections>;
type Answer = Result<HttpResponse, ApiError>;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/collection",
            list,
            doc("One's collections, the oldest first, and the genres that are most frequent in them")
                .gives::<ShelfDto>(),
        )
        .post(
            "/collection",
            make,
            doc("Make a collection")
                .takes::<NewCollection>()
                .gives::<MadeDto>()
                .creates()
                .refuses(&[(409, "The account has as many collections as it may have")]),
        )
        .get("/collection/{id}", read, doc("One's own collection with its movies").gives::<CollectionDto>())
        .put(
            "/collection/{id}",
            change,
            doc("Change one's own collection; movies that are given take the place of all that were there")
                .takes::<CollectionChange>()
                .gives::<CollectionDto>(),
        )
        .delete("/collection/{id}", remove, doc("Remove one's own collection").gives::<MessageDto>())
}

async fn list(allowed: Keeping, state: State) -> Answer {
    let account = allowed.caller.user_id;
    let extent = state.collections.shelf_extent(account).await?;
    let place = place(&state, account, extent).await?;
    let shelf = state.collections.shelf(account, extent).await?;
    placed(ShelfDto::from(shelf), place).await
}

async fn make(allowed: Keeping, state: State, Json(body): Json<NewCollection>) -> Answer {
    let id = state.collections.make(allowed.caller.user_id, body).await?;
    json(StatusCode::CREATED, &MadeDto { collection_uuid: id.uuid() })
}

async fn read(allowed: Keeping, state: State, Id(id): Id<CollectionId>) -> Answer {
    let account = allowed.caller.user_id;
    let extent = state.collections.extent(account, id).await?;
    let place = place(&state, account, extent).await?;
    let collection = state.collections.one(account, id, extent).await?;
    placed(CollectionDto::from(collection), place).await
}

async fn change(
    allowed: Keeping,
    state: State,
    Id(id): Id<CollectionId>,
    Json(body): Json<CollectionChange>,
) -> Answer {
    let account = allowed.caller.user_id;
    let extent = state.collections.extent_after(account, id, &body).await?;
    let place = place(&state, account, extent).await?;
    let collection = state.collections.change(account, id, body).await?;
    placed(CollectionDto::from(collection), place).await
}

async fn remove(allowed: Keeping, state: State, Id(id): Id<CollectionId>) -> Answer {
    state.collections.remove(allowed.caller.user_id, id).await?;
    json(StatusCode::OK, &MessageDto { message: "collection deleted successfully" })
}

/// The collection that was made.
#[derive(Debug, Serialize, ToSchema)]
struct MadeDto {
    collection_uuid: Uuid,
}

/// What an account keeps.
#[derive(Debug, Serialize, ToSchema)]
struct ShelfDto {
    is_success: bool,
    data: ShelfDataDto,
}

/// `favourite_genres`: three at most, by `, `.
#[derive(Debug, Serialize, ToSchema)]
struct ShelfDataDto {
    collections: Vec<ListedDto>,
    favourite_genres: String,
}

/// A collection without its movies.
#[derive(Debug, Serialize, ToSchema)]
struct ListedDto {
    title: String,
    uuid: Uuid,
    description: String,
}

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
struct CollectionDto {
    title: String,
    description: String,
    movies: Vec<MovieDto>,
}

/// A movie; `genres` has commas between names.
#[derive(Debug, Serialize, ToSchema)]
struct MovieDto {
    title: String,
    description: String,
    genres: String,
    uuid: Uuid,
}

impl From<Shelf> for ShelfDto {
    fn from(Shelf { collections, favourite_genres }: Shelf) -> Self {
        let collections = collections.into_iter().map(ListedDto::from).collect();
        Self { is_success: true, data: ShelfDataDto { collections, favourite_genres } }
    }
}

impl From<Listed> for ListedDto {
    fn from(Listed { id, title, description }: Listed) -> Self {
        Self { title, uuid: id.uuid(), description }
    }
}

impl From<Collection> for CollectionDto {
    fn from(Collection { title, description, movies }: Collection) -> Self {
        Self { title, description, movies: movies.into_iter().map(MovieDto::from).collect() }
    }
}

impl From<Movie> for MovieDto {
    fn from(Movie { uuid, title, description, genres }: Movie) -> Self {
        Self { title, description, genres, uuid: uuid.uuid() }
    }
}
