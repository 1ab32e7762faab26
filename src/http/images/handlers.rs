//! Images: what comes in, what goes out.

use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::disposition::attachment;
use crate::{
    actors::images::ImagesError,
    domain::{
        ids::FileId,
        images::{ImageName, ImageWindow, LARGEST_LIST, Width},
        media::{MediaType, StoredFile},
    },
    http::{
        State,
        access::{Allowed, UseImages},
        body::Id,
        envelope,
        error::ApiError,
        media::{self, CachePolicy},
        openapi::{Parameter, Unless, Values, doc},
        query::{once, pairs},
        routes::Routes,
        upload::{self, Parts, UploadError},
    },
};

type Keeping = Allowed<UseImages>;
type Answer = Result<HttpResponse, ApiError>;

const WINDOW: &[Parameter] = &[
    Parameter { name: "limit", values: Values::UpTo(LARGEST_LIST), unless: Unless::Is("1000") },
    Parameter { name: "after", values: Values::Id, unless: Unless::Nothing },
];
const SIZE: &[Parameter] =
    &[Parameter { name: "width", values: Values::Numbers(&Width::ALL), unless: Unless::Nothing }];

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/images",
            create,
            doc("Upload an image: JPEG, PNG, GIF, WebP or AVIF, as its bytes say")
                .takes_image()
                .gives::<ImageDto>()
                .creates()
                .refuses(&[
                    (400, "No file, an empty one, more than one, or no image; the answer says which"),
                    (413, "Too large, or over the account's quota"),
                ]),
        )
        .get(
            "/images",
            list,
            doc("The ids of one's images, for an owner of all, the oldest first").gives::<IdsDto>().asks(WINDOW),
        )
        .get(
            "/images/{id}",
            read,
            doc("The image as it was sent, or smaller; ranges and conditions of RFC 9110")
                .content("image/*")
                .asks(SIZE),
        )
        .delete("/images/{id}", remove, doc("Remove one's own image; an owner, any").answers_nothing())
}

/// An image that was kept.
#[derive(Debug, Serialize, ToSchema)]
struct ImageDto<'a> {
    id: Uuid,
    /// As it was sent.
    name: &'a str,
    /// Bytes.
    size: u64,
    mime_type: &'a str,
}

impl<'a> From<&'a StoredFile> for ImageDto<'a> {
    fn from(file: &'a StoredFile) -> Self {
        Self { id: file.id.uuid(), name: &file.original_name, size: file.size, mime_type: &file.mime_type }
    }
}

/// Ids of images.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
struct IdsDto(Vec<Uuid>);

async fn create(allowed: Keeping, state: State, request: HttpRequest, payload: web::Payload) -> Answer {
    upload::check_length(&request, state.images.limit())?;
    upload::check_form(&request)?;
    let body = Multipart::new(request.headers(), payload);
    let account = allowed.caller.user_id;
    let incoming = state.images.begin(account, upload::least_bytes(&request)).await?;
    let idle = Duration::from_millis(state.settings.http.upload_idle_timeout_ms);
    let uploaded = upload::receive(body, incoming, Parts::File, idle).await.map_err(refused)?;
    let name = ImageName::parse(uploaded.sent_name).map_err(|rule| ApiError::field("file", rule.0))?;
    let image = state.images.accept(account, uploaded.incoming, name).await?;
    let mut answer = envelope::json(StatusCode::CREATED, written(&ImageDto::from(&image))?);
    if let Ok(location) = HeaderValue::try_from(format!("/images/{}", image.id)) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    Ok(answer)
}

/// What comes is to be an image, and nothing else that a file can be.
fn refused(error: UploadError) -> ApiError {
    match error {
        UploadError::Empty => ApiError::field("file", "is empty"),
        UploadError::Unsupported => ImagesError::NotAnImage("it is something else".to_owned()).into(),
        other => other.into(),
    }
}

fn written<T: Serialize>(value: &T) -> Result<Bytes, ApiError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| ApiError::Fault(error.into()))
}

async fn list(allowed: Keeping, state: State, request: HttpRequest) -> Answer {
    let ids = state.images.list(&allowed.caller, window(request.query_string())?).await?;
    let ids = IdsDto(ids.into_iter().map(FileId::uuid).collect());
    Ok(envelope::json(StatusCode::OK, written(&ids)?))
}

async fn read(allowed: Keeping, state: State, request: HttpRequest, Id(id): Id<FileId>) -> Answer {
    let (open, name) = match width(request.query_string())? {
        None => {
            let image = state.images.one(&allowed.caller, id).await?;
            let name = image.file.original_name.clone();
            (image, name)
        }
        Some(width) => {
            let variant = state.images.resized(&allowed.caller, id, width).await?;
            (variant.copy, smaller_name(&variant.of.file.original_name, width))
        }
    };
    let mut answer = media::serve(&state, &open, CachePolicy::Private, &request).await?;
    if answer.status().is_success() {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, attachment(&name));
    }
    Ok(answer)
}

async fn remove(allowed: Keeping, state: State, Id(id): Id<FileId>) -> Answer {
    state.images.remove(&allowed.caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `walk.png` → `walk-256.webp`
fn smaller_name(name: &str, width: Width) -> String {
    let is_ending = |ending: &str| !ending.is_empty() && ending.chars().all(char::is_alphanumeric);
    let stem = name.rsplit_once('.').filter(|(_, ending)| is_ending(ending)).map_or(name, |(stem, _)| stem);
    format!("{stem}-{}.{}", width.pixels(), MediaType::WebP.extension())
}

fn window(query: &str) -> Result<ImageWindow, ApiError> {
    let mut window = ImageWindow { after: None, limit: LARGEST_LIST };
    for (name, value) in once(pairs(query)?)? {
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LARGEST_LIST).contains(limit));
                let rule = || ApiError::field("limit", format!("must be a whole number from 1 to {LARGEST_LIST}"));
                window.limit = limit.ok_or_else(rule)?;
            }
            "after" => window.after = Some(value.parse().map_err(|_| ApiError::field("after", "must be a UUID"))?),
            _ => return Err(ApiError::field(name, "is unknown")),
        }
    }
    Ok(window)
}

fn width(query: &str) -> Result<Option<Width>, ApiError> {
    let mut width = None;
    for (name, value) in once(pairs(query)?)? {
        match name.as_str() {
            "width" => width = Some(Width::parse(&value).map_err(|rule| ApiError::field("width", rule.0))?),
            _ => return Err(ApiError::field(name, "is unknown")),
        }
    }
    Ok(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_begins_behind_an_id_and_ends_at_a_limit() {
        let id = FileId::new();
        let whole = ImageWindow { after: None, limit: LARGEST_LIST };
        assert_eq!(window("").unwrap(), whole);
        assert_eq!(window(&format!("limit=2&after={id}")).unwrap(), ImageWindow { after: Some(id), limit: 2 });
        for wrong in ["limit=0", "limit=1001", "limit=x", "limit=", "after=1", "after=", "page=1", "limit=1&limit=1"] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_smaller_copy_is_called_after_its_image() {
        let width = Width::parse("256").unwrap();
        for (name, smaller) in [
            ("walk.png", "walk-256.webp"),
            ("walk", "walk-256.webp"),
            ("..", "..-256.webp"),
            ("../etc/passwd", "../etc/passwd-256.webp"),
            (".png", "-256.webp"),
            ("a.b.c", "a.b-256.webp"),
        ] {
            assert_eq!(smaller_name(name, width), smaller);
        }
    }
}
