//! What a name means to the one who asks for it. Decided by the text of the name alone.

use std::{net::IpAddr, str::FromStr};

use hickory_resolver::proto::rr::Name;

/// Top-level domains that are nobody's on the internet, or that cloud providers and offices use for themselves. Asked upstream,
/// they would tell about the provider's network; the last three are the clusters' own.
const NOT_PUBLIC: [&str; 19] = [
    "alt",
    "corp",
    "domain",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "test",
    "workgroup",
    "default",
    "kube-system",
    "svc",
];
/// What the names of all leases' namespaces begin with.
const LEASE_PREFIX: &str = "lease-";

/// A domain such as `cluster.local`, in lower case and label by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(Vec<String>);

/// Not a domain.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a domain such as cluster.local")]
pub struct ParseDomain {
    text: String,
}

/// The provider's domains, about which nobody upstream is asked.
#[derive(Clone, Debug)]
pub struct Zones {
    /// The cluster's domain.
    pub cluster: Domain,
    /// Domains that only the provider's own machines should know.
    pub private: Vec<Domain>,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A Service of the asking lease, if it has one of this name.
    Service(String),
    /// A part of the tree that has no records of its own.
    Branch,
    /// Nothing that the asker may know of.
    Absent,
    /// The name of an address.
    Reverse(IpAddr),
    /// A name of the internet.
    Public,
}

impl Domain {
    /// Whether a name, label by label, lies in it or is it.
    fn holds(&self, labels: &[String]) -> bool {
        labels.ends_with(&self.0)
    }
}

impl FromStr for Domain {
    type Err = ParseDomain;

    fn from_str(text: &str) -> Result<Self, ParseDomain> {
        let label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            ((1..=63).contains(&label.len()) && label.bytes().all(plain)).then(|| label.to_ascii_lowercase())
        };
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        let labels = trimmed.split('.').map(label).collect::<Option<Vec<_>>>();
        labels.map(Self).ok_or_else(|| ParseDomain { text: text.to_owned() })
    }
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl Zones {
    /// What a name means to a pod in a namespace.
    pub fn meaning(&self, name: &Name, namespace: &str) -> Meaning {
        let labels: Vec<String> = name.iter().map(text).collect();
        let texts: Vec<&str> = labels.iter().map(String::as_str).collect();
        match texts.as_slice() {
            [] => Meaning::Branch,
            [.., "arpa"] => address(name),
            _ if self.cluster.holds(&labels) => {
                let rest = texts.len() - self.cluster.0.len();
                in_cluster(texts.get(..rest).unwrap_or_default(), namespace)
            }
            // A name without a dot is a neighbour's, and never a question to the internet.
            [service] => Meaning::Service((*service).to_owned()),
            [service, space] | [service, space, "svc"] if *space == namespace => {
                Meaning::Service((*service).to_owned())
            }
            [space, "svc"] if *space == namespace => Meaning::Branch,
            [.., last] if last.starts_with(LEASE_PREFIX) || NOT_PUBLIC.contains(last) => Meaning::Absent,
            _ if self.private.iter().any(|domain| domain.holds(&labels)) => Meaning::Absent,
            _ => Meaning::Public,
        }
    }
}

/// A label as the text that it is compared by. Bytes that are no text are none of ours, whatever they become.
fn text(label: &[u8]) -> String {
    String::from_utf8_lossy(label).to_ascii_lowercase()
}

/// What the part before the cluster's domain means.
fn in_cluster(rest: &[&str], namespace: &str) -> Meaning {
    match rest {
        [] | ["svc"] => Meaning::Branch,
        [space, "svc"] if *space == namespace => Meaning::Branch,
        [service, space, "svc"] if *space == namespace => Meaning::Service((*service).to_owned()),
        _ => Meaning::Absent,
    }
}

fn address(name: &Name) -> Meaning {
    let mut absolute = name.clone();
    absolute.set_fqdn(true);
    match absolute.parse_arpa_name() {
        Ok(net) if net.prefix_len() == net.max_prefix_len() => Meaning::Reverse(net.addr()),
        // Below a part of an address there are others.
        Ok(_) => Meaning::Branch,
        Err(_) => Meaning::Absent,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: &str = "lease-own";
    const OTHERS: [&str; 5] = ["lease-other", "default", "kube-system", "kube-public", "leasehold-system"];

    fn zones() -> Zones {
        Zones { cluster: "cluster.local".parse().unwrap(), private: vec!["Office.Example".parse().unwrap()] }
    }

    fn meaning(name: &str) -> Meaning {
        let labels = name.split('.').filter(|label| !label.is_empty());
        zones().meaning(&Name::from_labels(labels.map(str::as_bytes)).unwrap(), OWN)
    }

    #[test]
    fn every_form_of_an_own_service_leads_to_it() {
        for name in [
            "db.",
            "DB.",
            "db.lease-own.",
            "db.lease-own.svc.",
            "db.lease-own.svc.cluster.local.",
            "Db.Lease-Own.Svc.Cluster.Local.",
        ] {
            assert_eq!(meaning(name), Meaning::Service("db".to_owned()), "{name}");
        }
    }

    #[test]
    fn the_same_forms_in_another_namespace_are_absent() {
        for other in OTHERS {
            for name in [format!("db.{other}.svc."), format!("db.{other}.svc.cluster.local.")] {
                assert_eq!(meaning(&name), Meaning::Absent, "{name}");
            }
            assert_eq!(meaning(&format!("{other}.svc.cluster.local.")), Meaning::Absent);
        }
        for name in ["db.lease-other.", "x.default.", "kubernetes.default.", "coredns.kube-system."] {
            assert_eq!(meaning(name), Meaning::Absent, "{name}");
        }
    }

    #[test]
    fn pods_ports_and_everything_else_of_the_cluster_are_absent() {
        for name in [
            "10-0-0-1.lease-own.pod.cluster.local.",
            "db-0.db.lease-own.svc.cluster.local.",
            "_tcp-80._tcp.db.lease-own.svc.cluster.local.",
            "example.com.lease-own.svc.cluster.local.",
            "any.any.svc.cluster.local.",
            "lease-own.pod.cluster.local.",
            "nodes.cluster.local.",
            "dns-version.cluster.local.",
        ] {
            assert_eq!(meaning(name), Meaning::Absent, "{name}");
        }
        for name in
            [".", "cluster.local.", "svc.cluster.local.", "lease-own.svc.cluster.local.", "lease-own.svc."]
        {
            assert_eq!(meaning(name), Meaning::Branch, "{name}");
        }
    }

    #[test]
    fn names_of_the_internet_are_public_and_names_of_machines_and_offices_are_not() {
        for name in ["example.com.", "a.b.example.org.", "xn--bcher-kva.example.", "_dmarc.example.net."] {
            assert_eq!(meaning(name), Meaning::Public, "{name}");
        }
        for name in [
            "metadata.google.internal.",
            "ip-10-0-0-1.ec2.internal.",
            "printer.local.",
            "a.localhost.",
            "wiki.corp.",
            "x.onion.",
            "db.office.example.",
            "OFFICE.example.",
            "ipv4only.arpa.",
            "x.home.arpa.",
        ] {
            assert_eq!(meaning(name), Meaning::Absent, "{name}");
        }
        assert_eq!(meaning("backoffice.example."), Meaning::Public, "labels are compared whole");
    }

    #[test]
    fn names_of_addresses_are_read_and_parts_of_them_are_branches() {
        assert_eq!(meaning("4.3.2.10.in-addr.arpa."), Meaning::Reverse("10.2.3.4".parse().unwrap()));
        let six = format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa.", "0.".repeat(23));
        assert_eq!(meaning(&six), Meaning::Reverse("2001:db8::1".parse().unwrap()));
        for part in ["10.in-addr.arpa.", "in-addr.arpa.", "ip6.arpa.", "d.f.ip6.arpa."] {
            assert_eq!(meaning(part), Meaning::Branch, "{part}");
        }
        for none in [
            "0/25.2.0.192.in-addr.arpa.",
            "x.in-addr.arpa.",
            "300.1.1.1.in-addr.arpa.",
            "1.4.3.2.10.in-addr.arpa.",
        ] {
            assert_eq!(meaning(none), Meaning::Absent, "{none}");
        }
    }

    #[test]
    fn a_domain_is_read_and_nonsense_is_refused() {
        assert_eq!("Cluster.Local.".parse::<Domain>().unwrap().to_string(), "cluster.local");
        for text in ["", ".", "a..b", "a b", "a/b"] {
            assert_eq!(text.parse::<Domain>(), Err(ParseDomain { text: text.to_owned() }));
        }
    }

    proptest! {
        /// Whatever is asked, the only Services that an answer can be about are the asker's own.
        #[test]
        fn no_name_leads_into_another_namespace(
            labels in prop::collection::vec("[a-z0-9-]{1,10}|lease-own|lease-other|svc|cluster|local|default", 0..7),
        ) {
            let name = Name::from_labels(labels.iter().map(String::as_bytes)).unwrap();
            let text = labels.join(".");
            let found = zones().meaning(&name, OWN);
            if let Meaning::Service(service) = &found {
                let own = ["", ".lease-own", ".lease-own.svc", ".lease-own.svc.cluster.local"];
                let allowed = own.map(|suffix| format!("{service}{suffix}"));
                prop_assert!(allowed.contains(&text), "{text}");
            }
            if found == Meaning::Public {
                prop_assert!(labels.len() > 1);
                prop_assert!(!text.ends_with("cluster.local"), "{}", text);
            }
        }
    }
}
