//! Files that are not what they seem, or that want other files opened.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::inotify;

use crate::support::{
    app::{Answer, App, Plan},
    load::timed,
    media::{ffmpeg, mp4, padding, png, temporary},
    media_folder::agreed,
    people::Person,
    stores::TestDb,
};

/// A file, a pipe and a port that hostile files name. Nobody may touch them.
struct Canary {
    folder: PathBuf,
    watch: rustix::fd::OwnedFd,
    listener: TcpListener,
}

impl Canary {
    fn new() -> Self {
        let folder = temporary("canary");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("film.ts"), ffmpeg(&["-f", "lavfi", "-i", "testsrc=duration=1"], "ts")).expect("a film");
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).expect("a watch");
        let touched = inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS;
        inotify::add_watch(&watch, folder.join("film.ts"), touched).expect("a watch");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a port");
        Self { folder, watch, listener }
    }

    fn film(&self) -> String {
        self.folder.join("film.ts").to_str().expect("a path").to_owned()
    }

    fn url(&self) -> String {
        format!("http://{}/film.ts", self.listener.local_addr().expect("a port"))
    }

    /// Whether anything was opened or connected to since the last call.
    fn touched(&self) -> bool {
        let mut events = [std::mem::MaybeUninit::uninit(); 4096];
        let opened = inotify::Reader::new(&self.watch, &mut events).next().is_ok();
        opened || self.listener.accept().is_ok()
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn hls(target: &str) -> Vec<u8> {
    format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n{target}\n#EXT-X-ENDLIST\n").into_bytes()
}

fn concat(target: &str) -> Vec<u8> {
    format!("ffconcat version 1.0\nfile '{target}'\n").into_bytes()
}

/// Pages and scripts that name the canary.
fn texts(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">\
        <image xlink:href=\"{target}\"/><script>alert(1)</script></svg>"
    );
    let mpd = format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
        mediaPresentationDuration=\"PT1S\"><Period><AdaptationSet><Representation id=\"1\" bandwidth=\"1\">\
        <BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    );
    vec![
        ("HLS", hls(target)),
        ("HLS after a mark", [b"\xef\xbb\xbf", hls(target).as_slice()].concat()),
        ("HLS after blank lines", [b"\n\n", hls(target).as_slice()].concat()),
        ("ffconcat", concat(target)),
        ("concat in a line", format!("concat:{target}|{target}").into_bytes()),
        ("SVG", svg.into_bytes()),
        ("MPD", mpd.into_bytes()),
        ("HTML", format!("<!DOCTYPE html><html><video src=\"{target}\"></video></html>").into_bytes()),
        ("a shell script", format!("#!/bin/sh\ncat {target}\n").into_bytes()),
        ("SDP", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n".to_vec()),
        ("a playlist", format!("[playlist]\nFile1={target}\n").into_bytes()),
        ("PDF", b"%PDF-1.7\n1 0 obj\n".to_vec()),
        ("ZIP", b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a".to_vec()),
        ("a program", [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 100]].concat()),
        ("random bytes", (0..5000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()),
    ]
}

/// Beginnings of accepted types with hostile text behind them.
fn dressed(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    let behind = |head: &[u8]| [head, &hls(target), &concat(target)].concat();
    let packet = || {
        let mut packet = vec![0x47, 0x1f, 0xff, 0x10];
        packet.resize(188, b'#');
        packet
    };
    let stream: Vec<u8> = (0..6).flat_map(|_| packet()).chain(hls(target)).collect();
    vec![
        ("MP4", behind(b"\0\0\0\x18ftypisom\0\0\x02\0isommp41")),
        ("MOV", behind(b"\0\0\0\x08wide")),
        ("AVIF", behind(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif")),
        ("MKV", behind(b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska")),
        ("WebM", behind(b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm")),
        ("Ogg", behind(b"OggS\0\x02\0\0\0\0\0\0\0\0")),
        ("FLAC", behind(b"fLaC\0\0\0\x22")),
        ("WAV", behind(b"RIFF\x24\0\0\0WAVEfmt ")),
        ("MP3 tag", behind(b"ID3\x04\0\0\0\0\x7f\x7f")),
        ("JPEG", behind(b"\xff\xd8\xff\xe0\0\x10JFIF\0")),
        ("PNG", behind(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\0\0\0\0\0")),
        ("GIF", behind(b"GIF89a\0\0\0\0")),
        ("WebP", behind(b"RIFF\x24\0\0\0WEBPVP8 ")),
        ("TS", stream),
    ]
}

struct House {
    db: TestDb,
    app: App,
    owner: Person,
}

async fn house() -> House {
    let db = TestDb::create();
    let app = App::start(&db);
    let owner = app.register().await;
    House { db, app, owner }
}

impl House {
    async fn refuses(&self, what: &str, name: &str, bytes: Vec<u8>) {
        let answer = self.app.upload(&self.owner, name, bytes).await;
        assert_eq!(answer.status, 415, "{what} as {name}: {}", String::from_utf8_lossy(&answer.bytes));
    }

    fn holds(&self, count: usize) {
        assert_eq!(agreed(self.app.media_dir(), &mut self.db.connect()).len(), count);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test shows what an unguarded tool would do")]
fn unguarded(path: &Path) {
    let words = ["-v", "quiet", "-protocol_whitelist", "file,http,tcp,crypto,data", "-safe", "0", "-f", "concat", "-i"];
    drop(std::process::Command::new("ffprobe").args(words).arg(path).output().expect("it starts"));
}

#[actix_web::test]
async fn a_canary_sings_when_it_is_touched() {
    // Without this the tests below would prove nothing.
    let canary = Canary::new();
    let script = canary.folder.join("script");
    for target in [canary.film(), canary.url()] {
        assert!(!canary.touched());
        fs::write(&script, concat(&target)).expect("a script");
        if target.starts_with("http") {
            std::net::TcpStream::connect(canary.listener.local_addr().expect("a port")).expect("a connection");
        } else {
            unguarded(&script);
        }
        assert!(canary.touched(), "{target}");
        while canary.touched() {}
    }
}

#[actix_web::test]
async fn what_names_other_files_is_refused_and_they_are_never_opened() {
    let house = house().await;
    let canary = Canary::new();
    for target in [canary.film(), format!("file://{}", canary.film()), canary.url()] {
        for (what, bytes) in texts(&target) {
            for name in ["film.mp4", "picture.jpg"] {
                house.refuses(what, name, bytes.clone()).await;
            }
        }
    }
    assert!(!canary.touched());
    house.holds(0);
}

#[actix_web::test]
async fn a_hostile_text_behind_a_true_beginning_is_refused_too() {
    let house = house().await;
    let canary = Canary::new();
    for target in [canary.film(), canary.url()] {
        for (what, bytes) in dressed(&target) {
            house.refuses(what, "film.mp4", bytes).await;
        }
    }
    assert!(!canary.touched());
    house.holds(0);
}

/// The film of the tests with its media references pointing to another file, as `QuickTime` may.
fn with_reference(target: &str) -> Vec<u8> {
    let mut bytes = mp4().to_vec();
    let own = b"\0\0\0\x0curl \0\0\0\x01";
    let url = [format!("file://{target}").as_bytes(), b"\0"].concat();
    while let Some(at) = bytes.windows(own.len()).position(|window| window == own) {
        let mut entry = u32::try_from(12 + url.len()).expect("a length").to_be_bytes().to_vec();
        entry.extend_from_slice(b"url \0\0\0\0");
        entry.extend_from_slice(&url);
        let more = u32::try_from(entry.len() - own.len()).expect("a length");
        for name in [b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"] {
            let place = bytes[..at].windows(4).rposition(|window| window == name).expect("a box") - 4;
            let size = u32::from_be_bytes(bytes[place..place + 4].try_into().expect("a size")) + more;
            bytes[place..place + 4].copy_from_slice(&size.to_be_bytes());
        }
        bytes.splice(at..at + own.len(), entry);
    }
    bytes
}

#[actix_web::test]
async fn a_film_that_refers_to_another_file_is_taken_without_opening_it() {
    let house = house().await;
    let canary = Canary::new();
    let bytes = with_reference(&canary.film());
    assert!(bytes.len() > mp4().len());
    let answer = house.app.upload(&house.owner, "film.mp4", bytes.clone()).await;
    assert!(matches!(answer.status, 201 | 415), "{}", answer.status);
    assert!(!canary.touched());
    house.holds(usize::from(answer.status == 201));
}

#[actix_web::test]
async fn a_name_and_a_claimed_type_have_no_say() {
    let house = house().await;
    for (name, bytes, mime) in [
        ("playlist.m3u8", mp4().to_vec(), "video/mp4"),
        ("page.html", png().to_vec(), "image/png"),
        ("film.mp4", png().to_vec(), "image/png"),
        ("picture.svg", mp4().to_vec(), "video/mp4"),
    ] {
        let part = reqwest::multipart::Part::bytes(bytes).file_name(name).mime_str("text/html").expect("a type");
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = house.app.request(reqwest::Method::POST, "/files", Some(&house.owner)).multipart(form);
        assert_eq!(Answer::of(request).await.data(201)["mime_type"], mime, "{name}");
    }
    house.holds(4);
}

#[actix_web::test]
async fn a_film_whose_index_lies_or_is_cut_off_is_refused() {
    let house = house().await;
    let film = mp4();
    let index = film.windows(4).position(|window| window == b"moov").expect("an index");
    let changed = |at: usize, bytes: &[u8]| {
        let mut film = film.to_vec();
        film[at..at + bytes.len()].copy_from_slice(bytes);
        film
    };
    house.refuses("without its index", "film.mp4", film[..index - 4].to_vec()).await;
    house.refuses("with an index of 4 GB that is not there", "film.mp4", changed(index, b"mdat")).await;
    house.refuses("a type box alone", "film.mp4", film[..32].to_vec()).await;
    let empty = [&film[..32], &padding(1000), &[0; 992]].concat();
    house.refuses("nothing but padding", "film.mp4", empty).await;
    let tracks = film.windows(4).position(|window| window == b"trak").expect("a track");
    let mut trackless = changed(tracks, b"free");
    while let Some(at) = trackless.windows(4).position(|window| window == b"trak") {
        trackless[at..at + 4].copy_from_slice(b"free");
    }
    house.refuses("without tracks", "film.mp4", trackless).await;
    let sync_word = b"\xff\xf1#EXTM3U\n#EXTINF:1,\n".to_vec();
    house.refuses("a playlist behind a sync word", "sound.aac", sync_word).await;
    let recording = ffmpeg(&["-f", "lavfi", "-i", "testsrc=duration=1:size=64x48"], "mkv");
    let cluster = recording.windows(4).position(|window| window == b"\x1f\x43\xb6\x75").expect("a cluster");
    house.refuses("no packet behind the index", "film.mkv", recording[..cluster].to_vec()).await;
    for ending in ["jpg", "png", "webp"] {
        let picture = ffmpeg(&["-f", "lavfi", "-i", "testsrc=duration=1", "-frames:v", "1"], ending);
        house.refuses("a picture's first bytes", "a.jpg", picture[..16].to_vec()).await;
    }
    house.holds(0);
}

#[actix_web::test]
async fn an_mkv_with_an_attachment_is_a_film_and_nothing_is_unpacked() {
    let house = house().await;
    let canary = Canary::new();
    let attached = canary.folder.join("attached.txt");
    fs::write(&attached, hls(&canary.film())).expect("an attachment");
    let attached = attached.to_str().expect("a path");
    let arguments = ["-f", "lavfi", "-i", "testsrc=duration=1:size=64x48", "-attach", attached];
    let mime = ["-metadata:s:t", "mimetype=application/vnd.apple.mpegurl", "-metadata:s:t", "filename=/tmp/unpacked"];
    let bytes = ffmpeg(&[&arguments[..], &mime].concat(), "mkv");
    let file = house.app.upload(&house.owner, "film.mkv", bytes).await.data(201);
    assert_eq!((&file["type"], &file["mime_type"]), (&"video".into(), &"video/x-matroska".into()));
    assert!(!canary.touched());
    house.holds(1);
}

#[actix_web::test]
async fn a_probe_that_takes_too_long_is_killed_with_its_children() {
    let db = TestDb::create();
    let folder = temporary("slow");
    fs::create_dir(&folder).expect("a folder");
    let program = folder.join("ffprobe");
    // A probe whose child would hang on, and holds its output. It may write no file.
    let mut script = fs::File::create(&program).expect("a script");
    write!(script, "#!/bin/sh\n/bin/sleep 600 &\n/bin/mkdir {0}/$$ {0}/$!\nwait\n", folder.display()).expect("it");
    drop(script);
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    let plan = Plan::over(&db)
        .with("PLAYHOUSE_MEDIA__FFPROBE", program.to_str().expect("a path"))
        .with("PLAYHOUSE_MEDIA__TOOL_DEADLINE_MS", "500");
    let app = plan.start();
    let owner = app.register().await;
    let (answer, took) = timed(app.upload(&owner, "film.mp4", mp4().to_vec())).await;
    assert_eq!(answer.status, 415);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(agreed(app.media_dir(), &mut db.connect()).is_empty());
    let names = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let pids: Vec<String> = names.filter_map(|name| name.into_string().ok()).filter(|name| name != "ffprobe").collect();
    assert_eq!(pids.len(), 2, "the probe ran");
    let gone = crate::support::app::eventually(Duration::from_secs(5), || async {
        // Dead is gone: a process without a command line waits only for its parent's look.
        pids.iter().all(|pid| fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |words| words.is_empty()))
    });
    assert!(gone.await, "{pids:?}");
    fs::remove_dir_all(&folder).expect("the folder");
}
