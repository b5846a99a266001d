//! provider-agent
