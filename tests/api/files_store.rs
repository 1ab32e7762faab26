//! Bytes and rows together, without HTTP: lost answers of the database, races, the sweep.

use std::time::Duration;

use diesel::{Connection as _, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use playhouse::{
    actors::files::{Arrival, Examiners, FileStores, Files, FilesError, Reader, ReferredBy, Shown},
    cache::Cache,
    db::{Db, DbError},
    domain::{ids::UserId, media::StoredFile},
    media::{frame::Framer, probe::Prober, tool::Tools},
    settings::Settings,
    storage::{Bucket, Homes, Store, StoreError, Swept},
};

use crate::support::{
    app::eventually,
    home::{Home, on_both_stores},
    media::{VTT, temporary},
    media_folder::rows,
    stores::TestDb,
};

struct House {
    home: Home,
    files: Files,
    owner: UserId,
    folder: std::path::PathBuf,
    db: TestDb,
}

impl Drop for House {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn house(home: Home, quota: u64) -> House {
    let db = TestDb::create();
    let url = db.url();
    let quota = quota.to_string();
    let variables = [
        ("DATABASE_URL", secrecy::ExposeSecret::expose_secret(&url)),
        ("PLAYHOUSE_MEDIA__ACCOUNT_QUOTA_BYTES", &quota),
    ];
    let variables = home.variables().into_iter().chain(variables);
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut settings = Settings::from_variables(variables).expect("settings");
    db.apply_to(&mut settings);
    let owner = UserId::new();
    let folder = temporary("store");
    let tools = Tools::new(&settings.media);
    let examiners = Examiners {
        prober: Prober::new(&settings.media, tools.clone()),
        framer: Framer::new(&settings.media, tools, &settings.images),
    };
    let bucket = Bucket::new(&settings.storage).expect("an address");
    let homes = bucket.map_or(Homes::Disk, |bucket| Homes::DiskAndBucket { bucket, new: settings.storage.kind });
    let files = Files::new(
        FileStores {
            db: Db::start(&settings.database),
            cache: Cache::start(&settings.redis, &settings.cache).expect("a cache"),
            store: Store::open(&folder, homes).expect("a store"),
        },
        examiners,
        &settings.media,
        &settings.images,
    );
    let house = House { home, files, owner, folder, db };
    let row = format!(
        "INSERT INTO users (id, email, password_hash, roles) VALUES ('{owner}', '{owner}@example.org', '', '{{}}')"
    );
    house.sql(&row);
    house
}

impl House {
    fn sql(&self, statement: &str) {
        self.db.connect().batch_execute(statement).expect("the statement is run");
    }

    async fn upload(&self, bytes: &[u8]) -> Result<StoredFile, FilesError> {
        let mut incoming = self.files.receive(self.owner, 0).await?;
        incoming.write(bytes).await?;
        let arrival = Arrival { incoming, owner_id: self.owner, original_name: "a".to_owned() };
        self.files.accept(arrival).await
    }

    /// Stored files and temporary ones.
    fn holds(&self) -> (usize, usize) {
        let found = self.home.look(&self.folder);
        (found.stored.len(), found.temporary.len())
    }

    async fn settles_at(&self, stored: usize) {
        let settled = eventually(Duration::from_secs(10), || async { self.holds() == (stored, 0) }).await;
        assert!(settled, "{:?} instead of {stored}", self.holds());
    }
}

on_both_stores! {
    a_stored_file_is_read_by_right_and_removed,
    what_the_store_refuses_leaves_neither_bytes_nor_row,
    racing_arrivals_stay_within_the_quota,
    an_answer_that_comes_too_late_is_settled_by_the_row,
}

async fn a_stored_file_is_read_by_right_and_removed(home: Home) {
    let house = house(home, 0);
    let file = house.upload(VTT).await.expect("a file");
    assert_eq!((file.size, file.mime_type.as_str()), (38, "text/vtt; charset=utf-8"));
    house.settles_at(1).await;
    let looks = Shown { catalogue: true, casting: true };
    let stranger = Reader::Account(UserId::new(), looks);
    assert!(
        house
            .files
            .open(file.id, Reader::Account(house.owner, Shown { catalogue: false, casting: false }))
            .await
            .is_ok()
    );
    let open = house.files.open(file.id, Reader::Everything).await.expect("open");
    assert_eq!(open.file, file, "as it was answered, so it is read");
    assert!(matches!(house.files.open(file.id, stranger).await, Err(FilesError::Forbidden)));
    let series = uuid::Uuid::now_v7();
    house.sql(&format!("INSERT INTO series (id, name, image_id) VALUES ('{series}', 'x', '{}')", file.id));
    assert!(house.files.open(file.id, stranger).await.is_ok(), "a refusal is never held");
    let refused = house.files.remove(file.id).await;
    assert!(matches!(refused, Err(FilesError::Referred(ReferredBy::SeriesImage))), "{refused:?}");
    house.settles_at(1).await;
    house.sql(&format!("DELETE FROM series WHERE id = '{series}'"));
    house.files.remove(file.id).await.expect("removed");
    house.settles_at(0).await;
    assert!(matches!(house.files.open(file.id, Reader::Everything).await, Err(FilesError::NotFound)));
    assert!(matches!(house.files.remove(file.id).await, Err(FilesError::NotFound)));
}

async fn what_the_store_refuses_leaves_neither_bytes_nor_row(home: Home) {
    let house = house(home, 60);
    assert!(house.upload(VTT).await.is_ok());
    assert!(matches!(house.upload(VTT).await, Err(FilesError::Store(StoreError::TooLarge(22)))));
    assert!(matches!(house.upload(b"#EXTM3U\n").await, Err(FilesError::Unsupported(_))));
    assert!(matches!(house.upload(b"WEBVTT \xff\n").await, Err(FilesError::Unsupported(_))));
    assert!(matches!(house.upload(b"RIFF\0\0\0\0WAVE").await, Err(FilesError::Unsupported(_))));
    house.settles_at(1).await;
}

async fn racing_arrivals_stay_within_the_quota(home: Home) {
    let house = house(home, 100);
    let all = futures_util::future::join_all((0..8).map(|_| house.upload(VTT))).await;
    assert_eq!(all.iter().filter(|result| result.is_ok()).count(), 2);
    house.settles_at(2).await;
}

async fn an_answer_that_comes_too_late_is_settled_by_the_row(home: Home) {
    let house = house(home, 0);
    let kept = house.upload(VTT).await.expect("a file");
    house.settles_at(1).await;
    let mut conn = house.db.connect();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let holder = std::thread::spawn(move || {
        let held = conn.transaction::<_, diesel::result::Error, _>(|conn| {
            sql_query("LOCK TABLE files IN ACCESS EXCLUSIVE MODE").execute(conn)?;
            locked.send(()).expect("the test waits");
            gate.recv().expect("the test goes on");
            Ok(())
        });
        held.expect("the lock is held");
    });
    is_locked.await.expect("the lock is held");
    let (inserted, removed) = tokio::join!(house.upload(VTT), house.files.remove(kept.id));
    assert!(matches!(inserted, Err(FilesError::Db(DbError::Away(_)))), "{inserted:?}");
    assert!(matches!(removed, Err(FilesError::Db(DbError::Away(_)))), "{removed:?}");
    assert_eq!(house.holds(), (2, 2), "both in the journal and in place");
    open.send(()).expect("the holder waits");
    holder.join().expect("the holder ends");
    // The late insertion took place, the late deletion too.
    house.settles_at(1).await;
    assert_eq!(house.files.sweep().await.expect("a sweep"), Swept::default());
    assert!(matches!(house.files.open(kept.id, Reader::Everything).await, Err(FilesError::NotFound)));
    let left = house.home.look(&house.folder).stored;
    assert_eq!(left, rows(&mut house.db.connect()), "the bytes that stay are the row's");
}
