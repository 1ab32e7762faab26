//! How bytes become files: looked at, probed, stored with their rows.

use std::path::PathBuf;

use chrono::{SubsecRound as _, Utc};
use diesel::PgConnection;

use super::{Files, FilesError, error::unsupported};
use crate::{
    actors::turns::Turn,
    cache::Scope,
    db::rows::file::FileRow,
    domain::{
        ids::UserId,
        media::{FileKind, FileState, MediaFacts, MediaType, StoredFile},
    },
    media::{
        frame::{FrameError, Thumbnail},
        probe::{ProbeError, Probed},
        sniff::{is_text_throughout, sniff},
        tool::ToolError,
    },
    storage::{About, Incoming, Received, StoreError},
};

/// Bytes that have come, and what was said about them.
pub struct Arrival {
    /// The bytes.
    pub incoming: Incoming,
    /// Whose they are.
    pub owner_id: UserId,
    /// As the client sent it, cleaned; never a path.
    pub original_name: String,
}

/// A file that has come and was looked at, but is not stored yet. Dropped, its bytes go.
pub struct Examined {
    pub(super) received: Received,
    pub(super) file: StoredFile,
    media: MediaType,
}

impl Examined {
    /// What its bytes are.
    #[must_use]
    pub const fn media(&self) -> MediaType {
        self.media
    }

    /// What will be known of it.
    #[must_use]
    pub const fn file(&self) -> &StoredFile {
        &self.file
    }

    /// Where its bytes lie now.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.received.path()
    }

    async fn send(&mut self) -> Result<(), FilesError> {
        Ok(self.received.send(&about(&self.file)).await?)
    }
}

/// Bytes that were made here.
#[derive(Debug)]
pub struct Made {
    /// Whose they are; `None`: nobody's.
    pub owner_id: Option<UserId>,
    /// What they are called.
    pub name: String,
    /// What they are.
    pub media: MediaType,
    /// What is known of them.
    pub facts: MediaFacts,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Made {
    /// The file of a frame.
    #[must_use]
    pub fn thumbnail(owner_id: Option<UserId>, name: &str, thumbnail: Thumbnail) -> Self {
        let side = |pixels: u32| i32::try_from(pixels).ok();
        let facts =
            MediaFacts { width: side(thumbnail.width), height: side(thumbnail.height), ..MediaFacts::default() };
        Self { owner_id, name: name.to_owned(), media: MediaType::Jpeg, facts, bytes: thumbnail.jpeg }
    }
}

/// Why a transaction around the rows of files ends without them.
#[derive(Debug)]
pub enum Stop<R> {
    /// Who attaches them refuses.
    Refused(R),
    /// The owner would own too much.
    OverQuota,
    /// The database failed.
    Failed(diesel::result::Error),
}

impl<R> From<diesel::result::Error> for Stop<R> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

/// Why files were not kept.
#[derive(Debug)]
pub enum NotKept<R> {
    /// Who attaches them refused.
    Refused(R),
    /// Files, or the stores.
    Files(FilesError),
}

impl Files {
    /// Makes a file of what has come: looks at it, probes it, stores it. Refused bytes go.
    ///
    /// # Errors
    /// [`FilesError::Unsupported`], [`FilesError::OverQuota`], the probe's, the store's, the database's.
    pub async fn accept(&self, arrival: Arrival) -> Result<StoredFile, FilesError> {
        let examined = self.examine(arrival).await?;
        let row =
            self.keep(vec![examined], Vec::new(), |_, rows| rows.into_iter().next().ok_or(Stop::Refused(()))).await;
        row.map(StoredFile::from).map_err(|refused| match refused {
            NotKept::Refused(()) => FilesError::Died,
            NotKept::Files(error) => error,
        })
    }

    /// Looks at what has come: sniffs and probes it. Refused bytes go. Of an account, one file at a time is probed or
    /// decoded, which can be costly: so it keeps nobody else waiting.
    ///
    /// # Errors
    /// [`FilesError::Unsupported`], the probe's, the store's.
    pub async fn examine(&self, arrival: Arrival) -> Result<Examined, FilesError> {
        let media = sniffed(&arrival)?;
        self.examine_as(media, arrival).await
    }

    /// As [`Files::examine`], of what by its first bytes is of one of these kinds: anything else is not looked at
    /// closer.
    ///
    /// # Errors
    /// As [`Files::examine`].
    pub async fn examine_only(&self, kinds: &[FileKind], arrival: Arrival) -> Result<Examined, FilesError> {
        let media = sniffed(&arrival)?;
        if !kinds.contains(&media.kind()) {
            return Err(unsupported("it is something else"));
        }
        self.examine_as(media, arrival).await
    }

    /// The turn of an account to have something decoded, until it is dropped; waited for as for a tool.
    ///
    /// # Errors
    /// [`FilesError::Probe`]: the account has too much to look at.
    pub(in crate::actors) async fn turn_of(&self, account: UserId) -> Result<Turn, FilesError> {
        let busy = ToolError::Busy { tool: "what else the account has sent", waited: self.patience };
        let turn = tokio::time::timeout(self.patience, self.accounts.wait(account)).await;
        turn.map_err(|_| FilesError::Probe(ProbeError::Unavailable(busy)))
    }

    async fn examine_as(&self, media: MediaType, arrival: Arrival) -> Result<Examined, FilesError> {
        let Arrival { incoming, owner_id, original_name } = arrival;
        let limit = self.limit_of(media.kind());
        if incoming.size() > limit {
            return Err(StoreError::TooLarge(limit).into());
        }
        let received = incoming.finish().await?;
        let turn = self.turn_of(owner_id).await?;
        let probed = self.probe(&received, media).await?;
        drop(turn);
        let found = Found { owner_id: Some(owner_id), name: original_name, media, probed };
        Ok(examined(received, found))
    }

    /// The most bytes a file of this kind may have.
    const fn limit_of(&self, kind: FileKind) -> u64 {
        match kind {
            FileKind::Image => self.image_limit,
            FileKind::Subtitle => self.subtitle_limit,
            FileKind::Video | FileKind::Audio | FileKind::Other => self.limit,
        }
    }

    /// Takes in bytes that were made here.
    ///
    /// # Errors
    /// The store's.
    pub async fn make(&self, made: Made) -> Result<Examined, FilesError> {
        let Made { owner_id, name, media, facts, bytes } = made;
        let mut incoming = self.store.receive(self.limit).await?;
        incoming.write(&bytes).await?;
        let found = Found { owner_id, name, media, probed: Probed { kind: media.kind(), facts } };
        Ok(examined(incoming.finish().await?, found))
    }

    /// Stores files and their rows, and in the same transaction does `attach` with the rows in their
    /// order: all of it, or nothing. When this returns, `scopes` and the lists of files have moved on; they do also
    /// where the caller goes away, or the database's answer comes late.
    ///
    /// # Errors
    /// See [`NotKept`].
    pub async fn keep<T, R, F>(&self, files: Vec<Examined>, scopes: Vec<Scope>, attach: F) -> Result<T, NotKept<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: FnOnce(&mut PgConnection, Vec<FileRow>) -> Result<T, Stop<R>> + Send + 'static,
    {
        let mut files = files;
        // While the caller is there: where it goes away, what was sent so far is taken back.
        for file in &mut files {
            file.send().await.map_err(NotKept::Files)?;
        }
        let keeper = self.clone();
        let kept = tokio::spawn(async move { keeper.store_with_rows(files, scopes, attach).await }).await;
        kept.unwrap_or(Err(NotKept::Files(FilesError::Died)))
    }

    async fn probe(&self, received: &Received, media: MediaType) -> Result<Probed, FilesError> {
        let path = received.path();
        match media.kind() {
            FileKind::Image => {
                let facts = self.framer.examine(&path, media).await.map_err(|error| match error {
                    FrameError::NoFrame | FrameError::NotAnImage(_) | FrameError::Timeout => {
                        unsupported(&error.to_string())
                    }
                    FrameError::Unavailable(why) => FilesError::Probe(ProbeError::Unavailable(why)),
                    FrameError::Fault(cause) => FilesError::Probe(ProbeError::Fault(cause)),
                })?;
                Ok(Probed { kind: FileKind::Image, facts })
            }
            FileKind::Subtitle => {
                let check = move || std::fs::File::open(path).and_then(is_text_throughout);
                let text = tokio::task::spawn_blocking(check).await.map_err(|_| FilesError::Died)?;
                if !text.map_err(|error| FilesError::Store(StoreError::Disk(error)))? {
                    return Err(unsupported("not text throughout"));
                }
                Ok(Probed { kind: FileKind::Subtitle, facts: MediaFacts::default() })
            }
            FileKind::Video | FileKind::Audio | FileKind::Other => {
                self.prober.probe(&path, media).await.map_err(|error| match error {
                    ProbeError::NotMedia | ProbeError::Malformed | ProbeError::Timeout => {
                        unsupported(&error.to_string())
                    }
                    ProbeError::Unavailable(_) | ProbeError::Fault(_) => FilesError::Probe(error),
                })
            }
        }
    }
}

/// What its first bytes show.
fn sniffed(arrival: &Arrival) -> Result<MediaType, FilesError> {
    sniff(arrival.incoming.head()).ok_or_else(|| unsupported("unknown type"))
}

/// What an object of the store is told to be.
pub(super) fn about(file: &StoredFile) -> About {
    About { mime_type: file.mime_type.clone(), sha256: file.sha256.clone(), name: file.original_name.clone() }
}

struct Found {
    owner_id: Option<UserId>,
    name: String,
    media: MediaType,
    probed: Probed,
}

fn examined(received: Received, found: Found) -> Examined {
    let Found { owner_id, name, media, probed } = found;
    let now = Utc::now().trunc_subsecs(6);
    let file = StoredFile {
        id: received.id(),
        original_name: name,
        kind: probed.kind,
        mime_type: media.mime_as(probed.kind).to_owned(),
        size: received.size(),
        sha256: received.sha256().to_owned(),
        owner_id,
        state: FileState::Ready,
        facts: probed.facts,
        created_at: now,
        updated_at: now,
    };
    Examined { received, file, media }
}
