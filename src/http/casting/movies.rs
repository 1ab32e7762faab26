//! Movies: listed, shown, made, changed, removed.

use actix_web::http::StatusCode;
use bytes::Bytes;

use super::{
    Answer, CONTRACT, NO_FIELDS, Numbered, WHOLE_LIST, bytes,
    dto::{CastMovieDto, DoneMovieDto, ManyMoviesDto, OneMovieDto},
    list, ok,
};
use crate::{
    actors::catalog::{Listed as _, Shape},
    domain::{
        casting::{Movie, MovieChange, MovieId, NewMovie},
        listing::{ListRequest, Page},
    },
    http::{
        State,
        access::{Allowed, CreateMovies, DeleteMovies, ModifyMovies, ViewMovies},
        body::Json,
        envelope,
        openapi::doc,
        query::ListQuery,
        routes::Routes,
    },
};

pub(super) fn routes(routes: Routes) -> Routes {
    let create = doc("Make a movie").takes::<NewMovie>().gives::<DoneMovieDto>();
    let change = doc("Change a movie; `actors_id`, which must be passed, replaces the ones before");
    let remove =
        doc("Remove a movie; its actors stay, and its file if somebody owns it or something else refers to it")
            .gives::<DoneMovieDto>();
    routes
        .get(
            "/casting/movies",
            all,
            doc("List movies").gives::<ManyMoviesDto<'_>>().lists_whole(Movie::LISTING, WHOLE_LIST),
        )
        .post(
            "/casting/movies",
            make,
            create.refuses(&[
                (400, NO_FIELDS),
                (422, "A value that cannot be; no actor, or one who is not there; a file that cannot be played"),
            ]),
        )
        .get("/casting/movies/{id}", one, doc("Read a movie").gives::<OneMovieDto<'_>>())
        .patch(
            "/casting/movies/{id}",
            modify,
            change.takes::<MovieChange>().gives::<DoneMovieDto>().refuses(&[
                (400, NO_FIELDS),
                (422, "A value that cannot be; no actor, or one who is not there; a file that cannot be played"),
            ]),
        )
        .delete("/casting/movies/{id}", delete, remove)
}

fn shape_one(movie: &Movie) -> Bytes {
    bytes(&OneMovieDto::new(CastMovieDto::from(movie)))
}

fn shape_page((_, page): &(ListRequest, Page<Movie>)) -> Bytes {
    bytes(&ManyMoviesDto::new(page.items.iter().map(CastMovieDto::from).collect(), page.total))
}

async fn all(_: Allowed<ViewMovies>, state: State, query: ListQuery) -> Answer {
    list(&state, &query, shape_page).await
}

async fn one(_: Allowed<ViewMovies>, state: State, Numbered(id): Numbered<MovieId>) -> Answer {
    let body = state.casting.movie(id, Shape { contract: CONTRACT, shape: shape_one }).await?;
    Ok(envelope::json(StatusCode::OK, body))
}

async fn make(_: Allowed<CreateMovies>, state: State, Json(new): Json<NewMovie>) -> Answer {
    Ok(ok(&DoneMovieDto::from(state.casting.create_movie(new).await?)))
}

async fn modify(
    _: Allowed<ModifyMovies>,
    state: State,
    Numbered(id): Numbered<MovieId>,
    Json(change): Json<MovieChange>,
) -> Answer {
    state.casting.change_movie(id, change).await?;
    Ok(ok(&DoneMovieDto::from(id)))
}

async fn delete(_: Allowed<DeleteMovies>, state: State, Numbered(id): Numbered<MovieId>) -> Answer {
    state.casting.remove_movie(id).await?;
    Ok(ok(&DoneMovieDto::from(id)))
}
