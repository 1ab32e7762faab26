use std::time::{Duration, Instant};

use super::*;
use crate::media::{
    samples::{Folder, facts, limits, make, pixels, riff_chunk, tools, webp_canvas, webp_frame, webp_of},
    sniff::{HEAD_BYTES, sniff},
    tool::Tools,
};

fn framer() -> (Framer, Tools, Folder) {
    let (settings, tools) = tools();
    (Framer::new(&settings, tools.clone(), &limits()), tools, Folder::new())
}

/// The RGBA of the corners: upper left, upper right, lower left, lower right.
async fn corners(tools: &Tools, file: &Path) -> [[u8; 4]; 4] {
    let bytes = pixels(tools, file, "format=rgba,scale=2:2:flags=neighbor").await;
    [0, 4, 8, 12].map(|at| bytes[at..at + 4].try_into().unwrap())
}

#[tokio::test]
async fn an_image_of_every_type_is_made_to_fit_and_never_enlarged() {
    let (framer, tools, folder) = framer();
    for (name, words) in [
        ("a.jpg", "-frames:v 1"),
        ("a.png", "-frames:v 1"),
        ("a.apng", "-t 1"),
        ("a.gif", "-t 1"),
        ("a.webp", "-frames:v 1"),
        ("moving.webp", "-t 1 -c:v libwebp_anim"),
        ("a.avif", "-frames:v 1 -c:v libaom-av1 -crf 40 -cpu-used 8 -still-picture 1"),
    ] {
        for (size, expected) in [("1000x600", "webp,512,307"), ("60x900", "webp,34,512"), ("80x40", "webp,80,40")] {
            let (named, plain, small) = (folder.join(name), folder.join("plain"), folder.join("small"));
            make(&tools, &format!("-f lavfi -i testsrc2=s={size} {words}"), &named).await;
            std::fs::rename(&named, &plain).unwrap();
            let bytes = std::fs::read(&plain).unwrap();
            let kind = sniff(&bytes[..bytes.len().min(HEAD_BYTES)]).unwrap();
            let picture =
                framer.picture(&plain, kind, Fit::CHANNEL).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(sniff(&picture.webp), Some(MediaType::WebP));
            std::fs::write(&small, picture.webp).unwrap();
            assert_eq!(facts(&tools, &small).await, expected, "{name} {size}");
            let said = framer.examine(&plain, kind).await.unwrap();
            let stored = format!("{}x{}", said.width.unwrap(), said.height.unwrap());
            assert_eq!((stored.as_str(), said.duration_seconds), (size, None), "{name}");
            let codec = said.video_codec.unwrap();
            // ffprobe tells an APNG by itself, and nothing of a WebP that moves.
            if !["a.apng", "moving.webp"].contains(&name) {
                let shown = facts(&tools, &plain).await;
                assert!(shown.starts_with(&format!("{codec},")), "{name}: {codec}, {shown}");
            }
        }
    }
}

#[tokio::test]
async fn transparency_and_colours_stay() {
    let (framer, tools, folder) = framer();
    let (image, small) = (folder.join("image.png"), folder.join("small"));
    make(&tools, "-f lavfi -i color=gray@0.5:s=700x700,format=rgba -frames:v 1", &image).await;
    std::fs::write(&small, framer.picture(&image, MediaType::Png, Fit::CHANNEL).await.unwrap().webp).unwrap();
    assert!(matches!(corners(&tools, &small).await[0], [124..132, 124..132, 124..132, 125..130]));
}

/// An `APP1` segment with this orientation and a latitude in it.
fn exif(orientation: u8) -> Vec<u8> {
    let mut body = b"Exif\0\0MM\0*\0\0\0\x08\0\x02".to_vec();
    body.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    body.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0]);
    body.extend(b"\0\x01\0\x01\0\x02\0\0\0\x04SEC\0\0\0\0\0");
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [b"\xff\xe1".as_slice(), &length, &body].concat()
}

#[tokio::test]
async fn a_photograph_is_upright_and_tells_nothing_of_its_place() {
    let (framer, tools, folder) = framer();
    let base = folder.join("base.jpg");
    // Red in the upper left corner, blue below it, black elsewhere.
    let source = "color=black:s=160x80,drawbox=w=80:h=40:c=red:t=fill,drawbox=y=40:w=80:h=40:c=blue:t=fill";
    make(&tools, &format!("-f lavfi -i {source} -frames:v 1 -q:v 2"), &base).await;
    let base = std::fs::read(base).unwrap();
    // Where red and blue are to be seen, by the numbers of the corners.
    for (orientation, red, blue, size) in [
        (1, 0, 2, "webp,160,80"),
        (2, 1, 3, "webp,160,80"),
        (3, 3, 1, "webp,160,80"),
        (4, 2, 0, "webp,160,80"),
        (5, 0, 1, "webp,80,160"),
        (6, 1, 0, "webp,80,160"),
        (7, 3, 2, "webp,80,160"),
        (8, 2, 3, "webp,80,160"),
    ] {
        let (image, small) = (folder.join("image"), folder.join("small"));
        std::fs::write(&image, [&base[..2], &exif(orientation), &base[2..]].concat()).unwrap();
        let webp = framer.picture(&image, MediaType::Jpeg, Fit::CHANNEL).await.unwrap().webp;
        for secret in [b"Exif", b"EXIF", b"XMP ", b"SEC\0"] {
            assert!(!webp.windows(4).any(|word| word == secret), "{orientation}");
        }
        std::fs::write(&small, webp).unwrap();
        assert_eq!(facts(&tools, &small).await, size, "{orientation}");
        let seen = corners(&tools, &small).await;
        assert!(matches!(seen[red], [200..=255, _, 0..60, _]), "{orientation}: {seen:?}");
        assert!(matches!(seen[blue], [0..60, _, 200..=255, _]), "{orientation}: {seen:?}");
    }
}

/// A WebP of 80 by 60 that moves; its first frame has these chunks, is 40 by 20, and stands at (20, 30).
fn moving(frame: &[u8], orientation: u8) -> Vec<u8> {
    let frame = webp_frame([20, 30, 40, 20], frame);
    // Without its marker, and what is before the TIFF.
    let exif = riff_chunk(b"EXIF", &exif(orientation)[10..]);
    webp_of(&[webp_canvas(0x0a, 80, 60), riff_chunk(b"ANIM", &[0xff; 6]), frame.repeat(3), exif])
}

#[tokio::test]
async fn the_first_frame_of_a_webp_that_moves_stands_where_it_is_on_its_canvas() {
    let (framer, tools, folder) = framer();
    let (image, small) = (folder.join("image.webp"), folder.join("small"));
    for (coding, source) in [("", "color=red:s=40x20"), ("-lossless 1", "color=red@0.5:s=40x20,format=rgba")] {
        make(&tools, &format!("-f lavfi -i {source} -frames:v 1 {coding}"), &image).await;
        let frame = std::fs::read(&image).unwrap();
        // Of a lossy one with transparency, the canvas goes.
        let chunks = if &frame[12..16] == b"VP8X" { &frame[30..] } else { &frame[12..] };
        let half = source.contains("0.5");
        for (orientation, fit, size, inside) in [
            (1, 80, (80, 60), [20, 30, 60, 50]),
            (1, 64, (64, 48), [16, 24, 48, 40]),
            (3, 80, (80, 60), [20, 10, 60, 30]),
            (6, 80, (60, 80), [10, 20, 30, 60]),
            (8, 30, (30, 40), [15, 10, 25, 30]),
        ] {
            std::fs::write(&image, moving(chunks, orientation)).unwrap();
            let picture = framer.picture(&image, MediaType::WebP, Fit::width(fit)).await.unwrap();
            std::fs::write(&small, picture.webp).unwrap();
            assert_eq!(facts(&tools, &small).await, format!("webp,{},{}", size.0, size.1), "{orientation} {fit}");
            let pixels = pixels(&tools, &small, "null").await;
            let [left, top, right, bottom] = inside;
            for (at, pixel) in pixels.chunks(4).enumerate() {
                let (x, y) = (at % size.0, at / size.0);
                // Scaling blurs the edge.
                if [x.abs_diff(left), x.abs_diff(right), y.abs_diff(top), y.abs_diff(bottom)].iter().any(|d| *d < 2) {
                    continue;
                }
                let is_inside = (left..right).contains(&x) && (top..bottom).contains(&y);
                let opacity = if !is_inside {
                    0..=0
                } else if half {
                    120..=136
                } else {
                    255..=255
                };
                assert!(opacity.contains(&pixel[3]), "{orientation} {fit}: {pixel:?} at {x}, {y}");
                let is_red = pixel[0] > 230 && pixel[1] < 30 && pixel[2] < 30;
                assert!(!is_inside || is_red, "{orientation} {fit}: {pixel:?} at {x}, {y}");
            }
        }
    }
}

#[tokio::test]
async fn a_webp_of_another_size_than_it_says_is_refused() {
    let (framer, tools, folder) = framer();
    let image = folder.join("image.webp");
    for (size, is_taken) in [("40x20", true), ("640x480", false), ("40x22", false), ("20x10", false)] {
        make(&tools, &format!("-f lavfi -i testsrc2=s={size} -frames:v 1"), &image).await;
        let chunks = std::fs::read(&image).unwrap()[12..].to_vec();
        for bytes in [moving(&chunks, 1), webp_of(&[webp_canvas(0, 40, 20), chunks])] {
            std::fs::write(&image, bytes).unwrap();
            match framer.examine(&image, MediaType::WebP).await {
                Ok(_) => assert!(is_taken, "{size}"),
                Err(error) => assert!(!is_taken && matches!(error, FrameError::NotAnImage(_)), "{size}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn no_more_first_frames_are_on_the_disk_than_tools_may_run_and_none_stays() {
    let (mut settings, _) = tools();
    settings.tool_parallel = 1;
    let framer = Framer::new(&settings, Tools::new(&settings), &limits());
    let (folder, still) = (Folder::new(), Folder::new());
    let (image, frame) = (folder.join("image.webp"), still.join("frame.webp"));
    make(&Tools::new(&settings), "-f lavfi -i testsrc2=s=40x20 -frames:v 1", &frame).await;
    std::fs::write(&image, moving(&std::fs::read(&frame).unwrap()[12..], 1)).unwrap();
    let all = (0..8).map(|number| {
        let (framer, image) = (framer.clone(), image.clone());
        async move {
            // Some go away in between.
            let wait = Duration::from_millis(if number % 2 == 0 { 60_000 } else { 40 * number });
            tokio::time::timeout(wait, framer.examine(&image, MediaType::WebP)).await
        }
    });
    for (number, done) in futures_util::future::join_all(all).await.into_iter().enumerate() {
        assert!(number % 2 == 1 || done.unwrap().is_ok(), "{number}");
    }
    // Those that went away leave their places when their copying has ended.
    let all = tokio::time::timeout(Duration::from_secs(10), framer.frames.acquire_many(1));
    assert!(all.await.is_ok());
    assert_eq!(std::fs::read_dir(image.parent().unwrap()).unwrap().count(), 1, "the image alone");
}

/// A whole black PNG of one bit a pixel.
fn black_png(file: &Path, width: u32, height: u32) {
    let file = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().unwrap();
    let row = usize::try_from(width.div_ceil(8)).unwrap();
    writer.write_image_data(&vec![0; row * usize::try_from(height).unwrap()]).unwrap();
}

#[tokio::test]
async fn over_fifty_million_pixels_are_refused_before_they_are_decoded() {
    let (framer, _, folder) = framer();
    let image = folder.join("image");
    black_png(&image, 7000, 7000);
    assert!(framer.picture(&image, MediaType::Png, Fit::CHANNEL).await.is_ok());
    for (width, height) in [(7100, 7100), (16_000, 16_000)] {
        black_png(&image, width, height);
        let begin = Instant::now();
        let error = framer.picture(&image, MediaType::Png, Fit::CHANNEL).await.unwrap_err();
        assert!(matches!(error, FrameError::NotAnImage(_)), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let (framer, tools, folder) = framer();
    let image = folder.join("image");
    for bytes in [b"".as_slice(), b"\xff\xd8\xff\xe0 and no more", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"GIF89a"] {
        std::fs::write(&image, bytes).unwrap();
        for kind in [MediaType::Jpeg, MediaType::Png, MediaType::Gif, MediaType::WebP, MediaType::Avif] {
            let error = framer.picture(&image, kind, Fit::CHANNEL).await.unwrap_err();
            assert!(matches!(error, FrameError::NotAnImage(_)), "{kind:?}: {error}");
        }
    }
    let video = folder.join("a.mp4");
    make(&tools, "-f lavfi -i testsrc2=d=1 -c:v libx264", &video).await;
    for kind in [MediaType::Mp4, MediaType::Srt, MediaType::Jpeg] {
        let error = framer.picture(&video, kind, Fit::CHANNEL).await.unwrap_err();
        assert!(matches!(error, FrameError::NotAnImage(_)), "{kind:?}: {error}");
    }
}
