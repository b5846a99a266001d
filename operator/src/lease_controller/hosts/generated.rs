//! Hosts that the provider makes: `<service>-<lease>.<public domain>`, and `<service>-<lease>-<port>.<public domain>` for
//! the ports after a service's first public one.
//!
//! Read from the right, the form is plain: a port has at most five digits and a lease exactly 26 characters without a
//! hyphen, so neither a service's name nor a port can make one lease's host look like another's.

use crd::LeaseName;
use manifest::{Expose, Port, Service, ServiceName};

use crate::settings::exposure::PublicDomain;

/// Characters of the lease's label in a host: 130 bits of the lease id.
const LEASE_CHARACTERS: usize = 26;

/// The made host of a service's public port.
pub fn host(
    lease: &LeaseName,
    name: &ServiceName,
    service: &Service,
    port: Port,
    domain: &PublicDomain,
) -> String {
    let lease = lease.label_value().get(..LEASE_CHARACTERS).unwrap_or_else(|| lease.label_value());
    let first = service.ports.iter().find(|port| port.expose == Expose::Public);
    if first.is_some_and(|first| first.port == port) {
        format!("{name}-{lease}.{domain}")
    } else {
        format!("{name}-{lease}-{}.{domain}", port.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use manifest::ValidManifest;
    use market::{B256, LeaseId};
    use proptest::prelude::*;

    use super::*;
    use crate::lease_controller::test_support::manifest_of;

    /// A manifest whose services of these names have these public ports.
    fn manifest(services: &BTreeMap<String, Vec<u16>>) -> ValidManifest {
        let services: serde_json::Map<_, _> = services
            .iter()
            .map(|(name, ports)| {
                let ports: Vec<_> = ports
                    .iter()
                    .map(|port| serde_json::json!({ "port": port, "expose": "public" }))
                    .collect();
                let service = serde_json::json!({
                    "image": format!("registry.example/web@sha256:{}", "0".repeat(64)),
                    "resources": { "cpu": "100m", "memory": "64Mi" },
                    "ports": ports,
                });
                (name.clone(), service)
            })
            .collect();
        let document =
            serde_json::json!({ "version": "v1", "name": "any", "duration": "1h", "services": services });
        manifest_of(&document.to_string())
    }

    fn hosts(lease: &LeaseName, manifest: &ValidManifest) -> Vec<String> {
        let domain = "apps.example.net".parse().unwrap();
        let services = manifest.services().iter();
        services
            .flat_map(|(name, service)| {
                service.ports.iter().map(|port| host(lease, name, service, port.port, &domain))
            })
            .collect()
    }

    fn services() -> impl Strategy<Value = BTreeMap<String, Vec<u16>>> {
        let name = prop_oneof![
            "[a-z][a-z0-9]{0,3}(-[0-9]{1,5})?",
            // What another lease's host looks like.
            "[a-z]-[a-b2-3]{26}",
            "[a-z][-a-z0-9]{0,28}[a-z0-9]",
        ];
        let ports = prop::collection::btree_set(1_u16.., 1..4).prop_map(|ports| ports.into_iter().collect());
        prop::collection::btree_map(name, ports, 1..4)
    }

    #[test]
    fn the_first_public_port_of_a_service_has_the_short_host() {
        let lease = LeaseName::of(LeaseId(B256::repeat_byte(0xff)));
        let manifest = manifest(&[("web".to_owned(), vec![8080, 9090])].into());
        let label = "7".repeat(26);
        assert_eq!(
            hosts(&lease, &manifest),
            [format!("web-{label}.apps.example.net"), format!("web-{label}-9090.apps.example.net")]
        );
    }

    proptest! {
        #[test]
        fn hosts_are_names_that_dns_can_hold_and_no_two_of_any_leases_are_equal(
            one in any::<[u8; 32]>(),
            other in any::<[u8; 32]>(),
            of_one in services(),
            of_other in services(),
        ) {
            let (one, other) = (LeaseName::of(LeaseId(one.into())), LeaseName::of(LeaseId(other.into())));
            prop_assume!(one.label_value()[..26] != other.label_value()[..26]);
            let mut all = hosts(&one, &manifest(&of_one));
            all.extend(hosts(&other, &manifest(&of_other)));
            for host in &all {
                prop_assert!(host.parse::<manifest::HostName>().is_ok(), "{host}");
            }
            let count = all.len();
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), count);
        }
    }
}
