//! An uploaded file out of a multipart body, streamed to the store.

mod sent_name;

use std::{error::Error as StdError, time::Duration};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{HttpRequest, error::PayloadError, http::header, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use self::sent_name::sent_name;
use super::error::ApiError;
use crate::{
    actors::files::FilesError,
    domain::{media::FileKind, text::Invalid},
    media::sniff::{HEAD_BYTES, sniff},
    storage::{Incoming, StoreError},
};

/// Bytes of a multipart body beside the file's: boundaries, headers, the small fields.
const OVERHEAD: u64 = 64 * 1024;
/// So many bytes have to come within the idle time, else the sender counts as idle.
const PROGRESS: usize = 1024;
/// Longest value of a field that is no file.
const MAX_FIELD: usize = 256;
/// Longest name that is kept of a file.
const MAX_NAME: usize = 255;

/// Why no file came out of the body.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no part `file`, or nothing in it: 400.
    #[error("there is no file")]
    NoFile,
    /// A part occurs twice: 400.
    #[error("the part '{0}' occurs twice")]
    Twice(&'static str),
    /// The body is no form with parts: 415.
    #[error("the body is not multipart/form-data with a boundary")]
    NoForm,
    /// A part that is not known: 400.
    #[error("the part '{0}' is not known")]
    Unknown(String),
    /// A field's value: 400.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// Over the limit: 413.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// The file has no bytes: 415.
    #[error("the file is empty")]
    Empty,
    /// No accepted type: 415.
    #[error("the bytes are no accepted media")]
    Unsupported,
    /// The sender paused too long: 408.
    #[error("the sender paused too long")]
    Idle,
    /// The body is no whole multipart body: 400.
    #[error("the body is not a whole multipart body")]
    Broken(#[source] Box<dyn StdError>),
    /// The disk is full (503), or failed (500).
    #[error("the store failed")]
    Store(#[source] StoreError),
}

impl From<MultipartError> for UploadError {
    fn from(error: MultipartError) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl From<PayloadError> for UploadError {
    fn from(error: PayloadError) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge(limit) => Self::TooLarge(limit),
            other => Self::Store(other),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NoFile => Self::field("file", "is required"),
            UploadError::Twice(part) => Self::field(part, "is given twice"),
            UploadError::NoForm => Self::UnsupportedMediaType("The body must be multipart/form-data".to_owned()),
            UploadError::Unknown(part) => Self::field(part, "is unknown"),
            UploadError::Invalid(rule) => Self::field("type", rule.0),
            UploadError::TooLarge(limit) => Self::TooLarge(format!("The file is larger than {limit} bytes")),
            UploadError::Empty | UploadError::Unsupported => FilesError::Unsupported(String::new()).into(),
            UploadError::Idle => Self::Timeout,
            UploadError::Broken(_) => Self::BadRequest("The body is not a whole multipart body".to_owned()),
            UploadError::Store(error) => FilesError::Store(error).into(),
        }
    }
}

/// What came.
pub struct Uploaded {
    /// The bytes of part `file`, whole and not empty of meaning: their head is of an accepted type.
    pub incoming: Incoming,
    /// The file's name as it was sent, where it was.
    pub sent_name: Option<String>,
}

/// The parts that a form may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// `file` alone.
    File,
    /// `file`, and `type` beside it.
    FileAndType,
}

/// Refuses a body that says it is too long, before any of it is read.
///
/// # Errors
/// [`UploadError::TooLarge`].
pub fn check_length(request: &HttpRequest, limit: u64) -> Result<(), UploadError> {
    if least_bytes(request) > limit { Err(UploadError::TooLarge(limit)) } else { Ok(()) }
}

/// So many bytes at least the file will have, by the length that the body says it has; 0 where it says none.
#[must_use]
pub fn least_bytes(request: &HttpRequest) -> u64 {
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.unwrap_or_default().saturating_sub(OVERHEAD)
}

/// Refuses a body that says it is something else, before any of it is read (the reader itself would
/// only find the parts missing).
///
/// # Errors
/// [`UploadError::NoForm`].
pub fn check_form(request: &HttpRequest) -> Result<(), UploadError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = kind.split_once(';').ok_or(UploadError::NoForm)?;
    let has_boundary = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("boundary") && !value.trim().trim_matches('"').is_empty()
    });
    if essence.trim().eq_ignore_ascii_case("multipart/form-data") && has_boundary {
        Ok(())
    } else {
        Err(UploadError::NoForm)
    }
}

/// Reads the body into `incoming`. `idle` is the longest pause of the sender.
///
/// # Errors
/// See [`UploadError`]; nothing stays on disk then.
pub async fn receive(
    mut body: Multipart,
    incoming: Incoming,
    parts: Parts,
    idle: Duration,
) -> Result<Uploaded, UploadError> {
    let (mut waiting, mut file, mut declared) = (Some(incoming), None, None);
    while let Some(field) = within(Instant::now() + idle, body.next()).await? {
        let mut field = field?;
        match field.name() {
            Some("file") => {
                let mut incoming = waiting.take().ok_or(UploadError::Twice("file"))?;
                let name = sent_name(&field);
                pour(&mut field, &mut incoming, idle).await?;
                file = Some((incoming, name));
            }
            Some("type") if parts == Parts::FileAndType && declared.is_some() => {
                return Err(UploadError::Twice("type"));
            }
            // Checked and let go: what a file is, its bytes say.
            Some("type") if parts == Parts::FileAndType => declared = Some(kind(&small_text(&mut field, idle).await?)?),
            other => return Err(UploadError::Unknown(other.unwrap_or_default().chars().take(40).collect())),
        }
    }
    let (incoming, sent_name) = file.ok_or(UploadError::NoFile)?;
    Ok(Uploaded { incoming, sent_name })
}

async fn within<F: Future>(end: Instant, work: F) -> Result<F::Output, UploadError> {
    tokio::time::timeout_at(end, work).await.map_err(|_| UploadError::Idle)
}

/// Reads a body that is the file itself into `incoming`.
///
/// # Errors
/// See [`UploadError`]; [`UploadError::NoFile`] where the body is empty. Nothing stays on disk then.
pub async fn receive_raw(
    mut body: web::Payload,
    mut incoming: Incoming,
    idle: Duration,
) -> Result<Incoming, UploadError> {
    match pour(&mut body, &mut incoming, idle).await {
        Err(UploadError::Empty) => Err(UploadError::NoFile),
        other => other.map(|()| incoming),
    }
}

async fn pour<S, E>(pieces: &mut S, incoming: &mut Incoming, idle: Duration) -> Result<(), UploadError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    UploadError: From<E>,
{
    let (mut end, mut progress, mut looked) = (Instant::now() + idle, 0, false);
    while let Some(piece) = within(end, pieces.next()).await? {
        let piece = piece?;
        incoming.write(&piece).await?;
        if !looked && incoming.head().len() >= HEAD_BYTES {
            looked = true;
            sniff(incoming.head()).ok_or(UploadError::Unsupported)?;
        }
        progress += piece.len();
        // A slow disk is not the sender's fault; a drip is.
        if progress >= PROGRESS {
            (end, progress) = (Instant::now() + idle, 0);
        }
    }
    if incoming.size() == 0 {
        return Err(UploadError::Empty);
    }
    if !looked {
        sniff(incoming.head()).ok_or(UploadError::Unsupported)?;
    }
    Ok(())
}

fn kind(word: &str) -> Result<FileKind, UploadError> {
    let names = FileKind::ALL.map(FileKind::name).join(", ");
    FileKind::parse(word).ok_or_else(|| UploadError::Invalid(Invalid(format!("must be one of {names}"))))
}

async fn small_text(field: &mut Field, idle: Duration) -> Result<String, UploadError> {
    let invalid = || UploadError::Invalid(Invalid("type must be a short text".to_owned()));
    let (end, mut bytes) = (Instant::now() + idle, Vec::new());
    while let Some(piece) = within(end, field.next()).await? {
        bytes.extend_from_slice(&piece?);
        if bytes.len() > MAX_FIELD {
            return Err(invalid());
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or_else(invalid)
}

/// The last part of what was sent as a name, for people only.
#[must_use]
pub fn clean_name(sent: Option<&str>) -> String {
    let last = sent.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::{App, HttpResponse, HttpServer, web};
    use reqwest::multipart::{Form, Part};

    use super::*;
    use crate::storage::{Homes, Store, tests::Folder};

    const LIMIT: u64 = 200 * 1024 * 1024;

    async fn take(request: HttpRequest, body: Multipart, store: web::Data<Store>) -> HttpResponse {
        if check_length(&request, LIMIT).is_err() {
            return HttpResponse::PayloadTooLarge().finish();
        }
        let incoming = store.receive(LIMIT).await.unwrap();
        match receive(body, incoming, Parts::FileAndType, Duration::from_millis(400)).await {
            Ok(uploaded) => {
                let received = uploaded.incoming.finish().await.unwrap();
                let name = clean_name(uploaded.sent_name.as_deref());
                HttpResponse::Ok().body(format!("{} {name}", received.sha256()))
            }
            Err(error) => HttpResponse::BadRequest().body(format!("{error:?}")),
        }
    }

    fn serve(folder: &Folder) -> String {
        let store = Store::open(&folder.0, Homes::Disk).unwrap();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::from(Arc::new(store.clone()))).route("/", web::post().to(take))
        });
        let server = server.workers(2).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}/", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        address
    }

    async fn post(address: &str, form: Form) -> String {
        reqwest::Client::new().post(address).multipart(form).send().await.unwrap().text().await.unwrap()
    }

    fn wave(size: usize) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
        bytes.resize(size, 1);
        bytes
    }

    async fn gone(folder: &Folder) {
        while folder.files() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[actix_web::test]
    async fn a_file_comes_whole_under_its_last_name() {
        use sha2::Digest as _;
        let folder = Folder::new();
        let address = serve(&folder);
        let bytes = wave(3_000_001);
        let digest = sha2::Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let part = Part::bytes(bytes).file_name("../../etc/song.wav");
        let text = post(&address, Form::new().text("type", "audio").part("file", part)).await;
        assert_eq!(text, format!("{digest} song.wav"));
        gone(&folder).await;
    }

    #[actix_web::test]
    async fn what_is_refused_leaves_nothing() {
        let folder = Folder::new();
        let address = serve(&folder);
        let file = |bytes: Vec<u8>| Form::new().part("file", Part::bytes(bytes).file_name("film.mp4"));
        for (form, expected) in [
            (Form::new().text("type", "audio"), "NoFile"),
            (Form::new().text("type", "film"), "Invalid"),
            (file(wave(100)).part("file", Part::bytes(wave(10))), "Twice"),
            (Form::new().text("owner_id", "x"), "Unknown"),
            (file(b"#EXTM3U\nfile:///etc/passwd\n".to_vec()), "Unsupported"),
            (file(vec![b'#'; 100_000]), "Unsupported"),
            (file(Vec::new()), "Empty"),
            (file(wave(50)).text("type", "x".repeat(300)), "Invalid"),
        ] {
            let text = post(&address, form).await;
            assert!(text.starts_with(expected), "{text} for {expected}");
        }
        gone(&folder).await;
    }

    #[actix_web::test]
    async fn a_sender_that_drips_or_breaks_off_is_dropped() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let folder = Folder::new();
        let address = serve(&folder);
        let host = address.trim_start_matches("http://").trim_end_matches('/');
        let start = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000\r\n\r\n\
            --b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nRIFF____WAVE";
        let mut dripping = tokio::net::TcpStream::connect(host).await.unwrap();
        dripping.write_all(start.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let count = loop {
            dripping.write_all(b"x").await.unwrap();
            if let Ok(read) = tokio::time::timeout(Duration::from_millis(50), dripping.read(&mut answer)).await {
                break read.unwrap();
            }
        };
        assert!(String::from_utf8_lossy(&answer[..count]).ends_with("Idle"));
        let mut breaking = tokio::net::TcpStream::connect(host).await.unwrap();
        breaking.write_all(start.as_bytes()).await.unwrap();
        drop(breaking);
        gone(&folder).await;
    }
}
