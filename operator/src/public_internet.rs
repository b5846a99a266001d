//! What is not the public internet. Tenants' pods may not reach it, and nothing is asked there on a tenant's behalf.

use std::net::IpAddr;

use crate::settings::Cidr;

/// Blocks of version 4 that are not the public internet (RFC 6890), and a cloud's wire server.
pub const NOT_PUBLIC_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Blocks of version 6 that are not the public internet: all but 2000::/3, of which alone addresses are given out, and in it
/// the protocols' own blocks (Teredo among them), documentation and 6to4. Teredo, 6to4, and the forms of NAT64 and of mapped
/// addresses in the first block would lead around the list of version 4. NAT64, unique and link local addresses lie in the
/// large blocks and are named nevertheless, for whoever reads a policy. The admission policy of lease namespaces looks for some of
/// these blocks as they are written here.
pub const NOT_PUBLIC_V6: [&str; 10] = [
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "4000::/2",
    "64:ff9b::/96",
    "8000::/1",
    "::/3",
    "fc00::/7",
    "fe80::/10",
];

/// The addresses that are on the internet and none of the cluster's own.
#[derive(Clone, Debug)]
pub struct PublicInternet {
    denied: Vec<Cidr>,
}

impl PublicInternet {
    /// The internet without these blocks of the cluster's.
    pub fn without(denied: Vec<Cidr>) -> Self {
        let fixed = NOT_PUBLIC_V4.iter().chain(&NOT_PUBLIC_V6).filter_map(|block| block.parse().ok());
        Self { denied: denied.into_iter().chain(fixed).collect() }
    }

    /// Whether an address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !self.denied.iter().any(|block| block.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_that_is_not_public_is_one() {
        assert_eq!(
            PublicInternet::without(Vec::new()).denied.len(),
            NOT_PUBLIC_V4.len() + NOT_PUBLIC_V6.len()
        );
    }

    #[test]
    fn an_address_in_disguise_and_a_denied_block_are_not_public() {
        let internet = PublicInternet::without(vec!["11.0.0.0/8".parse().unwrap()]);
        for (address, public) in [
            ("1.1.1.1", true),
            ("::ffff:1.1.1.1", true),
            ("::ffff:10.0.0.1", false),
            ("11.199.0.1", false),
            ("2606:4700::1111", true),
            ("fd00::1", false),
        ] {
            assert_eq!(internet.contains(address.parse().unwrap()), public, "{address}");
        }
    }
}
