//! A row of `files`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::{
    db::schema::files,
    domain::media::{FileKind, FileState, MediaFacts, StoredFile},
};

/// As it stands in the table; the constraints hold what the types here do not.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = files, check_for_backend(diesel::pg::Pg))]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct FileRow {
    pub id: Uuid,
    pub original_name: String,
    pub kind: String,
    pub mime_type: String,
    pub size: i64,
    pub sha256: String,
    pub owner_id: Option<Uuid>,
    pub state: String,
    pub duration_seconds: Option<f64>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub video_codec: Option<String>,
    pub audio_codec: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl From<&StoredFile> for FileRow {
    fn from(file: &StoredFile) -> Self {
        Self {
            id: file.id.uuid(),
            original_name: file.original_name.clone(),
            kind: file.kind.name().to_owned(),
            mime_type: file.mime_type.clone(),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            sha256: file.sha256.clone(),
            owner_id: file.owner_id.map(crate::domain::ids::UserId::uuid),
            state: file.state.name().to_owned(),
            duration_seconds: file.facts.duration_seconds,
            width: file.facts.width,
            height: file.facts.height,
            video_codec: file.facts.video_codec.clone(),
            audio_codec: file.facts.audio_codec.clone(),
            created_at: file.created_at,
            updated_at: file.updated_at,
        }
    }
}

impl From<FileRow> for StoredFile {
    fn from(row: FileRow) -> Self {
        Self {
            id: row.id.into(),
            original_name: row.original_name,
            // The table knows no other names (files_kind_known, files_state_known).
            kind: FileKind::parse(&row.kind).unwrap_or(FileKind::Other),
            mime_type: row.mime_type,
            size: u64::try_from(row.size).unwrap_or_default(),
            sha256: row.sha256,
            owner_id: row.owner_id.map(Into::into),
            state: FileState::parse(&row.state).unwrap_or(FileState::Failed),
            facts: MediaFacts {
                duration_seconds: row.duration_seconds,
                width: row.width,
                height: row.height,
                video_codec: row.video_codec,
                audio_codec: row.audio_codec,
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
