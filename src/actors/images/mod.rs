//! Images that accounts keep: taken in, listed, given out as they are or smaller, removed. Holds no wire shape.
//!
//! A handle, no actor: nothing here has to happen in order. An image is a file; that it is an image, and whose, says
//! a row of its own. A smaller copy is made when it is first asked for, and kept as a file that goes with the image.

mod error;
mod variants;

use std::sync::Arc;

use diesel::PgConnection;

pub use self::error::ImagesError;
use self::variants::Known;
use super::{
    auth::Caller,
    files::{Arrival, Files, FilesError, NotKept, OpenFile, Reader, Stop},
    turns::{InVain, Turns},
};
use crate::{
    cache::Cache,
    db::{Db, DbError, queries::images, rows::file::FileRow},
    domain::{
        ids::{FileId, UserId},
        images::{ImageName, ImageWindow, Width},
        media::{FileKind, StoredFile},
    },
    media::frame::Framer,
    settings::ImageSettings,
    storage::Incoming,
};

/// What images need from the rest of the house.
pub struct ImageParts<'a> {
    /// Section `images`.
    pub settings: &'a ImageSettings,
    /// The database.
    pub db: Db,
    /// Redis, and what tells the nodes of changes.
    pub cache: Cache,
    /// Where bytes are.
    pub files: Files,
    /// What makes smaller copies.
    pub framer: Framer,
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    db: Db,
    cache: Cache,
    files: Files,
    framer: Framer,
    limit: u64,
    turns: Turns<(FileId, Width)>,
    /// Copies that could not be made a moment ago.
    without: InVain<(FileId, Width)>,
}

impl Images {
    /// A handle over these.
    #[must_use]
    pub fn new(parts: ImageParts<'_>) -> Self {
        let ImageParts { settings, db, cache, files, framer } = parts;
        let (turns, without) = (Turns::new(), InVain::new());
        Self { db, cache, files, framer, limit: settings.max_bytes, turns, without }
    }

    /// The most bytes an image may have.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Where the bytes of a new image go, `least` or more.
    ///
    /// # Errors
    /// [`FilesError::OverQuota`] within [`ImagesError::Files`]; the stores'.
    pub async fn begin(&self, account: UserId, least: u64) -> Result<Incoming, ImagesError> {
        Ok(self.files.receive(account, least).await?.at_most(self.limit))
    }

    /// Makes an image of the account of the bytes that have come.
    ///
    /// # Errors
    /// [`ImagesError::NotAnImage`]; the stores'.
    pub async fn accept(
        &self,
        account: UserId,
        incoming: Incoming,
        name: ImageName,
    ) -> Result<StoredFile, ImagesError> {
        let arrival = Arrival { incoming, owner_id: account, original_name: name.into_string() };
        let image = self.files.examine_only(&[FileKind::Image], arrival).await?;
        let attach = move |conn: &mut PgConnection, rows: Vec<FileRow>| {
            let Some(row) = rows.into_iter().next() else { return Err(Stop::Refused(())) };
            images::insert(conn, row.id, account)?;
            Ok(row)
        };
        let kept = self.files.keep(vec![image], Vec::new(), attach).await;
        kept.map(StoredFile::from).map_err(|refused| match refused {
            NotKept::Refused(()) => ImagesError::Died,
            NotKept::Files(error) => error.into(),
        })
    }

    /// The ids of the caller's images, of an owner's everyone's; the oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn list(&self, caller: &Caller, window: ImageWindow) -> Result<Vec<FileId>, ImagesError> {
        let whose = if caller.is_owner() { None } else { Some(caller.user_id) };
        let listed = self.db.run(move |conn| images::list(conn, whose, window).map_err(DbError::from)).await?;
        Ok(listed.into_iter().map(FileId::from).collect())
    }

    /// The image as it was sent, for who may see it: whose it is, who sees every file, and where the catalogue shows
    /// it, who looks there.
    ///
    /// # Errors
    /// [`ImagesError::NotFound`]; the stores'.
    pub async fn one(&self, caller: &Caller, id: FileId) -> Result<Arc<OpenFile>, ImagesError> {
        let (open, _) = self.known(caller, id).await?;
        Ok(open)
    }

    async fn known(&self, caller: &Caller, id: FileId) -> Result<(Arc<OpenFile>, Known), ImagesError> {
        let known = self.look_up(id).await?;
        Ok((self.files.open(id, Reader::of(caller)).await?, known))
    }

    /// Removes one's own image, or any for an owner; its bytes and its smaller copies go too.
    ///
    /// # Errors
    /// [`ImagesError::NotFound`], [`ImagesError::NotYours`]; [`FilesError::Referred`] within [`ImagesError::Files`]
    /// where the catalogue shows it; the stores'.
    pub async fn remove(&self, caller: &Caller, id: FileId) -> Result<(), ImagesError> {
        let owner = self.db.run(move |conn| images::owner_of(conn, id.uuid()).map_err(DbError::from)).await?;
        let owner = owner.ok_or(ImagesError::NotFound)?;
        if !caller.may_act_for(owner.into()) {
            return Err(ImagesError::NotYours);
        }
        Ok(self.files.remove(id).await?)
    }
}

/// Why a file that should have been made of an image is not there.
fn not_kept(error: FilesError) -> ImagesError {
    match error {
        FilesError::Db(DbError::Constraint { ref name }) if name == "image_variants_file_id_fkey" => {
            ImagesError::NotFound
        }
        other => other.into(),
    }
}
