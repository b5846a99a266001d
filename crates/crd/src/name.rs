//! The one place that computes names from a lease id.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use market::LeaseId;

const PREFIX: &str = "lease-";

/// Name of a `ComputeLease` and of its namespace: `lease-` and the base32 text of the lease id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseName(String);

impl LeaseName {
    /// The name that belongs to a lease id.
    pub fn of(id: LeaseId) -> Self {
        let mut name = BASE32_NOPAD.encode(id.0.as_slice());
        name.make_ascii_lowercase();
        Self(format!("{PREFIX}{name}"))
    }

    /// Reads a name back, `None` when no lease id has this name.
    pub fn parse(name: &str) -> Option<Self> {
        let encoded = name.strip_prefix(PREFIX)?;
        let canonical = encoded.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = BASE32_NOPAD.decode(encoded.to_ascii_uppercase().as_bytes()).ok()?;
        (canonical && bytes.len() == 32).then(|| Self(name.to_owned()))
    }

    /// The whole name, a DNS label of 58 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 52 characters after the prefix, used as a label value (which may have 63 at most).
    pub fn label_value(&self) -> &str {
        &self.0[PREFIX.len()..]
    }

    /// Name of the Secret in the system namespace that holds the lease's manifest.
    pub fn manifest_secret(&self) -> String {
        format!("{}-manifest", self.0)
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of the `ComputeLease` and of the namespace of a lease.
pub fn lease_name(id: LeaseId) -> String {
    LeaseName::of(id).0
}

#[cfg(test)]
mod tests {
    use market::B256;

    use super::*;

    #[test]
    fn the_name_is_the_prefix_and_lower_case_base32() {
        assert_eq!(lease_name(LeaseId(B256::ZERO)), format!("lease-{}", "a".repeat(52)));
        let name = LeaseName::of(LeaseId(B256::repeat_byte(0xff)));
        assert_eq!(name.as_str(), format!("lease-{}q", "7".repeat(51)));
        assert_eq!(name.as_str().len(), 58);
        assert_eq!(name.label_value().len(), 52);
        assert_eq!(name.manifest_secret(), format!("{name}-manifest"));
    }

    #[test]
    fn only_names_of_lease_ids_are_read_back() {
        let name = LeaseName::of(LeaseId(B256::repeat_byte(0x5a)));
        assert_eq!(LeaseName::parse(name.as_str()), Some(name.clone()));
        for other in
            ["", "lease-", "kube-system", "lease-aaaa", &name.as_str().to_uppercase(), &format!("{name}a")]
        {
            assert_eq!(LeaseName::parse(other), None, "{other}");
        }
    }
}
