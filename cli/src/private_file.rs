//! Files that only their owner may read: keys, session keys and manifests with secrets.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Makes a folder for private files, mode 0700, and returns once it and the folders above it are on the disk.
pub(crate) fn create_folder(path: &Path) -> anyhow::Result<()> {
    let describe = || format!("failed to create the folder {}", path.display());
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(describe)?;
    for folder in missing {
        sync_folder_of(folder).with_context(describe)?;
    }
    Ok(())
}

/// Puts the entry of `path` in its folder on the disk.
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = folder_of(path);
    fs::File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Opens a file that is there to be locked, mode 0600. Its lock ends with the process.
pub(crate) fn open_lock(path: &Path) -> anyhow::Result<fs::File> {
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    file.with_context(|| format!("failed to open {}", path.display()))
}

/// Writes the whole file or nothing, mode 0600, and returns once it is on the disk.
pub(crate) fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    write(path, content, |file, path| file.persist(path).map(drop))
}

/// Like [`replace`], but never overwrites.
pub(crate) fn create(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    write(path, content, |file, path| file.persist_noclobber(path).map(drop))
}

fn write(
    path: &Path,
    content: &[u8],
    persist: impl FnOnce(tempfile::NamedTempFile, &Path) -> Result<(), tempfile::PersistError>,
) -> anyhow::Result<()> {
    let describe = || format!("failed to write {}", path.display());
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).with_context(describe)?;
    file.write_all(content).with_context(describe)?;
    file.as_file().sync_all().with_context(describe)?;
    persist(file, path).with_context(describe)?;
    sync_folder_of(path).with_context(describe)
}

/// Refuses a file that others may read or write.
pub(crate) fn check_mode(path: &Path) -> anyhow::Result<()> {
    let metadata = fs::metadata(path).with_context(|| format!("failed to read {}", path.display()))?;
    if !metadata.is_file() {
        bail!("{} is not a file", path.display());
    }
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.mode() & 0o077 != 0 {
        bail!(
            "{} has mode {mode:03o}, so others may use it; run: chmod 600 {}",
            path.display(),
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_for_its_owner_alone_and_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/state");
        create_folder(path.parent().unwrap()).unwrap();
        create(&path, b"one").unwrap();
        assert!(create(&path, b"two").is_err());
        check_mode(&path).unwrap();
        replace(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, b"x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refusal = check_mode(&path).unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!("{0} has mode 640, so others may use it; run: chmod 600 {0}", path.display())
        );
    }
}
