//! How each Go tool is built.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::Tool;
use crate::process::{is_on_path, output};

/// A build. Everything in it decides the result, so all of it is part of the cache key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    /// The directory under `testbed/`.
    pub(super) module: &'static str,
    /// `tool` for the programs that go.mod names by `tool` lines, `.` for a program of our own.
    package: &'static str,
    cgo: &'static str,
    tags: &'static str,
    ldflags: &'static str,
    /// Names by which the one program is called, for a program that acts by its name.
    links: &'static [&'static str],
    /// A directory of a dependency that is kept beside the programs: module and path.
    data: Option<(&'static str, &'static str)>,
}

const PLAIN: Recipe =
    Recipe { module: "", package: "tool", cgo: "0", tags: "", ldflags: "-s -w", links: &[], data: None };

/// The build of a tool.
pub(super) fn of(tool: Tool) -> Recipe {
    match tool {
        Tool::Kubernetes => Recipe {
            module: "kubernetes",
            package: ".",
            cgo: "1",
            ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 \
                      -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35",
            links: &[
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "kubectl",
            ],
            ..PLAIN
        },
        Tool::Containerd => Recipe { module: "containerd", tags: "no_btrfs no_devmapper no_zfs", ..PLAIN },
        Tool::Runc => Recipe { module: "runc", cgo: "1", tags: "seccomp", ..PLAIN },
        Tool::Calico => Recipe {
            module: "calico",
            package: ".",
            links: &["calico-felix"],
            data: Some(("github.com/projectcalico/calico", "libcalico-go/config/crd")),
            ..PLAIN
        },
        Tool::Pause => Recipe { module: "pause", package: ".", ..PLAIN },
        Tool::Registry => Recipe { module: "registry", ..PLAIN },
        Tool::Crane => Recipe { module: "crane", ..PLAIN },
        Tool::CoreDns => Recipe { module: "coredns", ..PLAIN },
        Tool::LocalPathProvisioner => Recipe { module: "local-path-provisioner", ..PLAIN },
        Tool::Helm => Recipe { module: "helm", ..PLAIN },
        Tool::Kubeconform => Recipe { module: "kubeconform", ..PLAIN },
        Tool::Gvisor => Recipe { module: "gvisor", ..PLAIN },
        Tool::Traefik => Recipe {
            module: "traefik",
            data: Some(("sigs.k8s.io/gateway-api", "config/crd/standard")),
            ..PLAIN
        },
        Tool::Kwok => Recipe { module: "kwok", ..PLAIN },
    }
}

/// What only single builds need; kept apart from [`Recipe`] so that it is no part of the others' keys.
#[derive(Debug)]
struct Special {
    module: &'static str,
    /// The dependency whose source `source.patch` changes before the build.
    patched: &'static str,
    /// Programs that others look for by another name than their package's.
    renamed: &'static [(&'static str, &'static str)],
}

const SPECIAL: [Special; 1] = [Special {
    module: "gvisor",
    patched: "gvisor.dev/gvisor",
    renamed: &[("shim", "containerd-shim-runsc-v1")],
}];

impl Recipe {
    /// The part of the cache key that is not in the module's files.
    pub(super) fn label(self) -> String {
        match self.special() {
            Some(special) => format!("{self:?} {special:?}"),
            None => format!("{self:?}"),
        }
    }

    fn special(self) -> Option<&'static Special> {
        SPECIAL.iter().find(|special| special.module == self.module)
    }

    /// Builds into an empty directory.
    pub(super) fn build(self, module: &Path, target: &Path) -> Result<()> {
        ensure!(is_on_path("go"), "the tools are built from source: install Go 1.26 or newer");
        let Self { module: name, package, cgo, tags, ldflags, links, data } = self;
        let patched = match self.special() {
            Some(Special { patched, .. }) => Some(patched_copy(module, patched)?),
            None => None,
        };
        let directory = patched.as_ref().map_or(module, |copy| copy.path());
        let mut build = go(directory, cgo);
        build.args(["build", "-trimpath", "-ldflags", ldflags, "-tags", tags, "-o"]);
        // A trailing slash makes Go treat the path as a directory, which several programs need.
        output(build.arg(target.join("")).arg(package))?;
        for (built, wanted) in self.special().map_or(&[][..], |special| special.renamed) {
            fs::rename(target.join(built), target.join(wanted))
                .with_context(|| format!("failed to rename {built}"))?;
        }
        for link in links {
            symlink(name, target.join(link)).with_context(|| format!("failed to link {link}"))?;
        }
        if let Some((dependency, path)) = data {
            let source = source_of(module, dependency)?.join(path);
            let copy = target.join("crd");
            fs::create_dir(&copy)?;
            for entry in
                fs::read_dir(&source).with_context(|| format!("failed to list {}", source.display()))?
            {
                let entry = entry?;
                fs::write(copy.join(entry.file_name()), fs::read(entry.path())?)?;
            }
        }
        Ok(())
    }
}

/// Go at work on the module in `directory`, with nothing but what its `go.sum` pins.
fn go(directory: &Path, cgo: &str) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(directory)
        .env("CGO_ENABLED", cgo)
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOWORK", "off");
    command
}

/// Where the source of a dependency lies, downloaded first if it is not there.
fn source_of(module: &Path, dependency: &str) -> Result<PathBuf> {
    output(go(module, "0").args(["mod", "download", dependency]))?;
    let source = output(go(module, "0").args(["list", "-m", "-f", "{{.Dir}}", dependency]))?;
    Ok(PathBuf::from(source.trim_end()))
}

/// A copy of the module that builds with a patched copy of the dependency: what Go itself downloaded is read-only,
/// and it refuses to lay other files over it.
fn patched_copy(module: &Path, dependency: &str) -> Result<TempDir> {
    let copy = tempfile::tempdir()?;
    for name in ["go.mod", "go.sum", PATCH] {
        fs::copy(module.join(name), copy.path().join(name))
            .with_context(|| format!("failed to copy {name} of {}", module.display()))?;
    }
    let source = copy.path().join("source");
    let mut copied = Command::new("cp");
    copied.args(["--recursive", "--no-preserve=mode,ownership"]).arg(source_of(module, dependency)?);
    output(copied.arg(&source))?;
    let mut patch = Command::new("patch");
    patch.args(["--strip=1", "--fuzz=0", "--directory"]).arg(&source);
    output(patch.arg("--input").arg(copy.path().join(PATCH)))?;
    let replaced = format!("-replace={dependency}=./source");
    output(go(copy.path(), "0").args(["mod", "edit", &replaced]))?;
    Ok(copy)
}

/// The file of a tool that changes the source of its dependency.
const PATCH: &str = "source.patch";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::repository;

    #[test]
    fn kubernetes_says_the_version_that_its_module_pins() {
        let module = fs::read_to_string(repository().join("testbed/kubernetes/go.mod")).unwrap();
        let pinned = module.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes ")).unwrap();
        let (major, minor) = pinned.trim_start_matches('v').split_once('.').unwrap();
        let minor = minor.split('.').next().unwrap();
        let variable = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
        let said = ["gitVersion", "gitMajor", "gitMinor"].into_iter().zip([pinned, major, minor]);
        let said: Vec<String> = said.map(|(name, value)| variable(name, value)).collect();
        assert_eq!(of(Tool::Kubernetes).ldflags, format!("-s -w {}", said.join(" ")));
    }
}
