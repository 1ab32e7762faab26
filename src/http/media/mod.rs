//! Answers with the bytes of a stored file: status and headers by `actix_files::NamedFile`, the body
//! from our readers, of the disk or of the bucket. Who may have the bytes is decided before. Never compressed, never
//! chunked.
//!
//! Where `NamedFile` gets a case wrong, it is decided before or mended after: entity tags, which are
//! the hash of the content (`conditions`); ranges that are malformed, several, beyond 64 bits or of an
//! empty file (`range`); the content type, which comes from the bytes and not from a name.

mod body;
mod conditions;
mod range;
#[cfg(test)]
mod tests;

use std::{
    ops::Range,
    sync::{Arc, atomic::AtomicU64},
};

use actix_files::NamedFile;
use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody as _, None as NoBody},
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};

use self::{
    body::{FileBody, HeadBody, ObjectBody},
    conditions::{Tags, tags, untagged},
};
use super::State;
use crate::{
    actors::files::{FilesError, OpenFile},
    storage::{Part, StoreError, StoredBytes},
};

/// Who may keep a copy. The bytes of a file never change under its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Any cache.
    Public,
    /// The reader's own cache only: the answer depends on a token.
    Private,
    /// Any cache, which asks each time whether it still holds: other bytes can take this place.
    PublicChanging,
}

impl CachePolicy {
    /// The value of `Cache-Control`.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Public => "public, max-age=31536000, immutable",
            Self::Private => "private, max-age=31536000, immutable",
            Self::PublicChanging => "public, no-cache",
        }
    }
}

/// What bytes of users may do in a browser: nothing.
pub const SANDBOX: &str = "default-src 'none'; sandbox";

/// The answer to a GET or HEAD for a file that the caller may have.
///
/// # Errors
/// [`FilesError::NotFound`]: it was removed meanwhile. [`FilesError::Lost`]. [`FilesError::Store`]: the process has no
/// file descriptor left, or the bucket that has the bytes is away.
pub async fn serve(
    state: &State,
    open: &OpenFile,
    cache: CachePolicy,
    request: &HttpRequest,
) -> Result<HttpResponse<BoxBody>, FilesError> {
    let answer = MediaAnswer {
        bytes: &open.bytes,
        content_type: &open.file.mime_type,
        sha256: &open.file.sha256,
        cache,
        chunk_bytes: state.settings.media.chunk_bytes,
        served: state.tally.bytes_served(),
    };
    match answer.respond(request).await {
        Err(FilesError::NotFound) => Err(state.files.without_bytes(open.file.id).await),
        answered => answered,
    }
}

/// What is needed to answer with a file's bytes.
#[derive(Debug)]
pub struct MediaAnswer<'a> {
    /// The bytes.
    pub bytes: &'a StoredBytes,
    /// From the bytes, not from a name.
    pub content_type: &'a str,
    /// Lower-case hexadecimal; in quotes it is the strong `ETag`, the same on every node.
    pub sha256: &'a str,
    /// Who may keep a copy.
    pub cache: CachePolicy,
    /// Bytes read at once.
    pub chunk_bytes: usize,
    /// Counts the bytes that were handed to connections.
    pub served: &'a Arc<AtomicU64>,
}

impl MediaAnswer<'_> {
    /// The answer to a GET or HEAD.
    ///
    /// # Errors
    /// [`FilesError::NotFound`]: there are no bytes. [`FilesError::Store`]: the store's, or no file descriptor is left.
    pub async fn respond(&self, request: &HttpRequest) -> Result<HttpResponse<BoxBody>, FilesError> {
        let (method, headers) = (request.method(), request.headers());
        let left = untagged(request, self.sha256, self.bytes.len());
        // The name gives no header: type and disposition are not taken from it.
        let file = self.bytes.descriptor().and_then(|file| NamedFile::from_file(file, "file"));
        let file = file.map_err(StoreError::Disk)?;
        let file = file.use_etag(false).disable_content_disposition();
        let mut answer = file.into_response(&left.request);
        let status = match (tags(headers, self.sha256), answer.status()) {
            (Tags::Failed, _) | (_, StatusCode::PRECONDITION_FAILED) => StatusCode::PRECONDITION_FAILED,
            (Tags::Same, _) => StatusCode::NOT_MODIFIED,
            (Tags::Pass, decided) => decided,
        };
        *answer.status_mut() = status;
        self.complete_headers(&mut answer);
        Ok(match status {
            StatusCode::OK => self.with_body(answer, method, 0..self.bytes.len()).await?,
            StatusCode::PARTIAL_CONTENT => self.with_body(answer, method, left.part).await?,
            StatusCode::NOT_MODIFIED => answer.set_body(NoBody::new().boxed()),
            _ => answer.set_body(().boxed()),
        })
    }

    /// What `NamedFile` does not know; and nothing about content where none is sent.
    fn complete_headers(&self, answer: &mut HttpResponse<BoxBody>) {
        let status = answer.status();
        let headers = answer.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
        headers.remove(header::CONTENT_TYPE);
        if matches!(status, StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE) {
            headers.remove(header::LAST_MODIFIED);
        } else {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache.header()));
            if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", self.sha256)) {
                headers.insert(header::ETAG, tag);
            }
        }
        if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
            && let Ok(kind) = HeaderValue::from_str(self.content_type)
        {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        if matches!(status, StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED) {
            headers.remove(header::CONTENT_RANGE);
        }
    }

    async fn with_body(
        &self,
        answer: HttpResponse<BoxBody>,
        method: &Method,
        part: Range<u64>,
    ) -> Result<HttpResponse<BoxBody>, FilesError> {
        if *method == Method::HEAD || part.is_empty() {
            return Ok(answer.set_body(HeadBody(part.end.saturating_sub(part.start)).boxed()));
        }
        let served = Arc::clone(self.served);
        Ok(answer.set_body(match self.bytes.part(part.clone()).await? {
            Part::Disk(bytes) => FileBody::new(bytes, part, self.chunk_bytes, served).boxed(),
            Part::Bucket(stream) => ObjectBody::new(stream, served).boxed(),
        }))
    }
}
