//! What a session opens to a player: asked at every request of one, so what was read is kept until the session,
//! or what it plays, moves on.

use bytes::Bytes;

use super::Playback;
use crate::{
    cache::{Kind, Scope},
    db::{DbError, queries::streams},
    domain::ids::{FileId, StreamId},
};

const CLOSED: &[u8] = b"closed";

impl Playback {
    /// Whether the session is there, has not ended, and plays this file now. Whoever ends it, opens it again,
    /// changes or removes it moves `Scope::Row(Kind::Streams, id)` on, and what takes many along (a series, a
    /// season, an episode), `Scope::Rows(Kind::Streams)`. An episode that gets another file moves the lists of
    /// episodes on, a removed file its own row; the tokens of a removed account do not hold by themselves.
    ///
    /// # Errors
    /// The database's, where the answer is not kept.
    pub async fn is_open(&self, stream: StreamId, file: FileId) -> Result<bool, DbError> {
        let scopes = [
            Scope::Row(Kind::Streams, stream.uuid()),
            Scope::Rows(Kind::Streams),
            Scope::List(Kind::Episodes),
            Scope::Row(Kind::Files, file.uuid()),
        ];
        let load = async || {
            let played =
                self.db.run(move |conn| streams::open_file(conn, stream.uuid()).map_err(DbError::from)).await?;
            Ok::<_, DbError>(played.map_or(Bytes::from_static(CLOSED), |file| Bytes::copy_from_slice(file.as_bytes())))
        };
        let key = format!("streams:open/{stream}/{file}");
        Ok(self.cache.get_or_load(&key, &scopes, load).await? == file.uuid().as_bytes().as_slice())
    }
}
