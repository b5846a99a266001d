//! The main job, end to end: drives a real chain and a real cluster through one whole lease and writes what it saw.
//!
//! Modules in reading order: what the run is given ([`args`]), what it remembers ([`world`]), the steps of the story
//! ([`story`]), and what it leaves behind ([`report`]).
//! Beside the story stands [`fault_proxy`], with which tests make an API server go wrong.
//! Nothing here may stand in for a part: every step acts through the `leasehold` binary, the chart, the chain or the
//! Kubernetes API, as a provider and a tenant would.

pub mod agentless;
pub mod args;
pub mod balances;
pub mod bench;
pub mod cgroup;
pub mod chart;
pub mod cluster;
pub mod deployments;
pub mod fault_proxy;
pub mod leasehold;
pub mod meter_bench;
pub mod opened;
pub mod program;
pub mod report;
pub mod story;
pub mod timeline;
pub mod world;
pub mod zone;
