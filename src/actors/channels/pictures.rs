//! The picture of a channel: set by its account, or generated from its name.

use std::sync::Arc;

use super::{Channels, ChannelsError, ensure_channel};
use crate::{
    actors::{
        auth::ALL_ACCOUNTS,
        files::{Arrival, FilesError, Made, NotKept, OpenFile, Reader, Stop, remove_later},
    },
    cache::{Kind, Scope},
    db::queries::channels,
    domain::{
        ids::UserId,
        media::{FileKind, MediaFacts, MediaType},
    },
    media::{frame::FrameError, identicon::identicon, picture::Fit},
    storage::Incoming,
};

/// The picture of a channel.
#[derive(Debug)]
pub enum ChannelPicture {
    /// One that was set.
    Set(Arc<OpenFile>),
    /// A PNG made from the name.
    Generated(Vec<u8>),
}

impl Channels {
    /// The picture of a channel, for anyone.
    ///
    /// # Errors
    /// [`ChannelsError::NoChannel`]; the stores'.
    pub async fn picture(&self, name: &str) -> Result<ChannelPicture, ChannelsError> {
        let name = name.to_owned();
        let row: Result<_, ChannelsError> = self.db.run(move |conn| Ok(channels::by_name(conn, &name)?)).await;
        let channel = row?.ok_or(ChannelsError::NoChannel)?;
        match channel.picture_id {
            Some(id) => Ok(ChannelPicture::Set(self.files.open(id.into(), Reader::Everything).await?)),
            None => Ok(ChannelPicture::Generated(identicon(&channel.name))),
        }
    }

    /// Where the bytes of a new picture go, `least` or more.
    ///
    /// # Errors
    /// [`FilesError::OverQuota`] within [`ChannelsError::Files`]; the stores'.
    pub async fn begin_picture(&self, account: UserId, least: u64) -> Result<Incoming, ChannelsError> {
        Ok(self.files.receive(account, least).await?)
    }

    /// Makes the picture of the account's channel of the bytes that have come: made anew from what they
    /// show, so that nothing else of them goes out. An account without a channel gets one.
    ///
    /// # Errors
    /// [`ChannelsError::NotAnImage`]; the stores'.
    pub async fn set_picture(&self, account: UserId, incoming: Incoming) -> Result<(), ChannelsError> {
        let arrival = Arrival { incoming, owner_id: account, original_name: "picture".to_owned() };
        let sent = self.files.examine_only(&[FileKind::Image], arrival).await.map_err(|error| match error {
            FilesError::Unsupported(why) => ChannelsError::NotAnImage(why),
            other => other.into(),
        })?;
        let turn = self.files.turn_of(account).await?;
        let made =
            self.framer.picture(&sent.path(), sent.media(), Fit::CHANNEL).await.map_err(|error| match error {
                FrameError::NoFrame | FrameError::NotAnImage(_) | FrameError::Timeout => {
                    ChannelsError::NotAnImage(error.to_string())
                }
                other => ChannelsError::Frame(other),
            })?;
        drop(turn);
        let picture = Made {
            owner_id: Some(account),
            name: "picture.webp".to_owned(),
            media: MediaType::WebP,
            facts: MediaFacts::default(),
            bytes: made.webp,
        };
        let picture = self.files.make(picture).await?;
        // Before the rows of files refer to the account: to open a channel locks it for more.
        self.write(vec![ALL_ACCOUNTS], move |conn| ensure_channel(conn, account)).await?;
        let scopes = vec![Scope::List(Kind::Videos)];
        match self.files.keep(vec![picture], scopes, move |conn, rows| replace(conn, account, &rows)).await {
            Ok(()) => Ok(()),
            Err(NotKept::Files(error)) => Err(error.into()),
            Err(NotKept::Refused(error)) => Err(error),
        }
    }
}

/// The new picture takes the place of the old one, whose bytes go by a job.
fn replace(
    conn: &mut diesel::PgConnection,
    account: UserId,
    rows: &[crate::db::rows::file::FileRow],
) -> Result<(), Stop<ChannelsError>> {
    let Some(picture) = rows.first() else { return Ok(()) };
    let before = channels::set_picture(conn, account, picture.id).map_err(|error| match error {
        diesel::result::Error::NotFound => Stop::Refused(ChannelsError::NoChannel),
        other => Stop::Failed(other),
    })?;
    Ok(remove_later(conn, &before.into_iter().collect::<Vec<_>>())?)
}
