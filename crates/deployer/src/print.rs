//! What the commands say.

use std::path::Path;

use anyhow::{Result, bail};
use chain::deploy::{Blueprint, Bundled, Estimate, Finding, ReviewedParams, Step, digest};

/// The steps, for a person who reviews them.
pub(crate) fn plan(reviewed: &ReviewedParams, blueprint: &Blueprint, steps: &[Step], estimate: &Estimate) {
    println!("parameters {}", reviewed.hash);
    println!("chain {}, deployer {}", reviewed.params.chain_id, reviewed.params.deployer);
    println!("guard {}, compiled for {}", reviewed.params.guard, blueprint.evm_version);
    for contract in &blueprint.contracts {
        println!("{} at {}", contract.name, contract.address);
    }
    for (number, step) in (1..).zip(steps) {
        let state = if step.done { "done" } else { "to do" };
        println!("\n{number}. {} ({state})", step.action);
        if let Some(to) = step.call.to.to() {
            println!("   to {to}, data {} ({} bytes)", digest(&step.call.data), step.call.data.len());
        }
        for (name, value) in blueprint.words(step.action) {
            println!("   {name} = {value}");
        }
        if let Some(gas) = estimate.gas.get(&step.action) {
            let about = if gas.assumed { "at most about" } else { "estimated" };
            println!("   gas: {about} {}, {} wei", gas.gas, estimate.price.saturating_mul(gas.gas.into()));
        }
    }
    let gas = estimate.gas.values().fold(0u64, |sum, gas| sum.saturating_add(gas.gas));
    let cost = estimate.price.saturating_mul(gas.into());
    println!("\nleft to pay: about {gas} gas, {cost} wei at {} wei a unit", estimate.price);
    println!("the deployer holds {} wei", estimate.balance);
}

/// Every comparison; an error if one differs.
pub(crate) fn findings(findings: &[Finding]) -> Result<()> {
    let mut differing = 0;
    for finding in findings {
        let Finding { what, expected, found } = finding;
        let shown = if expected.is_empty() { "nothing" } else { expected };
        if finding.agrees() {
            println!("ok: {what}: {shown}");
        } else {
            differing += 1;
            println!("DIFFERS: {what}: expected {shown}, found {found}");
        }
    }
    if differing > 0 {
        bail!("{differing} of {} comparisons differ", findings.len());
    }
    println!("{} comparisons agree", findings.len());
    Ok(())
}

/// What was written and compiled again.
pub(crate) fn bundled(bundled: &[Bundled], out: &Path) {
    for contract in bundled {
        println!(
            "{} at {}: {} with solc {} compiles again to the same {} bytes",
            contract.name,
            contract.address,
            contract.qualified_name,
            contract.compiler_version,
            contract.creation_code_bytes
        );
    }
    println!("wrote {}", out.join("bundle.json").display());
}
