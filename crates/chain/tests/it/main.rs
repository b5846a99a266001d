//! The chain crate against a real chain, and against nodes that drop, lie and lag.

mod arithmetic;
mod books;
mod deploying;
mod differential;
mod digests;
mod disputes;
mod faults;
mod journal;
mod life_cycle;
mod panel;
mod reorgs;
mod reverts;
mod sending;
mod support;
