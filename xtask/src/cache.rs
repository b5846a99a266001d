//! Things built once and kept outside the tree, each under a key made of everything that decides its content.
//!
//! An entry appears whole or not at all: it is made in a directory of its own and then renamed, so a build that was
//! interrupted leaves nothing that a later run could mistake for a result.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Names the content of a cache entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// Derives a key from named inputs; their order and every byte of them count.
    pub(crate) fn of<'a>(inputs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut hash = Sha256::new();
        for (name, content) in inputs {
            for part in [name.as_bytes(), content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Self(data_encoding::HEXLOWER.encode(&hash.finalize()[..8]))
    }

    /// Derives a key from a label and the files right inside a directory, by name.
    pub(crate) fn of_directory(label: &str, directory: &Path) -> Result<Self> {
        let mut files = Vec::new();
        for entry in
            fs::read_dir(directory).with_context(|| format!("failed to list {}", directory.display()))?
        {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let content = fs::read(entry.path())
                    .with_context(|| format!("failed to read {}", entry.path().display()))?;
                files.push((entry.file_name().to_string_lossy().into_owned(), content));
            }
        }
        files.sort();
        let named = files.iter().map(|(name, content)| (name.as_str(), content.as_slice()));
        Ok(Self::of([("label", label.as_bytes())].into_iter().chain(named)))
    }

    /// The key as it stands in a path.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The directory that holds the cache: `$LEASEHOLD_CACHE`, or `leasehold` in the user's cache directory.
pub(crate) fn root() -> Result<PathBuf> {
    let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("LEASEHOLD_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|base| base.join("leasehold")))
        .or_else(|| path("HOME").map(|home| home.join(".cache/leasehold")))
        .context("there is no place for a cache: set LEASEHOLD_CACHE")
}

/// Where an entry lies or would lie.
pub(crate) fn entry(name: &str, key: &Key) -> Result<PathBuf> {
    Ok(root()?.join(format!("{name}-{}", key.as_str())))
}

/// Returns the entry; `build` makes it in an empty directory when it is not there.
pub(crate) fn ensure(name: &str, key: &Key, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let target = entry(name, key)?;
    if target.is_dir() {
        return Ok(target);
    }
    let root = root()?;
    fs::create_dir_all(&root).with_context(|| format!("failed to create {}", root.display()))?;
    // Two runs that want the same entry take turns, so that minutes of work are not done twice.
    let lock = root.join(format!(".{name}.lock"));
    let lock = File::create(&lock).with_context(|| format!("failed to open {}", lock.display()))?;
    lock.lock().context("failed to wait for another build")?;
    if target.is_dir() {
        return Ok(target);
    }
    remove_abandoned(&root, name)?;
    let work = tempfile::Builder::new().prefix(&format!(".{name}.build-")).tempdir_in(&root)?;
    build(work.path())?;
    let work = work.keep();
    fs::rename(&work, &target).with_context(|| format!("failed to move {} into place", target.display()))?;
    Ok(target)
}

/// Removes what interrupted builds of the same entry left; the caller holds the entry's lock.
fn remove_abandoned(root: &Path, name: &str) -> Result<()> {
    let prefix = format!(".{name}.build-");
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("failed to remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_for_the_same_inputs() {
        let key = || Key::of([("go.mod", b"module a".as_slice()), ("main.go", b"package main")]);
        assert_eq!((key(), key().as_str().len()), (key(), 16));
    }

    #[test]
    fn moving_a_byte_from_a_name_to_its_content_changes_the_key() {
        assert_ne!(Key::of([("ab", b"c".as_slice())]), Key::of([("a", b"bc".as_slice())]));
    }

    #[test]
    fn a_changed_pin_a_renamed_file_and_a_changed_label_each_change_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let key = |label| Key::of_directory(label, directory.path()).unwrap();
        fs::write(directory.path().join("go.mod"), "require a v1").unwrap();
        let first = key("flags");
        fs::write(directory.path().join("go.mod"), "require a v2").unwrap();
        let second = key("flags");
        fs::rename(directory.path().join("go.mod"), directory.path().join("go.sum")).unwrap();
        let keys = [first, second, key("flags"), key("other flags")];
        let distinct = (0..4).all(|a| (0..a).all(|b| keys[a] != keys[b]));
        assert!(distinct, "{keys:?}");
    }
}
