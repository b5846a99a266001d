//! The escape table as code: what a hostile tenant would try from inside a container, and what follows from what it saw.
//!
//! Modules in reading order: the table ([`rows`]), where a run is aimed ([`targets`]), what it saw ([`observation`]), what
//! follows ([`verdict`]), the attempts themselves ([`attempt`]), and the parts that other pods of a run play ([`serve`],
//! [`load`], [`send`]); [`work`] is for the meter's proof, which measures it. Only attempts, servers and loads do IO. Nothing here uses a bug of any kernel: every attempt is what ordinary
//! software may try.

#![warn(missing_docs)]

pub mod args;
pub mod attempt;
pub mod load;
pub mod observation;
pub mod rows;
pub mod send;
pub mod serve;
pub mod targets;
pub mod verdict;
pub mod work;
