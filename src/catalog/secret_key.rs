//! The key that seals secrets: 32 random bytes in a file of the server's own, never in the catalog store.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, rand};
use serde::{Deserialize, Serialize};

use super::hex;
use crate::error::{Error, Result};
use crate::model::{Name, ObjectId, SecretText};

const KEY_BYTES: usize = 32;
const FINGERPRINT_BYTES: usize = 8;

/// A sealed secret, as it is stored: AES-256-GCM, bound to the id of its object, so that it opens in no other's place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretDef {
    /// Of the key it was sealed with.
    pub key_fingerprint: String,
    #[serde(with = "hex")]
    pub nonce: Vec<u8>,
    #[serde(with = "hex")]
    pub ciphertext: Vec<u8>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct SecretKey(Arc<Sealer>);

struct Sealer {
    cipher: RandomizedNonceKey,
    fingerprint: String,
}

impl SecretKey {
    /// Reads the key file, or makes it. Two that make it at once get the same key.
    pub fn load_or_create(path: &Path) -> Result<SecretKey> {
        let read = || std::fs::read(path);
        let bytes = match read() {
            Err(error) if error.kind() == ErrorKind::NotFound => create(path).and_then(|()| read()),
            read => read,
        };
        let bytes = bytes.map_err(|error| Error::unavailable(format!("cannot use the key file {}", path.display())).with_cause(error))?;
        warn_if_others_can_read(path);
        SecretKey::from_bytes(&bytes).ok_or_else(|| {
            Error::invalid(format!("the key file {} does not hold a key", path.display()))
                .with_detail(format!("it has {} bytes, a key has {KEY_BYTES}", bytes.len()))
                .with_hint("restore it from a backup; without it the secrets in the catalog cannot be read")
        })
    }

    fn from_bytes(bytes: &[u8]) -> Option<SecretKey> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        Some(SecretKey(Arc::new(Sealer { cipher, fingerprint: fingerprint(bytes) })))
    }

    /// Encrypts a secret for the object that will hold it.
    pub fn seal(&self, id: ObjectId, text: &SecretText) -> Result<SecretDef> {
        let mut bytes = text.reveal().as_bytes().to_vec();
        let nonce = self
            .0
            .cipher
            .seal_in_place_append_tag(Aad::from(id.to_string()), &mut bytes)
            .map_err(|_| Error::internal("a secret cannot be encrypted"))?;
        Ok(SecretDef { key_fingerprint: self.0.fingerprint.clone(), nonce: nonce.as_ref().to_vec(), ciphertext: bytes })
    }

    /// Decrypts; `name` is for the error only.
    pub fn open(&self, id: ObjectId, name: &Name, sealed: &SecretDef) -> Result<SecretText> {
        if sealed.key_fingerprint != self.0.fingerprint {
            return Err(Error::state(format!("secret \"{name}\" was sealed with another key"))
                .with_detail(format!("its key is {}, the server's key is {}", sealed.key_fingerprint, self.0.fingerprint))
                .with_hint("start the server with the key file of that time, or drop the secret and create it again"));
        }
        let damaged = || Error::state(format!("secret \"{name}\" is damaged")).with_hint("drop the secret and create it again");
        let nonce: [u8; NONCE_LEN] = sealed.nonce.as_slice().try_into().map_err(|_| damaged())?;
        let mut bytes = sealed.ciphertext.clone();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self.0.cipher.open_in_place(nonce, Aad::from(id.to_string()), &mut bytes).map_err(|_| damaged())?;
        std::str::from_utf8(plain).map(SecretText::new).map_err(|_| damaged())
    }
}

/// The file appears whole or not at all: a crash must not leave half a key that a later start would take for the key.
fn create(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut key = [0; KEY_BYTES];
    rand::fill(&mut key).map_err(|_| std::io::Error::other("there is no randomness"))?;
    // A temporary file has mode 0600 from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => std::fs::File::open(folder)?.sync_all(),
        // Somebody else was faster, and his key is the one.
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(failed) => Err(failed.error),
    }
}

fn warn_if_others_can_read(path: &Path) {
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode()).unwrap_or(0);
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others than the owner can read the key file; its mode should be 0600");
    }
}

/// Tells keys apart and gives nothing of them away.
fn fingerprint(key: &[u8]) -> String {
    hex::encode(&digest::digest(&digest::SHA256, key).as_ref()[..FINGERPRINT_BYTES])
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.0.fingerprint)
    }
}

impl fmt::Debug for SecretDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretDef").field("key_fingerprint", &self.key_fingerprint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_made_once_and_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("secret.key");
        let first = SecretKey::load_or_create(&path).unwrap();
        let second = SecretKey::load_or_create(&path).unwrap();
        assert_eq!(first.0.fingerprint, second.0.fingerprint);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        std::fs::write(&path, b"short").unwrap();
        let error = SecretKey::load_or_create(&path).unwrap_err();
        assert_eq!(error.detail(), Some("it has 5 bytes, a key has 32"));
    }

    #[test]
    fn a_secret_opens_only_in_its_own_place_and_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::load_or_create(&folder.path().join("secret.key")).unwrap();
        let id = ObjectId::new();
        let name = Name::new("s").unwrap();
        let sealed = key.seal(id, &SecretText::new("hunter2")).unwrap();
        assert_eq!(key.open(id, &name, &sealed).unwrap().reveal(), "hunter2");
        assert_eq!(key.open(ObjectId::new(), &name, &sealed).unwrap_err().message(), "secret \"s\" is damaged");
        let mut changed = sealed.clone();
        changed.ciphertext[0] ^= 1;
        assert_eq!(key.open(id, &name, &changed).unwrap_err().message(), "secret \"s\" is damaged");
        assert_ne!(key.seal(id, &SecretText::new("hunter2")).unwrap().ciphertext, sealed.ciphertext, "each sealing has its own nonce");
    }
}
