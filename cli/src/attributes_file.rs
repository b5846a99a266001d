//! A file with a provider's public attributes: a JSON object of strings.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

/// Reads the attributes.
pub(crate) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a JSON object of strings", path.display()))
}
