//! Hundreds of clients that stop sending, or stop reading.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

use crate::support::{
    app::{App, Plan, eventually},
    load::{HealthWatch, memory, my_turn, raise_descriptors, sockets, unread},
    media::{mp4, padded},
    media_folder::{agreed, put},
    people::Person,
    raw::{multipart, status, upload_head},
    stores::TestDb,
};

const CLIENTS: usize = 500;
const MEGABYTE: u64 = 1024 * 1024;

/// Health answers within 100 ms while `work` goes on and a while after. A tenth of the answers may take longer here,
/// where the server is not optimised and other tests run on the same processors; none much longer.
async fn health_is_quick_while<T>(app: &App, work: impl Future<Output = T>) -> T {
    let watch = HealthWatch::start(app.address());
    let done = work.await;
    let times = watch.end();
    let late = times.iter().filter(|took| **took > Duration::from_millis(100)).count();
    assert!(late <= (times.len() / 10).max(2), "{times:?}");
    assert!(times.iter().all(|took| *took < Duration::from_secs(2)), "{times:?}");
    done
}

/// That many connections with the same bytes sent on each.
async fn stalled(app: &App, bytes: &[u8]) -> Vec<TcpStream> {
    let open = (0..CLIENTS).map(|_| async {
        let mut stream = app.connect().await;
        stream.write_all(bytes).await.expect("the beginning");
        stream
    });
    join_all(open).await
}

/// Waits for the server's word on each.
async fn statuses(streams: Vec<TcpStream>) -> Vec<Option<u16>> {
    join_all(streams.into_iter().map(async |mut stream| status(&mut stream).await)).await
}

#[actix_web::test]
async fn clients_that_stop_sending_are_sent_away_and_disturb_nobody() {
    let _turn = my_turn().await;
    raise_descriptors();
    let db = TestDb::create();
    let plan = Plan::over(&db)
        .with("PLAYHOUSE_HTTP__HEADER_TIMEOUT_MS", "4000")
        .with("PLAYHOUSE_HTTP__BODY_TIMEOUT_MS", "4000")
        .with("PLAYHOUSE_HTTP__UPLOAD_IDLE_TIMEOUT_MS", "4000");
    let app = plan.start();
    let owner = app.register().await;
    let (before, held) = (memory(app.pid(), "VmRSS"), sockets(app.pid()));
    let json =
        "POST /users/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let mut upload = upload_head(&owner, 1_000_000).into_bytes();
    upload.extend_from_slice(&multipart(&[("file", Some("a.mp4"), &padded(mp4(), 50_000))])[..40_000]);
    for (beginning, expected) in [
        (b"GET /genres HTTP/1.1\r\nHost: x\r\nAuthor".as_slice(), [Some(408), None]),
        (json.as_bytes(), [Some(408), Some(408)]),
        (&upload, [Some(408), Some(408)]),
    ] {
        let streams = health_is_quick_while(&app, stalled(&app, beginning)).await;
        let said = statuses(streams).await;
        assert!(said.iter().all(|status| expected.contains(status)), "{said:?}");
    }
    let more = memory(app.pid(), "VmHWM").saturating_sub(before) / MEGABYTE;
    eprintln!("500 clients that stopped sending took {more} MB more");
    assert!(more < 150, "{more} MB more");
    assert!(agreed(app.media_dir(), &mut db.connect()).is_empty(), "half uploads are gone");
    let freed = eventually(Duration::from_secs(20), || async { sockets(app.pid()) < held + 20 }).await;
    assert!(freed, "{} sockets of {held}", sockets(app.pid()));
}

async fn asks_and_does_not_read(app: &App, person: &Person, id: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(app.address().parse().expect("an address")).await.expect("a connection");
    let request = format!("GET /media/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", person.token);
    stream.write_all(request.as_bytes()).await.expect("the request");
    stream
}

#[actix_web::test]
async fn clients_that_stop_reading_are_disconnected_and_disturb_nobody() {
    let _turn = my_turn().await;
    raise_descriptors();
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_HTTP__STALLED_READER_SECONDS", "3").start();
    let owner = app.register().await;
    let film = padded(mp4(), 32 * 1024 * 1024);
    let id = put(app.media_dir(), &mut db.connect(), "video/mp4", &film);
    assert_eq!(app.get(&format!("/media/{id}"), &owner).await.bytes.len(), film.len());
    let (before, held) = (memory(app.pid(), "VmRSS"), sockets(app.pid()));
    let rush = async {
        let streams = join_all((0..CLIENTS).map(|_| asks_and_does_not_read(&app, &owner, &id))).await;
        // They read nothing, but the server has begun to answer all of them.
        let begun = join_all(streams.iter().map(async |stream| stream.peek(&mut [0]).await)).await;
        assert!(begun.iter().all(|begun| matches!(begun, Ok(1))), "{begun:?}");
        streams
    };
    let streams = health_is_quick_while(&app, rush).await;
    let held_back = unread(app.address());
    assert!(!held_back.is_empty(), "some have not been disconnected yet");
    assert!(held_back.iter().all(|bytes| *bytes < MEGABYTE / 4), "{held_back:?}");
    let freed = eventually(Duration::from_secs(40), || async { sockets(app.pid()) < held + 20 }).await;
    assert!(freed, "{} sockets of {held}: stalled readers stay", sockets(app.pid()));
    let more = memory(app.pid(), "VmHWM").saturating_sub(before) / MEGABYTE;
    eprintln!("500 clients that stopped reading took {more} MB more");
    assert!(more < 256, "{more} MB more");
    drop(streams);
    assert!(app.get(&format!("/media/{id}"), &owner).await.bytes == film, "who reads is served");
}

#[actix_web::test]
async fn a_slow_reader_that_goes_on_reading_gets_all() {
    use tokio::io::AsyncReadExt as _;
    let db = TestDb::create();
    let app = Plan::over(&db).with("PLAYHOUSE_HTTP__STALLED_READER_SECONDS", "2").start();
    let owner = app.register().await;
    let film = padded(mp4(), 24 * 1024 * 1024);
    let id = put(app.media_dir(), &mut db.connect(), "video/mp4", &film);
    let mut stream = asks_and_does_not_read(&app, &owner, &id).await;
    // Longer in all than the limit, but no single pause is.
    let mut read = 0;
    let mut piece = vec![0; 64 * 1024];
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        read += stream.read(&mut piece).await.expect("bytes");
    }
    let mut rest = Vec::new();
    while read + rest.len() < film.len() {
        let count = stream.read(&mut piece).await.expect("bytes");
        assert!(count > 0, "ended after {}", read + rest.len());
        rest.extend_from_slice(&piece[..count]);
    }
    assert!(film.ends_with(&rest[rest.len() - 1000..]), "its last bytes");
}
