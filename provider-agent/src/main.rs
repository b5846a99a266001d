//! provider-agent

fn main() {}
