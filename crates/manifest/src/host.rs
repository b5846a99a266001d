//! Public host names that a tenant brings along.

use std::fmt;
use std::str::FromStr;

/// Longest name: `_leasehold.` before it must still be a name that DNS can hold.
const LONGEST: usize = 242;

/// Endings that never name a host of the public DNS, and that clusters give a meaning to.
const NEVER_PUBLIC: [&str; 6] = ["local", "localhost", "internal", "svc", "arpa", "onion"];

/// Why a host name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseHost {
    /// Not a full DNS name.
    #[error(
        "{text:?} is not a host name such as shop.example.com: use at most {LONGEST} lower-case letters, digits, '-' and '.', in two or more parts of 1 to 63 characters that neither start nor end with '-'; no wildcard and no address"
    )]
    Malformed {
        /// What was written.
        text: String,
    },
    /// A name that is not of the public DNS.
    #[error("{text:?} is not a public host name: nobody can own a name under {ending}")]
    NeverPublic {
        /// What was written.
        text: String,
        /// The ending.
        ending: &'static str,
    },
}

/// A full DNS name in lower case: two labels or more, no wildcard, no address, no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name is `domain` or lies below it.
    pub fn is_at_or_below(&self, domain: &HostName) -> bool {
        self.0.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = ParseHost;

    fn from_str(text: &str) -> Result<Self, ParseHost> {
        let labels: Vec<&str> = text.split('.').collect();
        // No top-level domain is a number, and whatever ends in one is read as an address.
        let numeric = |label: &&str| label.bytes().all(|b| b.is_ascii_digit());
        let fits = text.len() <= LONGEST
            && labels.len() >= 2
            && labels.iter().copied().all(is_label)
            && !labels.last().is_some_and(numeric);
        let shown = || text.chars().take(80).collect();
        if !fits {
            return Err(ParseHost::Malformed { text: shown() });
        }
        match NEVER_PUBLIC.into_iter().find(|ending| labels.last() == Some(ending)) {
            Some(ending) => Err(ParseHost::NeverPublic { text: shown(), ending }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn full_names_in_lower_case_are_hosts() {
        let longest =
            format!("{}.{}.{}.{}.example", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(42));
        assert_eq!(longest.len(), LONGEST);
        for text in [
            "shop.example.com",
            "example.com",
            "xn--bcher-kva.example",
            "4.example",
            "a--b.example",
            &longest,
        ] {
            assert_eq!(host(text).to_string(), text);
        }
    }

    #[test]
    fn wildcards_addresses_single_labels_and_other_text_are_not() {
        let long = format!("{}.example.com", "a.".repeat(120));
        for text in [
            "",
            ".",
            "shop",
            "*.example.com",
            "*",
            "Shop.example.com",
            "shop.example.com.",
            ".example.com",
            "shop..example.com",
            "-a.example.com",
            "a-.example.com",
            "a_b.example.com",
            "_leasehold.example.com",
            "192.0.2.1",
            "1.2.3",
            "::1",
            "[::1]",
            "shop.example.com:80",
            "http://shop.example.com",
            "bücher.example",
            "shop.example.com\n",
            "shop example.com",
            &format!("{}.com", "a".repeat(64)),
            &long,
        ] {
            let shown = text.chars().take(80).collect();
            assert_eq!(text.parse::<HostName>(), Err(ParseHost::Malformed { text: shown }), "{text:?}");
        }
    }

    #[test]
    fn names_that_only_a_cluster_or_a_machine_knows_are_refused() {
        for (text, ending) in [
            ("web.lease.svc.cluster.local", "local"),
            ("metadata.google.internal", "internal"),
            ("web.lease.svc", "svc"),
            ("a.localhost", "localhost"),
            ("1.0.0.127.in-addr.arpa", "arpa"),
        ] {
            assert_eq!(text.parse::<HostName>(), Err(ParseHost::NeverPublic { text: text.into(), ending }));
        }
    }

    #[test]
    fn a_name_lies_below_a_domain_only_at_a_dot() {
        assert!(host("a.apps.example").is_at_or_below(&host("apps.example")));
        assert!(host("apps.example").is_at_or_below(&host("apps.example")));
        assert!(!host("myapps.example").is_at_or_below(&host("apps.example")));
        assert!(!host("apps.example.com").is_at_or_below(&host("apps.example")));
    }
}
