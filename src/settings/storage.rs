//! Sections `storage` and `images`: where bytes live, and what pictures may cost.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Rule;

/// Smallest part of a multipart upload that S3 takes, but for the last one.
const SMALLEST_PART: usize = 5 * 1024 * 1024;
/// A part is held in memory while it is sent.
const LARGEST_PART: usize = 256 * 1024 * 1024;
/// Longest life of a presigned link (`SigV4`).
const LONGEST_LINK: u32 = 604_800;

/// Where new bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// The media folder.
    Local,
    /// The bucket.
    S3,
}

/// Section `storage`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct StorageSettings {
    pub kind: StorageKind,
    pub bucket: String,
    pub region: String,
    pub endpoint: String,
    pub path_style: bool,
    pub prefix: String,
    pub access_key_id: SecretString,
    pub secret_access_key: SecretString,
    pub connect_timeout_ms: u64,
    pub read_timeout_ms: u64,
    pub timeout_ms: u64,
    pub retries: usize,
    pub backoff_ms: u64,
    pub part_bytes: usize,
    pub parallel_parts: usize,
    pub parallel_fetches: usize,
    pub fetch_wait_ms: u64,
    pub redirect_seconds: u32,
}

impl StorageSettings {
    pub(super) fn rules(&self) -> [Rule; 15] {
        let (key, secret) = (self.access_key_id.expose_secret(), self.secret_access_key.expose_secret());
        [
            (
                "storage.bucket",
                self.kind == StorageKind::Local || !self.bucket.is_empty(),
                "must name the bucket where storage.kind is s3",
            ),
            ("storage.bucket", !self.bucket.contains(['/', '?', '#', ' ']), "is the name of a bucket, not an address"),
            (
                "storage.endpoint",
                self.endpoint.is_empty()
                    || self.endpoint.starts_with("https://")
                    || self.endpoint.starts_with("http://"),
                "begins with https:// or http://",
            ),
            (
                "storage.prefix",
                self.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
                    && !self.prefix.starts_with('/')
                    && !self.prefix.contains("//")
                    && self.prefix.split('/').all(|part| part != "." && part != ".."),
                "has letters, digits, - _ . and single slashes, and does not begin with one",
            ),
            (
                "storage.secret_access_key",
                key.is_empty() == secret.is_empty(),
                "goes with storage.access_key_id: give both, or neither",
            ),
            ("storage.read_timeout_ms", self.read_timeout_ms >= 1, "is 1 at least"),
            ("storage.timeout_ms", self.timeout_ms >= 1, "is 1 at least"),
            ("storage.retries", self.retries <= 20, "is 20 at most"),
            (
                "storage.part_bytes",
                (SMALLEST_PART..=LARGEST_PART).contains(&self.part_bytes),
                "lies between 5242880 and 268435456",
            ),
            ("storage.parallel_parts", (1..=64).contains(&self.parallel_parts), "lies between 1 and 64"),
            ("storage.parallel_fetches", (1..=64).contains(&self.parallel_fetches), "lies between 1 and 64"),
            ("storage.fetch_wait_ms", self.fetch_wait_ms >= 1, "is 1 at least"),
            ("storage.region", !self.region.is_empty(), "must not be empty"),
            ("storage.connect_timeout_ms", self.connect_timeout_ms >= 1, "is 1 at least"),
            (
                "storage.redirect_seconds",
                self.redirect_seconds <= LONGEST_LINK,
                "is 604800 at most: longer than a week no presigned link holds",
            ),
        ]
    }
}

/// Section `images`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml is the text of every setting")]
pub struct ImageSettings {
    pub max_bytes: u64,
    pub max_pixels: u32,
    pub max_jpeg_scans: u32,
    pub max_jpeg_scanned_pixels: u64,
    pub max_jpeg_segments: u32,
    pub max_avif_boxes: u32,
    pub max_png_metadata_bytes: u64,
}

impl ImageSettings {
    pub(super) fn rules(&self) -> [Rule; 7] {
        // More are not walked through for orientation and size.
        let parts = 1..=100_000;
        [
            ("images.max_bytes", self.max_bytes >= 1, "is 1 at least"),
            ("images.max_pixels", self.max_pixels >= 1, "is 1 at least"),
            ("images.max_jpeg_scans", self.max_jpeg_scans >= 1, "is 1 at least"),
            ("images.max_jpeg_scanned_pixels", self.max_jpeg_scanned_pixels >= 1, "is 1 at least"),
            ("images.max_jpeg_segments", parts.contains(&self.max_jpeg_segments), "lies between 1 and 100000"),
            ("images.max_avif_boxes", parts.contains(&self.max_avif_boxes), "lies between 1 and 100000"),
            ("images.max_png_metadata_bytes", self.max_png_metadata_bytes >= 1, "is 1 at least"),
        ]
    }
}
