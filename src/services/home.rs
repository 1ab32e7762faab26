//! The data folder: locked for one server, and reachable for the user the stores run as.
//!
//! ```text
//! data_dir/lock            held (flock) while a server runs private stores here
//! data_dir/turn            held while a short command starts them, or waits to
//! data_dir/postgres.log    what the stores say
//! data_dir/redis.log
//! data_dir/postgres/       the cluster         } owned by the user the stores run as
//! data_dir/redis/          the append-only log }
//! data_dir/run/            the sockets, or a link to a short-pathed folder in /tmp
//! data_dir/private         only for root under a closed folder such as /root: a link to
//!                          /var/lib/playhouse/<id>/, which then holds postgres/, redis/ and run/
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};
use uuid::Uuid;

use super::{
    ServiceError,
    process::{Log, User, command_as},
};

/// Where stores of root live when their own user cannot enter the data folder.
const ROOTS_FALLBACK: &str = "/var/lib/playhouse";
/// A socket's path has to fit into `sun_path`: 107 bytes on Linux, 103 on macOS.
const LONGEST_SOCKET_PATH: usize = 103;
const LONGEST_SOCKET_NAME: usize = ".s.PGSQL.5432".len();

/// A data folder that this process has locked; the lock dies with the process.
#[derive(Debug)]
pub struct Home {
    data_dir: PathBuf,
    root: PathBuf,
    sockets: PathBuf,
    user: Option<User>,
    _lock: File,
}

impl Home {
    /// Makes the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] where another process holds it; see [`ServiceError`].
    pub fn open(data_dir: &Path) -> Result<Self, ServiceError> {
        let data_dir = made(data_dir)?;
        let lock = locked(&data_dir, "lock")?.ok_or_else(|| ServiceError::Busy(data_dir.clone()))?;
        let (root, user) = if geteuid().is_root() { roots_place(&data_dir)? } else { (data_dir.clone(), None) };
        let sockets = socket_folder(&root, user)?;
        Ok(Self { data_dir, root, sockets, user, _lock: lock })
    }

    /// The folder the sockets are in.
    #[must_use]
    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// The folder the stores' own folders are in: `data_dir`, or the one `data_dir/private` names.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) const fn user(&self) -> Option<User> {
        self.user
    }

    pub(super) fn log(&self, name: &str) -> Result<Log, ServiceError> {
        Log::open(self.data_dir.join(name))
    }

    /// A folder in [`Home::root`] that belongs to the stores' user alone.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, ServiceError> {
        own_folder(self.root.join(name), self.user)
    }
}

/// The data folder, made where it is missing, by its full path.
pub(super) fn made(data_dir: &Path) -> Result<PathBuf, ServiceError> {
    // The stores' user has to pass through.
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(data_dir)
        .map_err(ServiceError::io("make the data folder", data_dir))?;
    data_dir.canonicalize().map_err(ServiceError::io("find the data folder", data_dir))
}

/// Where the sockets are of stores that another process runs on this folder. There may be none yet, or none any more.
pub(super) fn sockets_of_another(data_dir: &Path) -> Option<PathBuf> {
    let root = fs::read_link(data_dir.join("private")).unwrap_or_else(|_| data_dir.to_owned());
    root.join("run").canonicalize().ok()
}

/// Stores let in whom they belong to alone; and whoever else started them would take them away from their user.
pub(super) fn check_owner(data_dir: &Path) -> Result<(), ServiceError> {
    match data_dir.join("lock").metadata() {
        Ok(meta) if meta.uid() != geteuid().as_raw() => {
            Err(ServiceError::Foreign { data_dir: data_dir.to_owned(), uid: meta.uid() })
        }
        _ => Ok(()),
    }
}

fn own_folder(path: PathBuf, user: Option<User>) -> Result<PathBuf, ServiceError> {
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other.map_err(ServiceError::io("make the folder", &path))?,
    }
    if let Some(User { uid, gid }) = user {
        chown(&path, Some(uid), Some(gid)).map_err(ServiceError::io("give away the folder", &path))?;
    }
    Ok(path)
}

/// The file `name` of the data folder, locked until it is dropped; none where another process holds it.
pub(super) fn locked(data_dir: &Path, name: &str) -> Result<Option<File>, ServiceError> {
    let path = data_dir.join(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(ServiceError::io("write to the data folder", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(ServiceError::io("lock", path)(error.into())),
    }
}

/// Postgres refuses to run as root: the stores run as the user who owns them already, else as
/// `postgres`, else as `nobody`; in the data folder if that user can enter it.
fn roots_place(data_dir: &Path) -> Result<(PathBuf, Option<User>), ServiceError> {
    let link = data_dir.join("private");
    if let Ok(root) = fs::read_link(&link)
        && root.is_dir()
    {
        let user = owner(&root).map_or_else(unprivileged_user, Ok)?;
        return Ok((root, Some(user)));
    }
    let owned = ["postgres", "redis"].iter().find_map(|name| owner(&data_dir.join(name)));
    let user = owned.map_or_else(unprivileged_user, Ok)?;
    if can_enter(user, data_dir)? {
        return Ok((data_dir.to_owned(), Some(user)));
    }
    let fallback = Path::new(ROOTS_FALLBACK);
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(fallback)
        .map_err(ServiceError::io("make the folder", fallback))?;
    let root = own_folder(fallback.join(Uuid::now_v7().simple().to_string()), Some(user))?;
    // A dangling link of an earlier life would be in the way.
    remove_link(&link)?;
    symlink(&root, &link).map_err(ServiceError::io("make the link", &link))?;
    tracing::info!(folder = %root.display(), "the data folder is closed to the stores' user; they live elsewhere");
    Ok((root, Some(user)))
}

/// The owner, unless it is root or there is nothing.
fn owner(path: &Path) -> Option<User> {
    let meta = path.metadata().ok()?;
    (meta.uid() != 0).then(|| User { uid: meta.uid(), gid: meta.gid() })
}

fn unprivileged_user() -> Result<User, ServiceError> {
    let path = "/etc/passwd";
    let text = fs::read_to_string(path).map_err(ServiceError::io("read", path))?;
    ["postgres", "nobody"].iter().find_map(|name| user_in(&text, name)).ok_or_else(|| ServiceError::Missing {
        program: "an unprivileged user (postgres or nobody)".to_owned(),
        looked: path.to_owned(),
    })
}

fn user_in(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { uid, gid })
    })
}

/// Asks the kernel, which knows of access lists too.
fn can_enter(user: User, folder: &Path) -> Result<bool, ServiceError> {
    let mut test = command_as(Some(user), "KILL", Path::new("test"))?;
    let status = test.arg("-x").arg(folder).status().map_err(ServiceError::io("test", folder))?;
    Ok(status.success())
}

/// An empty folder with a path short enough for a socket, closed to all but the stores' user.
fn socket_folder(root: &Path, user: Option<User>) -> Result<PathBuf, ServiceError> {
    let run = root.join("run");
    if let Ok(old) = fs::read_link(&run) {
        remove_stale_sockets(&old);
        remove_link(&run)?;
    } else if run.exists() {
        fs::remove_dir_all(&run).map_err(ServiceError::io("empty", &run))?;
    }
    // libpq takes a comma for the end of a host's name, however it is encoded.
    let is_plain = !run.to_string_lossy().contains(',');
    if is_plain && run.as_os_str().len() + 1 + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH {
        return own_folder(run, user);
    }
    // The name is new and the folder made by us alone, so nobody can have laid it there.
    let short = Path::new("/tmp").join(format!("playhouse-{}", Uuid::new_v4().simple()));
    DirBuilder::new().mode(0o700).create(&short).map_err(ServiceError::io("make the folder", &short))?;
    let short = own_folder(short, user)?;
    symlink(&short, &run).map_err(ServiceError::io("make the link", &run))?;
    Ok(short)
}

fn remove_stale_sockets(old: &Path) {
    let is_ours = old.parent() == Some(Path::new("/tmp"))
        && old.file_name().is_some_and(|name| name.to_string_lossy().starts_with("playhouse-"));
    if is_ours && let Err(error) = fs::remove_dir_all(old) {
        tracing::debug!(folder = %old.display(), %error, "stale sockets stay");
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The stores have ended and removed their sockets; a folder in /tmp would stay for ever.
        if self.sockets.parent() != Some(self.root.as_path()) {
            remove_stale_sockets(&self.sockets);
            remove_link(&self.root.join("run")).unwrap_or_default();
        }
    }
}

fn remove_link(link: &Path) -> Result<(), ServiceError> {
    match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ServiceError::io("remove", link)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_holds_a_folder() {
        let folder = std::env::temp_dir().join(format!("playhouse-home-{}", Uuid::new_v4().simple()));
        let home = Home::open(&folder).unwrap();
        assert!(matches!(Home::open(&folder), Err(ServiceError::Busy(_))));
        drop(home);
        drop(Home::open(&folder).unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_long_path_gets_short_sockets_that_are_removed_again() {
        let base = std::env::temp_dir().join(format!("playhouse-home-{}", Uuid::new_v4().simple()));
        let home = Home::open(&base.join("x".repeat(120))).unwrap();
        let sockets = home.sockets().to_owned();
        assert!(sockets.as_os_str().len() < 80, "{sockets:?}");
        assert_eq!(sockets.metadata().unwrap().mode() & 0o777, 0o700);
        drop(home);
        assert!(!sockets.exists());
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:/x\npostgres:x:101:104::/:/x\n";
        assert_eq!(user_in(passwd, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(user_in(passwd, "nobody"), None);
    }
}
