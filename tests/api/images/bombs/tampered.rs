//! The bombs: small files that promise much, files that are cut off, and files that are two things at once.

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};

use crate::support::{
    images::{drawn, moving_webp, picture, png_chunk, riff_chunk, webp_of},
    media::ffmpeg,
};

/// How it must end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ends {
    /// It is refused before anything decodes it.
    Undecoded,
    /// It is refused.
    Refused,
    /// It is kept as this, and served so that it does nothing.
    Kept(&'static str),
    /// One or the other: decoders differ.
    Either(&'static str),
}

pub(super) struct Bomb {
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Ends,
}

impl Bomb {
    pub(super) const fn new(what: &'static str, bytes: Vec<u8>, ends: Ends) -> Self {
        Self { what, bytes, ends }
    }
}

pub(super) fn bombs() -> Vec<Bomb> {
    [large(), lying(), inflating(), cut_off(), moving(), double()].concat()
}

impl Clone for Bomb {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), ..*self }
    }
}

fn undecoded(what: &'static str, bytes: Vec<u8>) -> Bomb {
    Bomb::new(what, bytes, Ends::Undecoded)
}

fn refused(what: &'static str, bytes: Vec<u8>) -> Bomb {
    Bomb::new(what, bytes, Ends::Refused)
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The header of a PNG.
fn header(side: u32, depth: u8, colour: u8) -> Vec<u8> {
    let side = side.to_be_bytes();
    png_chunk(b"IHDR", &[&side[..], &side, &[depth, colour, 0, 0, 0]].concat())
}

fn deflated(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for _ in 0..times {
        encoder.write_all(bytes).expect("memory takes it");
    }
    encoder.finish().expect("memory takes it")
}

/// A whole PNG of this many bytes a row, all black.
fn black(side: u32, depth: u8, colour: u8, row: usize) -> Vec<u8> {
    let pixels = deflated(&vec![0; row + 1], usize::try_from(side).expect("a side"));
    [PNG, &header(side, depth, colour), &png_chunk(b"IDAT", &pixels), &png_chunk(b"IEND", b"")].concat()
}

/// Whole pictures of more than 50 million pixels.
fn large() -> Vec<Bomb> {
    let bomb = black(16_000, 1, 0, 2000);
    assert!(bomb.len() < 750_000, "{}", bomb.len());
    // WebP and AVIF say their size in their headers; a surface of one colour takes a few bytes of each.
    let webp = lossy_webp(16_383, 16_383);
    let avif =
        changed(&picture("64x64", "avif"), b"ispe", 8, &[16_000_u32.to_be_bytes(), 16_000_u32.to_be_bytes()].concat());
    vec![
        undecoded("a PNG of 16000 by 16000", bomb),
        undecoded("a WebP that moves, of 16384 by 16384", moving_webp((16_384, 16_384), (64, 48), &webp[12..])),
        undecoded("a WebP of 16383 by 16383", webp),
        undecoded("an AVIF of 16000 by 16000", avif),
    ]
}

/// `bytes` with these behind the word, `at` bytes from its beginning.
fn changed(bytes: &[u8], word: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let begin = bytes.windows(word.len()).position(|window| window == word).expect("it is in there") + at;
    [&bytes[..begin], new, &bytes[begin + new.len()..]].concat()
}

/// A WebP without a canvas whose one frame says that it has this size.
fn lossy_webp(width: u16, height: u16) -> Vec<u8> {
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    changed(&picture("64x48", "webp"), b"\x9d\x01\x2a", 3, &size)
}

/// Headers that promise more than there is, or another size than the picture has.
fn lying() -> Vec<Bomb> {
    let side = 7000_u16;
    let png = [PNG, &header(7000, 8, 6), &png_chunk(b"IDAT", &[0; 20]), &png_chunk(b"IEND", b"")].concat();
    assert!(png.len() <= 100, "{}", png.len());
    let stuffed = [PNG, &header(7000, 8, 6), &png_chunk(b"teSt", &vec![0; 250_000]), &png[33..]].concat();
    let gif = picture("16x16", "gif");
    let promise = [side.to_le_bytes(), side.to_le_bytes()].concat();
    let jpeg = drawn("color=red:s=16x16", "jpg");
    assert!(jpeg.len() < 1024, "{}", jpeg.len());
    let promising = changed(&jpeg, b"\xff\xc0", 5, &[side.to_be_bytes(), side.to_be_bytes()].concat());
    // A comment is no picture.
    let comment = [b"\xff\xfe\xff\xff".as_slice(), &vec![b'a'; 65_533]].concat();
    let padded = [&promising[..2], &comment, &comment, &promising[2..]].concat();
    let canvas = |chunk: &[u8]| {
        let small = [0, 0, 0, 0, 63, 0, 0, 47, 0, 0];
        webp_of(&[&riff_chunk(b"VP8X", &small), chunk])
    };
    let lossless = ffmpeg(&["-f", "lavfi", "-i", "color=red:s=64x48", "-frames:v", "1", "-lossless", "1"], "webp");
    let mut wrong_check = picture("64x48", "png");
    wrong_check[29] ^= 0xff;
    let mut avif = picture("640x480", "avif");
    avif = changed(&avif, b"ispe", 8, &[16_u32.to_be_bytes(), 16_u32.to_be_bytes()].concat());
    vec![
        undecoded("a PNG that promises 7000 by 7000 in 100 bytes", png),
        undecoded("the same with 250 kB of something else", stuffed),
        undecoded("a GIF that promises 7000 by 7000", changed(&gif, b"GIF89a", 6, &promise)),
        undecoded("a JPEG that promises 7000 by 7000 in 1 kB", promising),
        undecoded("the same with 128 kB of comments", padded),
        refused("a WebP whose frame is larger than its canvas", canvas(&lossy_webp(16_383, 16_383)[12..])),
        refused(
            "a lossless WebP whose frame is larger than its canvas",
            canvas(&changed(&lossless, b"VP8L", 9, &[0xff, 0xff, 0xff, 0x0f])[12..]),
        ),
        refused(
            "a WebP that moves whose frame is larger than it says",
            moving_webp((64, 48), (64, 48), &lossy_webp(16_383, 16_383)[12..]),
        ),
        refused(
            "a WebP that moves whose frame is smaller than it says",
            moving_webp((640, 480), (640, 480), &picture("64x48", "webp")[12..]),
        ),
        refused("a WebP whose frame is smaller than its canvas", canvas(&picture("32x24", "webp")[12..])),
        undecoded("a WebP that moves whose frame is empty", moving_webp((64, 48), (64, 48), b"")),
        undecoded(
            "a WebP that moves whose frame is larger than its canvas",
            moving_webp((64, 48), (640, 480), &picture("640x480", "webp")[12..]),
        ),
        Bomb::new("a PNG whose header's check is wrong", wrong_check, Ends::Either("image/png")),
        Bomb::new("an AVIF that says it is smaller than it is", avif, Ends::Either("image/avif")),
    ]
}

/// What is small until it is inflated, or is decoded over and over.
fn inflating() -> Vec<Bomb> {
    let beside = |name: &[u8], before: &[u8]| {
        let chunk = png_chunk(name, &[before, &deflated(&vec![b'a'; 1 << 16], 1600)].concat());
        let plain = picture("64x48", "png");
        [&plain[..33], &chunk, &plain[33..]].concat()
    };
    vec![
        undecoded("a PNG with a text of 100 MB", beside(b"zTXt", b"Comment\0\0")),
        undecoded("a PNG with a profile of 100 MB", beside(b"iCCP", b"p\0\0")),
        undecoded("a PNG with an international text of 100 MB", beside(b"iTXt", b"Comment\0\x01\0\0\0")),
        undecoded("a JPEG of 100000 scans", many_scans(100_000)),
        undecoded("a JPEG of 4 million empty segments", many_segments()),
        undecoded("an AVIF of 2 million empty boxes", many_boxes(b"meta")),
        undecoded("an AVIF with 2 million empty boxes at its end", many_boxes(b"")),
        undecoded("an AVIF with 2 million empty boxes before its bytes", many_boxes(b"mdat")),
        Bomb::new("a PNG of a million empty chunks", many_chunks(), Ends::Either("image/png")),
        Bomb::new("a GIF of 4 million empty extensions", many_extensions(), Ends::Either("image/gif")),
        undecoded("a WebP that moves, of 2 million empty chunks and no frame", {
            webp_of(&[
                &riff_chunk(b"VP8X", &[2, 0, 0, 0, 63, 0, 0, 47, 0, 0]),
                &riff_chunk(b"none", b"").repeat(2_000_000),
            ])
        }),
    ]
}

/// A progressive JPEG of 64 by 64 whose second scan, which says nothing, is repeated.
fn many_scans(scans: usize) -> Vec<u8> {
    let segment = |code: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 2).expect("a length").to_be_bytes();
        [&[0xff, code], &length[..], body].concat()
    };
    // One code of one bit: nothing changes; or, nothing follows in this scan.
    let table = |class: u8, symbol: u8| {
        let lengths = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        segment(0xc4, &[&[class][..], &lengths, &[symbol]].concat())
    };
    let first = [segment(0xda, &[1, 1, 0, 0, 0, 0]), vec![0; 8]].concat();
    let next = [segment(0xda, &[1, 1, 0, 1, 63, 0]), vec![0; 2]].concat();
    [
        b"\xff\xd8".to_vec(),
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(0xc2, &[8, 0, 64, 0, 64, 1, 1, 0x11, 0]),
        table(0x00, 0),
        table(0x10, 0xe0),
        first,
        next.repeat(scans),
        b"\xff\xd9".to_vec(),
    ]
    .concat()
}

/// Nothing, four million times, before a small picture.
fn many_segments() -> Vec<u8> {
    let jpeg = picture("64x48", "jpg");
    [&jpeg[..2], &b"\xff\xe5\0\x02".repeat(4_000_000), &jpeg[2..]].concat()
}

/// Nothing, a million times, before the picture of a PNG.
fn many_chunks() -> Vec<u8> {
    let png = picture("64x48", "png");
    [&png[..33], &png_chunk(b"teSt", b"").repeat(1_000_000), &png[33..]].concat()
}

/// Nothing, four million times, before the picture of a GIF.
fn many_extensions() -> Vec<u8> {
    let gif = picture("64x48", "gif");
    let first = gif.windows(3).position(|window| window == b"\x21\xf9\x04").expect("a frame");
    [&gif[..first], &b"\x21\x01\0".repeat(4_000_000), &gif[first..]].concat()
}

/// Nothing, two million times, before this box of a small picture, or at its end.
fn many_boxes(before: &[u8]) -> Vec<u8> {
    let avif = picture("64x48", "avif");
    let place = match before {
        b"" => avif.len(),
        name => avif.windows(4).position(|window| window == name).expect("it is in there") - 4,
    };
    [&avif[..place], &b"\0\0\0\x08free".repeat(2_000_000), &avif[place..]].concat()
}

/// Pictures that end before their end.
fn cut_off() -> Vec<Bomb> {
    let cut = |ending: &str| {
        let whole = picture("640x480", ending);
        whole[..whole.len() / 2].to_vec()
    };
    vec![
        undecoded("half a JPEG", cut("jpg")),
        refused("half a PNG", cut("png")),
        refused("half a WebP", cut("webp")),
        undecoded("half a WebP that moves", {
            let whole = moving_webp((640, 480), (640, 480), &picture("640x480", "webp")[12..]);
            whole[..whole.len() / 2].to_vec()
        }),
        Bomb::new("half an AVIF", cut("avif"), Ends::Either("image/avif")),
        Bomb::new("half a GIF", cut("gif"), Ends::Either("image/gif")),
    ]
}

/// A picture that moves for long.
fn moving() -> Vec<Bomb> {
    let gif = picture("16x16", "gif");
    let first = gif.windows(3).position(|window| window == b"\x21\xf9\x04").expect("a frame");
    let (head, frame) = (&gif[..first], &gif[first..gif.len() - 1]);
    let frames = [head, &frame.repeat(10_000), b";"].concat();
    let webp = picture("16x16", "webp");
    let still = moving_webp((16, 16), (16, 16), &webp[12..]);
    // The file's header, the canvas, how it moves, and then the frame.
    let (head, frame) = still.split_at(12 + 18 + 14);
    let many = webp_of(&[&head[12..], &frame.repeat(10_000)]);
    let sparse = moving_webp((7000, 7000), (16, 16), &webp[12..]);
    vec![
        Bomb::new("a GIF of 10000 frames", frames, Ends::Kept("image/gif")),
        Bomb::new("a WebP of 10000 frames", many, Ends::Kept("image/webp")),
        Bomb::new(
            "a WebP that moves, nearly all of whose 49 million pixels are empty",
            sparse,
            Ends::Kept("image/webp"),
        ),
    ]
}

/// What a browser could take for something else.
fn double() -> Vec<Bomb> {
    let gif = picture("64x48", "gif");
    let script = [
        b"GIF89a/*\x01\x00\x80\0\0\0\0\0\xff\xff\xff".as_slice(),
        // One pixel.
        b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;*/=1;alert(document.domain)//",
    ]
    .concat();
    let page = [gif.as_slice(), b"<!DOCTYPE html><html><script>alert(document.domain)</script></html>"].concat();
    let jpeg = drawn("color=red:s=64x48", "jpg");
    let comment = b"\xff\xfe\0\x29<script>alert(document.domain)</script>";
    let archive = [picture("64x48", "png").as_slice(), b"PK\x03\x04\x14\0\0\0\0\0<script>alert(1)</script>"].concat();
    let svg = b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".to_vec();
    vec![
        Bomb::new("a GIF that is a script", script, Ends::Kept("image/gif")),
        Bomb::new("a GIF with a page behind it", page, Ends::Kept("image/gif")),
        Bomb::new("a JPEG with a script in it", [&jpeg[..2], comment, &jpeg[2..]].concat(), Ends::Kept("image/jpeg")),
        Bomb::new("a PNG with an archive behind it", archive, Ends::Kept("image/png")),
        undecoded("SVG", svg),
    ]
}
