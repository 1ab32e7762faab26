//! `playhouse store move`: all bytes to the other store, while a server goes on.

use std::{
    collections::BTreeMap,
    process::{Child, Output, Stdio},
    time::Duration,
};

use reqwest::Method;

use crate::support::{
    app::{App, Plan, eventually},
    media::{VTT, mp4, padded, png},
    media_folder::{look, place, rows},
    people::Person,
    s3::{Bucket, Fault},
    stores::TestDb,
    terminal::Terminal,
};

/// Larger than two parts of the smallest size.
const LARGE: usize = 12_000_000;

struct House {
    db: TestDb,
    bucket: Bucket,
    /// Knows the bucket, and keeps new bytes on disk.
    plan: Plan,
}

impl House {
    fn new() -> Self {
        let (db, bucket) = (TestDb::create(), Bucket::start());
        let plan = bucket.configure(Plan::over(&db)).with("PLAYHOUSE_STORAGE__PART_BYTES", "5242880");
        // A machine that is busy with other tests is no bucket that is away.
        let plan = plan.with("PLAYHOUSE_STORAGE__TIMEOUT_MS", "5000");
        Self { db, bucket, plan }
    }

    fn command(&self, words: &[&str]) -> Child {
        let mut command = self.plan.command();
        command.args(["store", "move", "--to"]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
    }

    fn run(&self, words: &[&str]) -> Said {
        Said::of(self.command(words).wait_with_output().expect("the command ends"))
    }

    fn rows(&self) -> BTreeMap<String, u64> {
        rows(&mut self.db.connect())
    }

    /// A server that keeps new bytes in the bucket.
    fn in_bucket(&self) -> Plan {
        self.plan.clone().with("PLAYHOUSE_STORAGE__KIND", "s3")
    }

    fn on_disk(&self) -> BTreeMap<String, u64> {
        look(&self.plan.media_dir()).stored
    }
}

#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The last line of a command that did what it was told.
    #[track_caller]
    fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out.lines().last().expect("a line")
    }
}

/// Files of every way in: their ids, and what was sent.
async fn fill(app: &App, owner: &Person) -> BTreeMap<String, Vec<u8>> {
    let mut sent = BTreeMap::new();
    for (name, bytes) in [
        ("film.mp4", mp4().to_vec()),
        ("a long film.mp4", padded(mp4(), LARGE)),
        ("Untertitel – 字幕.vtt", VTT.to_vec()),
        ("picture.png", png().to_vec()),
    ] {
        sent.insert(app.upload(owner, name, bytes.clone()).await.id(), bytes);
    }
    sent
}

async fn reads(app: &App, owner: &Person, sent: &BTreeMap<String, Vec<u8>>) {
    for (id, bytes) in sent {
        let answer = app.get(&format!("/media/{id}"), owner).await;
        assert!(answer.status == 200 && answer.bytes == *bytes, "{id}: {} {}", answer.status, answer.bytes.len());
    }
}

#[actix_web::test]
async fn a_server_goes_on_while_all_is_copied_and_another_serves_it_from_the_bucket() {
    let house = House::new();
    // One that has never heard of the bucket.
    let app = Plan::over(&house.db).with("PLAYHOUSE_MEDIA_DIR", house.plan.media_dir().to_str().expect("text")).start();
    let owner = app.register().await;
    let mut sent = fill(&app, &owner).await;
    house.bucket.fail(Fault::Slow(20_000_000));
    let mut moving = house.command(&["s3"]);
    let mut rounds = 0;
    while moving.try_wait().expect("a command").is_none() {
        reads(&app, &owner, &sent).await;
        rounds += 1;
    }
    let said = Said::of(moving.wait_with_output().expect("its words"));
    assert_eq!(said.done(), "copied 4 files, 0 were there, 0 were removed meanwhile");
    assert!(rounds > 0, "nothing was read meanwhile");
    assert_eq!((house.bucket.objects(), house.on_disk()), (house.rows(), house.rows()), "both have all");
    assert_eq!(house.bucket.unfinished(), 0);
    for (id, bytes) in &sent {
        assert!(house.bucket.read(id) == *bytes, "{id}");
    }
    // What came meanwhile is copied by another run, and nothing else.
    let late = app.upload(&owner, "late.vtt", VTT.to_vec()).await.id();
    sent.insert(late, VTT.to_vec());
    let said = house.run(&["s3", "--remove"]);
    assert_eq!(said.done(), "copied 1 files, 4 were there, 0 were removed meanwhile");
    assert_eq!((house.bucket.objects(), house.on_disk()), (house.rows(), BTreeMap::new()));
    drop(app);
    let app = house.in_bucket().start();
    reads(&app, &owner, &sent).await;
}

#[actix_web::test]
async fn at_a_terminal_a_bar_fills_and_then_gives_way_to_what_came_of_it() {
    let house = House::new();
    let app = house.plan.start();
    let owner = app.register().await;
    fill(&app, &owner).await;
    house.bucket.fail(Fault::Slow(4_000_000));
    let line = r#"stty rows 30 cols 110; export TERM=xterm; "$PROGRAM" store move --to s3; echo "left with $?""#;
    let mut terminal = Terminal::with(&house.plan, line, &[]);
    let shown = terminal.sees("left with 0");
    // Each time it is drawn, what was drawn before is wiped.
    let mut drawn: Vec<&str> = shown.split("\r\u{1b}[2K").collect();
    let end = drawn.pop().expect("what came of it").trim();
    assert_eq!(end, "copied 4 files, 0 were there, 0 were removed meanwhile\r\nleft with 0");
    for bar in &drawn {
        assert!(bar.contains(" of 11.48 MiB, ") && bar.contains(" of 4 files, "), "{bar}");
        assert!(bar.contains("/s, ") && bar.trim_end().ends_with(" left"), "{bar}");
    }
    let filled: Vec<usize> = drawn.iter().map(|bar| bar.matches('█').count()).collect();
    assert!(filled.is_sorted(), "it goes back: {filled:?}");
    // Half when all has gone out, and the rest as it is read again.
    let steps = filled.iter().collect::<std::collections::BTreeSet<_>>();
    assert!(filled.first() < Some(&20) && filled.last() >= Some(&28) && steps.len() > 8, "{filled:?}");
}

#[actix_web::test]
async fn an_object_knows_what_it_is_and_under_which_name_it_came() {
    let house = House::new();
    let app = house.plan.start();
    let owner = app.register().await;
    fill(&app, &owner).await;
    house.run(&["s3"]).done();
    let files = app.get("/files", &owner).await.data(200);
    for file in files.as_array().expect("files") {
        let id = file["id"].as_str().expect("an id");
        assert_eq!(house.bucket.content_type(id).as_deref(), file["mime_type"].as_str());
        let metadata = house.bucket.metadata(id);
        assert_eq!(metadata.get("sha256").map(String::as_str), file["sha256"].as_str());
        let name = percent_encoding::percent_decode_str(&metadata["name"]).decode_utf8().expect("text");
        assert_eq!(Some(&*name), file["original_name"].as_str());
    }
}

#[actix_web::test]
async fn the_way_back_is_the_same() {
    let house = House::new();
    let app = house.in_bucket().start();
    let owner = app.register().await;
    let sent = fill(&app, &owner).await;
    assert_eq!((house.bucket.objects(), house.on_disk()), (house.rows(), BTreeMap::new()));
    let said = house.run(&["local", "--remove"]);
    assert_eq!(said.done(), "copied 4 files, 0 were there, 0 were removed meanwhile");
    assert_eq!((house.bucket.objects(), house.on_disk()), (BTreeMap::new(), house.rows()));
    // The server that runs finds them where they are now.
    reads(&app, &owner, &sent).await;
}

#[actix_web::test]
async fn a_run_that_was_killed_goes_on_where_it_was() {
    let house = House::new();
    let app = house.plan.start();
    let owner = app.register().await;
    let sent = fill(&app, &owner).await;
    // Half of what goes out in parts has come when nothing answers any more.
    house.bucket.fail_where(
        |request| {
            request.method == Method::PUT && request.uri.query().is_some_and(|query| query.contains("partNumber=2"))
        },
        Fault::Hang,
    );
    let mut moving = house.command(&["s3"]);
    let stands = eventually(Duration::from_secs(20), || async {
        house.bucket.unfinished() == 1 && house.bucket.objects().len() == 3
    });
    assert!(stands.await, "{:?}", house.bucket.objects());
    let second = house.run(&["local", "--remove"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains("another command moves bytes"), "{second:?}");
    moving.kill().expect("it runs");
    moving.wait().expect("it has ended");
    house.bucket.heal();
    let said = house.run(&["s3"]);
    assert_eq!(said.done(), "copied 1 files, 3 were there, 0 were removed meanwhile");
    assert_eq!(house.bucket.objects(), house.rows());
    drop(app);
    let app = house.in_bucket().start();
    assert_eq!(house.bucket.unfinished(), 0, "what the dead run had sent was given up at the start");
    reads(&app, &owner, &sent).await;
}

#[actix_web::test]
async fn what_is_removed_meanwhile_does_not_come_back() {
    let house = House::new();
    let app = Plan::over(&house.db).with("PLAYHOUSE_MEDIA_DIR", house.plan.media_dir().to_str().expect("text")).start();
    let owner = app.register().await;
    let sent = fill(&app, &owner).await;
    let removed = sent.iter().find(|(_, bytes)| *bytes == VTT).map(|(id, _)| id.clone()).expect("a small one");
    let key = removed.clone();
    house
        .bucket
        .fail_where(move |request| request.method == Method::PUT && request.uri.path().contains(&key), Fault::Hang);
    let mut moving = house.command(&["s3"]);
    let waits = eventually(Duration::from_secs(20), || async { house.bucket.objects().len() == 3 });
    assert!(waits.await, "{:?}", house.bucket.objects());
    assert_eq!(app.delete(&format!("/files/{removed}"), &owner).await.status, 200);
    house.bucket.heal();
    let ended = eventually(Duration::from_secs(20), || {
        let ended = moving.try_wait().expect("a command").is_some();
        async move { ended }
    });
    assert!(ended.await);
    let said = Said::of(moving.wait_with_output().expect("its words"));
    assert_eq!(said.done(), "copied 3 files, 0 were there, 1 were removed meanwhile");
    assert_eq!(house.bucket.objects(), house.rows());
}

#[actix_web::test]
async fn other_bytes_and_lost_ones_are_told_of_and_not_spread() {
    let house = House::new();
    let app = house.plan.start();
    let owner = app.register().await;
    let sent = fill(&app, &owner).await;
    let of = |wanted: &[u8]| sent.iter().find(|(_, bytes)| *bytes == wanted).map(|(id, _)| id.clone()).expect("one");
    let (damaged, lost) = (of(mp4()), of(VTT));
    let folder = house.plan.media_dir();
    let mut bytes = mp4().to_vec();
    bytes[1000] ^= 1;
    std::fs::write(place(&folder, &damaged), bytes).expect("other bytes");
    std::fs::remove_file(place(&folder, &lost)).expect("gone");
    let said = house.run(&["s3", "--remove"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    for line in [format!("{lost} is in neither store"), format!("{damaged} does not have its hash")] {
        assert!(said.out.lines().any(|told| told == line), "{said:?}");
    }
    assert!(said.err.contains("1 files are in neither store, and 1 do not have their hash"), "{said:?}");
    let held = house.bucket.objects();
    assert!(held.len() == 2 && !held.contains_key(&damaged) && !held.contains_key(&lost), "{held:?}");
    assert!(house.on_disk().contains_key(&damaged), "what is wrong stays for who can mend it");
    // A copy that was changed in the bucket is seen by who reads it before the source goes.
    let mended = place(&folder, &damaged);
    std::fs::write(&mended, mp4()).expect("the right bytes");
    house.run(&["s3"]);
    house.bucket.damage(&damaged);
    let said = house.run(&["s3", "--remove"]);
    assert!(said.out.contains("copied 1 files, 2 were there"), "{said:?}");
    assert!(house.bucket.read(&damaged) == mp4() && !mended.exists());
}

#[actix_web::test]
async fn an_object_of_another_length_is_told_of_and_the_others_come_home() {
    let house = House::new();
    let app = house.plan.start();
    let owner = app.register().await;
    let sent = fill(&app, &owner).await;
    house.run(&["s3", "--remove"]).done();
    let (cut, _) = sent.iter().find(|(_, bytes)| bytes.as_slice() == mp4()).expect("the film");
    house.bucket.write(cut, &mp4()[..1000]);
    let said = house.run(&["local", "--remove"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.lines().any(|line| line == format!("{cut} does not have its hash")), "{said:?}");
    assert_eq!(house.on_disk().len(), sent.len() - 1, "{said:?}");
    assert_eq!(house.bucket.objects().into_keys().collect::<Vec<_>>(), [cut.as_str()], "it stays for who can mend it");
}

#[actix_web::test]
async fn a_bucket_that_fails_ends_the_run_and_nothing_else() {
    let house = House::new();
    let app = house.plan.start();
    let owner = app.register().await;
    let sent = fill(&app, &owner).await;
    house.bucket.fail(Fault::Status(500));
    let said = house.run(&["s3"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("run it again"), "{said:?}");
    assert!(!said.err.contains(crate::support::s3::SECRET_ACCESS_KEY), "{said:?}");
    house.bucket.heal();
    reads(&app, &owner, &sent).await;
    assert_eq!(house.run(&["s3"]).done(), "copied 4 files, 0 were there, 0 were removed meanwhile");
}

#[actix_web::test]
async fn without_a_bucket_there_is_nowhere_to_move_to() {
    let db = TestDb::create();
    let mut command = Plan::over(&db).command();
    let said = Said::of(command.args(["store", "move", "--to", "s3"]).output().expect("the command ends"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.lines().any(|line| line.starts_with("playhouse: wrong setting storage.bucket")), "{said:?}");
}
