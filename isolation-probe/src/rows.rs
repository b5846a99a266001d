//! The table: each way out of a lease, what closes it, and by what it is proved. Data only.

use serde::Serialize;

/// What a proof needs to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// An API server.
    ApiServer,
    /// A node with an enforcing network plug-in.
    Node,
    /// A sandbox's runtime.
    Sandbox,
    /// A GPU in a node.
    Gpu,
}

/// One way out of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number in the table; never reused.
    pub number: u8,
    /// What somebody would try.
    pub vector: &'static str,
    /// What closes it.
    pub control: &'static str,
    /// What the proof runs on.
    pub proofs: &'static [Proof],
}

const A: &[Proof] = &[Proof::ApiServer];
const N: &[Proof] = &[Proof::Node];
const AN: &[Proof] = &[Proof::ApiServer, Proof::Node];
const S: &[Proof] = &[Proof::Sandbox];
const G: &[Proof] = &[Proof::Gpu];

/// The whole table, in the order of the numbers.
pub const ROWS: [Row; 36] = [
    row(1, "host paths and other volumes of the node", "typed volumes, Pod Security, admission policy", A),
    row(
        2,
        "network, processes, IPC and ports of the host",
        "never rendered, Pod Security, admission policy",
        A,
    ),
    row(
        3,
        "privileges, capabilities, sysctls, unconfined profiles",
        "drop ALL, no new privileges, seccomp",
        AN,
    ),
    row(4, "root in the container", "a user that is not root, or a user namespace", AN),
    row(5, "a bug of the node's kernel", "a kernel of its own in the sandboxed tier", S),
    row(6, "the pod's service account token", "no token, and no rights for the account", AN),
    row(7, "the API server", "network policy, also for the real endpoints", N),
    row(8, "kubelet and other ports of the pod's own node", "network policy and host endpoint policy", N),
    row(9, "the cloud's metadata services", "network policy", N),
    row(
        10,
        "the kubelet as a proxy: hosts in probes and hooks",
        "no such field, Pod Security, admission policy",
        A,
    ),
    row(11, "pods of other leases and of the system", "network policy of the namespace", N),
    row(12, "labels that another lease's Service selects", "no text of a tenant in metadata or selectors", A),
    row(13, "node ports", "quota of zero, admission policy", A),
    row(14, "load balancers and external addresses", "quota of zero, admission policy", A),
    row(15, "Services that are names of others", "admission policy", A),
    row(16, "another lease's host name", "one claim for each host in the provider's index", A),
    row(17, "configuration through routes and annotations", "no such field, routes are rendered only", A),
    row(18, "names and addresses by the cluster's DNS", "a resolver that knows the lease's names alone", N),
    row(19, "DNS servers of anybody", "ports of name servers to the resolver alone", N),
    row(20, "processors and memory of the neighbours", "limits of processor time and memory", N),
    row(21, "the node's disk", "limits of ephemeral storage, eviction", N),
    row(22, "the node's process numbers", "a limit for each pod", N),
    row(23, "logs without end", "rotation, logs count as ephemeral storage", N),
    row(24, "objects without end", "quota, limits of the gateway, priority and fairness", A),
    row(25, "events and status without end", "back-off and time to live of events", A),
    row(26, "another tenant's private image", "digests, and a pull for every pod", AN),
    row(27, "mail, attacks and mining from the provider's address", "closed ports, a limit of bandwidth", N),
    row(28, "GPUs that were not leased, by the image's environment", "settings of the GPU's runtime", G),
    row(29, "memory of a GPU's last tenant", "whole GPUs, reset between leases", G),
    row(30, "another lease's volume", "dynamic volumes alone, admission policy, deletion", AN),
    row(31, "exec into another lease", "rights in lease namespaces alone, owner checked by the gateway", A),
    row(32, "the operator as a deputy", "typed rendering, rights without escalation, confinement policy", A),
    row(33, "labels of the namespace", "no rights, admission policy", A),
    row(34, "other writers in the lease's namespace", "admission policy with a list of writers", A),
    row(
        35,
        "tokens that are minted: Secrets, requests, projections",
        "no rights, list of types, admission policy",
        A,
    ),
    row(36, "what a lease leaves behind", "finalizer, proof of absence", AN),
];

const fn row(number: u8, vector: &'static str, control: &'static str, proofs: &'static [Proof]) -> Row {
    Row { number, vector, control, proofs }
}

/// The row with this number.
pub fn find(number: u8) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_numbered_from_one_to_thirty_six() {
        let numbers: Vec<u8> = ROWS.iter().map(|row| row.number).collect();
        assert_eq!(numbers, (1..=36).collect::<Vec<u8>>());
        assert_eq!(find(36).map(|row| row.vector), Some("what a lease leaves behind"));
        assert_eq!(find(37), None);
    }
}
