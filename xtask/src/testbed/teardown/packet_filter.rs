//! What the cluster's networking wrote into the machine's packet filter and its list of devices.

/// The packet filters that a machine can have at once; the plain names are one of the others.
pub(super) const FILTERS: [&str; 6] =
    ["iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"];

/// Chains that only Kubernetes, Calico and the CNI plugins make. `up` refuses a machine that already has some.
const PREFIXES: [&str; 3] = ["cali-", "KUBE-", "CNI-"];

/// From the output of `iptables-save`, the input of `iptables-restore --noflush` that removes the cluster's rules and
/// chains and nothing else; empty if there are none.
pub(super) fn removal(saved: &str) -> String {
    let mut script = String::new();
    for table in saved.split("COMMIT") {
        let name = table.lines().find(|line| line.starts_with('*'));
        let chains: Vec<&str> = table
            .lines()
            .filter_map(|line| line.strip_prefix(':')?.split(' ').next())
            .filter(|chain| is_own_chain(chain))
            .collect();
        let rules: Vec<&str> = table
            .lines()
            .filter_map(|line| line.strip_prefix("-A "))
            .filter(|rule| is_own_rule(rule))
            .collect();
        let Some(name) = name.filter(|_| !chains.is_empty() || !rules.is_empty()) else { continue };
        let lines = [name.to_owned()]
            .into_iter()
            .chain(rules.iter().map(|rule| format!("-D {rule}")))
            .chain(chains.iter().map(|chain| format!("-F {chain}")))
            .chain(chains.iter().map(|chain| format!("-X {chain}")))
            .chain(["COMMIT".to_owned()]);
        for line in lines {
            script.push_str(&line);
            script.push('\n');
        }
    }
    script
}

/// From the output of `ip -o link`, the devices that the testbed made.
pub(super) fn own_links(links: &str, bridge: &str) -> Vec<String> {
    let names = links.lines().filter_map(|line| line.split(": ").nth(1)?.split('@').next());
    names.filter(|name| *name == bridge || name.starts_with("cali")).map(str::to_owned).collect()
}

fn is_own_chain(chain: &str) -> bool {
    PREFIXES.iter().any(|prefix| chain.starts_with(prefix))
}

/// Whether a rule of a chain that stays is the cluster's: it leads to one of its chains, or bears Calico's mark.
fn is_own_rule(rule: &str) -> bool {
    let words: Vec<&str> = rule.split(' ').collect();
    let stays = words.first().is_some_and(|chain| !is_own_chain(chain));
    let leads = words.windows(2).any(|pair| matches!(pair[0], "-j" | "-g") && is_own_chain(pair[1]));
    stays && (leads || rule.contains("--comment \"cali:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_chains_of_the_cluster_go_and_all_others_stay() {
        let saved = r#"# Generated
*nat
:PREROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:cali-INPUT - [0:0]
:MINE - [0:0]
-A INPUT -m comment --comment "cali:abc" -j cali-INPUT
-A INPUT -j KUBE-SERVICES
-A INPUT -m comment --comment "cali:def" -m mark --mark 0x10000/0x10000 -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -j MINE
-A cali-INPUT -j KUBE-SERVICES
COMMIT
"#;
        let expected = r#"*filter
-D INPUT -m comment --comment "cali:abc" -j cali-INPUT
-D INPUT -j KUBE-SERVICES
-D INPUT -m comment --comment "cali:def" -m mark --mark 0x10000/0x10000 -j ACCEPT
-F KUBE-SERVICES
-F cali-INPUT
-X KUBE-SERVICES
-X cali-INPUT
COMMIT
"#;
        assert_eq!(removal(saved), expected);
    }

    #[test]
    fn a_clean_packet_filter_is_left_alone() {
        assert_eq!(removal("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"), "");
    }

    #[test]
    fn only_the_bridge_and_pod_devices_are_ours() {
        let links = "1: lo: <LOOPBACK> mtu 1\n2: eth0: <UP> mtu 2\n3: leasehold0: <UP> mtu 3\n4: cali12ab@if2: <UP> mtu 4\n";
        assert_eq!(own_links(links, "leasehold0"), ["leasehold0", "cali12ab"]);
    }
}
