//! Genres, series, seasons and episodes: create, list, read, change, remove, written once.

use actix_web::{HttpResponse, http::StatusCode};
use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::dto::{EpisodeDto, GenreDto, SeasonDto, SeriesDto};
use crate::{
    actors::catalog::{
        CatalogError, GENRE_SEASONS, GENRE_SERIES, ListOf, Listed as _, Nest, Resource, SEASON_EPISODES,
        SERIES_EPISODES, SERIES_SEASONS, Shape, ShapedPage,
    },
    domain::{
        catalog::{Episode, Genre, Season, Series},
        listing::{ListRequest, Page},
    },
    http::{
        State,
        access::{Allowed, EditCatalogue, ViewCatalogue},
        body::{Body, Id, Json},
        envelope,
        error::ApiError,
        openapi::doc,
        query::ListQuery,
        routes::Routes,
    },
};

/// The name under which this contract's shapes are cached.
pub(super) const CONTRACT: &str = "iptv";

/// A resource as this contract shows it.
pub(super) trait Shown: Resource<Id: From<Uuid>, New: Body, Change: Body> {
    /// How it is shown.
    type Dto: for<'a> From<&'a Self> + Serialize + ToSchema + PartialSchema;
    /// One of them, in messages.
    const NOUN: &'static str;
    /// `<Nouns> fetched successfully`.
    const FETCHED_ALL: &'static str;
    /// `<Noun> fetched successfully`.
    const FETCHED: &'static str;
    /// The path of the list.
    const PATH: &'static str;

    /// Its id, which ends its own path.
    fn id(&self) -> Self::Id;
}

macro_rules! shown {
    ($($name:ident as $dto:ident: $noun:literal, $nouns:literal, $path:literal;)+) => {$(
        impl Shown for $name {
            type Dto = $dto;
            const NOUN: &'static str = $noun;
            const FETCHED_ALL: &'static str = concat!($nouns, " fetched successfully");
            const FETCHED: &'static str = concat!($noun, " fetched successfully");
            const PATH: &'static str = $path;

            fn id(&self) -> Self::Id {
                self.id
            }
        }
    )+};
}

shown! {
    Genre as GenreDto: "Genre", "Genres", "/genres";
    Series as SeriesDto: "Series", "Series", "/series";
    Season as SeasonDto: "Season", "Seasons", "/seasons";
    Episode as EpisodeDto: "Episode", "Episodes", "/episodes";
}

/// The five operations of `R`.
pub(super) fn crud<R: Shown>(routes: Routes, path: &'static str, item: &'static str) -> Routes {
    routes
        .post(path, create::<R>, doc("Create").takes::<R::New>().gives::<R::Dto>().creates())
        .get(path, list::<R>, doc("List").gives::<R::Dto>().lists(R::LISTING))
        .get(item, read::<R>, doc("Read").gives::<R::Dto>())
        .patch(item, change::<R>, doc("Change").takes::<R::Change>().gives::<R::Dto>())
        .delete(item, remove::<R>, doc("Remove, with all below it"))
}

async fn create<R: Shown>(
    _: Allowed<EditCatalogue>,
    state: State,
    Json(new): Json<R::New>,
) -> Result<HttpResponse, ApiError> {
    let made: R = state.catalog.create(new).await.map_err(of::<R>)?;
    let location = format!("{}/{}", R::PATH, Into::<Uuid>::into(made.id()));
    Ok(envelope::created(&format!("{} created successfully", R::NOUN), &location, R::Dto::from(&made)))
}

async fn list<R: Shown>(_: Allowed<ViewCatalogue>, state: State, query: ListQuery) -> Result<HttpResponse, ApiError> {
    page::<R>(&state, &query, None, R::NOUN).await
}

async fn read<R: Shown>(_: Allowed<ViewCatalogue>, state: State, Id(id): Id<R::Id>) -> Result<HttpResponse, ApiError> {
    let shape = Shape { contract: CONTRACT, shape: |row: &R| shape_one(row) };
    let body = state.catalog.one::<R>(id, shape).await.map_err(of::<R>)?;
    Ok(envelope::json(StatusCode::OK, body))
}

async fn change<R: Shown>(
    _: Allowed<EditCatalogue>,
    state: State,
    Id(id): Id<R::Id>,
    Json(change): Json<R::Change>,
) -> Result<HttpResponse, ApiError> {
    let changed: R = state.catalog.change(id, change).await.map_err(of::<R>)?;
    Ok(envelope::ok(&format!("{} updated successfully", R::NOUN), R::Dto::from(&changed)))
}

async fn remove<R: Shown>(
    _: Allowed<EditCatalogue>,
    state: State,
    Id(id): Id<R::Id>,
) -> Result<HttpResponse, ApiError> {
    state.catalog.remove::<R>(id).await.map_err(of::<R>)?;
    Ok(envelope::done(&format!("{} deleted successfully", R::NOUN)))
}

/// An error about an `R`.
pub(super) fn of<R: Shown>(error: CatalogError) -> ApiError {
    ApiError::of_catalog(R::NOUN, error)
}

/// The bytes of one `R`.
pub(super) fn shape_one<R: Shown>(row: &R) -> bytes::Bytes {
    envelope::success_bytes(StatusCode::OK, R::FETCHED, Some(R::Dto::from(row)))
}

fn shape_page<R: Shown>((request, page): &(ListRequest, Page<R>)) -> bytes::Bytes {
    let shown =
        Page { items: page.items.iter().map(R::Dto::from).collect(), total: page.total, next: page.next.clone() };
    envelope::page_bytes::<R::Dto>(R::FETCHED_ALL, request, &shown)
}

/// A page of `R`, below a parent where one is given; `parent` is its noun.
async fn page<R: Shown>(
    state: &State,
    query: &ListQuery,
    nest: Option<Nest>,
    parent: &str,
) -> Result<HttpResponse, ApiError> {
    let request = query.against(R::LISTING)?;
    let shape = Shape { contract: CONTRACT, shape: shape_page::<R> };
    let list = ListOf { request: request.clone(), nest, shape };
    let shaped = state.catalog.list::<R>(list).await.map_err(|error| ApiError::of_catalog(parent, error))?;
    Ok(with_links(query, &request, shaped))
}

fn with_links(query: &ListQuery, request: &ListRequest, page: ShapedPage) -> HttpResponse {
    let links = query.links(request, page.total, page.next.as_deref());
    envelope::linked(page.body, &links)
}

/// A page that is not cached.
pub(super) fn fresh_page<T, D>(query: &ListQuery, request: &ListRequest, page: Page<T>, message: &str) -> HttpResponse
where
    D: for<'a> From<&'a T> + Serialize,
{
    let shown = page.map(|item| D::from(&item));
    let next = shown.next.as_ref().map(crate::domain::listing::Cursor::encode);
    let body = envelope::page_bytes(message, request, &shown);
    with_links(query, request, ShapedPage { body, total: shown.total, next })
}

macro_rules! nested {
    ($routes:ident: $($path:literal $parent:ident $way:ident $child:ident as $dto:ident, $summary:literal;)+) => {
        $routes$(.get(
            $path,
            |_: Allowed<ViewCatalogue>, state: State, id: Id<Uuid>, query: ListQuery| async move {
                page::<$child>(&state, &query, Some($way.from(id.0)), $parent::NOUN).await
            },
            doc($summary).gives::<$dto>().lists($child::LISTING),
        ))+
    };
}

/// The lists below a genre, a series and a season.
pub(super) fn nested(routes: Routes) -> Routes {
    nested! { routes:
        "/genres/{id}/series" Genre GENRE_SERIES Series as SeriesDto, "The series of a genre";
        "/genres/{id}/series/seasons" Genre GENRE_SEASONS Season as SeasonDto, "The seasons of a genre's series";
        "/series/{id}/seasons" Series SERIES_SEASONS Season as SeasonDto, "The seasons of a series";
        "/series/{id}/seasons/episodes" Series SERIES_EPISODES Episode as EpisodeDto, "All episodes of a series";
        "/seasons/{id}/episodes" Season SEASON_EPISODES Episode as EpisodeDto, "The episodes of a season";
    }
}
