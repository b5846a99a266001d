//! Whether a label selector chooses labels that we know.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};

/// Whether the selector chooses what has these labels. One that cannot be read chooses everything: whoever asks wants to
/// know whether something may reach a lease.
pub(crate) fn may_choose(selector: Option<&LabelSelector>, labels: &BTreeMap<String, String>) -> bool {
    let Some(selector) = selector else { return true };
    Selector::try_from(selector.clone()).map_or(true, |selector| selector.matches(labels))
}
