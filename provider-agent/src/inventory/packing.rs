//! First fit decreasing over the nodes. It may miss a packing that exists, never invents one.

use super::Resources;

/// A node with the room it has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub gpu_model: Option<String>,
    pub free: Resources,
}

/// One pod to place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    pub needs: Resources,
    /// The GPU model it insists on.
    pub gpu_model: Option<String>,
}

/// For each replica, in the order given, the index of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement(pub Vec<usize>);

/// Places every replica, or nothing.
pub fn pack(nodes: &[Node], replicas: &[Replica]) -> Option<Placement> {
    let mut free: Vec<Resources> = nodes.iter().map(|node| node.free).collect();
    let mut largest_first: Vec<usize> = (0..replicas.len()).collect();
    largest_first.sort_by_key(|&index| std::cmp::Reverse(size(&replicas[index].needs)));
    let mut placement = vec![0; replicas.len()];
    for index in largest_first {
        let replica = &replicas[index];
        let node = (0..nodes.len()).find(|&node| {
            replica.needs.fits(&free[node])
                && (replica.gpu_model.is_none() || replica.gpu_model == nodes[node].gpu_model)
        })?;
        free[node] = free[node].saturating_sub(&replica.needs);
        placement[index] = node;
    }
    Some(Placement(placement))
}

/// GPUs are the scarcest, then memory, which cannot be squeezed, then CPU.
fn size(needs: &Resources) -> (u64, u64, u64) {
    (needs.gpus, needs.memory_bytes, needs.cpu_milli)
}
