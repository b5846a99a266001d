//! The crash matrix: an operator that is killed at every API call of a lease's life, alone and while something else goes
//! wrong, leaves the same as one that nobody disturbed.
//!
//! One lease's life is created, updated, paused, resumed, closed and removed, with the shipped `operator run` as a process of
//! its own behind a [`e2e::fault_proxy`]. Reading order: [`action`] (what a lease goes through), [`fault`] (what goes wrong),
//! [`mirror`] and [`end_state`] (what is there, and what of it must be the same), [`life`] (one lease's life), [`matrix`] (all
//! of them), [`table`] (what is reported).

mod action;
mod child;
mod end_state;
mod fault;
mod life;
mod matrix;
mod mirror;
mod table;
