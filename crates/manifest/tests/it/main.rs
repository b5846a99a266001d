//! The manifest crate against whole files: golden refusals, the shipped example, and arbitrary input.

mod golden;
mod properties;
