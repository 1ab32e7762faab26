//! Real media, made by ffmpeg once per test process.

use std::{path::PathBuf, process::Stdio, sync::OnceLock};

/// Runs ffmpeg with these arguments and gives the bytes of what it made.
#[allow(clippy::disallowed_methods, reason = "a test makes its own media")]
pub fn ffmpeg(arguments: &[&str], extension: &str) -> Vec<u8> {
    let path = temporary(extension);
    let ended = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments)
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg starts");
    assert!(ended.success(), "ffmpeg {arguments:?}");
    let bytes = std::fs::read(&path).expect("what ffmpeg made");
    std::fs::remove_file(&path).expect("what ffmpeg made");
    bytes
}

pub fn temporary(extension: &str) -> PathBuf {
    std::env::temp_dir().join(format!("playhouse-test-{}.{extension}", uuid::Uuid::new_v4().simple()))
}

/// Two seconds of H.264 and AAC.
pub fn mp4() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let source =
            ["-f", "lavfi", "-i", "testsrc=duration=2:size=320x240:rate=25", "-f", "lavfi", "-i", "sine=duration=2"];
        ffmpeg(&[&source[..], &["-shortest", "-pix_fmt", "yuv420p"]].concat(), "mp4")
    })
}

/// `bytes`, an MP4, made `length` long by an atom that players skip.
pub fn padded(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.extend(padding(length - bytes.len()));
    padded.resize(length, 0);
    padded
}

/// The head of an atom of `length` bytes that players skip.
pub fn padding(length: usize) -> Vec<u8> {
    let mut head = u32::try_from(length).expect("a length").to_be_bytes().to_vec();
    head.extend_from_slice(b"free");
    head
}

/// One picture.
pub fn png() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| ffmpeg(&["-f", "lavfi", "-i", "testsrc=duration=1:size=64x48", "-frames:v", "1"], "png"))
}

/// Subtitles, which no tool looks at.
pub const VTT: &[u8] = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";

/// In lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes it");
        text
    })
}

/// Bytes in which no part looks like another.
pub fn noise(length: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(usize::try_from(length).expect("a length"));
    bytes
}
