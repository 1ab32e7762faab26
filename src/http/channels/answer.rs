//! What the contract answers with: `{"response": …}`, and the universal item.

use actix_web::{HttpResponse, http::StatusCode};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::channels::{Channel, Found, Reactions, Video},
    http::envelope,
};

#[derive(Serialize)]
struct Answer<T> {
    response: T,
}

/// Serialising our own types cannot fail; were it to, the body is empty and the test of that type fails.
pub(super) fn bytes(response: impl Serialize) -> Bytes {
    serde_json::to_vec(&Answer { response }).map(Bytes::from).unwrap_or_default()
}

/// 200 with `response`.
pub(super) fn ok(response: impl Serialize) -> HttpResponse {
    envelope::json(StatusCode::OK, bytes(response))
}

/// 200 with the empty text: done.
pub(super) fn done() -> HttpResponse {
    ok("")
}

/// A video or a channel, with empty texts where a key does not apply.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Item<'a> {
    /// `video` or `channel`.
    r#type: &'static str,
    /// The channel's name.
    channel: &'a str,
    /// The video's title.
    title: &'a str,
    /// The hash path of the video; of a channel, that of its newest.
    thumbnail: &'a str,
    /// Of a channel, the number of its videos.
    nb_count: Number,
    /// The video's description.
    description: &'a str,
    /// The day of the upload, ISO 8601.
    upload: String,
}

/// A number where it applies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Number {
    Count(u32),
    Empty(&'static str),
}

impl<'a> From<&'a Video> for Item<'a> {
    fn from(video: &'a Video) -> Self {
        Self {
            r#type: "video",
            channel: &video.channel,
            title: &video.title,
            thumbnail: &video.hash,
            nb_count: Number::Empty(""),
            description: &video.description,
            upload: video.uploaded_at.format("%Y-%m-%d").to_string(),
        }
    }
}

impl<'a> From<&'a Channel> for Item<'a> {
    fn from(channel: &'a Channel) -> Self {
        Self {
            r#type: "channel",
            channel: &channel.name,
            title: "",
            thumbnail: channel.newest.as_deref().unwrap_or_default(),
            nb_count: Number::Count(channel.videos),
            description: "",
            upload: String::new(),
        }
    }
}

impl<'a> From<&'a Found> for Item<'a> {
    fn from(found: &'a Found) -> Self {
        match found {
            Found::Video(video) => video.into(),
            Found::Channel(channel) => channel.into(),
        }
    }
}

/// How many like and dislike a video.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReactionsDto {
    likes: u32,
    dislikes: u32,
}

impl From<Reactions> for ReactionsDto {
    fn from(reactions: Reactions) -> Self {
        Self { likes: reactions.likes, dislikes: reactions.dislikes }
    }
}

/// What a sign-in gives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenDto<'a> {
    /// Opens every contract's routes.
    pub(super) vtoken: &'a str,
}
