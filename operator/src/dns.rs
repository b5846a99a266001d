//! The tenants' name server: a third process of this binary, with an identity that may list pods and Services and nothing else.
//!
//! A question is answered by who asks it. The source address is that of one lease's pod, or it is refused; names of
//! Services are those of that lease, and every other name of the cluster is absent, whether it exists or not. Public names go to
//! the provider's resolvers, and addresses that are not public are taken out of what comes back.

pub mod directory;
pub mod limits;
pub mod message;
pub mod metrics;
pub mod names;
pub mod resolver;
pub mod run;
pub mod server;
pub mod upstream;
pub mod watch;

/// Port of its pods: one that needs no privilege, behind that of its Service.
pub const PORT: i32 = 5353;

#[cfg(test)]
mod tests;
