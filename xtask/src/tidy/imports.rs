//! Who may import whom. The table is the architecture; `ARCHITECTURE.md` says why.

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// What one crate may and must not depend on, development dependencies aside.
struct Rule {
    name: &'static str,
    /// Crates of ours that it may import.
    may: &'static [&'static str],
    /// Crates of others that it must not import.
    never: &'static [&'static str],
}

/// Everything that does IO, speaks to a cluster or to a chain.
const PURE: &[&str] = &["alloy", "axum", "hyper", "k8s-openapi", "kube", "reqwest", "tokio"];

/// Crates that only tests import.
const FOR_TESTS: &[&str] = &["fake-kubelet", "testkit"];

const RULES: [Rule; 19] = [
    Rule {
        name: "market",
        may: &[],
        never: &["alloy", "axum", "hyper", "k8s-openapi", "kube", "reqwest", "schemars", "serde", "tokio"],
    },
    Rule { name: "manifest", may: &["market"], never: PURE },
    Rule { name: "usage", may: &["market"], never: PURE },
    Rule { name: "ledger", may: &["market", "usage"], never: &["alloy", "axum", "k8s-openapi", "kube"] },
    Rule {
        name: "rewards",
        may: &["market"],
        never: &["alloy", "axum", "hyper", "k8s-openapi", "kube", "reqwest", "schemars", "serde", "tokio"],
    },
    Rule { name: "crd", may: &["manifest", "market"], never: &["alloy", "axum", "reqwest", "tokio"] },
    Rule { name: "chain", may: &["market", "rewards", "usage"], never: &["axum", "k8s-openapi", "kube"] },
    Rule {
        name: "gateway-api",
        may: &["market", "manifest"],
        never: &["alloy", "axum", "k8s-openapi", "kube", "tokio"],
    },
    Rule { name: "telemetry", may: &[], never: &["alloy", "k8s-openapi", "kube"] },
    Rule {
        name: "testkit",
        may: &["chain", "crd", "gateway-api", "manifest", "market", "rewards", "telemetry", "usage"],
        never: &[],
    },
    // The judge of the meter shares nothing with it.
    Rule { name: "fake-kubelet", may: &[], never: &["alloy", "k8s-openapi", "kube"] },
    Rule {
        name: "operator",
        may: &["crd", "ledger", "manifest", "market", "telemetry", "usage"],
        never: &["alloy"],
    },
    Rule {
        name: "provider-agent",
        may: &["chain", "crd", "gateway-api", "manifest", "market", "telemetry", "usage"],
        never: &[],
    },
    // What it knows of a cluster it has read; it imports neither program that will run there.
    Rule { name: "preflight", may: &["crd", "market"], never: &["axum"] },
    Rule {
        name: "leasehold",
        may: &["chain", "gateway-api", "manifest", "market", "preflight", "rewards", "usage"],
        never: &["k8s-openapi", "kube"],
    },
    Rule { name: "isolation-probe", may: &[], never: PURE },
    Rule {
        name: "e2e",
        may: &[
            "chain",
            "crd",
            "fake-kubelet",
            "gateway-api",
            "isolation-probe",
            "ledger",
            "manifest",
            "market",
            "operator",
            "telemetry",
            "testkit",
            "usage",
        ],
        never: &[],
    },
    Rule { name: "deployer", may: &["chain"], never: &["k8s-openapi", "kube"] },
    Rule { name: "xtask", may: &[], never: &["alloy", "kube", "tokio"] },
];

/// The part of `cargo metadata` that is read here.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Returns one line for each import that the table does not allow.
pub(super) fn check(metadata: &serde_json::Value) -> anyhow::Result<Vec<String>> {
    let metadata = Metadata::deserialize(metadata).context("failed to read cargo's metadata")?;
    ensure!(!metadata.packages.is_empty(), "cargo names no package");
    let ours: Vec<_> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let Some(rule) = RULES.iter().find(|rule| rule.name == package.name) else {
            problems
                .push(format!("{}: has no import rule; add one to xtask/src/tidy/imports.rs", package.name));
            continue;
        };
        for Dependency { name, kind } in &package.dependencies {
            let is_development = kind.as_deref() == Some("dev");
            let is_allowed = if ours.contains(&name.as_str()) {
                rule.may.contains(&name.as_str()) || (is_development && FOR_TESTS.contains(&name.as_str()))
            } else {
                is_development || !rule.never.contains(&name.as_str())
            };
            if !is_allowed {
                problems.push(format!("{}: must not import {name}", package.name));
            }
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_forbidden_import_is_named_and_a_test_dependency_is_free() {
        let metadata = json!({"packages": [
            {"name": "chain", "dependencies": []},
            {"name": "testkit", "dependencies": []},
            {"name": "operator", "dependencies": [
                {"name": "chain", "kind": null},
                {"name": "alloy", "kind": null},
                {"name": "testkit", "kind": "dev"},
                {"name": "kube", "kind": null},
            ]},
            {"name": "market", "dependencies": [{"name": "serde", "kind": "dev"}, {"name": "tokio", "kind": "build"}]},
            {"name": "console", "dependencies": []},
        ]});
        assert_eq!(
            check(&metadata).expect("the metadata is well formed"),
            [
                "operator: must not import chain",
                "operator: must not import alloy",
                "market: must not import tokio",
                "console: has no import rule; add one to xtask/src/tidy/imports.rs",
            ]
        );
    }
}
