//! Steps of the images contract, and images with what cameras put into them.

use reqwest::{
    Method,
    multipart::{Form, Part},
};

use super::{
    app::{Answer, App},
    media::{ffmpeg, temporary},
    people::Person,
};

impl App {
    /// Sends an image under this name.
    pub async fn send_image(&self, person: &Person, name: &str, bytes: &[u8]) -> Answer {
        let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned());
        let form = Form::new().part("file", part);
        Answer::of(self.request(Method::POST, "/images", Some(person)).multipart(form)).await
    }

    /// Sends an image that must be taken, and gives its id.
    pub async fn keep_image(&self, person: &Person, bytes: &[u8]) -> String {
        let answer = self.send_image(person, "a.png", bytes).await;
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.bytes));
        answer.json()["id"].as_str().expect("an id").to_owned()
    }
}

/// One picture of this `lavfi` source, as a file of the type that ends so.
pub fn drawn(source: &str, ending: &str) -> Vec<u8> {
    let codec: &[&str] = match ending {
        "avif" => &["-c:v", "libaom-av1", "-crf", "40", "-cpu-used", "8", "-still-picture", "1"],
        "jpg" => &["-q:v", "2"],
        _ => &[],
    };
    ffmpeg(&[&["-f", "lavfi", "-i", source, "-frames:v", "1"], codec].concat(), ending)
}

/// One colourful picture of this size (`64x48`).
pub fn picture(size: &str, ending: &str) -> Vec<u8> {
    drawn(&format!("testsrc2=size={size}"), ending)
}

/// What `filter` of ffmpeg makes of the picture in `bytes`, as raw pixels.
pub fn pixels(bytes: &[u8], filter: &str) -> Vec<u8> {
    let path = temporary("picture");
    std::fs::write(&path, bytes).expect("a file");
    let name = path.to_str().expect("a path");
    let raw = ffmpeg(&["-noautorotate", "-i", name, "-vf", filter, "-frames:v", "1", "-f", "rawvideo"], "raw");
    std::fs::remove_file(path).expect("a file");
    raw
}

/// The RGBA of the corners: upper left, upper right, lower left, lower right.
pub fn corners(bytes: &[u8]) -> [[u8; 4]; 4] {
    let raw = pixels(bytes, "format=rgba,scale=2:2:flags=neighbor");
    [0, 4, 8, 12].map(|at| raw[at..at + 4].try_into().expect("four bytes"))
}

/// Stands in the EXIF data of [`exif`], as the place where the picture was taken.
pub const SECRET: &[u8; 4] = b"SEC\0";

/// EXIF data (a TIFF) with this orientation, and a place.
pub fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x02".to_vec();
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    tiff.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0]);
    tiff.extend([0, 1, 0, 1, 0, 2, 0, 0, 0, 4]);
    tiff.extend(SECRET);
    tiff.extend([0; 4]);
    tiff
}

/// A JPEG with this EXIF data in it.
pub fn jpeg_with(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let length = u16::try_from(exif.len() + 8).expect("a length").to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &length, b"Exif\0\0", exif, &jpeg[2..]].concat()
}

/// A PNG with this EXIF data in it.
pub fn png_with(png: &[u8], exif: &[u8]) -> Vec<u8> {
    // Behind the header.
    let (head, rest) = png.split_at(33);
    [head, &png_chunk(b"eXIf", exif), rest].concat()
}

/// A chunk of a PNG.
pub fn png_chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a length").to_be_bytes();
    let named = [name, body].concat();
    [&length[..], &named, &crc(&named).to_be_bytes()].concat()
}

/// The check of a PNG's chunk (ISO/IEC 15948, annex D).
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
    let over = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(u32::MAX, over)
}

/// A WebP of these pixels, made of a plain one, with this EXIF data in it.
pub fn webp_with(webp: &[u8], (width, height): (u32, u32), exif: &[u8]) -> Vec<u8> {
    let side = |pixels: u32| (pixels - 1).to_le_bytes()[..3].to_vec();
    let canvas = [vec![0x08, 0, 0, 0], side(width), side(height)].concat();
    webp_of(&[&riff_chunk(b"VP8X", &canvas), &webp[12..], &riff_chunk(b"EXIF", exif)])
}

/// A WebP of these chunks.
pub fn webp_of(chunks: &[&[u8]]) -> Vec<u8> {
    let body = [b"WEBP", chunks.concat().as_slice()].concat();
    riff_chunk(b"RIFF", &body)
}

/// A WebP of this size that moves; its one frame, of this size, has these chunks and is in the upper left corner.
pub fn moving_webp(canvas: (u32, u32), frame: (u32, u32), chunks: &[u8]) -> Vec<u8> {
    let sides =
        |(width, height): (u32, u32)| [width, height].map(|side| (side - 1).to_le_bytes()[..3].to_vec()).concat();
    let place = [&[0; 6][..], &sides(frame), &[100, 0, 0, 0]].concat();
    webp_of(&[
        &riff_chunk(b"VP8X", &[&[0x02, 0, 0, 0][..], &sides(canvas)].concat()),
        &riff_chunk(b"ANIM", &[0; 6]),
        &riff_chunk(b"ANMF", &[&place, chunks].concat()),
    ])
}

/// A chunk of a RIFF file.
pub fn riff_chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a length").to_le_bytes();
    let padding: &[u8] = if body.len() % 2 == 1 { &[0] } else { &[] };
    [name, &length, body, padding].concat()
}
