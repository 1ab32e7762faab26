//! A media folder and the rows of its database, looked at from outside.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use uuid::Uuid;

use super::{app::eventually, media::sha256};

/// What lies in a media folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Stored bytes: id and length.
    pub stored: BTreeMap<String, u64>,
    /// Bytes that arrive, the journal, and notes of uploads to a bucket.
    pub temporary: Vec<PathBuf>,
}

/// Looks into the folder. What goes away meanwhile is not there.
pub fn look(folder: &Path) -> Found {
    let mut found = Found { stored: BTreeMap::new(), temporary: Vec::new() };
    for path in below(folder) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names of ours").to_owned();
        if path.starts_with(folder.join("tmp")) {
            if path.extension().is_none_or(|extension| extension != "lock") {
                found.temporary.push(path);
            }
        } else if let Ok(facts) = path.metadata() {
            assert_eq!(path, place(folder, &name), "where bytes lie");
            found.stored.insert(name, facts.len());
        }
    }
    found
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// Where the bytes of `id` lie.
pub fn place(folder: &Path, id: &str) -> PathBuf {
    let tail = id.get(id.len() - 4..).expect("an id");
    folder.join(&tail[..2]).join(&tail[2..]).join(id)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::Text)]
    id: String,
    #[diesel(sql_type = sql_types::BigInt)]
    size: i64,
}

/// The rows of files: id and size.
pub fn rows(conn: &mut PgConnection) -> BTreeMap<String, u64> {
    let rows: Vec<Row> = sql_query("SELECT id::text, size FROM files").load(conn).expect("rows");
    rows.into_iter().map(|row| (row.id, u64::try_from(row.size).expect("a size"))).collect()
}

/// Waits until the folder holds the bytes of exactly the rows, and nothing temporary. Gives them.
#[track_caller]
pub fn agreed(folder: &Path, conn: &mut PgConnection) -> BTreeMap<String, u64> {
    let end = std::time::Instant::now() + Duration::from_mins(1);
    loop {
        let (found, rows) = (look(folder), rows(conn));
        if found.temporary.is_empty() && found.stored == rows {
            return rows;
        }
        assert!(std::time::Instant::now() < end, "{found:?} but {rows:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until bytes are arriving.
pub async fn arriving(folder: &Path) {
    let comes = eventually(Duration::from_secs(15), || async { !look(folder).temporary.is_empty() });
    assert!(comes.await, "nothing arrives");
}

/// Puts bytes and a row in place, past the server.
pub fn put(folder: &Path, conn: &mut PgConnection, mime: &str, bytes: &[u8]) -> String {
    let id = Uuid::now_v7().to_string();
    let path = place(folder, &id);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, bytes).expect("bytes");
    // 1994-11-06 08:49:37.9 UTC
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_900);
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("its time");
    insert(conn, &id, mime, bytes);
    id
}

/// The row of bytes that were put in place past the server.
pub fn insert(conn: &mut PgConnection, id: &str, mime: &str, bytes: &[u8]) {
    let (size, digest) = (bytes.len(), sha256(bytes));
    let row = format!(
        "INSERT INTO files (id, original_name, kind, mime_type, size, sha256, state, created_at) \
        VALUES ('{id}', 'x', 'other', '{mime}', {size}, '{digest}', 'ready', '1994-11-06 08:49:37.9+00')"
    );
    sql_query(row).execute(conn).expect("a row");
}
