//! The tenant's side of settlement as a daemon: it watches every lease of this home, signs what is right, refuses what is
//! not, and follows claims and disputes to their end.
//!
//! `state` decides and does nothing; `follow` reads, asks it, and does what it says, for each lease by itself.

mod config;
mod follow;
mod notice;
mod outlet;
mod probe;
mod state;

pub(crate) use config::{Config, DisputeRule, LeaseTerms};
pub(crate) use follow::{Env, Left, Pace, follow};
pub(crate) use outlet::Outlet;
