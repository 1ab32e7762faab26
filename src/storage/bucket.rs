//! The bucket: objects of S3, or of anything that speaks its protocol, under keys of ours.
//!
//! What can be repeated whole (sending, removing, asking) is tried again by the client itself. Reading is not:
//! there the tries end with the first byte, because whoever reads cannot be told that what came before was wrong.
//! Keys and addresses are in no error's text but the log's.

mod error;
mod parts;

use std::{
    ops::Range,
    path::Path as FilePath,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream::BoxStream};
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _,
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    path::Path as Key,
    signer::{Method, SignedUrlOptions, Signer as _},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::error::{BucketError, BucketSettingsError};
pub(super) use self::parts::Sending;
use self::{
    error::{is_passing, missing},
    parts::Parcel,
};
use super::{StoreError, object::ObjectStream};
use crate::{
    domain::ids::FileId,
    settings::{StorageSettings, millis},
};

/// Metadata of an object: the hash of its bytes, lower-case hexadecimal.
const SHA256: &str = "sha256";
/// Metadata of an object: the name it was sent under, percent-encoded.
const NAME: &str = "name";
/// Bytes of a name that travel: S3 takes 2048 for all metadata.
const MOST_NAME: usize = 1500;
/// So long whoever asks whether the bucket is ready waits for it.
const READY_WITHIN: Duration = Duration::from_millis(900);
/// Bytes of a small file: an image is one.
const SMALL: u64 = 32 * 1024 * 1024;
/// The pauses between tries do not grow beyond this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What an object is told to be.
#[derive(Debug, Clone)]
pub struct About {
    /// The media type of its bytes.
    pub mime_type: String,
    /// The hash of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// The name it was sent under; never a key.
    pub name: String,
}

impl About {
    fn attributes(&self) -> Attributes {
        Attributes::from_iter([
            (Attribute::ContentType, self.mime_type.clone()),
            (Attribute::Metadata(SHA256.into()), self.sha256.clone()),
            (Attribute::Metadata(NAME.into()), travelling(&self.name)),
        ])
    }
}

/// A name as metadata takes it, cut where it is too long.
fn travelling(name: &str) -> String {
    let mut encoded = String::new();
    for letter in name.chars() {
        let piece = utf8_percent_encode(letter.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string();
        if encoded.len() + piece.len() > MOST_NAME {
            break;
        }
        encoded.push_str(&piece);
    }
    encoded
}

/// How a link may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looking {
    /// For the bytes.
    Get,
    /// For what is known of them.
    Head,
}

/// A bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Tries again by itself.
    patient: AmazonS3,
    /// Makes one try, and sets no limit to how long a reader may take.
    single: AmazonS3,
    prefix: String,
    part_bytes: usize,
    /// Who holds one holds a part in memory.
    parts: Arc<Semaphore>,
    /// Parts that have arrived, of all files.
    arrived: AtomicU64,
    /// Who holds one has bytes of the bucket on the disk, for a tool: large ones, or small.
    fetches: [Arc<Semaphore>; 2],
    fetch_wait: Duration,
    timeout: Duration,
    read_timeout: Duration,
    pauses: ExponentialBuilder,
    /// How long links hold that readers are sent to; `None`: they are sent to none.
    link_life: Option<Duration>,
}

impl Bucket {
    /// The bucket that the settings name; `None` where they name none. Connects to nothing.
    ///
    /// # Errors
    /// The endpoint is no address.
    pub fn new(settings: &StorageSettings) -> Result<Option<Self>, BucketSettingsError> {
        if settings.bucket.is_empty() {
            return Ok(None);
        }
        let timeout = millis(settings.timeout_ms);
        let clients = ClientOptions::new()
            .with_connect_timeout(millis(settings.connect_timeout_ms))
            .with_allow_http(settings.endpoint.starts_with("http://"));
        let first = millis(settings.backoff_ms.max(1));
        let tries = u32::try_from(settings.retries).unwrap_or(u32::MAX);
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: first, max_backoff: LONGEST_PAUSE, base: 2.0 },
            max_retries: settings.retries,
            retry_timeout: (timeout + LONGEST_PAUSE).saturating_mul(tries.saturating_add(1)),
        };
        let none = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let build = |retry: RetryConfig, clients: ClientOptions| {
            let builder = builder(settings).with_retry(retry).with_client_options(clients);
            builder.build().map_err(|error| BucketSettingsError(error.to_string().replace('\n', " ")))
        };
        let pauses = ExponentialBuilder::new()
            .with_min_delay(first)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(settings.retries)
            .with_jitter();
        Ok(Some(Self(Arc::new(Inner {
            patient: build(retry, clients.clone().with_timeout(timeout))?,
            single: build(none, clients.with_timeout_disabled())?,
            prefix: settings.prefix.clone(),
            part_bytes: settings.part_bytes,
            parts: Arc::new(Semaphore::new(settings.parallel_parts)),
            arrived: AtomicU64::default(),
            fetches: std::array::from_fn(|_| Arc::new(Semaphore::new(settings.parallel_fetches))),
            fetch_wait: millis(settings.fetch_wait_ms),
            timeout,
            read_timeout: millis(settings.read_timeout_ms),
            pauses,
            link_life: Some(settings.redirect_seconds)
                .filter(|life| *life > 0)
                .map(|life| Duration::from_secs(life.into())),
        }))))
    }

    fn key(&self, id: FileId) -> Key {
        Key::from(format!("{}{id}", self.0.prefix))
    }

    /// A place for so many bytes of the bucket on the disk. Small files do not wait for films.
    ///
    /// # Errors
    /// [`BucketError::Busy`].
    pub(super) async fn place_for(&self, length: u64) -> Result<OwnedSemaphorePermit, BucketError> {
        let [large, small] = &self.0.fetches;
        let places = Arc::clone(if length > SMALL { large } else { small });
        let place = tokio::time::timeout(self.0.fetch_wait, places.acquire_owned()).await;
        place.map_err(|_| BucketError::Busy(self.0.fetch_wait))?.map_err(|_| BucketError::GivenUp)
    }

    /// Sends the whole file at `path` as the object of `id`. Dropped before it is done, or failed, it leaves
    /// nothing: parts that came are given up, by a task. See [`Sending`].
    ///
    /// # Errors
    /// [`StoreError::Bucket`].
    pub(super) async fn put(
        &self,
        id: FileId,
        path: &FilePath,
        about: &About,
        sending: Sending,
    ) -> Result<(), StoreError> {
        let parcel = Parcel { key: self.key(id), path, attributes: about.attributes(), sending };
        parts::send(self, parcel).await
    }

    /// Gives up an upload of `id` in parts that a dead process left; that it is gone already is no error.
    ///
    /// # Errors
    /// [`StoreError::Bucket`].
    pub(super) async fn give_up(&self, id: FileId, upload: &str) -> Result<(), StoreError> {
        parts::give_up(self, &self.key(id), &upload.to_owned()).await
    }

    /// Begins to read a part of the object of `id`, which is not empty: one request. When this returns, the first
    /// bytes have come; until then failures are tried again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Bucket`].
    pub async fn get(&self, id: FileId, part: Range<u64>) -> Result<ObjectStream, StoreError> {
        let begin = || self.begin(id, part.clone());
        begin.retry(self.0.pauses).when(is_passing).await.map_err(missing)
    }

    async fn begin(&self, id: FileId, part: Range<u64>) -> Result<ObjectStream, StoreError> {
        let wanted = part.end.saturating_sub(part.start);
        let options = GetOptions { range: Some(GetRange::Bounded(part)), ..GetOptions::default() };
        let timeout = self.0.read_timeout;
        let first = async {
            let found = self.0.single.get_opts(&self.key(id), options).await?;
            // Of an object that is shorter, it gives what there is.
            let given = found.range.end.saturating_sub(found.range.start);
            if given != wanted {
                return Err(BucketError::Short { given, wanted }.into());
            }
            let mut bytes = found.into_stream();
            let first = bytes.try_next().await?.filter(|bytes| !bytes.is_empty());
            let first = first.ok_or(BucketError::Short { given: 0, wanted })?;
            Ok((first, bytes))
        };
        let begun: Result<(Bytes, BoxStream<'static, _>), StoreError> =
            tokio::time::timeout(timeout, first).await.map_err(|_| BucketError::Silent(timeout))?;
        let (first, rest) = begun?;
        Ok(ObjectStream::new(first, rest, wanted, timeout))
    }

    /// Removes the object of `id`; that it is gone already is no error.
    ///
    /// # Errors
    /// [`StoreError::Bucket`].
    pub async fn delete(&self, id: FileId) -> Result<(), StoreError> {
        match self.0.patient.delete(&self.key(id)).await.map_err(StoreError::from).map_err(missing) {
            Err(StoreError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// The bytes of the object of `id`; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Bucket`].
    pub async fn size_of(&self, id: FileId) -> Result<Option<u64>, StoreError> {
        match self.0.patient.head(&self.key(id)).await.map_err(StoreError::from).map_err(missing) {
            Ok(found) => Ok(Some(found.size)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ids of all objects of ours, and their bytes; in no order that counts.
    ///
    /// # Errors
    /// In the stream: [`StoreError::Bucket`].
    pub fn list(&self) -> impl futures_util::Stream<Item = Result<(FileId, u64), StoreError>> + use<> {
        let prefix = self.0.prefix.clone();
        // S3 compares prefixes letter by letter, this client by whole segments: so the folder is asked for.
        let folder = prefix.rsplit_once('/').map(|(folder, _)| Key::from(folder));
        let objects = self.0.patient.list(folder.as_ref());
        objects.map_err(StoreError::from).try_filter_map(move |object| {
            let id = object.location.as_ref().strip_prefix(&prefix).and_then(|id| id.parse().ok());
            std::future::ready(Ok(id.map(|id| (id, object.size))))
        })
    }

    /// An address under which the object of `id` may be read without any token, where readers are sent to such links.
    ///
    /// # Errors
    /// [`StoreError::Bucket`]: the keys to sign with could not be had.
    pub async fn link(&self, how: Looking, id: FileId, mime_type: &str) -> Result<Option<String>, StoreError> {
        let Some(life) = self.0.link_life else { return Ok(None) };
        let method = match how {
            Looking::Get => Method::GET,
            Looking::Head => Method::HEAD,
        };
        let asked = SignedUrlOptions::new().with_query([("response-content-type", mime_type)]);
        Ok(Some(self.0.patient.signed_url_opts(method, &self.key(id), life, &asked).await?.to_string()))
    }

    /// Whether the bucket is there, and takes our keys.
    pub async fn is_ready(&self) -> bool {
        // What lies below an id that no file has: nothing. Asked for the object itself, a bucket that is not there would
        // answer as one that has none.
        let mut nothing = self.0.single.list(Some(&self.key(FileId::from(uuid::Uuid::nil()))));
        matches!(tokio::time::timeout(READY_WITHIN, nothing.try_next()).await, Ok(Ok(_)))
    }
}

/// Where the requests go: of a bucket whose name stands in the host, with that name.
fn address(settings: &StorageSettings) -> String {
    let endpoint = settings.endpoint.trim_end_matches('/');
    match endpoint.split_once("://") {
        Some((scheme, host)) if !settings.path_style => format!("{scheme}://{}.{host}", settings.bucket),
        _ => endpoint.to_owned(),
    }
}

fn builder(settings: &StorageSettings) -> AmazonS3Builder {
    let (key, secret) = (settings.access_key_id.expose_secret(), settings.secret_access_key.expose_secret());
    // What the environment has besides (a session, an address) goes with its keys, not with ours.
    let mut builder = if key.is_empty() { AmazonS3Builder::from_env() } else { AmazonS3Builder::new() }
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(!settings.path_style)
        // One is removed at a time, by the request that every service knows.
        .with_disable_bulk_delete(true);
    if !settings.endpoint.is_empty() {
        let endpoint = address(settings);
        let endpoint = endpoint.as_str();
        // The second is the environment's AWS_ENDPOINT_URL_S3, which would go before ours.
        builder = builder.with_endpoint(endpoint).with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if !key.is_empty() {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
    }
    builder
}

#[cfg(test)]
mod tests;
