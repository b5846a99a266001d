//! A provider's gateway as it stands in the registry: `https://HOST:PORT#pin-sha256=<base64url>`.

use data_encoding::BASE64URL_NOPAD;
use url::{Host, Url};

/// Where a gateway is and how to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayUri {
    pub(crate) base: Url,
    pub(crate) trust: Trust,
}

/// How the gateway's certificate is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// By the SHA-256 of its public key, and nothing else.
    Pin([u8; 32]),
    /// By the certificate authorities that this machine trusts.
    WebPki,
}

/// Why a registry record is no gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UriError {
    #[error("the provider's gateway {0:?} is not a URL")]
    NotUrl(String),
    #[error("the provider's gateway {0:?} is not of the form https://HOST:PORT[#pin-sha256=…]")]
    Form(String),
    #[error(
        "the provider's gateway {0:?} has a malformed pin; expected 32 bytes in base64url without padding"
    )]
    Pin(String),
}

impl std::str::FromStr for GatewayUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let mut base = Url::parse(text).map_err(|_| UriError::NotUrl(text.to_owned()))?;
        let is_plain = base.scheme() == "https"
            && matches!(base.host(), Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)))
            && base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.path() == "/";
        if !is_plain {
            return Err(UriError::Form(text.to_owned()));
        }
        let trust = match base.fragment() {
            None => Trust::WebPki,
            Some(fragment) => {
                let encoded =
                    fragment.strip_prefix("pin-sha256=").ok_or_else(|| UriError::Form(text.to_owned()))?;
                let pin =
                    BASE64URL_NOPAD.decode(encoded.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
                Trust::Pin(pin.ok_or_else(|| UriError::Pin(text.to_owned()))?)
            }
        };
        base.set_fragment(None);
        Ok(GatewayUri { base, trust })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_and_an_ordinary_gateway_are_read() {
        let pin = BASE64URL_NOPAD.encode(&[0xfb; 32]);
        let pinned: GatewayUri = format!("https://10.0.0.1:30443#pin-sha256={pin}").parse().unwrap();
        let expected = Url::parse("https://10.0.0.1:30443/").unwrap();
        assert_eq!(pinned, GatewayUri { base: expected, trust: Trust::Pin([0xfb; 32]) });
        let ordinary: GatewayUri = "https://gateway.example".parse().unwrap();
        assert_eq!(ordinary.trust, Trust::WebPki);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["http://a:1", "https://u@a:1", "https://a:1/x", "https://a:1?x", "https://a:1#sha=1", "ftp://a"]
        {
            assert_eq!(text.parse::<GatewayUri>(), Err(UriError::Form(text.into())));
        }
        assert_eq!("nothing".parse::<GatewayUri>(), Err(UriError::NotUrl("nothing".into())));
        for text in ["https://a#pin-sha256=", "https://a#pin-sha256=AAAA", "https://a#pin-sha256=+"] {
            assert_eq!(text.parse::<GatewayUri>(), Err(UriError::Pin(text.into())));
        }
    }
}
