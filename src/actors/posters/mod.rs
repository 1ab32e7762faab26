//! Posters: the picture that a player shows before it plays. Of a channel's video it is the thumbnail; of any
//! other film a frame, taken when it is first asked for and kept as a file that goes with the film; of what
//! shows none, the image of its episode. Holds no wire shape, and decides not who may see.
//!
//! A handle, no actor: questions of one node for one film wait for each other, and between nodes the database
//! decides whose frame is kept.

use std::sync::Arc;

use bytes::Bytes;
use diesel::PgConnection;
use serde::{Deserialize, Serialize};

use super::{
    files::{Files, FilesError, Made, NotKept, OpenFile, Reader, Stop},
    turns::{InVain, Turns},
};
use crate::{
    cache::{Cache, Kind, Scope},
    db::{
        Db, DbError,
        queries::posters::{self, Pictures},
        rows::file::FileRow,
    },
    domain::{
        ids::FileId,
        media::{FileKind, MediaType, StoredFile},
    },
    media::frame::{FrameError, Framer},
};

/// Why there is no poster.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// There is no such film.
    #[error("no such film")]
    NoFilm,
    /// Nothing of it can be shown.
    #[error("there is nothing to show of it")]
    Nothing,
    /// The frame could not be made.
    #[error("the poster could not be made")]
    Frame(#[source] FrameError),
    /// Its file.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What was kept is not what was put there.
    #[error("a kept answer cannot be read")]
    Kept,
    /// A task of ours died.
    #[error("a task died")]
    Died,
}

impl From<DbError> for PosterError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NotFound => Self::NoFilm,
            other => Self::Files(other.into()),
        }
    }
}

/// What is known of a film; kept by the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Known {
    Poster(FileId),
    /// A film of which a frame may be taken.
    Film,
    Nothing,
}

impl From<&Pictures> for Known {
    fn from(pictures: &Pictures) -> Self {
        let kept = pictures.poster.map(|id| Self::Poster(id.into()));
        let shown = || pictures.image.map(|id| Self::Poster(id.into()));
        kept.or_else(|| (pictures.film.kind == FileKind::Video.name()).then_some(Self::Film))
            .or_else(shown)
            .unwrap_or(Self::Nothing)
    }
}

/// What posters need from the rest of the house.
pub struct PosterParts {
    /// The database.
    pub db: Db,
    /// Redis, and what tells the nodes of changes.
    pub cache: Cache,
    /// Where bytes are.
    pub files: Files,
    /// What takes frames.
    pub framer: Framer,
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Posters {
    db: Db,
    cache: Cache,
    files: Files,
    framer: Framer,
    turns: Turns<FileId>,
    /// Films that gave no frame.
    without: InVain<FileId>,
}

impl Posters {
    /// A handle over these.
    #[must_use]
    pub fn new(parts: PosterParts) -> Self {
        let PosterParts { db, cache, files, framer } = parts;
        Self { db, cache, files, framer, turns: Turns::new(), without: InVain::new() }
    }

    /// Whether `film` shows a picture, as far as it is known without taking one.
    ///
    /// # Errors
    /// [`PosterError::NoFilm`]; the database's.
    pub async fn has_one(&self, film: FileId) -> Result<bool, PosterError> {
        Ok(match self.known(film).await? {
            Known::Poster(_) => true,
            Known::Film => !self.without.has(&film),
            Known::Nothing => false,
        })
    }

    /// The poster of `film`, a JPEG; made now where there is none yet.
    ///
    /// # Errors
    /// See [`PosterError`].
    pub async fn of(&self, film: FileId) -> Result<Arc<OpenFile>, PosterError> {
        let poster = match self.known(film).await? {
            Known::Poster(id) => id,
            Known::Film => self.made(film).await?,
            Known::Nothing => return Err(PosterError::Nothing),
        };
        Ok(self.files.open(poster, Reader::Everything).await?)
    }

    async fn known(&self, film: FileId) -> Result<Known, PosterError> {
        let scopes = [Scope::Row(Kind::Files, film.uuid()), Scope::List(Kind::Videos), Scope::List(Kind::Episodes)];
        let load = async || {
            let known = Known::from(&self.look_up(film).await?);
            serde_json::to_vec(&known).map(Bytes::from).map_err(|_| PosterError::Kept)
        };
        let bytes = self.cache.get_or_load(&format!("posters/{film}"), &scopes, load).await?;
        serde_json::from_slice(&bytes).map_err(|_| PosterError::Kept)
    }

    async fn look_up(&self, film: FileId) -> Result<Pictures, PosterError> {
        let look_up = move |conn: &mut PgConnection| posters::of_film(conn, film.uuid()).map_err(DbError::from);
        Ok(self.db.run(look_up).await?)
    }

    /// Takes a frame, or waits for who takes one.
    async fn made(&self, film: FileId) -> Result<FileId, PosterError> {
        let posters = self.clone();
        self.turns.take(film, async move { posters.make(film).await }).await.ok_or(PosterError::Died)?
    }

    async fn make(&self, film: FileId) -> Result<FileId, PosterError> {
        let Pictures { film: row, poster, image } = self.look_up(film).await?;
        if let Some(poster) = poster {
            return Ok(poster.into());
        }
        let instead = image.map(FileId::from).ok_or(PosterError::Nothing);
        if self.without.has(&film) {
            return instead;
        }
        match self.take(&row.into()).await {
            Err(PosterError::Frame(FrameError::NoFrame | FrameError::NotAnImage(_) | FrameError::Timeout)) => {
                self.without.add(film);
                instead
            }
            Err(PosterError::Frame(error)) => instead.map_err(|_| PosterError::Frame(error)),
            taken => taken,
        }
    }

    async fn take(&self, film: &StoredFile) -> Result<FileId, PosterError> {
        let media = MediaType::of_video(&film.mime_type).ok_or(PosterError::Frame(FrameError::NoFrame))?;
        let copy = self.files.local_copy(film).await?;
        let frame = self.framer.thumbnail(copy.path(), media, &film.facts).await;
        drop(copy);
        // It belongs to nobody: who watches a film takes nothing of its owner's quota.
        let made = Made::thumbnail(None, "poster.jpg", frame.map_err(PosterError::Frame)?);
        let poster = self.files.make(made).await?;
        let id = film.id;
        let attach = move |conn: &mut PgConnection, rows: Vec<FileRow>| attach(conn, id, &rows);
        match self.files.keep(vec![poster], vec![Scope::Row(Kind::Files, id.uuid())], attach).await {
            Ok(poster) => Ok(poster),
            // Another node was faster; or somebody has shared the film meanwhile.
            Err(NotKept::Refused(HasOne)) => match self.look_up(id).await?.poster {
                Some(poster) => Ok(poster.into()),
                None => Err(PosterError::Nothing),
            },
            Err(NotKept::Files(FilesError::Db(DbError::Constraint { name }))) if name == "posters_file_id_fkey" => {
                Err(PosterError::NoFilm)
            }
            Err(NotKept::Files(error)) => Err(error.into()),
        }
    }
}

/// The film has a poster already.
struct HasOne;

fn attach(conn: &mut PgConnection, film: FileId, rows: &[FileRow]) -> Result<FileId, Stop<HasOne>> {
    let [poster] = rows else { return Err(Stop::Refused(HasOne)) };
    if posters::insert(conn, film.uuid(), poster.id)? { Ok(poster.id.into()) } else { Err(Stop::Refused(HasOne)) }
}
