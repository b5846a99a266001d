//! The tools that the tasks drive, each built or fetched once from pinned sources.
//!
//! Go programs are pinned by `testbed/<tool>/go.mod` and `go.sum`, the chain's tools and libraries by
//! `contracts/package-lock.json`. Nothing is taken from the machine except compilers and Debian packages.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{self, Key};
use crate::process::{find_on_path, output};
use crate::step::long_step;

pub(crate) mod debian;
mod recipe;

/// A program that is built from a Go module of `testbed/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Kubernetes,
    Containerd,
    Runc,
    Calico,
    Pause,
    Registry,
    Crane,
    CoreDns,
    LocalPathProvisioner,
    Helm,
    Kubeconform,
    Gvisor,
    Traefik,
    Kwok,
}

impl Tool {
    /// Every tool of a testbed, the longest build first.
    pub(crate) const ALL: [Self; 13] = [
        Self::Kubernetes,
        Self::Traefik,
        Self::Calico,
        Self::CoreDns,
        Self::Helm,
        Self::Registry,
        Self::Gvisor,
        Self::Containerd,
        Self::LocalPathProvisioner,
        Self::Runc,
        Self::Crane,
        Self::Kubeconform,
        Self::Pause,
    ];

    /// The directory that holds the tool's files, built first if it is not there.
    pub(crate) fn directory(self) -> Result<PathBuf> {
        let recipe = recipe::of(self);
        let module = repository().join("testbed").join(recipe.module);
        let key = Key::of_directory(&recipe.label(), &module)?;
        let name = format!("tool-{}", recipe.module);
        if cache::entry(&name, &key)?.is_dir() {
            return cache::ensure(&name, &key, |_| bail!("the entry was removed while it was in use"));
        }
        long_step(&format!("build {}", recipe.module), || {
            cache::ensure(&name, &key, |target| recipe.build(&module, target))
        })
    }

    /// The path of one of the tool's programs.
    pub(crate) fn program(self, name: &str) -> Result<PathBuf> {
        let path = self.directory()?.join(name);
        if !path.is_file() {
            bail!("{} was built without its program {name}", recipe::of(self).module);
        }
        Ok(path)
    }
}

/// The npm packages of the contracts: `node_modules` in the cache, installed first if it is not there.
/// `contracts/node_modules` is made to point to it, unless a developer has put a directory of their own there.
pub(crate) fn node_modules() -> Result<PathBuf> {
    let contracts = repository().join("contracts");
    let files = ["package.json", "package-lock.json", ".npmrc"];
    let mut contents = Vec::new();
    for name in files {
        let path = contracts.join(name);
        contents.push((name, fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?));
    }
    let key = Key::of(contents.iter().map(|(name, content)| (*name, content.as_slice())));
    let build = |target: &Path| {
        for (name, content) in &contents {
            fs::write(target.join(name), content)?;
        }
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"];
        output(Command::new("npm").args(arguments).current_dir(target))?;
        // npm passes over an optional package that it cannot get, and the cache must not keep such an entry.
        let forge = packaged(&target.join("node_modules"), "forge");
        ensure!(
            forge.is_file() || !HAS_FOUNDRY,
            "npm did not install Foundry; see that its registry answers"
        );
        Ok(())
    };
    let directory = if cache::entry("npm", &key)?.is_dir() {
        cache::entry("npm", &key)?
    } else {
        long_step("install the contracts' npm packages", || cache::ensure("npm", &key, build))?
    };
    let modules = directory.join("node_modules");
    link(&modules, &contracts.join("node_modules"))?;
    Ok(modules)
}

/// Whether the lock pins Foundry for this machine.
const HAS_FOUNDRY: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// The path of one of Foundry's programs: `anvil`, `forge` or `cast`. Where the lock has none, the one on `PATH`.
pub(crate) fn foundry(name: &str) -> Result<PathBuf> {
    let path = packaged(&node_modules()?, name);
    if path.is_file() {
        return Ok(path);
    }
    ensure!(!HAS_FOUNDRY, "contracts/node_modules has no {name}; run `npm ci` in contracts/");
    find_on_path(name).with_context(|| {
        format!("{name} is pinned for x86-64 Linux only; put the version of contracts/package.json on PATH")
    })
}

fn packaged(modules: &Path, name: &str) -> PathBuf {
    modules.join(format!("@foundry-rs/{name}-linux-amd64/bin/{name}"))
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository's root")
}

fn link(target: &Path, at: &Path) -> Result<()> {
    match fs::symlink_metadata(at) {
        Ok(metadata) if !metadata.is_symlink() => return Ok(()),
        Ok(_) if fs::read_link(at)? == target => return Ok(()),
        Ok(_) => fs::remove_file(at)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("failed to look at {}", at.display())),
    }
    symlink(target, at).with_context(|| format!("failed to link {}", at.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_pinned_module() {
        for tool in Tool::ALL {
            let module = repository().join("testbed").join(recipe::of(tool).module).join("go.mod");
            let text = fs::read_to_string(&module).unwrap();
            assert!(!text.contains("latest"), "{} is not pinned", module.display());
        }
    }

    #[test]
    fn a_link_follows_the_lock_and_a_directory_of_the_developer_stays() {
        let directory = tempfile::tempdir().unwrap();
        let [old, new, at] = ["old", "new", "node_modules"].map(|name| directory.path().join(name));
        link(&old, &at).unwrap();
        link(&new, &at).unwrap();
        assert_eq!(fs::read_link(&at).unwrap(), new);
        fs::remove_file(&at).unwrap();
        fs::create_dir(&at).unwrap();
        link(&old, &at).unwrap();
        assert!(at.is_dir() && !at.is_symlink());
    }
}
