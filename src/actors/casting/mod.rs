//! A casting agency: its actors, its movies, and who plays in which.
//!
//! A handle, no actor: that a movie is never without an actor is held by the database, whoever writes. What is
//! answered is cached; every write makes all of it void, for an actor shows movies and a movie actors. Holds no wire
//! shape.

mod error;

use bytes::Bytes;
use diesel::{Connection as _, PgConnection};
use uuid::Uuid;

pub use self::error::{CastingError, Impossible};
use super::{
    catalog::{Catalog, CatalogError, ListOf, Listed, Shape, ShapedPage},
    files::remove_later,
    write::write,
};
use crate::{
    cache::{Cache, Kind, Scope},
    db::{
        Db,
        queries::{
            casting::{actors, find, movies},
            files,
        },
        rows::casting::{ActorRow, MovieRow},
    },
    domain::{
        casting::{Actor, ActorChange, ActorId, Movie, MovieChange, MovieId, NewActor, NewMovie},
        ids::FileId,
        listing::Listing,
        media::FileKind,
    },
};

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Casting {
    db: Db,
    cache: Cache,
    /// Reads lists.
    catalog: Catalog,
}

impl Listed for Actor {
    type Row = ActorRow;

    const LISTING: &'static Listing = &actors::LISTING;
    const KIND: Kind = Kind::Casting;
}

impl Listed for Movie {
    type Row = MovieRow;

    const LISTING: &'static Listing = &movies::LISTING;
    const KIND: Kind = Kind::Casting;
}

impl Casting {
    /// A handle over these.
    #[must_use]
    pub const fn new(db: Db, cache: Cache, catalog: Catalog) -> Self {
        Self { db, cache, catalog }
    }

    /// An actor, shaped.
    ///
    /// # Errors
    /// [`CastingError::NotFound`]; the database's.
    pub async fn actor(&self, id: ActorId, shape: Shape<Actor>) -> Result<Bytes, CastingError> {
        self.one(id.get(), shape).await
    }

    /// A movie, shaped.
    ///
    /// # Errors
    /// As [`Casting::actor`].
    pub async fn movie(&self, id: MovieId, shape: Shape<Movie>) -> Result<Bytes, CastingError> {
        self.one(id.get(), shape).await
    }

    async fn one<R: Listed>(&self, number: i32, shape: Shape<R>) -> Result<Bytes, CastingError> {
        let key = format!("{}:{}/{number}", shape.contract, R::LISTING.table);
        let load = async || {
            let read = self.db.run(move |conn| Ok::<_, CastingError>(find::<R::Row>(conn, R::LISTING, number)?));
            Ok((shape.shape)(&R::from(read.await?)))
        };
        self.cache.get_or_load(&key, &[Scope::List(R::KIND)], load).await
    }

    /// A page of actors or movies, shaped. Two statements at most, whatever its length.
    ///
    /// # Errors
    /// The database's.
    pub async fn list<R: Listed>(&self, list: ListOf<R>) -> Result<ShapedPage, CatalogError> {
        self.catalog.list(list).await
    }

    /// Makes an actor.
    ///
    /// # Errors
    /// [`Impossible::NoSuchMovie`], [`Impossible::TooManyRoles`]; the database's.
    pub async fn create_actor(&self, new: NewActor) -> Result<ActorId, CastingError> {
        self.write(move |conn| {
            let id = actors::insert(conn, &new)?;
            few_enough(actors::crowd_a_movie(conn, id)?)?;
            Ok(id)
        })
        .await
    }

    /// Makes a movie.
    ///
    /// # Errors
    /// [`Impossible::NoActor`], [`Impossible::NoSuchActor`], [`Impossible::NotPlayable`],
    /// [`Impossible::TooManyRoles`]; the database's.
    pub async fn create_movie(&self, new: NewMovie) -> Result<MovieId, CastingError> {
        self.write(move |conn| {
            playable(conn, new.file_id)?;
            let id = movies::insert(conn, &new)?;
            few_enough(movies::overwork_an_actor(conn, id)?)?;
            Ok(id)
        })
        .await
    }

    /// Changes an actor.
    ///
    /// # Errors
    /// [`CastingError::NotFound`], [`Impossible::NoSuchMovie`], [`Impossible::TooManyRoles`], [`Impossible::NoActor`]
    /// where a movie would be left without; the database's.
    pub async fn change_actor(&self, id: ActorId, change: ActorChange) -> Result<(), CastingError> {
        self.write(move |conn| {
            there(actors::update(conn, id, &change)?)?;
            if change.movies_id.is_some() { few_enough(actors::crowd_a_movie(conn, id)?) } else { Ok(()) }
        })
        .await
    }

    /// Changes a movie. A file that it names no more goes where nobody owns it and nothing refers to it.
    ///
    /// # Errors
    /// [`CastingError::NotFound`], and those of [`Casting::create_movie`].
    pub async fn change_movie(&self, id: MovieId, change: MovieChange) -> Result<(), CastingError> {
        self.write(move |conn| {
            let mut locked = Vec::new();
            if let Some(next) = change.file_id {
                locked = movies::lock_files(conn, id, next)?;
                playable(conn, next)?;
            }
            let dropped = movies::update(conn, id, &change)?.ok_or(CastingError::NotFound)?;
            few_enough(movies::overwork_an_actor(conn, id)?)?;
            let_go(conn, &locked, &dropped)
        })
        .await
    }

    /// Removes an actor.
    ///
    /// # Errors
    /// [`CastingError::NotFound`], [`Impossible::NoActor`] where a movie would be left without; the database's.
    pub async fn remove_actor(&self, id: ActorId) -> Result<(), CastingError> {
        self.write(move |conn| there(actors::delete(conn, id)?)).await
    }

    /// Removes a movie; its actors stay, and its file where somebody owns it or something refers to it.
    ///
    /// # Errors
    /// [`CastingError::NotFound`]; the database's.
    pub async fn remove_movie(&self, id: MovieId) -> Result<(), CastingError> {
        self.write(move |conn| {
            let locked = movies::lock_files(conn, id, None)?;
            let dropped = movies::delete(conn, id)?.ok_or(CastingError::NotFound)?;
            let_go(conn, &locked, &dropped)
        })
        .await
    }

    /// Runs `work` in a transaction, anew where another was faster, and makes void what was answered before.
    async fn write<T, F>(&self, work: F) -> Result<T, CastingError>
    where
        T: Send + 'static,
        F: Fn(&mut PgConnection) -> Result<T, CastingError> + Send + 'static,
    {
        write(&self.db, &self.cache, vec![Scope::List(Kind::Casting)], move |conn| {
            let mut overtaken = 0;
            loop {
                match conn.transaction(&work) {
                    Err(CastingError::Overtaken) if overtaken < MOST_TURNS => overtaken += 1,
                    done => return done,
                }
            }
        })
        .await
    }
}

/// How often a change is tried anew where another came between.
const MOST_TURNS: u32 = 10;

const fn there(found: bool) -> Result<(), CastingError> {
    if found { Ok(()) } else { Err(CastingError::NotFound) }
}

const fn few_enough(too_much: bool) -> Result<(), CastingError> {
    if too_much { Err(CastingError::Impossible(Impossible::TooManyRoles)) } else { Ok(()) }
}

/// What nobody owns any more was kept for the movie's sake. What the movie was given after we had looked is not
/// `locked`, and to lock it now could make two wait for each other.
fn let_go(conn: &mut PgConnection, locked: &[Uuid], dropped: &[Uuid]) -> Result<(), CastingError> {
    if dropped.iter().any(|file| !locked.contains(file)) {
        return Err(CastingError::Overtaken);
    }
    let ownerless = files::ownerless(conn, dropped)?;
    Ok(remove_later(conn, &ownerless)?)
}

/// The file, where one is given, is a video or sound, and stays until the transaction ends.
fn playable(conn: &mut PgConnection, file: Option<FileId>) -> Result<(), CastingError> {
    let Some(file) = file else { return Ok(()) };
    let kind = movies::kind_of_held(conn, file)?;
    match kind.as_deref().and_then(FileKind::parse) {
        Some(FileKind::Video | FileKind::Audio) => Ok(()),
        _ => Err(Impossible::NotPlayable.into()),
    }
}
