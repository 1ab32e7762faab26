//! The folders of one instance on the local disk.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use super::{Bucket, Homes};
use crate::{domain::ids::FileId, settings::StorageKind};

/// The ending of a note of an upload in parts.
pub(super) const UPLOAD: &str = "upload";
/// The ending of a file that loses its name as soon as it is there.
pub(super) const FACTS: &str = "facts";

/// The folders of one instance, and where bytes can be kept besides.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    /// This instance's folder below `tmp`: arriving bytes and the journal.
    pub(super) own: PathBuf,
    homes: Homes,
    /// Held until the process ends.
    _lock: File,
}

impl Place {
    pub(super) fn open(media_dir: &Path, homes: Homes) -> io::Result<Self> {
        fs::create_dir_all(media_dir.join("tmp"))?;
        let root = fs::canonicalize(media_dir)?;
        let own = root.join("tmp").join(Uuid::now_v7().to_string());
        // Locked before the folder is there: no sweep sees the folder unlocked.
        let lock = try_lock(&own.with_extension("lock"))?
            .ok_or_else(|| io::Error::other("a new lock file is held by another process"))?;
        fs::create_dir(&own)?;
        sync_folder(&root.join("tmp"))?;
        Ok(Self { root, own, homes, _lock: lock })
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn journal(&self, id: FileId) -> PathBuf {
        self.own.join(id.to_string())
    }

    /// Held by who moves all bytes to another home.
    pub(super) fn move_lock(&self) -> PathBuf {
        self.tmp().join("move.lock")
    }

    /// Where an upload of `id` in parts is noted.
    pub(super) fn upload_note(&self, id: FileId) -> PathBuf {
        self.journal(id).with_extension(UPLOAD)
    }

    /// The last two bytes are random in a `UUIDv7`, so folders fill evenly.
    pub(super) fn home(&self, id: FileId) -> PathBuf {
        let [.., aa, bb] = *id.uuid().as_bytes();
        self.root.join(format!("{aa:02x}")).join(format!("{bb:02x}")).join(id.to_string())
    }

    /// The bucket, where there is one.
    pub(super) const fn bucket(&self) -> Option<&Bucket> {
        match &self.homes {
            Homes::Disk => None,
            Homes::DiskAndBucket { bucket, .. } => Some(bucket),
        }
    }

    /// The bucket, where new bytes go there.
    pub(super) fn bucket_for_new(&self) -> Option<&Bucket> {
        match &self.homes {
            Homes::DiskAndBucket { bucket, new: StorageKind::S3 } => Some(bucket),
            Homes::Disk | Homes::DiskAndBucket { new: StorageKind::Local, .. } => None,
        }
    }

    /// Links the bytes of a stored file to their final place, as old as the file is, and makes that last.
    pub(super) fn settle_in(&self, id: FileId, modified: SystemTime) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.journal(id))?.set_modified(modified)?;
        sync_folder(&self.own)?;
        let home = self.home(id);
        let folders = home.ancestors().skip(1).take(2).collect::<Vec<_>>();
        if let Some(folder) = folders.first() {
            fs::create_dir_all(folder)?;
        }
        fs::hard_link(self.journal(id), &home)?;
        folders.into_iter().chain([self.root.as_path()]).try_for_each(sync_folder)
    }

    /// Enters a stored file into the journal. Where it lies in a bucket, an empty file stands for it.
    pub(super) fn enter(&self, id: FileId) -> io::Result<()> {
        let journal = self.journal(id);
        match fs::hard_link(self.home(id), &journal) {
            // A removal that this process left in doubt.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.bucket().is_some() => {
                OpenOptions::new().write(true).create(true).truncate(false).open(journal).map(drop)
            }
            other => other,
        }
    }

    /// Puts an empty file in the place of a journal's entry. Whoever reads the bytes of the entry reads on.
    pub(super) fn empty(&self, id: FileId) -> io::Result<()> {
        let path = self.own.join(format!("{}.{FACTS}", Uuid::now_v7()));
        File::create(&path)?;
        fs::rename(path, self.journal(id))
    }

    /// Removes the bytes of `id` from this disk.
    pub(super) fn clear(&self, id: FileId) -> io::Result<()> {
        let home = self.home(id);
        remove(&home)?;
        home.parent().filter(|parent| parent.is_dir()).map_or(Ok(()), sync_folder)
    }

    /// A file without a name that has this length and age, and no bytes.
    pub(super) fn stand_in(&self, length: u64, modified: SystemTime) -> io::Result<File> {
        let path = self.own.join(format!("{}.{FACTS}", Uuid::now_v7()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(path)?;
        file.set_len(length)?;
        file.set_modified(modified)?;
        Ok(file)
    }
}

/// Removes a file; that it is gone already is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes what happened to a folder's entries last.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The lock file, locked; `None` where another process holds it.
pub(super) fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
