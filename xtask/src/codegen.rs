//! `cargo xtask codegen`: everything in the repository that is made from something else in it.
//!
//! Generated files are committed, so that a reader and a chart need no tool; `--check` fails when one is stale.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    process::output,
    tools::{self, repository},
};

/// Interfaces whose ABI the console and other clients use.
const INTERFACES: [&str; 2] = ["ILeaseMarket", "IProviderRegistry"];

/// Generates files, or checks them.
#[derive(Debug, clap::Args)]
pub(crate) struct CodegenArgs {
    /// Write nothing; fail if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

/// One generated file.
#[derive(Debug, PartialEq, Eq)]
struct Generated {
    path: PathBuf,
    content: String,
}

impl CodegenArgs {
    /// Writes or checks every generated file.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if self.check {
            return check();
        }
        let files = generate()?;
        for Generated { path, content } in &files {
            let target = repository().join(path);
            fs::create_dir_all(target.parent().context("a generated file has a folder")?)?;
            fs::write(&target, content).with_context(|| format!("failed to write {}", path.display()))?;
            println!("{}", path.display());
        }
        Ok(())
    }
}

/// Fails if a generated file is not what would be written.
pub(crate) fn check() -> anyhow::Result<()> {
    compare(repository(), &generate()?)
}

/// Builds the contracts; their output is the source of the ABI files and an input of the chain tests.
pub(crate) fn build_contracts() -> anyhow::Result<()> {
    tools::node_modules()?;
    let mut forge = Command::new(tools::foundry("forge")?);
    output(forge.arg("build").current_dir(repository().join("contracts"))).map(drop)
}

fn generate() -> anyhow::Result<Vec<Generated>> {
    build_contracts()?;
    let mut files = vec![
        Generated {
            path: "crds/computeleases.leasehold.dev.yaml".into(),
            content: printed_by("operator", &["crd"])?,
        },
        Generated {
            path: "docs/manifest.schema.json".into(),
            content: printed_by("leasehold", &["manifest", "schema"])?,
        },
    ];
    for name in INTERFACES {
        let artifact = repository().join(format!("contracts/out/{name}.sol/{name}.json"));
        let text =
            fs::read_to_string(&artifact).with_context(|| format!("forge made no {}", artifact.display()))?;
        files.push(Generated { path: format!("contracts/abi/{name}.json").into(), content: abi(&text)? });
    }
    Ok(files)
}

fn printed_by(binary: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--package", binary, "--"]).args(arguments).current_dir(repository());
    output(&mut cargo)
}

/// The ABI alone, out of a build artifact.
fn abi(artifact: &str) -> anyhow::Result<String> {
    let artifact: serde_json::Value =
        serde_json::from_str(artifact).context("failed to parse an artifact")?;
    let abi = artifact.get("abi").context("the artifact has no `abi`")?;
    Ok(serde_json::to_string_pretty(abi)? + "\n")
}

fn compare(root: &Path, files: &[Generated]) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for Generated { path, content } in files {
        let found = match fs::read_to_string(root.join(path)) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        };
        match found {
            None => stale.push(format!("{} is missing", path.display())),
            Some(found) if found != *content => stale.push(format!("{} is stale", path.display())),
            Some(_) => {}
        }
    }
    if stale.is_empty() {
        println!("{} generated files are up to date", files.len());
        return Ok(());
    }
    bail!("{}\nrun `cargo xtask codegen` and commit what it writes", stale.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_and_a_missing_file_fail_and_name_the_command() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(root.path().join("same"), "same").expect("the folder can be written");
        fs::write(root.path().join("stale"), "old").expect("the folder can be written");
        let files = [("same", "same"), ("stale", "new"), ("missing", "new")]
            .map(|(path, content)| Generated { path: path.into(), content: content.to_owned() });
        let error = compare(root.path(), &files).expect_err("two files are not as they should be");
        assert_eq!(
            error.to_string(),
            "stale is stale\nmissing is missing\nrun `cargo xtask codegen` and commit what it writes"
        );
    }

    #[test]
    fn the_abi_is_taken_out_of_an_artifact() {
        let text = abi(r#"{"abi":[{"name":"confirm"}],"bytecode":{}}"#).expect("the artifact is well formed");
        assert_eq!(text, "[\n  {\n    \"name\": \"confirm\"\n  }\n]\n");
    }
}
