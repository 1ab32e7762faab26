//! Where the servers of a test keep bytes: on the disk or in a bucket. What holds for one holds for the other.

use std::{collections::BTreeMap, path::Path, time::Duration};

use diesel::PgConnection;

use super::{
    app::Plan,
    media_folder::{look, rows},
    s3::Bucket,
    stores::TestDb,
};

/// A place for bytes.
pub struct Home(Option<Bucket>);

impl Home {
    /// The media folder.
    pub fn local() -> Self {
        Self(None)
    }

    /// A bucket of the test's own.
    pub fn bucket() -> Self {
        Self(Some(Bucket::start()))
    }

    /// A server over the database and the key prefix of one test, with its bytes here.
    pub fn plan(&self, db: &TestDb) -> Plan {
        let plan = Plan::over(db);
        match &self.0 {
            Some(bucket) => bucket.apply(plan),
            None => plan,
        }
    }

    /// Stored bytes: id and length.
    pub fn stored(&self, media_dir: &Path) -> BTreeMap<String, u64> {
        match &self.0 {
            Some(bucket) => bucket.objects(),
            None => look(media_dir).stored,
        }
    }

    /// Waits until the bytes of exactly the rows are stored, and nothing temporary is there. Gives them.
    #[track_caller]
    pub fn agreed(&self, media_dir: &Path, conn: &mut PgConnection) -> BTreeMap<String, u64> {
        let end = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            let (found, stored, rows) = (look(media_dir), self.stored(media_dir), rows(conn));
            let only_here = self.0.is_none() || found.stored.is_empty();
            if found.temporary.is_empty() && only_here && stored == rows {
                return rows;
            }
            assert!(std::time::Instant::now() < end, "{found:?} and {stored:?} but {rows:?}");
            std::thread::sleep(Duration::from_millis(20));
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
