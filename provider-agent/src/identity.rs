//! `provider-agent identity`: what the owner must know to register this agent. Public facts only.

use std::fmt;

use chain::HotKey;
use market::Address;
use serde::Serialize;
use url::Url;

use crate::gateway::tls::{self, DerivedIdentity};

/// The public side of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The hot key's address, to be authorised and funded with gas.
    pub operator: Address,
    /// base64url of the SHA-256 of the SubjectPublicKeyInfo of the derived certificate.
    pub pin_sha256: String,
    /// What to put into the registry, if the public URL is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// Whose certificate the gateway shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Our own; tenants pin its key.
    Derived,
    /// A configured one, which ordinary authorities vouch for.
    Configured,
}

impl Identity {
    /// The identity of a key behind a public URL.
    pub fn new(key: &HotKey, public_url: Option<&Url>, certificate: Certificate) -> Result<Self, tls::Error> {
        let pin_sha256 = DerivedIdentity::new(key).pin()?;
        let uri = public_url.map(|url| registry_uri(url, &pin_sha256, certificate));
        Ok(Self { operator: key.address(), pin_sha256, uri })
    }
}

fn registry_uri(url: &Url, pin: &str, certificate: Certificate) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let plain = url.as_str().trim_end_matches('/').to_owned();
    match certificate {
        Certificate::Derived => format!("{plain}#pin-sha256={pin}"),
        Certificate::Configured => plain,
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "operator     {}", self.operator)?;
        writeln!(f, "pin-sha256   {}", self.pin_sha256)?;
        if let Some(uri) = &self.uri {
            writeln!(f, "registry uri {uri}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_carries_the_pin_of_a_derived_certificate_only() {
        let url = Url::parse("https://gateway.example.net:8443/").unwrap();
        assert_eq!(
            registry_uri(&url, "abc", Certificate::Derived),
            "https://gateway.example.net:8443#pin-sha256=abc"
        );
        assert_eq!(registry_uri(&url, "abc", Certificate::Configured), "https://gateway.example.net:8443");
    }
}
