//! The hot key's file. Its bytes are wiped, never logged, and never in the configuration.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chain::HotKey;
use chain::signer::KeyError;

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file's mode cannot be read.
    #[error("failed to look at the key file {}", path.display())]
    Inspect {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Everybody on the machine may read or write the key.
    #[error("the key file {} has mode {mode:04o}: others may use it. Make it 0600, or mount the Secret with defaultMode 0440 or less", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No key in it.
    #[error("failed to load the operator key")]
    Load(#[source] KeyError),
}

/// Loads the key, unless others than owner and group may use its file. A mounted Secret belongs to the pod's group.
pub fn load(path: &Path) -> Result<HotKey, Error> {
    let inspect = |source| Error::Inspect { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(inspect)?.permissions().mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    HotKey::from_file(path).map_err(Error::Load)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("0x{}\n", "11".repeat(32))).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_private_file_and_a_mounted_secret_are_loaded() {
        let expected = HotKey::from_bytes(&[0x11; 32]).unwrap().address();
        for mode in [0o400, 0o600, 0o440] {
            assert_eq!(load(file(mode).path()).unwrap().address(), expected);
        }
    }

    #[test]
    fn a_file_that_others_may_use_is_refused() {
        for mode in [0o644, 0o604, 0o602, 0o777] {
            let error = load(file(mode).path()).unwrap_err();
            assert!(matches!(error, Error::Exposed { mode: found, .. } if found == mode), "{error}");
        }
    }
}
