//! The key that signs tokens: given in the settings, or made once and kept in the data folder.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret as _, SecretString};

/// Bytes a secret has at least (RFC 7518, section 3.2: a key as long as the hash).
pub(super) const SHORTEST_SECRET: usize = 32;

const FILE_NAME: &str = "token_secret";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Too short to be safe.
    #[error("the token secret in {place} has {length} bytes; it needs at least {SHORTEST_SECRET}")]
    Short {
        /// Where it came from.
        place: String,
        /// Its bytes.
        length: usize,
    },
    /// The file cannot be made or read.
    #[error("cannot make or read the token secret {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
}

/// Signs and verifies (HS256). Not `Debug`: it is the secret.
#[derive(Clone)]
pub(super) struct SigningKey {
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
}

impl SigningKey {
    /// The key of `given`; where that is empty, the one kept in `data_dir`, which is made if need be.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub(super) fn open(given: &SecretString, data_dir: &Path) -> Result<Self, KeyError> {
        if !given.expose_secret().is_empty() {
            return Self::from_secret(given, "auth.token_secret");
        }
        let path = data_dir.join(FILE_NAME);
        let secret = kept(data_dir, &path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        Self::from_secret(&secret, &path.display().to_string())
    }

    fn from_secret(secret: &SecretString, place: &str) -> Result<Self, KeyError> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < SHORTEST_SECRET {
            return Err(KeyError::Short { place: place.to_owned(), length: bytes.len() });
        }
        Ok(Self { encoding: EncodingKey::from_secret(bytes), decoding: DecodingKey::from_secret(bytes) })
    }
}

fn kept(folder: &Path, path: &Path) -> io::Result<SecretString> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder, path)?;
            read(path)
        }
        answer => answer,
    }
}

fn read(path: &Path) -> io::Result<SecretString> {
    let text = fs::read_to_string(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the token secret: chmod 600 it, or make a new one");
    }
    Ok(text.trim().into())
}

/// Writes the whole secret beside its place and links it there: a reader finds all of it or
/// nothing, and of two starts at once the first one's stays.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".{FILE_NAME}.{}", uuid::Uuid::now_v7()));
    let written = write(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        answer => answer,
    });
    fs::remove_file(&draft)?;
    written?;
    File::open(folder)?.sync_all()
}

fn write(draft: &Path) -> io::Result<()> {
    let secret: [u8; SHORTEST_SECRET] = rand::random();
    let text = URL_SAFE_NO_PAD.encode(secret);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("playhouse-key-{}", uuid::Uuid::now_v7())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    fn none() -> SecretString {
        String::new().into()
    }

    #[test]
    fn a_made_secret_is_kept_and_is_for_its_owner_only() {
        let folder = Folder::new();
        SigningKey::open(&none(), &folder.0).unwrap();
        let path = folder.0.join(FILE_NAME);
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&first).unwrap().len(), SHORTEST_SECRET);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        SigningKey::open(&none(), &folder.0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn starts_at_once_agree_on_one_secret() {
        let folder = Folder::new();
        let gate = std::sync::Barrier::new(8);
        let path = folder.0.join(FILE_NAME);
        let seen: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        gate.wait();
                        kept(&folder.0, &path).unwrap().expose_secret().to_owned()
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|secret| *secret == seen[0]));
    }

    #[test]
    fn a_short_secret_is_no_start() {
        let folder = Folder::new();
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join(FILE_NAME), "short\n").unwrap();
        assert!(matches!(SigningKey::open(&none(), &folder.0), Err(KeyError::Short { length: 5, .. })));
        assert!(matches!(SigningKey::open(&"x".repeat(31).into(), &folder.0), Err(KeyError::Short { length: 31, .. })));
        assert!(SigningKey::open(&"x".repeat(32).into(), &folder.0).is_ok());
    }
}
