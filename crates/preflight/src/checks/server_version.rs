//! `server_version`: the API server is new enough for what the chart installs.

use crate::{
    ClusterFacts, Values,
    facts::Version,
    outcome::{Judgement, fail, pass},
};

/// The oldest minor version of Kubernetes 1 whose admission policies and user namespaces we rely on.
const OLDEST_MINOR: u32 = 33;

pub(super) fn check(facts: &ClusterFacts, _values: &Values) -> Judgement {
    let version = facts.version.as_ref()?;
    match numbers(version) {
        Some((major, minor)) if (major, minor) >= (1, OLDEST_MINOR) => {
            pass(format!("Kubernetes {}", version.full))
        }
        _ => fail(
            format!("Kubernetes {} is older than 1.{OLDEST_MINOR}", version.full),
            format!("upgrade the cluster to Kubernetes 1.{OLDEST_MINOR} or later"),
        ),
    }
}

/// Vendors write a minor version such as `33+`.
fn numbers(version: &Version) -> Option<(u32, u32)> {
    let digits = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    Some((digits(&version.major)?, digits(&version.minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{facts, failed, passed};

    fn with(minor: &str) -> ClusterFacts {
        let version =
            Version { major: "1".to_owned(), minor: minor.to_owned(), full: format!("v1.{minor}.0") };
        ClusterFacts { version: Ok(version), ..facts() }
    }

    #[test]
    fn the_oldest_version_passes_and_the_one_before_fails() {
        let check = |minor| check(&with(minor), &Values::default());
        assert_eq!(passed(check("33+")), "Kubernetes v1.33+.0");
        let (message, fix) = failed(check("32"));
        assert_eq!(message, "Kubernetes v1.32.0 is older than 1.33");
        assert_eq!(fix, "upgrade the cluster to Kubernetes 1.33 or later");
        assert_eq!(failed(check("?")).0, "Kubernetes v1.?.0 is older than 1.33");
    }
}
