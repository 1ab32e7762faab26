//! What the casting contract shows.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{
    casting::{Actor, ActorId, Movie, MovieId, ReleaseDate},
    ids::{FileId, ProviderMovieId},
};

/// An actor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CastActorDto<'a> {
    id: i32,
    name: &'a str,
    age: i32,
    /// `M` or `F`.
    gender: &'a str,
    /// The movies that he or she plays in, in order.
    movies_id: Vec<i32>,
}

/// A movie.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CastMovieDto<'a> {
    id: i32,
    title: &'a str,
    /// `YYYYMMDD`.
    date_release: String,
    /// Who plays in it, in order; never empty.
    actors_id: Vec<i32>,
    /// The film in the player.
    file_id: Option<Uuid>,
    /// The film in collections.
    uuid: Option<Uuid>,
}

impl<'a> From<&'a Actor> for CastActorDto<'a> {
    fn from(actor: &'a Actor) -> Self {
        let Actor { id, name, age, gender, movies_id } = actor;
        let movies_id = movies_id.iter().map(|id| id.get()).collect();
        Self { id: id.get(), name, age: *age, gender, movies_id }
    }
}

impl<'a> From<&'a Movie> for CastMovieDto<'a> {
    fn from(movie: &'a Movie) -> Self {
        Self {
            id: movie.id.get(),
            title: &movie.title,
            date_release: movie.date_release.format(ReleaseDate::FORM).to_string(),
            actors_id: movie.actors_id.iter().map(|id| id.get()).collect(),
            file_id: movie.file_id.map(FileId::uuid),
            uuid: movie.uuid.map(ProviderMovieId::uuid),
        }
    }
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident$(<$life:lifetime>)? { $($field:ident: $type:ty),+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Serialize, ToSchema)]
        pub(super) struct $name$(<$life>)? {
            /// Always true.
            success: bool,
            $($field: $type,)+
        }

        impl$(<$life>)? $name$(<$life>)? {
            pub(super) const fn new($($field: $type),+) -> Self {
                Self { success: true, $($field),+ }
            }
        }
    )+};
}

answers! {
    /// One actor.
    OneActorDto<'a> { actor: CastActorDto<'a> }
    /// One movie.
    OneMovieDto<'a> { movie: CastMovieDto<'a> }
    /// Actors, and how many match in all.
    ManyActorsDto<'a> { actors: Vec<CastActorDto<'a>>, total_actors: u64 }
    /// Movies, and how many match in all.
    ManyMoviesDto<'a> { movies: Vec<CastMovieDto<'a>>, total_movies: u64 }
    /// Which actor was made, changed or removed.
    DoneActorDto { actor_id: i32 }
    /// Which movie was made, changed or removed.
    DoneMovieDto { movie_id: i32 }
}

impl From<ActorId> for DoneActorDto {
    fn from(id: ActorId) -> Self {
        Self::new(id.get())
    }
}

impl From<MovieId> for DoneMovieDto {
    fn from(id: MovieId) -> Self {
        Self::new(id.get())
    }
}
