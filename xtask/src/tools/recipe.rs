//! How each Go tool is built.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

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
    }
}

impl Recipe {
    /// The part of the cache key that is not in the module's files.
    pub(super) fn label(self) -> String {
        format!("{self:?}")
    }

    /// Builds into an empty directory.
    pub(super) fn build(self, module: &Path, target: &Path) -> Result<()> {
        ensure!(is_on_path("go"), "the tools are built from source: install Go 1.26 or newer");
        let Self { module: name, package, cgo, tags, ldflags, links, data } = self;
        let go = || {
            let mut command = Command::new("go");
            command
                .current_dir(module)
                .env("CGO_ENABLED", cgo)
                .env("GOFLAGS", "-mod=readonly -buildvcs=false");
            command.env("GOWORK", "off");
            command
        };
        let mut build = go();
        build.args(["build", "-trimpath", "-ldflags", ldflags, "-tags", tags, "-o"]);
        // A trailing slash makes Go treat the path as a directory, which several programs need.
        output(build.arg(target.join("")).arg(package))?;
        for link in links {
            symlink(name, target.join(link)).with_context(|| format!("failed to link {link}"))?;
        }
        if let Some((dependency, path)) = data {
            let source = output(go().args(["list", "-m", "-f", "{{.Dir}}", dependency]))?;
            let source = Path::new(source.trim_end()).join(path);
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
