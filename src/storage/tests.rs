//! The store on the disk: what arrives, stays and goes, and what a dead process left.

use std::{collections::HashSet, fs, future::ready};

use uuid::Uuid;

use super::*;

pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("playhouse-store-{}", Uuid::now_v7())))
    }

    /// Every file below but the locks.
    pub(crate) fn files(&self) -> usize {
        fn count(path: &Path) -> usize {
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { usize::from(path.extension().is_none()) }).sum()
        }
        count(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn wanted(id: FileId) -> Wanted {
    Wanted { id, size: 5, modified: SystemTime::UNIX_EPOCH }
}

async fn arrive(store: &Store, bytes: &[u8]) -> Received {
    let mut incoming = store.receive(1 << 30).await.unwrap();
    incoming.write(bytes).await.unwrap();
    incoming.finish().await.unwrap()
}

#[tokio::test]
async fn a_tool_has_its_bytes_whatever_becomes_of_the_file() {
    let folder = Folder::new();
    let store = Store::open(&folder.0, Homes::Disk).unwrap();
    let received = arrive(&store, b"hello").await;
    let id = received.id();
    received.commit(SystemTime::UNIX_EPOCH).await.unwrap().keep().await.unwrap();
    let copy = store.local_copy(wanted(id)).await.unwrap();
    store.enter(id).await.unwrap().discard().await.unwrap();
    assert_eq!(fs::read(copy.path()).unwrap(), b"hello");
    drop(copy);
    let gone = async {
        while folder.files() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.expect("it goes when nobody has it");
    assert!(matches!(store.local_copy(wanted(id)).await, Err(StoreError::NotFound)));
    assert_eq!(folder.files(), 0);
}

#[tokio::test]
async fn bytes_arrive_are_read_and_go() {
    let folder = Folder::new();
    let store = Store::open(&folder.0, Homes::Disk).unwrap();
    let received = arrive(&store, b"hello").await;
    assert_eq!((received.size(), received.head()), (5, b"hello".as_slice()));
    assert_eq!(received.sha256(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    let id = received.id();
    assert!(matches!(store.read(wanted(id)).await, Err(StoreError::NotFound)));
    received.commit(SystemTime::UNIX_EPOCH).await.unwrap().keep().await.unwrap();
    assert_eq!(store.read(wanted(id)).await.unwrap().len(), 5);
    assert_eq!(folder.files(), 1);
    store.enter(id).await.unwrap().keep().await.unwrap();
    assert_eq!(folder.files(), 1);
    store.enter(id).await.unwrap().discard().await.unwrap();
    assert_eq!(folder.files(), 0);
    assert!(store.is_ready().await);
    while folder.files() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let folder = Folder::new();
    let store = Store::open(&folder.0, Homes::Disk).unwrap();
    let mut incoming = store.receive(1000).await.unwrap();
    assert!(matches!(incoming.write(&[0; 1001]).await, Err(StoreError::TooLarge(1000))));
    drop(incoming);
    drop(arrive(&store, b"unwanted").await);
    let mut half = store.receive(1 << 20).await.unwrap();
    half.write(&vec![7; 700_000]).await.unwrap();
    drop(half);
    arrive(&store, b"refused").await.commit(SystemTime::UNIX_EPOCH).await.unwrap().discard().await.unwrap();
    while folder.files() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_sweep_settles_what_a_dead_process_left_and_spares_the_living() {
    let folder = Folder::new();
    let dead = Store::open(&folder.0, Homes::Disk).unwrap();
    let living = Store::open(&folder.0, Homes::Disk).unwrap();
    let working = arrive(&living, b"in work").await;
    let with_row = arrive(&dead, b"row committed").await.commit(SystemTime::UNIX_EPOCH).await.unwrap();
    let without_row = arrive(&dead, b"row not committed").await.commit(SystemTime::UNIX_EPOCH).await.unwrap();
    let stored = arrive(&dead, b"being removed").await.commit(SystemTime::UNIX_EPOCH).await.unwrap();
    let stored_id = stored.id();
    stored.keep().await.unwrap();
    let removal = dead.enter(stored_id).await.unwrap();
    fs::write(dead.place.journal(FileId::new()), b"only half here").unwrap();
    fs::write(dead.place.own.join("of-a-moment.facts"), b"").unwrap();
    let rows = HashSet::from([with_row.id()]);
    let keep = with_row.id();
    drop((with_row, without_row, removal, dead));

    let sweeper = Store::open(&folder.0, Homes::Disk).unwrap();
    let failed = sweeper.sweep(|_| ready(Err("no database"))).await;
    assert!(failed.is_err());
    let swept = sweeper.sweep(|ids| ready(Ok::<_, &str>(ids.into_iter().filter(|id| rows.contains(id)).collect())));
    let swept = swept.await.unwrap();
    assert_eq!((swept.instances, swept.settled, swept.removed), (1, 4, 3));
    assert_eq!(folder.files(), 2, "the kept one, and the one in work");
    assert!(sweeper.read(wanted(keep)).await.is_ok());
    working.commit(SystemTime::UNIX_EPOCH).await.unwrap().keep().await.unwrap();
    assert_eq!(fs::read_dir(folder.0.join("tmp")).unwrap().count(), 4, "two folders, two locks");
}
