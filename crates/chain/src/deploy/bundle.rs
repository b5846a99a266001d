//! What block explorers ask for to show verified sources, and the proof that it is what was deployed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alloy::primitives::{Address, Bytes, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::DeployError;
use super::artifact::{Artifact, ArtifactError, Artifacts, read_source};
use super::contract::ContractName;
use super::factory;
use super::record::{Details, Record, RecordedContract};

/// A bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file could not be written.
    #[error("failed to write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A source is no text.
    #[error("the source {0} is not UTF-8")]
    NotText(String),
    /// The compiler could not be run.
    #[error("failed to run the compiler {path}")]
    Run {
        /// The program.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The compiler's answer has another form than it should.
    #[error("the compiler's answer for {name} cannot be read")]
    Answer {
        /// The contract.
        name: ContractName,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The compiler refused the sources.
    #[error("the compiler refused the sources of {name}: {message}")]
    Refused {
        /// The contract.
        name: ContractName,
        /// The first error.
        message: String,
    },
    /// What the compiler made is not what was deployed.
    #[error("{what} of {name} differs from what was deployed")]
    Differs {
        /// The contract.
        name: ContractName,
        /// What differs.
        what: &'static str,
    },
}

/// What an explorer asks for about one contract; the files lie beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundled {
    /// Which.
    pub name: ContractName,
    /// Where.
    pub address: Address,
    /// File and contract.
    pub qualified_name: String,
    /// The compiler, with its commit.
    pub compiler_version: String,
    /// The arguments of its constructor, encoded.
    pub constructor_arguments: Bytes,
    /// The compiler's input.
    pub standard_json: String,
    /// The compiler's metadata.
    pub metadata: String,
    /// Bytes of the code that created it, equal to what the compiler made of the input again.
    pub creation_code_bytes: usize,
}

/// Writes the bundle to `out` and compiles each input again with `solc`, a program that takes `--standard-json`.
pub fn bundle(
    record: &Record,
    artifacts: &Artifacts,
    root: &Path,
    solc: &Path,
    out: &Path,
) -> Result<Vec<Bundled>, DeployError> {
    let details = record.details.as_ref().ok_or(DeployError::NoDetails)?;
    let mut bundled = Vec::new();
    for contract in &details.contracts {
        let name = contract.name;
        let artifact = artifacts.get(name).ok_or(DeployError::NoArtifact(name))?;
        let input = standard_json(root, artifact)?;
        let made = compile(solc, root, name, artifact, &input)?;
        compare(details, contract, artifact, &made)?;
        let (standard_json, metadata) = (format!("{name}.standard.json"), format!("{name}.metadata.json"));
        write(out, &standard_json, &input)?;
        write(out, &metadata, &artifact.metadata)?;
        write(out, &format!("{name}.arguments.txt"), &hex(&contract.constructor_arguments))?;
        bundled.push(Bundled {
            name,
            address: contract.address,
            qualified_name: artifact.qualified_name(),
            compiler_version: artifact.compiler.clone(),
            constructor_arguments: contract.constructor_arguments.clone(),
            standard_json,
            metadata,
            creation_code_bytes: made.creation_code.len(),
        });
    }
    let index = json!({ "chainId": record.chain_id, "license": "Apache-2.0", "contracts": bundled });
    write(out, "bundle.json", &format!("{index:#}\n"))?;
    Ok(bundled)
}

/// Explorers take the arguments without a prefix.
fn hex(bytes: &Bytes) -> String {
    alloy::primitives::hex::encode(bytes)
}

/// The compiler's input: exactly the sources and settings of the compiler's own metadata.
fn standard_json(root: &Path, artifact: &Artifact) -> Result<String, DeployError> {
    let mut sources = Map::new();
    for (path, hash) in &artifact.sources {
        let text = read_source(root, path)?;
        if keccak256(&text) != *hash {
            let stale =
                ArtifactError::Stale { artifact: artifact.name.clone().into(), source_path: path.clone() };
            return Err(stale.into());
        }
        let text = String::from_utf8(text).map_err(|_| BundleError::NotText(path.clone()))?;
        sources.insert(path.clone(), json!({ "content": text }));
    }
    let mut settings = artifact.settings.clone();
    settings["outputSelection"] = json!({ &artifact.source: { &artifact.name: ["abi", "evm.bytecode", "evm.deployedBytecode", "metadata"] } });
    Ok(json!({ "language": "Solidity", "sources": sources, "settings": settings }).to_string())
}

/// What the compiler makes of an input.
struct Made {
    creation_code: Bytes,
    metadata: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    errors: Vec<Message>,
    #[serde(default)]
    contracts: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    severity: String,
    formatted_message: String,
}

#[derive(Deserialize)]
struct Compiled {
    evm: Evm,
    metadata: String,
}

#[derive(Deserialize)]
struct Evm {
    bytecode: Bytecode,
}

#[derive(Deserialize)]
struct Bytecode {
    object: Bytes,
}

fn compile(
    solc: &Path,
    root: &Path,
    name: ContractName,
    artifact: &Artifact,
    input: &str,
) -> Result<Made, BundleError> {
    let run = || -> std::io::Result<Vec<u8>> {
        let mut child = Command::new(solc)
            .arg("--standard-json")
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // The compiler reads all of its input before it writes, and closing it is what starts the work.
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        Ok(child.wait_with_output()?.stdout)
    };
    let answer = run().map_err(|source| BundleError::Run { path: solc.to_owned(), source })?;
    let unreadable = |source| BundleError::Answer { name, source };
    let mut answer: Answer = serde_json::from_slice(&answer).map_err(unreadable)?;
    if let Some(error) = answer.errors.into_iter().find(|message| message.severity == "error") {
        return Err(BundleError::Refused { name, message: error.formatted_message });
    }
    let contract = answer.contracts[&artifact.source][&artifact.name].take();
    let Compiled { evm, metadata } = serde_json::from_value(contract).map_err(unreadable)?;
    Ok(Made { creation_code: evm.bytecode.object, metadata })
}

/// The new code must be the artifact's and the record's, and must lead to the recorded address.
fn compare(
    details: &Details,
    contract: &RecordedContract,
    artifact: &Artifact,
    made: &Made,
) -> Result<(), BundleError> {
    let init_code = [made.creation_code.as_ref(), &contract.constructor_arguments].concat();
    let differs = if made.creation_code != artifact.creation_code {
        "the creation code"
    } else if keccak256(&made.creation_code) != contract.creation_code_hash {
        "the hash of the creation code"
    } else if factory::address_of(details.salt, &init_code) != contract.address {
        "the address"
    } else if made.metadata != artifact.metadata {
        "the metadata"
    } else {
        return Ok(());
    };
    Err(BundleError::Differs { name: contract.name, what: differs })
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), BundleError> {
    let path = folder.join(name);
    let failed = |source| BundleError::Write { path: path.clone(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::write(&path, text).map_err(failed)
}
