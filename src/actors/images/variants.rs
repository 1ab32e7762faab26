//! Smaller copies of images: made once, whoever asks, and kept.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use diesel::PgConnection;
use serde::{Deserialize, Serialize};

use super::{Images, ImagesError, not_kept};
use crate::{
    actors::{
        auth::Caller,
        files::{Made, NotKept, OpenFile, Reader, Stop},
    },
    cache::{Kind, Scope},
    db::{DbError, queries::images, rows::file::FileRow},
    domain::{
        ids::FileId,
        images::Width,
        media::{MediaFacts, MediaType, StoredFile},
    },
    media::{frame::FrameError, header::NotAnImage, picture::Fit},
};

/// What is known of an image; kept by the caches.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Known {
    /// By width in pixels.
    variants: BTreeMap<u32, FileId>,
}

/// An image in a width that was asked for, and the image itself.
pub struct Variant {
    /// The smaller copy, a WebP.
    pub copy: Arc<OpenFile>,
    /// What it is a copy of.
    pub of: Arc<OpenFile>,
}

impl Images {
    /// The image in this width, upright and without its metadata, for who may see it; made now where it is not there
    /// yet. Never wider than it is.
    ///
    /// # Errors
    /// [`ImagesError::NotFound`], [`ImagesError::Frame`]; the stores'.
    pub async fn resized(&self, caller: &Caller, id: FileId, width: Width) -> Result<Variant, ImagesError> {
        let (of, known) = self.known(caller, id).await?;
        let copy = if let Some(copy) = known.variants.get(&width.pixels()) {
            *copy
        } else {
            let turn = self.files.turn_of(caller.user_id).await?;
            let (images, image) = (self.clone(), Arc::clone(&of));
            let work = async move {
                // Also where the caller goes away.
                let _turn = turn;
                images.make(&image.file, width).await
            };
            self.turns.take((id, width), work).await.ok_or(ImagesError::Died)??
        };
        Ok(Variant { copy: self.files.open(copy, Reader::Everything).await?, of })
    }

    /// That it is an image, and what copies there are.
    pub(super) async fn look_up(&self, id: FileId) -> Result<Known, ImagesError> {
        let load = async || {
            let known = self.read(id).await?;
            serde_json::to_vec(&known).map(Bytes::from).map_err(|_| ImagesError::Kept)
        };
        let scopes = [Scope::Row(Kind::Files, id.uuid())];
        let bytes = self.cache.get_or_load(&format!("images/{id}"), &scopes, load).await?;
        serde_json::from_slice(&bytes).map_err(|_| ImagesError::Kept)
    }

    async fn read(&self, id: FileId) -> Result<Known, ImagesError> {
        let read = move |conn: &mut PgConnection| -> Result<_, DbError> {
            let is_image = images::owner_of(conn, id.uuid())?.is_some();
            Ok(if is_image { Some(images::variants_of(conn, id.uuid())?) } else { None })
        };
        let variants = self.db.run(read).await?.ok_or(ImagesError::NotFound)?;
        let by_width = |(width, variant): (i32, uuid::Uuid)| Some((u32::try_from(width).ok()?, variant.into()));
        Ok(Known { variants: variants.into_iter().filter_map(by_width).collect() })
    }

    async fn make(&self, image: &StoredFile, width: Width) -> Result<FileId, ImagesError> {
        // Whoever had the turn before has made it.
        if let Some(made) = self.read(image.id).await?.variants.get(&width.pixels()) {
            return Ok(*made);
        }
        // Whoever waited for the one that could not be made does not try in turn.
        if self.without.has(&(image.id, width)) {
            return Err(ImagesError::TooCostly);
        }
        let kind = MediaType::of_image(&image.mime_type).ok_or(ImagesError::Frame(NotAnImage::Unreadable.into()))?;
        let copy = self.files.local_copy(image).await?;
        let picture = self.framer.picture(copy.path(), kind, Fit::width(width.pixels())).await;
        drop(copy);
        let picture = match picture {
            Ok(picture) => picture,
            Err(error) => {
                // Removed while it was read: then it is not there.
                self.read(image.id).await?;
                if matches!(error, FrameError::Timeout) {
                    self.without.add((image.id, width));
                }
                return Err(error.into());
            }
        };
        let made = Made {
            // It takes nothing of the owner's quota: who looks at an image makes it, not who keeps it.
            owner_id: None,
            name: format!("{}.{}", width.pixels(), MediaType::WebP.extension()),
            media: MediaType::WebP,
            facts: MediaFacts::default(),
            bytes: picture.webp,
        };
        let made = self.files.make(made).await?;
        let id = image.id;
        let attach = move |conn: &mut PgConnection, rows: Vec<FileRow>| attach(conn, id, width, &rows);
        match self.files.keep(vec![made], vec![Scope::Row(Kind::Files, id.uuid())], attach).await {
            Ok(copy) => Ok(copy),
            // Another node was faster.
            Err(NotKept::Refused(HasOne)) => {
                self.read(id).await?.variants.get(&width.pixels()).copied().ok_or(ImagesError::NotFound)
            }
            Err(NotKept::Files(error)) => Err(not_kept(error)),
        }
    }
}

/// The image has a copy of this width already.
struct HasOne;

fn attach(conn: &mut PgConnection, image: FileId, width: Width, rows: &[FileRow]) -> Result<FileId, Stop<HasOne>> {
    let [copy] = rows else { return Err(Stop::Refused(HasOne)) };
    if images::insert_variant(conn, image.uuid(), width, copy.id)? {
        Ok(copy.id.into())
    } else {
        Err(Stop::Refused(HasOne))
    }
}
