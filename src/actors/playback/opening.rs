//! How a viewing begins: who may view what, where it goes on, and its row.

use uuid::Uuid;

use super::{
    Playback, Viewer,
    session::{Opened, Turn},
    state::{Links, SessionState},
};
use crate::{
    actors::{
        auth::Caller,
        catalog::{CatalogError, Reference, WrongReference, wrong_among},
        files::{FilesError, Reader},
    },
    db::{
        DbError,
        queries::{
            me,
            references::Referent,
            streams::{self, NewStreamRow},
            titles,
        },
    },
    domain::{
        catalog::Seconds,
        ids::{FileId, StreamId, UserId},
        media::FileKind,
        playback::{NewStream, Played, Title, Viewed, Watch},
    },
};

/// A stream that is to be opened.
#[derive(Debug, Clone, Copy)]
struct Opening {
    id: StreamId,
    user: Option<UserId>,
    played: Played,
    position: Option<Seconds>,
}

impl Playback {
    /// Opens a stream; of another account only for one who may. It goes on where the account left the title
    /// unless the new stream says where.
    ///
    /// # Errors
    /// `Forbidden`, also where the caller may not read the medium; `References`; the store's.
    pub async fn create(&self, caller: &Caller, new: NewStream) -> Result<Opened, CatalogError> {
        let user = new.user_id.unwrap_or(caller.user_id);
        if !Viewer::of(caller).may_act_for(user) {
            return Err(CatalogError::Forbidden);
        }
        let mut wrong = Vec::new();
        if let Played::File(file) = new.played {
            match self.may_play(caller, file).await {
                Err(CatalogError::References(file)) => wrong = file,
                may => may?,
            }
        }
        let (played, position) = (new.played, new.position_seconds);
        self.open(Opening { id: StreamId::new(), user: Some(user), played, position }, wrong).await
    }

    /// Opens a play of a public video: of the caller, else of nobody in particular. Then whoever knows its id
    /// may beat it, so the id says nothing of when it was made.
    ///
    /// # Errors
    /// `References` where there is no such file; the store's.
    pub async fn play(&self, caller: Option<&Caller>, file: FileId) -> Result<Opened, CatalogError> {
        let user = caller.map(|caller| caller.user_id);
        let id = user.map_or_else(|| StreamId::from(Uuid::new_v4()), |_| StreamId::new());
        self.open(Opening { id, user, played: Played::File(file), position: None }, Vec::new()).await
    }

    /// What the catalogue shows every reader may play; a file by itself, who may read it.
    async fn may_play(&self, caller: &Caller, file: FileId) -> Result<(), CatalogError> {
        let nothing = WrongReference { field: "file_id", what: "a video or sound" };
        match self.files.one(Reader::of(caller), file).await {
            Ok(file) if matches!(file.kind, FileKind::Video | FileKind::Audio) => Ok(()),
            Ok(_) | Err(FilesError::NotFound) => Err(CatalogError::References(vec![nothing])),
            Err(FilesError::Forbidden) => Err(CatalogError::Forbidden),
            Err(other) => Err(CatalogError::Medium(other)),
        }
    }

    /// Opens it, unless something is `wrong` with it already.
    async fn open(&self, opening: Opening, wrong: Vec<WrongReference>) -> Result<Opened, CatalogError> {
        let row = self.db.run(move |conn| {
            let title = title(conn, &opening, wrong)?;
            let position_seconds = position(conn, &opening, &title)?;
            let Opening { id, user, played, .. } = opening;
            let created_at = streams::insert(conn, &NewStreamRow { id, user, played, position_seconds })?;
            Ok::<_, CatalogError>((title, position_seconds, created_at))
        });
        let (title, position, created_at) = row.await?;
        let now = self.parts.clock.now();
        let state = SessionState {
            user: opening.user,
            title,
            watch: Watch::begin(position, now),
            before: 0.0,
            viewed: Viewed::Open,
            links: Links::given(now, &self.parts.links),
            turn: 0,
            created_at,
            updated_at: created_at,
        };
        let begun = self.tell(opening.id, Turn::Begin(Box::new(state))).await;
        if begun.is_err() {
            self.take_back(opening.id).await;
        }
        begun
    }

    /// Removes a stream that nobody was told of. Where that fails, its row ends as one that fell silent.
    pub async fn take_back(&self, id: StreamId) {
        let removed = self.db.run(move |conn| Ok::<_, DbError>(streams::delete(conn, id.uuid())?)).await;
        if let Err(error) = removed {
            tracing::debug!(%error, stream = %id, "a stream that was not answered stays until it is silent");
        }
        self.ended(&[id]).await;
    }
}

/// Where it begins, in seconds.
fn position(conn: &mut diesel::PgConnection, opening: &Opening, title: &Title) -> Result<f64, CatalogError> {
    let position = match (opening.position, opening.user) {
        (Some(given), _) => given.get(),
        (None, Some(user)) => {
            me::left_at(conn, user, opening.played)?.map_or(0.0, |left| title.resume(left).position())
        }
        (None, None) => 0.0,
    };
    Ok(title.duration_seconds.filter(|length| *length > 0.0).map_or(position, |length| position.min(length)))
}

/// What is to be played.
///
/// # Errors
/// `References` with what is `wrong` already, or is not there: the viewer, too; the store's.
fn title(
    conn: &mut diesel::PgConnection,
    opening: &Opening,
    mut wrong: Vec<WrongReference>,
) -> Result<Title, CatalogError> {
    if wrong.is_empty() {
        match titles::title(conn, opening.played).map_err(DbError::from) {
            Err(DbError::NotFound) => wrong.push(reference(opening.played).wrong()),
            found => return Ok(found?),
        }
    }
    if let Some(user) = opening.user {
        let user = Reference::new("user_id", Referent::User, [user]);
        wrong.extend(wrong_among(conn, &[user]).map_err(DbError::from)?);
    }
    Err(CatalogError::References(wrong))
}

fn reference(played: Played) -> Reference {
    match played {
        Played::Episode(id) => Reference::new("episode_id", Referent::Episode, [id]),
        Played::File(id) => Reference::new("file_id", Referent::File, [id]),
    }
}
