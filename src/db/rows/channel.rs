//! Channels, videos and reactions as rows.

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use uuid::Uuid;

use crate::{
    db::schema::{channels, videos},
    domain::channels::Video,
};

/// A channel.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = channels, check_for_backend(Pg))]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct ChannelRow {
    pub user_id: Uuid,
    pub name: String,
    pub picture_id: Option<Uuid>,
}

/// What changes of a video are decided by.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = videos, check_for_backend(Pg))]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct VideoRow {
    pub id: Uuid,
    pub channel_id: Uuid,
    pub file_id: Option<Uuid>,
    pub thumbnail_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// A video that has been uploaded, with its channel's name.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns of the tables")]
pub struct ShownVideoRow {
    pub hash: String,
    pub channel: String,
    pub title: String,
    pub description: String,
    pub uploaded_at: Option<DateTime<Utc>>,
}

/// A video that is announced.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = videos)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct NewVideoRow {
    pub id: Uuid,
    pub hash: String,
    pub channel_id: Uuid,
    pub title: String,
    pub description: String,
    pub created_at: DateTime<Utc>,
}

/// What changes of a video; `None` stays.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = videos)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct VideoChangeRow {
    pub title: Option<String>,
    pub description: Option<String>,
}

impl From<ShownVideoRow> for Video {
    fn from(row: ShownVideoRow) -> Self {
        let ShownVideoRow { hash, channel, title, description, uploaded_at } = row;
        // The queries take no row without it.
        Self { hash, channel, title, description, uploaded_at: uploaded_at.unwrap_or_default() }
    }
}
