//! Whom we may call on behalf of a tenant: public addresses, and what the provider allows by name.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use url::Host;

use crate::{public_internet::PublicInternet, settings::Cidr};

/// A registry that the provider allows wherever it is: all its ports, or one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedRegistry {
    transport: Transport,
    host: String,
    port: Option<u16>,
}

/// How a registry is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Transport {
    Tls,
    Plain,
}

/// Not `[http://]HOST[:PORT]`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a registry such as registry.internal or http://10.0.0.5:5000")]
pub struct ParseAllowedRegistry {
    text: String,
}

impl FromStr for AllowedRegistry {
    type Err = ParseAllowedRegistry;

    fn from_str(text: &str) -> Result<Self, ParseAllowedRegistry> {
        let error = || ParseAllowedRegistry { text: text.to_owned() };
        let (transport, authority) = match text.strip_prefix("http://") {
            Some(authority) => (Transport::Plain, authority),
            None => (Transport::Tls, text),
        };
        // The same reading as that of the URLs that it is compared with.
        let url = Url::parse(&format!("http://{authority}")).map_err(|_| error())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|_| bare && url.username().is_empty()).ok_or_else(error)?;
        let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map(|(_, port)| port);
        let port = port.map(str::parse).transpose().map_err(|_| error())?;
        Ok(Self { transport, host: host.to_owned(), port })
    }
}

impl fmt::Display for AllowedRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.transport == Transport::Plain {
            f.write_str("http://")?;
        }
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The rules.
#[derive(Clone, Debug)]
pub struct AddressRules {
    allowed: BTreeSet<AllowedRegistry>,
    internet: PublicInternet,
}

/// How an address may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only where its name leads to public addresses, and only by TLS.
    Public,
    /// Wherever it is, and without TLS if it has none.
    Allowed,
}

/// An address that is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// Not on the internet.
    #[error("{host} is not a public address, and the provider does not allow it")]
    NotPublic {
        /// The host.
        host: String,
    },
    /// Without TLS.
    #[error("{host} was to be asked without TLS")]
    Plain {
        /// The host.
        host: String,
    },
}

impl AddressRules {
    /// Rules that allow these registries, and besides all that is not public deny these blocks.
    pub fn new(allowed: impl IntoIterator<Item = AllowedRegistry>, denied: Vec<Cidr>) -> Self {
        Self { allowed: allowed.into_iter().collect(), internet: PublicInternet::without(denied) }
    }

    /// How a URL may be called, if at all. A name is checked once more when it is resolved.
    pub fn check(&self, url: &Url) -> Result<Reach, NotAllowed> {
        let host = url.host_str().unwrap_or_default();
        match (self.allowed(host, url.port_or_known_default()), url.scheme()) {
            (Some(_), "https") | (Some(Transport::Plain), "http") => return Ok(Reach::Allowed),
            (None, "https") => {}
            _ => return Err(NotAllowed::Plain { host: host.to_owned() }),
        }
        let public = match url.host() {
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(address)) => self.is_public(address.into()),
            Some(Host::Ipv6(address)) => self.is_public(address.into()),
            None => false,
        };
        if public { Ok(Reach::Public) } else { Err(NotAllowed::NotPublic { host: host.to_owned() }) }
    }

    /// `http` for what the provider allows without TLS, `https` for all others.
    pub fn scheme(&self, registry: &str) -> &'static str {
        let url = Url::parse(&format!("http://{registry}"));
        let transport = url
            .ok()
            .and_then(|url| self.allowed(url.host_str().unwrap_or_default(), url.port_or_known_default()));
        match transport {
            Some(Transport::Plain) => "http",
            Some(Transport::Tls) | None => "https",
        }
    }

    /// Whether an address is on the internet and not one of the cluster's own.
    pub fn is_public(&self, address: IpAddr) -> bool {
        self.internet.contains(address)
    }

    fn allowed(&self, host: &str, port: Option<u16>) -> Option<Transport> {
        let matching = |allowed: &&AllowedRegistry| {
            allowed.host == host && (allowed.port.is_none() || allowed.port == port)
        };
        self.allowed.iter().find(matching).map(|allowed| allowed.transport)
    }
}

/// Resolves names to their public addresses, so that no name leads inside, whatever it said a moment ago.
#[derive(Debug)]
pub struct PublicOnly {
    rules: Arc<AddressRules>,
}

impl PublicOnly {
    /// A resolver under these rules.
    pub fn new(rules: Arc<AddressRules>) -> Self {
        Self { rules }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|found| rules.is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(NotAllowed::NotPublic { host }.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AddressRules {
        let allowed = ["http://10.0.0.5:5000", "registry.internal", "http://[fd00::5]:5000"];
        AddressRules::new(
            allowed.map(|text| text.parse().unwrap()),
            vec!["8.8.4.0/24".parse().unwrap(), "2a00::/16".parse().unwrap()],
        )
    }

    fn check(url: &str) -> Result<Reach, NotAllowed> {
        rules().check(&Url::parse(url).unwrap())
    }

    #[test]
    fn only_the_internet_and_what_is_allowed_by_name_is_called() {
        for url in ["https://ghcr.io/v2/", "https://8.8.8.8/v2/", "https://[2606:4700::1]:8443/v2/"] {
            assert_eq!(check(url), Ok(Reach::Public), "{url}");
        }
        for url in ["http://10.0.0.5:5000/", "https://registry.internal/", "http://[fd00::5]:5000/"] {
            assert_eq!(check(url), Ok(Reach::Allowed), "{url}");
        }
        for (url, host) in [
            ("https://10.0.0.5/", "10.0.0.5"),
            ("https://10.0.0.5:5001/", "10.0.0.5"),
            ("https://127.0.0.1/", "127.0.0.1"),
            // All of these are loopback or the metadata service in other clothes.
            ("https://127.1/", "127.0.0.1"),
            ("https://2130706433/", "127.0.0.1"),
            ("https://0x7f.1/", "127.0.0.1"),
            ("https://169.254.169.254/", "169.254.169.254"),
            ("https://[::1]/", "[::1]"),
            ("https://[::ffff:169.254.169.254]/", "[::ffff:a9fe:a9fe]"),
            ("https://[fe80::1]/", "[fe80::1]"),
            ("https://[fd00:ec2::254]/", "[fd00:ec2::254]"),
            ("https://100.100.100.200/", "100.100.100.200"),
            // Blocks that the provider denied.
            ("https://8.8.4.4/", "8.8.4.4"),
            ("https://[2a00::1]/", "[2a00::1]"),
        ] {
            assert_eq!(check(url), Err(NotAllowed::NotPublic { host: host.to_owned() }), "{url}");
        }
        for host in ["ghcr.io", "registry.internal"] {
            assert_eq!(check(&format!("http://{host}/")), Err(NotAllowed::Plain { host: host.to_owned() }));
        }
    }

    #[test]
    fn plain_http_is_for_allowed_registries_alone() {
        assert_eq!(rules().scheme("10.0.0.5:5000"), "http");
        for registry in ["10.0.0.5", "10.0.0.6:5000", "registry.internal", "ghcr.io", "ghcr.io:80"] {
            assert_eq!(rules().scheme(registry), "https", "{registry}");
        }
        for text in ["http://10.0.0.5:5000", "registry.internal", "r.example:5000"] {
            assert_eq!(text.parse::<AllowedRegistry>().unwrap().to_string(), text);
        }
        for text in ["", "https://x", "a/b", "a:b", "u@h", "h:70000"] {
            assert!(text.parse::<AllowedRegistry>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_resolved() {
        let resolver = PublicOnly::new(Arc::new(rules()));
        let error = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "localhost is not a public address, and the provider does not allow it"
        );
    }
}
