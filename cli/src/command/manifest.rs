//! `leasehold manifest`: work on manifests without spending anything.

use std::path::PathBuf;

use market::Dimension;
use serde::Serialize;

use crate::context::Context;
use crate::manifest_file::{self, Secrets, VariableArgs};
use crate::output::{fields, print_line};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check a manifest and show what it asks for
    Validate {
        /// The manifest
        file: PathBuf,
        #[command(flatten)]
        variables: VariableArgs,
    },
    /// Print the JSON Schema of manifests
    Schema,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    name: String,
    services: usize,
    duration_seconds: u32,
    cpu_milli: u64,
    memory_bytes: u64,
    storage_bytes: u64,
    gpu_milli: u64,
    egress_bytes_per_second: u64,
}

pub(crate) fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Schema => print_line(&manifest::json_schema()),
        Command::Validate { file, variables } => {
            let manifest = manifest_file::load(&file, &variables, Secrets::Blank)?;
            let requirements = manifest.requirements();
            // An order carries the requirements, so they must fit one.
            chain::convert::encode_requirements(&requirements)?;
            let limits = requirements.limits()?;
            let summary = Summary {
                name: manifest.name().to_string(),
                services: manifest.services().len(),
                duration_seconds: manifest.duration().0,
                cpu_milli: limits.of(Dimension::Cpu),
                memory_bytes: limits.of(Dimension::Memory),
                storage_bytes: limits.of(Dimension::Storage),
                gpu_milli: limits.of(Dimension::Gpu),
                egress_bytes_per_second: limits.of(Dimension::Egress),
            };
            context.output.print(&summary, table)
        }
    }
}

fn table(summary: &Summary) -> String {
    let Summary { name, services, duration_seconds, .. } = summary;
    let Summary { cpu_milli, memory_bytes, storage_bytes, gpu_milli, egress_bytes_per_second, .. } = summary;
    fields([
        ("name", name.clone()),
        ("services", services.to_string()),
        ("duration", format!("{duration_seconds} s")),
        ("cpu", format!("{cpu_milli} m")),
        ("memory", format!("{memory_bytes} bytes")),
        ("storage", format!("{storage_bytes} bytes")),
        ("gpu", format!("{gpu_milli} m")),
        ("egress", format!("{egress_bytes_per_second} bytes/s")),
    ])
}

#[cfg(test)]
mod tests {
    use market::{Attribute, Requirements, ServiceRequirements, Tier};

    #[test]
    fn the_requirements_of_the_largest_manifest_fit_an_order() {
        use manifest::limits;
        let service = ServiceRequirements {
            replicas: u32::MAX,
            cpu_milli: 1,
            memory_bytes: 1,
            gpu_milli: 1,
            gpu_model: "x".repeat(*limits::GPU_MODEL_BYTES.end()),
            volume_bytes: vec![1; *limits::VOLUMES.end()],
        };
        let text = "x".repeat(*limits::ATTRIBUTE_BYTES.end());
        let attribute = Attribute { key: text.clone(), value: text };
        let requirements = Requirements {
            tier: Tier::Sandboxed,
            duration: u32::MAX,
            egress_bytes_per_second: u64::MAX,
            leased_ips: u32::MAX,
            services: vec![service; *limits::SERVICES.end()],
            attributes: vec![attribute; *limits::ATTRIBUTES.end()],
        };
        assert!(chain::convert::encode_requirements(&requirements).is_ok());
    }
}
