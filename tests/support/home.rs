//! Where the bytes of a test live: in the media folder alone, or in a bucket besides. Both are looked at from outside.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use diesel::PgConnection;
use uuid::Uuid;

use super::{app::Plan, media_folder, s3::Bucket, stores::TestDb};

/// Where new bytes go.
pub struct Home {
    bucket: Option<Bucket>,
}

/// What is found there.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Stored bytes, where they belong: id and length.
    pub stored: BTreeMap<String, u64>,
    /// Bytes that arrive and the journal, which are in the media folder wherever the bytes go.
    pub temporary: Vec<PathBuf>,
    /// Parts of objects that are none yet.
    pub parts: usize,
    /// Stored bytes in the media folder where they belong into the bucket.
    pub astray: BTreeMap<String, u64>,
}

impl Found {
    /// Whether these alone are there, and nothing is under way.
    pub fn is_just(&self, files: &BTreeMap<String, u64>) -> bool {
        self.stored == *files && self.temporary.is_empty() && self.parts == 0 && self.astray.is_empty()
    }
}

impl Home {
    /// The media folder of each server.
    pub fn local() -> Self {
        Self { bucket: None }
    }

    /// A bucket of its own.
    pub fn bucket() -> Self {
        Self { bucket: Some(Bucket::start()) }
    }

    /// The bucket, for a test that is about one.
    pub fn s3(&self) -> &Bucket {
        self.bucket.as_ref().expect("a bucket")
    }

    /// A server over the database whose new bytes go here.
    pub fn plan(&self, db: &TestDb) -> Plan {
        self.apply(Plan::over(db))
    }

    /// The server under test puts new bytes here.
    pub fn apply(&self, plan: Plan) -> Plan {
        self.variables().into_iter().fold(plan, |plan, (name, value)| plan.with(name, value))
    }

    /// The settings that make new bytes go here.
    pub fn variables(&self) -> Vec<(&'static str, &str)> {
        // No test at both is about a bucket that is slow: where much is going on here, it is.
        let own = [
            ("PLAYHOUSE_STORAGE__KIND", "s3"),
            ("PLAYHOUSE_STORAGE__READ_TIMEOUT_MS", "20000"),
            ("PLAYHOUSE_STORAGE__TIMEOUT_MS", "20000"),
        ];
        self.bucket.iter().flat_map(|bucket| bucket.variables().into_iter().chain(own)).collect()
    }

    /// Looks in from outside. What goes away meanwhile is not there.
    pub fn look(&self, folder: &Path) -> Found {
        let media_folder::Found { stored, temporary } = media_folder::look(folder);
        match &self.bucket {
            None => Found { stored, temporary, parts: 0, astray: BTreeMap::new() },
            Some(bucket) => Found { stored: bucket.objects(), temporary, parts: bucket.parts(), astray: stored },
        }
    }

    /// Waits until there are the bytes of exactly the rows, and nothing besides. Gives the rows.
    #[track_caller]
    pub fn agreed(&self, folder: &Path, conn: &mut PgConnection) -> BTreeMap<String, u64> {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let (found, rows) = (self.look(folder), media_folder::rows(conn));
            if found.is_just(&rows) {
                return rows;
            }
            assert!(Instant::now() < end, "{found:?} but {rows:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Puts bytes and a row in place, past the server.
    pub async fn put(&self, folder: &Path, conn: &mut PgConnection, mime: &str, bytes: &[u8]) -> String {
        let Some(bucket) = &self.bucket else { return media_folder::put(folder, conn, mime, bytes) };
        let id = Uuid::now_v7().to_string();
        bucket.put(&id, mime, bytes).await;
        media_folder::insert(conn, &id, mime, bytes);
        id
    }

    /// The stored bytes of `id`.
    pub fn read(&self, folder: &Path, id: &str) -> Vec<u8> {
        match &self.bucket {
            None => fs::read(media_folder::place(folder, id)).expect("bytes"),
            Some(bucket) => bucket.read(id),
        }
    }
}

/// Makes two tests of each function that takes a [`Home`]: `local::…` and `s3::…`.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod local {
            $(
                #[actix_web::test]
                async fn $test() {
                    super::$test($crate::support::home::Home::local()).await;
                }
            )+
        }

        mod s3 {
            $(
                #[actix_web::test]
                async fn $test() {
                    super::$test($crate::support::home::Home::bucket()).await;
                }
            )+
        }
    };
}
pub(crate) use on_both_stores;
