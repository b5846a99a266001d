//! The public part of a manifest: what any provider needs to price an order.

use crate::{Limits, Tier};

/// The only encoding of requirements that is understood.
pub const REQUIREMENTS_VERSION: u8 = 1;

/// The most bytes that encoded requirements may take in an order.
pub const MAX_REQUIREMENTS_BYTES: usize = 8192;

/// Something the provider must be, such as `region=eu`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// What is asked about.
    pub key: String,
    /// What it must be.
    pub value: String,
}

/// What one replica of a service needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceRequirements {
    /// How many run.
    pub replicas: u32,
    /// Thousandths of a CPU for each.
    pub cpu_milli: u64,
    /// Bytes of memory for each.
    pub memory_bytes: u64,
    /// Thousandths of a GPU for each.
    pub gpu_milli: u64,
    /// The GPU's model; empty for any.
    pub gpu_model: String,
    /// Bytes of each volume of each.
    pub volume_bytes: Vec<u64>,
}

/// What a tenant's workload needs, without what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirements {
    /// Isolation asked for.
    pub tier: Tier,
    /// The longest term wanted, in seconds.
    pub duration: u32,
    /// Bytes per second that may leave the lease.
    pub egress_bytes_per_second: u64,
    /// Public addresses.
    pub leased_ips: u32,
    /// The services, in the manifest's order.
    pub services: Vec<ServiceRequirements>,
    /// Attributes that the provider must have.
    pub attributes: Vec<Attribute>,
}

/// Why requirements cannot be offered on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequirementsProblem {
    /// There is nothing to run.
    #[error("the requirements name no service")]
    NoServices,
    /// A service has no replicas.
    #[error("service {0} asks for no replicas")]
    NoReplicas(usize),
    /// A service has no CPU or memory.
    #[error("service {0} asks for no CPU or no memory")]
    NoResources(usize),
    /// The term is empty.
    #[error("the requirements ask for no time")]
    NoDuration,
    /// The sum over all services does not fit.
    #[error("the requirements add up to more than can be counted")]
    TooLarge,
}

impl Requirements {
    /// The most of each resource in one second, over all replicas of all services.
    pub fn limits(&self) -> Result<Limits, RequirementsProblem> {
        let mut limits = Limits([1, 0, 0, 0, 0, self.egress_bytes_per_second, u64::from(self.leased_ips), 0]);
        for service in &self.services {
            let volumes = checked_sum(&service.volume_bytes)?;
            let each = [service.cpu_milli, service.memory_bytes, volumes, service.gpu_milli];
            for (total, per_replica) in limits.0[1..5].iter_mut().zip(each) {
                *total = per_replica
                    .checked_mul(u64::from(service.replicas))
                    .and_then(|sum| total.checked_add(sum))
                    .ok_or(RequirementsProblem::TooLarge)?;
            }
        }
        Ok(limits)
    }

    /// Checks that there is something to run and that it can be counted.
    pub fn check(&self) -> Result<(), RequirementsProblem> {
        if self.services.is_empty() {
            return Err(RequirementsProblem::NoServices);
        }
        if self.duration == 0 {
            return Err(RequirementsProblem::NoDuration);
        }
        for (index, service) in self.services.iter().enumerate() {
            if service.replicas == 0 {
                return Err(RequirementsProblem::NoReplicas(index));
            }
            if service.cpu_milli == 0 || service.memory_bytes == 0 {
                return Err(RequirementsProblem::NoResources(index));
            }
        }
        self.limits().map(|_| ())
    }
}

fn checked_sum(values: &[u64]) -> Result<u64, RequirementsProblem> {
    values.iter().try_fold(0u64, |sum, value| sum.checked_add(*value)).ok_or(RequirementsProblem::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(replicas: u32) -> ServiceRequirements {
        ServiceRequirements {
            replicas,
            cpu_milli: 250,
            memory_bytes: 1000,
            gpu_milli: 10,
            gpu_model: String::new(),
            volume_bytes: vec![7, 8],
        }
    }

    fn requirements(services: Vec<ServiceRequirements>) -> Requirements {
        Requirements {
            tier: Tier::Strict,
            duration: 3600,
            egress_bytes_per_second: 50,
            leased_ips: 2,
            services,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn limits_sum_over_replicas_and_services() {
        let requirements = requirements(vec![service(2), service(1)]);
        assert_eq!(requirements.limits(), Ok(Limits([1, 750, 3000, 45, 30, 50, 2, 0])));
        assert_eq!(requirements.check(), Ok(()));
    }

    #[test]
    fn absurd_requirements_are_refused_without_overflow() {
        let absurd = ServiceRequirements { cpu_milli: u64::MAX, ..service(u32::MAX) };
        assert_eq!(requirements(vec![absurd]).check(), Err(RequirementsProblem::TooLarge));
        let volumes = ServiceRequirements { volume_bytes: vec![u64::MAX, 1], ..service(1) };
        assert_eq!(requirements(vec![volumes]).limits(), Err(RequirementsProblem::TooLarge));
        assert_eq!(requirements(vec![]).check(), Err(RequirementsProblem::NoServices));
        assert_eq!(
            requirements(vec![service(1), service(0)]).check(),
            Err(RequirementsProblem::NoReplicas(1))
        );
        let idle = ServiceRequirements { cpu_milli: 0, ..service(1) };
        assert_eq!(requirements(vec![idle]).check(), Err(RequirementsProblem::NoResources(0)));
        let instant = Requirements { duration: 0, ..requirements(vec![service(1)]) };
        assert_eq!(instant.check(), Err(RequirementsProblem::NoDuration));
    }
}
