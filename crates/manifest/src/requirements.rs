//! The public part of a manifest: what a bidder must know to price it, and nothing else.

use market::{Attribute, Requirements, ServiceRequirements};

use crate::valid::{Service, ValidManifest};

impl ValidManifest {
    /// What the order says. Names, images, commands, environment and secrets stay private.
    pub fn requirements(&self) -> Requirements {
        Requirements {
            tier: self.tier,
            duration: self.duration.0,
            egress_bytes_per_second: self.egress_per_second.map_or(0, |bytes| bytes.0),
            leased_ips: 0,
            services: self.services.values().map(service_requirements).collect(),
            attributes: self
                .attributes
                .iter()
                .map(|(key, value)| Attribute { key: key.clone(), value: value.clone() })
                .collect(),
        }
    }
}

fn service_requirements(service: &Service) -> ServiceRequirements {
    ServiceRequirements {
        replicas: service.replicas.0,
        cpu_milli: service.cpu.0,
        memory_bytes: service.memory.0,
        gpu_milli: service.gpu.as_ref().map_or(0, |gpu| u64::from(gpu.count) * 1_000),
        gpu_model: service.gpu.as_ref().and_then(|gpu| gpu.model.clone()).unwrap_or_default(),
        volume_bytes: service.volumes.iter().map(|volume| volume.size.0).collect(),
    }
}
