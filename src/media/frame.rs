//! Thumbnails: a random frame of a video, as players show it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

pub use super::still::{FrameError, Framer};
use super::{
    place::{Place, Places},
    still::{Input, Still},
    tool::LITTLE_OUTPUT,
};
use crate::domain::media::{FileKind, MediaFacts, MediaType};

/// Width of every thumbnail, in pixels.
pub const THUMBNAIL_WIDTH: u32 = 640;
/// Frames that are drawn in place of a nearly black or white one.
const REDRAWS: u32 = 3;
/// After so long, what there is is taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Larger frames are not decoded; 8K has a third of it.
const MOST_VIDEO_PIXELS: &str = "100000000";
/// So long a key frame is looked for in a stream without an index: 250 frames, the usual longest
/// distance, take less.
const KEY_SECONDS: &str = "12";

/// A frame of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// The JPEG file; under 1 MiB.
    pub jpeg: Vec<u8>,
    /// Pixels: [`THUMBNAIL_WIDTH`].
    pub width: u32,
    /// Pixels, even; by the aspect ratio at which the video is shown, 1600 at most.
    pub height: u32,
}

struct Drawn {
    thumbnail: Thumbnail,
    look: Look,
}

#[derive(PartialEq, Eq)]
enum Look {
    Blank,
    Lively,
}

impl Framer {
    /// A random frame of the video at `path`, which is absolute and made by us; `kind` is what its
    /// bytes showed and `facts` what the probe found (a length and a size that are missing or wrong
    /// cost some time, no more). Upright and undistorted, as players show it. A nearly black or
    /// white frame is drawn again, three times at most.
    ///
    /// # Errors
    /// See [`FrameError`]. With `NoFrame` the file is no video.
    pub async fn thumbnail(&self, path: &Path, kind: MediaType, facts: &MediaFacts) -> Result<Thumbnail, FrameError> {
        let demuxer = kind.demuxers().filter(|_| kind.kind() != FileKind::Image).ok_or(FrameError::NoFrame)?;
        let begin = Instant::now();
        let mut places = Places::new(kind, facts);
        let (mut kept, mut blanks) = (None, 0);
        loop {
            let another = match self.draw(path, demuxer, places.draw()).await {
                Ok(Some(Drawn { thumbnail, look: Look::Lively })) => return Ok(thumbnail),
                Ok(Some(drawn)) => {
                    kept = Some(drawn.thumbnail);
                    blanks += 1;
                    blanks <= REDRAWS && places.widen()
                }
                Ok(None) => places.nearer(),
                Err(_) if kept.is_some() => false,
                Err(FrameError::Timeout) if places.give_up() => true,
                Err(error) => return Err(error),
            };
            if !another || (kept.is_some() && begin.elapsed() > PATIENCE) {
                return kept.ok_or(FrameError::NoFrame);
            }
        }
    }

    /// The frame at this place; `None`: there is none.
    async fn draw(&self, path: &Path, demuxer: &str, place: Place) -> Result<Option<Drawn>, FrameError> {
        let second = match place {
            Place::At { at, .. } | Place::KeyAfter { at } => format!("{at:.3}"),
            Place::Count { .. } => String::new(),
        };
        let begin: &[&str] = match place {
            Place::At { .. } => &["-noaccurate_seek", "-ss", &second],
            Place::KeyAfter { .. } => &["-noaccurate_seek", "-ss", &second, "-t", KEY_SECONDS, "-skip_frame", "nokey"],
            Place::Count { .. } => &[],
        };
        let graph = thumbnail_graph(place);
        let encoder = &["mjpeg", "-q:v", "4"];
        let still = Still {
            file: Input::At(path),
            demuxer,
            most_pixels: MOST_VIDEO_PIXELS,
            begin,
            graph: &graph,
            encoder,
            most_bytes: LITTLE_OUTPUT,
        };
        let output = self.still(still).await?;
        if !output.status.success() {
            return Ok(None);
        }
        let Some((width, height)) = jpeg_size(&output.stdout) else { return Ok(None) };
        let thumbnail = Thumbnail { jpeg: output.stdout, width, height };
        Ok(Some(Drawn { thumbnail, look: look(&output.stderr) }))
    }
}

/// Takes one frame and says on standard error how bright it is. `t` counts from the moment of the
/// seek. A frame that would be higher than 1600 is cut before it is scaled, so that a pixel-wide
/// one does not fill the memory, nor a noisy one what a tool may say.
fn thumbnail_graph(place: Place) -> String {
    let select = match place {
        Place::At { frames, .. } => format!("gte(t,0)+gte(n,{frames})"),
        Place::KeyAfter { .. } => "1".to_owned(),
        Place::Count { frames } => format!("gte(n,{frames})"),
    };
    format!(
        "select='{select}',setpts=0,crop=w=iw:h='min(ih,max(2,2.5*iw*sar))',\
         scale=w={THUMBNAIL_WIDTH}:h='min(1600,max(2,2*round({THUMBNAIL_WIDTH}/2*ih/(iw*sar))))':flags=bicubic,\
         setsar=1,format=yuvj420p,signalstats,metadata=mode=print:file='pipe\\:2'"
    )
}

/// What signalstats said of the first frame: mean luma, and the luma that a tenth of the pixels
/// lies below and above, 0 to 255. A few lights in the dark are a picture.
fn look(report: &str) -> Look {
    let value = |name: &str| {
        let of = |line: &str| line.strip_prefix(name)?.parse::<f64>().ok();
        report.lines().find_map(of)
    };
    let mean = value("lavfi.signalstats.YAVG=").unwrap_or(128.0);
    let (low, high) = (value("lavfi.signalstats.YLOW="), value("lavfi.signalstats.YHIGH="));
    let black = mean < 24.0 && high.is_none_or(|high| high < 64.0);
    let white = mean > 232.0 && low.is_none_or(|low| low > 192.0);
    if black || white { Look::Blank } else { Look::Lively }
}

/// Width and height of a whole baseline JPEG file.
fn jpeg_size(file: &[u8]) -> Option<(u32, u32)> {
    let mut rest = file.strip_prefix(b"\xff\xd8")?.strip_suffix(b"\xff\xd9")?;
    loop {
        match *rest {
            [0xff, 0xc0, _, _, _, h1, h0, w1, w0, ..] => {
                return Some((u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into()));
            }
            [0xff, _, high, low, ..] => rest = rest.get(2 + usize::from(u16::from_be_bytes([high, low]))..)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use futures_util::future::join_all;

    use super::*;
    use crate::media::{
        samples::{Folder, limits, make, pixels, tools},
        tool::{ToolError, Tools},
    };

    struct Bench {
        framer: Framer,
        tools: Tools,
        folder: Folder,
    }

    impl Bench {
        fn new() -> Self {
            let (settings, tools) = tools();
            Self { framer: Framer::new(&settings, tools.clone(), &limits()), tools, folder: Folder::new() }
        }

        /// Makes a video of the lavfi source `source`, under a name without meaning.
        async fn video(&self, source: &str, words: &str) -> PathBuf {
            let path = self.folder.join(&uuid::Uuid::now_v7().to_string());
            let words = format!("-f lavfi -i {source} -c:v libx264 -preset ultrafast -pix_fmt yuv420p {words}");
            make(&self.tools, &words, &path).await;
            path
        }

        async fn thumbnails(&self, count: usize, path: &Path, kind: MediaType, facts: &MediaFacts) -> Vec<Thumbnail> {
            let all = join_all((0..count).map(|_| self.framer.thumbnail(path, kind, facts))).await;
            all.into_iter().map(Result::unwrap).collect()
        }

        /// Means of the upper left, upper right, lower left and lower right quarter, in red.
        async fn quarters(&self, jpeg: &[u8]) -> [u8; 4] {
            let path = self.folder.join(&uuid::Uuid::now_v7().to_string());
            std::fs::write(&path, jpeg).unwrap();
            let bytes = pixels(&self.tools, &path, "format=rgba,scale=2:2:flags=area").await;
            [bytes[0], bytes[4], bytes[8], bytes[12]]
        }
    }

    fn lasting(seconds: impl Into<Option<f64>>) -> MediaFacts {
        MediaFacts { duration_seconds: seconds.into(), width: Some(320), height: Some(180), ..MediaFacts::default() }
    }

    const LEFT_BLACK: &str = "color=red:d=2:s=320x180:r=25,drawbox=w=160:h=180:c=black:t=fill";

    #[tokio::test]
    async fn a_thumbnail_is_640_wide_and_shaped_as_players_show_the_video() {
        let bench = Bench::new();
        for (source, words, kind, height) in [
            ("testsrc2=d=2:s=320x180", "-f mp4", MediaType::Mp4, 360),
            ("testsrc2=d=2:s=720x576,setsar=64/45", "-f mp4", MediaType::Mp4, 360),
            ("testsrc2=d=2:s=720x576,setsar=16/15", "-f matroska", MediaType::Matroska, 480),
            ("testsrc2=d=1:s=1920x800", "-f mpegts", MediaType::MpegTs, 266),
            ("testsrc2=d=1:s=16x1080,noise=alls=100:allf=t", "-f mp4", MediaType::Mp4, 1600),
            ("testsrc2=d=1:s=1080x16", "-f mp4", MediaType::Mp4, 10),
        ] {
            let path = bench.video(source, &format!("-metadata title=secret {words}")).await;
            let thumbnail = bench.framer.thumbnail(&path, kind, &lasting(2.0)).await.unwrap();
            assert_eq!((thumbnail.width, thumbnail.height), (640, height), "{source}");
            assert!(!thumbnail.jpeg.windows(6).any(|word| word == b"secret"), "{source}");
        }
    }

    #[tokio::test]
    async fn a_turned_video_has_an_upright_thumbnail() {
        let bench = Bench::new();
        let path = bench.video(LEFT_BLACK, "-f mp4").await;
        let upright = bench.framer.thumbnail(&path, MediaType::Mp4, &lasting(2.0)).await.unwrap();
        assert!(matches!(bench.quarters(&upright.jpeg).await, [0..30, 200..=255, 0..30, 200..=255]));

        // The matrix of the track header: a quarter turn clockwise, as phones write it.
        let mut bytes = std::fs::read(&path).unwrap();
        let matrix = bytes.windows(4).position(|word| word == b"tkhd").unwrap() + 44;
        let turned = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 180 << 16, 0, 0x4000_0000_i32];
        bytes[matrix..matrix + 36].copy_from_slice(&turned.map(i32::to_be_bytes).concat());
        std::fs::write(&path, bytes).unwrap();
        let turned = bench.framer.thumbnail(&path, MediaType::Mp4, &lasting(2.0)).await.unwrap();
        assert_eq!((turned.width, turned.height), (640, 1138));
        assert!(matches!(bench.quarters(&turned.jpeg).await, [0..30, 0..30, 200..=255, 200..=255]));
    }

    #[tokio::test]
    async fn two_hours_cost_no_more_than_a_short_clip() {
        let bench = Bench::new();
        let minute = bench.video("testsrc=d=60:s=320x180:r=10", "-g 250 -f mp4").await;
        for (format, kind) in [("mp4", MediaType::Mp4), ("matroska", MediaType::Matroska)] {
            let long = bench.folder.join("long");
            let words = format!("-stream_loop 119 -i {} -c copy -f {format}", minute.display());
            make(&bench.tools, &words, &long).await;
            let begin = Instant::now();
            bench.framer.thumbnail(&long, kind, &lasting(7200.0)).await.unwrap();
            assert!(begin.elapsed() < Duration::from_secs(2), "{format}: {:?}", begin.elapsed());
        }
    }

    #[tokio::test]
    async fn all_of_a_long_video_is_looked_at() {
        let bench = Bench::new();
        let early = "color=green:s=64x36:r=1:d=7200,drawbox=c=red:t=fill:enable='lt(t,1440)'";
        for (format, kind) in [("mp4", MediaType::Mp4), ("mpegts", MediaType::MpegTs)] {
            let path = bench.video(early, &format!("-f {format}")).await;
            let mut late = 0;
            for thumbnail in bench.thumbnails(8, &path, kind, &lasting(7200.0)).await {
                late += usize::from(bench.quarters(&thumbnail.jpeg).await[0] < 60);
            }
            assert!(late >= 1, "{format}");
        }
    }

    #[tokio::test]
    async fn frames_are_random_also_between_key_frames_and_without_a_known_length() {
        let bench = Bench::new();
        for (format, kind, facts) in [
            ("-f mp4", MediaType::Mp4, lasting(4.0)),
            ("-f mpegts", MediaType::MpegTs, lasting(4.0)),
            ("-live 1 -f matroska", MediaType::Matroska, MediaFacts::default()),
        ] {
            let path = bench.video("testsrc2=d=4:s=320x180:r=25", &format!("-g 1000 {format}")).await;
            let mut thumbnails = bench.thumbnails(12, &path, kind, &facts).await;
            thumbnails.sort_by(|one, other| one.jpeg.cmp(&other.jpeg));
            thumbnails.dedup();
            assert!(thumbnails.len() >= 2, "{format}");
        }
    }

    #[tokio::test]
    async fn a_black_beginning_is_left_and_a_black_video_is_not_refused() {
        let bench = Bench::new();
        let half = "testsrc2=d=4:s=320x180:r=25,drawbox=c=black:t=fill:enable='lt(t,2)'";
        let path = bench.video(half, "-g 1000 -f mp4").await;
        // A black JPEG of this size has 3 KB.
        let thumbnails = bench.thumbnails(20, &path, MediaType::Mp4, &lasting(4.0)).await;
        let lively = thumbnails.iter().filter(|thumbnail| thumbnail.jpeg.len() > 8000).count();
        // Each is black by one in sixteen; drawn once only, it would be one in two.
        assert!(lively >= 13, "{lively} of 20");
        for colour in ["black", "white"] {
            let path = bench.video(&format!("color={colour}:d=2:s=320x180"), "-f mp4").await;
            bench.framer.thumbnail(&path, MediaType::Mp4, &lasting(2.0)).await.unwrap();
        }
    }

    #[test]
    fn a_frame_is_blank_by_its_mean_unless_something_stands_out() {
        let report = |mean, low, high| {
            format!(
                "frame:0 pts:0\nlavfi.signalstats.YLOW={low}\nlavfi.signalstats.YAVG={mean}\nlavfi.signalstats.YHIGH={high}\n"
            )
        };
        assert!(look(&report("0.4", 0, 1)) == Look::Blank);
        assert!(look(&report("254.1", 251, 255)) == Look::Blank);
        assert!(look(&report("20.5", 0, 120)) == Look::Lively, "lights at night");
        assert!(look(&report("236", 90, 255)) == Look::Lively, "a drawing");
        assert!(look(&report("128", 128, 128)) == Look::Lively);
        assert!(look("") == Look::Lively);
        // The first frame is the one that was written.
        assert!(look(&(report("0", 0, 0) + &report("128", 0, 255))) == Look::Blank);
    }

    #[tokio::test]
    async fn one_frame_and_a_wrong_length_do_no_harm() {
        let bench = Bench::new();
        let one = bench.video("testsrc2=d=2:s=320x180:r=25", "-frames:v 1 -f mp4").await;
        let short = bench.video("testsrc2=d=1:s=320x180:r=25", "-f mp4").await;
        for (path, seconds) in [(&one, Some(0.04)), (&one, None), (&one, Some(3600.0)), (&short, Some(1e9))] {
            let thumbnail = bench.framer.thumbnail(path, MediaType::Mp4, &lasting(seconds)).await.unwrap();
            assert_eq!((thumbnail.width, thumbnail.height), (640, 360), "{seconds:?}");
        }
    }

    #[tokio::test]
    async fn what_has_no_moving_pictures_has_no_frame() {
        let bench = Bench::new();
        let cover = "-f lavfi -i sine=d=2 -f lavfi -i testsrc2=d=0.04:s=64x64 -map 0 -map 1 -frames:v 1 -disposition:v:0 attached_pic";
        for (name, words, kind) in [
            ("a.mp3", format!("{cover} -c:v mjpeg -pix_fmt yuvj420p"), MediaType::Mp3),
            ("a.m4a", format!("{cover} -c:v mjpeg -pix_fmt yuvj420p"), MediaType::Mp4),
            ("b.m4a", "-f lavfi -i sine=d=2".to_owned(), MediaType::Mp4),
            ("a.png", "-f lavfi -i testsrc2 -frames:v 1".to_owned(), MediaType::Png),
        ] {
            let path = bench.folder.join(name);
            make(&bench.tools, &words, &path).await;
            let error = bench.framer.thumbnail(&path, kind, &lasting(2.0)).await.unwrap_err();
            assert!(matches!(error, FrameError::NoFrame), "{name}: {error}");
        }
    }

    #[tokio::test]
    async fn a_damaged_video_is_refused() {
        let bench = Bench::new();
        let path = bench.video("testsrc2=d=2:s=320x180:r=25", "-f mp4").await;
        let whole = std::fs::read(&path).unwrap();
        let data = whole.windows(4).position(|word| word == b"mdat").unwrap() + 4;
        let index = whole.windows(4).position(|word| word == b"moov").unwrap() - 4;
        let undecodable = [&whole[..data], &vec![0x55; index - data], &whole[index..]].concat();
        for bytes in [&whole[..whole.len() / 2], &undecodable, b"", b"not a video"] {
            std::fs::write(&path, bytes).unwrap();
            let error = bench.framer.thumbnail(&path, MediaType::Mp4, &lasting(2.0)).await.unwrap_err();
            assert!(matches!(error, FrameError::NoFrame), "{error}");
        }
    }

    #[tokio::test]
    async fn a_missing_program_is_no_fault_of_the_file() {
        let (mut settings, tools) = tools();
        settings.ffmpeg = "no-such-program".into();
        let error =
            Framer::new(&settings, tools, &limits()).thumbnail(Path::new("/"), MediaType::Mp4, &lasting(2.0)).await;
        assert!(
            matches!(error, Err(FrameError::Unavailable(ToolError::Missing(program))) if program == "no-such-program")
        );
    }
}
