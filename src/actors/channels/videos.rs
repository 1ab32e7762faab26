//! Videos that have been uploaded: shown, found, changed, removed, judged.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Channels, ChannelsError, changed_video, one_video};
use crate::{
    actors::{
        auth::Caller,
        files::{OpenFile, Reader, remove_later},
    },
    cache::{Kind, Scope},
    db::{
        queries::{channels, search, videos},
        rows::channel::{VideoChangeRow, VideoRow},
    },
    domain::{
        channels::{Found, HashPath, Reaction, Reactions, Video, VideoChange, Window},
        ids::{FileId, UserId},
        search::Searched,
        text::{Description, Title},
    },
};

/// Makes the bytes of an answer; they are what is cached.
type ShapeVideo = fn(&Video) -> Bytes;
/// Makes the bytes of a list.
type ShapeVideos = fn(&[Video]) -> Bytes;

impl Channels {
    /// A video, shaped.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`]; the database's.
    pub async fn video(&self, hash: &HashPath, shape: ShapeVideo) -> Result<Bytes, ChannelsError> {
        let load = async || {
            let name = hash.to_string();
            let row: Result<_, ChannelsError> = self.db.run(move |conn| Ok(videos::shown(conn, &name)?)).await;
            Ok(shape(&row?.ok_or(ChannelsError::NoVideo)?.into()))
        };
        self.cache.get_or_load(&format!("channels:video/{hash}"), &one_video(hash), load).await
    }

    /// All videos, newest first, shaped.
    ///
    /// # Errors
    /// The database's.
    pub async fn newest(&self, window: Window, shape: ShapeVideos) -> Result<Bytes, ChannelsError> {
        let load = async || {
            let rows: Result<_, ChannelsError> = self.db.run(move |conn| Ok(videos::newest(conn, None, window)?)).await;
            Ok(shape(&rows?.into_iter().map(Video::from).collect::<Vec<_>>()))
        };
        let key = format!("channels:videos?page={}&limit={}", window.page, window.limit);
        self.cache.get_or_load(&key, &[Scope::List(Kind::Videos)], load).await
    }

    /// The videos of a channel, newest first, shaped.
    ///
    /// # Errors
    /// [`ChannelsError::NoChannel`]; the database's.
    pub async fn newest_of(&self, name: &str, window: Window, shape: ShapeVideos) -> Result<Bytes, ChannelsError> {
        let name = name.to_lowercase();
        let key = format!("channels:of/{name}?page={}&limit={}", window.page, window.limit);
        let load = async || {
            let rows: Result<_, ChannelsError> = self
                .db
                .run(move |conn| {
                    let channel = channels::by_name(conn, &name)?.ok_or(ChannelsError::NoChannel)?;
                    Ok(videos::newest(conn, Some(channel.user_id), window)?)
                })
                .await;
            Ok(shape(&rows?.into_iter().map(Video::from).collect::<Vec<_>>()))
        };
        self.cache.get_or_load(&key, &[Scope::List(Kind::Videos)], load).await
    }

    /// What `query` finds, best first.
    ///
    /// # Errors
    /// The database's.
    pub async fn search(&self, what: Searched, query: String, window: Window) -> Result<Vec<Found>, ChannelsError> {
        let rows: Result<_, ChannelsError> = self
            .db
            .search(move |conn| Ok(search::search(conn, what, &query, window.limit.into(), window.offset())?))
            .await;
        Ok(rows?.into_iter().map(Found::from).collect())
    }

    /// The bytes of a video, for anyone.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`]; the stores'.
    pub async fn film(&self, hash: &HashPath) -> Result<Arc<OpenFile>, ChannelsError> {
        let (film, _) = self.files_of(hash).await?;
        Ok(self.files.open(film, Reader::Everything).await?)
    }

    /// The file of a video's bytes.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`]; the database's.
    pub async fn film_of(&self, hash: &HashPath) -> Result<FileId, ChannelsError> {
        Ok(self.files_of(hash).await?.0)
    }

    /// Whether the file is the bytes of a video: then anyone may have it.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_film(&self, file: FileId) -> Result<bool, ChannelsError> {
        // Kept for films alone: of what is none, anyone could ask without end.
        let load = async || {
            let asked: Result<_, ChannelsError> =
                self.db.run(move |conn| Ok(videos::is_film(conn, file.uuid())?)).await;
            if asked? { Ok(Bytes::from_static(b"film")) } else { Err(ChannelsError::NoVideo) }
        };
        let key = format!("channels:film/{file}");
        match self.cache.get_or_load(&key, &[Scope::List(Kind::Videos)], load).await {
            Ok(_) => Ok(true),
            Err(ChannelsError::NoVideo) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The thumbnail of a video, for anyone.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`]; the stores'.
    pub async fn thumbnail_of(&self, hash: &HashPath) -> Result<Arc<OpenFile>, ChannelsError> {
        let (_, thumbnail) = self.files_of(hash).await?;
        Ok(self.files.open(thumbnail, Reader::Everything).await?)
    }

    /// The files of a video: its bytes, its thumbnail.
    async fn files_of(&self, hash: &HashPath) -> Result<(FileId, FileId), ChannelsError> {
        let load = async || {
            let row = self.row(hash).await?;
            let (Some(film), Some(thumbnail)) = (row.file_id, row.thumbnail_id) else {
                return Err(ChannelsError::NoVideo);
            };
            Ok(Bytes::from([film.into_bytes(), thumbnail.into_bytes()].concat()))
        };
        let packed = self.cache.get_or_load(&format!("channels:files/{hash}"), &one_video(hash), load).await?;
        let (film, thumbnail) = packed.split_at_checked(16).ok_or(ChannelsError::Cached)?;
        let id = |bytes| Uuid::from_slice(bytes).map(FileId::from).map_err(|_| ChannelsError::Cached);
        Ok((id(film)?, id(thumbnail)?))
    }

    async fn row(&self, hash: &HashPath) -> Result<VideoRow, ChannelsError> {
        let name = hash.to_string();
        let row: Result<_, ChannelsError> = self.db.run(move |conn| Ok(videos::by_hash(conn, &name)?)).await;
        row?.ok_or(ChannelsError::NoVideo)
    }

    /// Changes one's own video.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`], [`ChannelsError::NotYours`]; the database's.
    pub async fn change(&self, account: UserId, hash: HashPath, change: VideoChange) -> Result<Video, ChannelsError> {
        let row = VideoChangeRow {
            title: change.title.map(Title::into_string),
            description: change.description.map(Description::into_string),
        };
        // Who may not, moves no cache.
        let video = self.row(&hash).await?;
        if video.file_id.is_none() {
            return Err(ChannelsError::NoVideo);
        }
        if video.channel_id != account.uuid() {
            return Err(ChannelsError::NotYours);
        }
        self.write(changed_video(&hash), move |conn| {
            videos::update(conn, video.id, &row)?;
            videos::shown(conn, hash.as_str())?.map(Video::from).ok_or(ChannelsError::NoVideo)
        })
        .await
    }

    /// Removes a video: one's own, or any for an owner; also one whose bytes have not come. Rows go at
    /// once, bytes by a job that was stored with their removal.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`], [`ChannelsError::NotYours`]; the database's.
    pub async fn remove(&self, caller: &Caller, hash: HashPath) -> Result<(), ChannelsError> {
        let video = self.row(&hash).await?;
        if !caller.may_act_for(video.channel_id.into()) {
            return Err(ChannelsError::NotYours);
        }
        let mut scopes = changed_video(&hash);
        scopes.push(Scope::List(Kind::Files));
        self.write(scopes, move |conn| {
            let files = videos::remove(conn, &video)?.ok_or(ChannelsError::NoVideo)?;
            Ok(remove_later(conn, &files)?)
        })
        .await
    }

    /// Sets what the account thinks of a video; `None` takes it back. Gives the counts.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`]; the database's.
    pub async fn react(
        &self,
        account: UserId,
        hash: HashPath,
        reaction: Option<Reaction>,
    ) -> Result<Reactions, ChannelsError> {
        // No answer that is cached shows reactions.
        self.write(Vec::new(), move |conn| {
            videos::react(conn, hash.as_str(), account, reaction)?.ok_or(ChannelsError::NoVideo)
        })
        .await
    }
}
