//! What is away for a while comes back, and then everything is as if it had never been away.
//!
//! The API server and etcd are killed as real processes, so these tests need the testbed's control plane, and nothing else may
//! use it meanwhile. `LEASEHOLD_DEEP=1` makes the outage of the API server five minutes long.

mod control_plane;
mod end_state;
mod supervisor;
mod watches;
