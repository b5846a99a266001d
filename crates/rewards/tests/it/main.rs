//! The crate against numbers that others computed.
#![allow(clippy::unwrap_used, reason = "tests; helpers beside test functions are not recognised as such")]

mod vectors;
