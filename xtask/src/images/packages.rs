//! The first layer of an image: Debian packages, resolved, downloaded and checked by the machine's own apt.
//!
//! The machine's suites decide the versions, so that the C library in the image is never older than the one our
//! binaries were linked against here. The resolved list is kept beside the layer, and a layer once built stays the
//! same until its recipe changes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use super::{recipe::Recipe, root_fs};

/// One resolved package: the file's name carries name, version and architecture.
#[derive(Debug, PartialEq, Eq)]
struct Resolved {
    name: String,
    file: String,
}

/// Unpacks the recipe's packages into `root` and returns the lock: one package file a line, sorted.
pub(crate) fn unpack(recipe: &Recipe, archives: &Path, root: &Path) -> anyhow::Result<String> {
    let resolved = resolve(recipe, archives)?;
    root_fs::merge_usr(root)?;
    for package in &resolved {
        unpack_one(&archives.join(&package.file), root)?;
    }
    let mut lock: Vec<_> = resolved.into_iter().map(|package| package.file).collect();
    lock.sort();
    Ok(lock.join("\n") + "\n")
}

/// Asks apt for the closure as if no package were installed, downloads it, and drops what the recipe leaves out.
fn resolve(recipe: &Recipe, archives: &Path) -> anyhow::Result<Vec<Resolved>> {
    // apt does not print what it has downloaded already, so the question is asked of a folder that stays empty.
    let nothing = tempfile::tempdir()?;
    let uris = match apt(recipe, nothing.path(), "--print-uris") {
        Ok(uris) => uris,
        // A fresh machine has no package lists yet.
        Err(_) => {
            run(Command::new("apt-get").args(["update", "-qq"]))?;
            apt(recipe, nothing.path(), "--print-uris")?
        }
    };
    // What the recipe leaves out is downloaded too: to apt, the closure is one.
    apt(recipe, archives, "--download-only")?;
    let mut resolved = parse_uris(&uris)?;
    resolved.retain(|package| !recipe.excludes(&package.name));
    Ok(resolved)
}

fn apt(recipe: &Recipe, archives: &Path, mode: &str) -> anyhow::Result<String> {
    fs::create_dir_all(archives.join("partial"))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends", "-qq", mode])
        .args(["-oAPT::Sandbox::User=root", "-oDir::State::status=/dev/null"])
        .arg(format!("-oDir::Cache::archives={}", archives.display()))
        .args(&recipe.packages)
        .env("LC_ALL", "C"))
}

/// Reads apt's `'URI' FILE SIZE HASH` lines.
fn parse_uris(text: &str) -> anyhow::Result<Vec<Resolved>> {
    text.lines()
        .filter(|line| line.starts_with('\''))
        .map(|line| {
            let file =
                line.split_whitespace().nth(1).with_context(|| format!("apt printed no file: {line}"))?;
            let (name, _) = file.split_once('_').with_context(|| format!("not a package file: {file}"))?;
            Ok(Resolved { name: name.to_owned(), file: file.to_owned() })
        })
        .collect()
}

fn unpack_one(package: &Path, root: &Path) -> anyhow::Result<()> {
    let context = || format!("failed to unpack {}", package.display());
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(context)?;
    let stream = archive.stdout.take().with_context(context)?;
    // `--keep-directory-symlink`: a package's /lib goes through the link to /usr/lib instead of replacing it.
    let tar = Command::new("tar")
        .args(["--extract", "--keep-directory-symlink", "--no-same-owner", "--directory"])
        .arg(root)
        .stdin(stream)
        .status()
        .with_context(context)?;
    let archive = archive.wait().with_context(context)?;
    ensure!(tar.success() && archive.success(), context());
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("failed to start {program}: images are made of Debian packages and need a machine with apt")
    })?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", stderr.trim());
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolved_package_is_named_by_its_file() {
        let text =
            "'http://mirror/pool/libc6_2.36-9_amd64.deb' libc6_2.36-9_amd64.deb 2759320 SHA256:00\nnote\n";
        let expected = Resolved { name: "libc6".to_owned(), file: "libc6_2.36-9_amd64.deb".to_owned() };
        assert_eq!(parse_uris(text).expect("the lines are well formed"), [expected]);
    }

    #[test]
    fn a_line_without_a_package_is_an_error() {
        let error =
            parse_uris("'http://mirror/pool/x.deb' x.deb 1 SHA256:00").expect_err("the file has no version");
        assert_eq!(error.to_string(), "not a package file: x.deb");
    }
}
