//! A video comes in two steps: it is announced, and then its bytes are sent.

use diesel::PgConnection;

use super::{Channels, ChannelsError, changed_video, ensure_channel};
use crate::{
    actors::{
        auth::ALL_ACCOUNTS,
        files::{Arrival, Examined, FilesError, Made, NotKept, Stop},
    },
    db::{
        DbError,
        queries::{
            channels,
            videos::{self, VideoFiles},
        },
        rows::{
            channel::{NewVideoRow, VideoRow},
            file::FileRow,
        },
    },
    domain::{
        channels::{HashPath, NewVideo},
        ids::{UserId, VideoId},
        media::FileKind,
        text::{Description, Title},
    },
    media::frame::FrameError,
    storage::Incoming,
};

/// Hash paths that are drawn for one video; with billions of them free, two are enough.
const DRAWS: u32 = 10;

/// What a film may be by its first bytes; whether there is a picture in it, the probe tells.
const FILMS: [FileKind; 3] = [FileKind::Video, FileKind::Audio, FileKind::Other];

/// Leave to send the bytes of a video.
pub struct Upload {
    /// Where they go.
    pub incoming: Incoming,
    account: UserId,
    hash: HashPath,
    video: VideoRow,
}

impl Channels {
    /// Announces a video of the account, which gets its channel with the first one. Gives its hash path.
    ///
    /// # Errors
    /// [`ChannelsError::AccountGone`]; the database's.
    pub async fn announce(&self, account: UserId, new: NewVideo) -> Result<HashPath, ChannelsError> {
        let NewVideo { title, description } = new;
        let now = self.clock.now();
        let (forgotten, most) = (now - self.announced, self.most_announced);
        let mut row = NewVideoRow {
            id: VideoId::new().uuid(),
            hash: String::new(),
            channel_id: account.uuid(),
            title: Title::into_string(title),
            description: Description::into_string(description),
            created_at: now,
        };
        self.write(vec![ALL_ACCOUNTS], move |conn| {
            ensure_channel(conn, account)?;
            channels::lock(conn, account.uuid())?;
            // One more is announced below.
            videos::forget_announced(conn, account, forgotten, most - 1)?;
            for _ in 0..DRAWS {
                let hash = HashPath::random();
                hash.as_str().clone_into(&mut row.hash);
                if videos::announce(conn, &row)? {
                    return Ok(hash);
                }
            }
            Err(ChannelsError::Store(DbError::Away("no hash path was free".to_owned())))
        })
        .await
    }

    /// Whether the account may send the bytes of a video, `least` or more; and where.
    ///
    /// # Errors
    /// [`ChannelsError::NoVideo`], [`ChannelsError::NotYours`], [`ChannelsError::AlreadyUploaded`];
    /// [`FilesError::OverQuota`] within [`ChannelsError::Files`]; the stores'.
    pub async fn begin_upload(&self, account: UserId, hash: HashPath, least: u64) -> Result<Upload, ChannelsError> {
        let name = hash.to_string();
        let found: Result<_, ChannelsError> = self.db.run(move |conn| Ok(videos::by_hash(conn, &name)?)).await;
        let video = found?.ok_or(ChannelsError::NoVideo)?;
        let is_forgotten = video.file_id.is_none() && video.created_at < self.clock.now() - self.announced;
        if is_forgotten {
            return Err(ChannelsError::NoVideo);
        }
        if video.channel_id != account.uuid() {
            return Err(ChannelsError::NotYours);
        }
        if video.file_id.is_some() {
            return Err(ChannelsError::AlreadyUploaded);
        }
        let incoming = self.files.receive(account, least).await?;
        Ok(Upload { incoming, account, hash, video })
    }

    /// Makes a video of the bytes that have come: with its thumbnail, or not at all.
    ///
    /// # Errors
    /// [`ChannelsError::NotAVideo`]; [`ChannelsError::AlreadyUploaded`] where another upload was faster;
    /// [`ChannelsError::NoVideo`] where the video was removed meanwhile; the stores'.
    pub async fn finish_upload(&self, upload: Upload) -> Result<(), ChannelsError> {
        let Upload { incoming, account, hash, video } = upload;
        let arrival = Arrival { incoming, owner_id: account, original_name: hash.to_string() };
        let film = self.files.examine_only(&FILMS, arrival).await.map_err(|error| match error {
            FilesError::Unsupported(why) => ChannelsError::NotAVideo(why),
            other => other.into(),
        })?;
        let thumbnail = self.thumbnail(account, &hash, &film).await?;
        let (now, row) = (self.clock.now(), video);
        let attach = move |conn: &mut PgConnection, rows: Vec<FileRow>| attach(conn, &row, &rows, now);
        match self.files.keep(vec![film, thumbnail], changed_video(&hash), attach).await {
            Ok(()) => Ok(()),
            Err(NotKept::Files(error)) => Err(error.into()),
            Err(NotKept::Refused(Gone)) => Err(self.why_refused(hash).await),
        }
    }

    async fn thumbnail(&self, account: UserId, hash: &HashPath, film: &Examined) -> Result<Examined, ChannelsError> {
        if film.file().kind != FileKind::Video {
            return Err(ChannelsError::NotAVideo("there is no picture in it".to_owned()));
        }
        let turn = self.files.turn_of(account).await?;
        let made = self.framer.thumbnail(&film.path(), film.media(), &film.file().facts).await;
        drop(turn);
        let thumbnail = made.map_err(|error| match error {
            FrameError::NoFrame | FrameError::Timeout => ChannelsError::NotAVideo(error.to_string()),
            other => ChannelsError::Frame(other),
        })?;
        Ok(self.files.make(Made::thumbnail(Some(account), &format!("{hash}.jpg"), thumbnail)).await?)
    }

    async fn why_refused(&self, hash: HashPath) -> ChannelsError {
        let found: Result<_, ChannelsError> = self.db.run(move |conn| Ok(videos::by_hash(conn, hash.as_str())?)).await;
        match found {
            Ok(Some(_)) => ChannelsError::AlreadyUploaded,
            Ok(None) => ChannelsError::NoVideo,
            Err(error) => error,
        }
    }
}

/// The video has its bytes already, or is gone.
struct Gone;

fn attach(
    conn: &mut PgConnection,
    video: &VideoRow,
    rows: &[FileRow],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), Stop<Gone>> {
    let [film, thumbnail] = rows else { return Err(Stop::Refused(Gone)) };
    let files = VideoFiles { file: film.id, thumbnail: thumbnail.id };
    if videos::attach(conn, video, files, now)? { Ok(()) } else { Err(Stop::Refused(Gone)) }
}
