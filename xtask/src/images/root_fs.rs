//! What every image's root file system has in common, and its form as a layer: one that comes out the same, bit for
//! bit, whenever the same files go in.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

/// The user and group of every image, as Pod Security `restricted` wants them: numeric and not root.
pub(crate) const USER: u32 = 10001;

/// What no program of ours reads at run time.
const UNUSED: [&str; 10] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/info",
    "usr/share/bug",
    "usr/share/bash-completion",
    "usr/include",
    "etc/init.d",
    "etc/cron.daily",
];

/// Makes the links of a merged /usr, before any package is unpacked into it.
pub(crate) fn merge_usr(root: &Path) -> anyhow::Result<()> {
    for name in ["bin", "lib", "lib64", "sbin"] {
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(format!("usr/{name}"), root.join(name))?;
    }
    Ok(())
}

/// Does what the packages' own installation scripts would have done, as far as our programs need it.
pub(crate) fn complete(root: &Path) -> anyhow::Result<()> {
    for path in UNUSED {
        match fs::remove_dir_all(root.join(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to remove {path}"));
            }
            _ => {}
        }
    }
    fs::create_dir_all(root.join("etc"))?;
    fs::write(
        root.join("etc/passwd"),
        format!("root:x:0:0::/:/nonexistent\nnonroot:x:{USER}:{USER}::/:/nonexistent\n"),
    )?;
    fs::write(root.join("etc/group"), format!("root:x:0:\nnonroot:x:{USER}:\n"))?;
    fs::write(root.join("etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n")?;
    let tmp = root.join("tmp");
    fs::create_dir_all(&tmp)?;
    fs::set_permissions(&tmp, Permissions::from_mode(0o1777))?;
    certificate_authorities(root)
}

/// Joins the public authorities into the one file that TLS libraries look for.
fn certificate_authorities(root: &Path) -> anyhow::Result<()> {
    let source = root.join("usr/share/ca-certificates/mozilla");
    if !source.exists() {
        return Ok(());
    }
    let mut paths =
        fs::read_dir(&source)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let mut bundle = Vec::new();
    for path in paths {
        bundle.extend(fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?);
    }
    fs::create_dir_all(root.join("etc/ssl/certs"))?;
    fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), bundle)?;
    Ok(())
}

/// Gives files and folders the same modes whatever mask their maker had.
pub(crate) fn settle_modes(root: &Path) -> anyhow::Result<()> {
    let status = Command::new("chmod").args(["--recursive", "a+rX,go-w"]).arg(root).status()?;
    ensure!(status.success(), "failed to settle the modes of {}", root.display());
    Ok(())
}

/// How `tar` packs so that the same content gives the same digest, whoever makes it and whenever.
pub(crate) const REPRODUCIBLE: [&str; 7] =
    ["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"];

/// Packs `root` as a compressed layer without times, names or an order of its own.
pub(crate) fn pack(root: &Path, layer: &Path) -> anyhow::Result<()> {
    let context = || format!("failed to pack {}", layer.display());
    let file = fs::File::create(layer).with_context(context)?;
    let mut tar = Command::new("tar")
        .args(REPRODUCIBLE)
        .arg("--directory")
        .arg(root)
        .arg(".")
        .env("LC_ALL", "C")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(context)?;
    let stream = tar.stdout.take().with_context(context)?;
    let gzip =
        Command::new("gzip").args(["-n", "-6"]).stdin(stream).stdout(file).status().with_context(context)?;
    let tar = tar.wait().with_context(context)?;
    ensure!(tar.success() && gzip.success(), context());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_layer() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let layers = ["first", "second"].map(|name| {
            let root = folder.path().join(name);
            merge_usr(&root).expect("an empty folder takes the links");
            complete(&root).expect("an empty folder takes the common files");
            let layer = folder.path().join(format!("{name}.tar.gz"));
            pack(&root, &layer).expect("tar and gzip are there");
            fs::read(layer).expect("the layer was written")
        });
        assert!(layers[0] == layers[1], "the layers differ");
    }
}
