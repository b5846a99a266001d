//! The manifest crate against whole files: golden refusals, the shipped example, and arbitrary input.
#![allow(clippy::unwrap_used, reason = "tests; helpers beside test functions are not recognised as such")]

mod golden;
mod properties;
