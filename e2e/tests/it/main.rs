//! What only a real API server can prove: admission, access rights, quota, garbage collection.
//!
//! Needs `LEASEHOLD_TEST_KUBECONFIG`, the kubeconfig of an administrator of a cluster that may be written to
//! (`cargo xtask testbed up --control-plane-only` makes one). Without it these tests fail; they never skip.

mod admission;
mod agent;
mod cluster;
mod crash;
mod crd_rules;
mod dns;
mod engine_election;
mod evictions;
mod hosts;
mod kubelet;
mod lifecycle;
mod meter;
mod meters;
mod operator;
mod outage;
mod preflight;
mod process;
mod running;
mod tiers;
