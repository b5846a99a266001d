//! The attempts, one module for each kind. An attempt never fails: whatever happens is an observation.

pub mod dns;
pub mod identity;
pub mod network;
pub mod processes;
pub mod processor;
pub mod volume;

use crate::observation::Observation;
use crate::targets::Targets;

/// Rows that can be tried from inside a container.
pub const FROM_INSIDE: [u8; 14] = [3, 4, 5, 6, 7, 8, 9, 11, 18, 19, 20, 22, 27, 30];

/// Tries one row.
pub fn attempt(row: u8, targets: &Targets) -> Vec<Observation> {
    match row {
        3 => identity::privileges(targets),
        4 => identity::root(),
        5 => identity::kernel(targets),
        6 => identity::token(),
        7 => network::closed(7, &targets.api_servers, targets),
        8 => network::closed(8, &targets.node_ports, targets),
        9 => network::closed(9, &targets.metadata, targets),
        11 => network::closed(11, &targets.foreign, targets),
        18 => dns::names_of_others(targets),
        19 => dns::open_resolvers(targets),
        20 => processor::burn(targets),
        22 => processes::bomb(targets),
        27 => network::mail(targets),
        30 => volume::leftovers(targets),
        _ => Vec::new(),
    }
}
