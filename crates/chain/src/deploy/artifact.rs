//! The compiled contracts, as Foundry leaves them, held against the sources they were compiled from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alloy::primitives::{B256, Bytes, keccak256};
use serde::Deserialize;
use serde_json::Value;

use super::contract::ContractName;

/// A contract's artifact cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The artifact, or a source that it names, could not be read.
    #[error("failed to read {path}; build the contracts first")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is no artifact with metadata.
    #[error("the artifact {path} cannot be parsed")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The artifact was compiled from other text than the source has now.
    #[error("the artifact {artifact} is stale: {source_path} has changed since; build the contracts again")]
    Stale {
        /// The artifact.
        artifact: PathBuf,
        /// The source.
        source_path: String,
    },
    /// The metadata does not name what was compiled.
    #[error("the artifact {0} does not say what it was compiled from")]
    NoTarget(PathBuf),
}

/// One compiled contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The contract's name.
    pub name: String,
    /// The file that it is written in, as the compiler knows it.
    pub source: String,
    /// The code that creates it, without arguments.
    pub creation_code: Bytes,
    /// The compiler, with its commit.
    pub compiler: String,
    /// The compiler's settings, without `compilationTarget`.
    pub settings: Value,
    /// The compiler's metadata, byte for byte.
    pub metadata: String,
    /// Every source that went in, with the hash of its text.
    pub sources: BTreeMap<String, B256>,
}

impl Artifact {
    /// The name that block explorers ask for.
    pub fn qualified_name(&self) -> String {
        format!("{}:{}", self.source, self.name)
    }

    /// The version of the virtual machine that the code needs.
    pub fn evm_version(&self) -> &str {
        self.settings["evmVersion"].as_str().unwrap_or_default()
    }
}

/// The artifacts of everything that may be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifacts(BTreeMap<ContractName, Artifact>);

impl Artifacts {
    /// Reads the artifacts of `names` from Foundry's folder `out`; `root` is the folder that sources are relative to.
    pub fn read(
        root: &Path,
        out: &Path,
        names: impl IntoIterator<Item = ContractName>,
    ) -> Result<Self, ArtifactError> {
        let read = |name: ContractName| Ok((name, read(root, out, name.as_str())?));
        names.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The artifact of a contract, if it was among those that were read.
    pub fn get(&self, name: ContractName) -> Option<&Artifact> {
        self.0.get(&name)
    }
}

#[derive(Deserialize)]
struct File {
    bytecode: Bytecode,
    #[serde(rename = "rawMetadata")]
    raw_metadata: String,
}

#[derive(Deserialize)]
struct Bytecode {
    object: Bytes,
}

#[derive(Deserialize)]
struct Metadata {
    compiler: Compiler,
    settings: Value,
    sources: BTreeMap<String, SourceHash>,
}

#[derive(Deserialize)]
struct Compiler {
    version: String,
}

#[derive(Deserialize)]
struct SourceHash {
    keccak256: B256,
}

/// Reads one artifact and holds it against the sources.
///
/// Foundry names the compiler profile where a contract was compiled under several, and leaves the files of earlier
/// builds there. Only those compiled from the present sources count. Of these the one for Paris is taken where there is
/// one: only the build with the guard in storage makes such, and only its tests leave another beside it.
pub(super) fn read(root: &Path, out: &Path, name: &str) -> Result<Artifact, ArtifactError> {
    let folder = out.join(format!("{name}.sol"));
    let names = [format!("{name}.paris.json"), format!("{name}.default.json"), format!("{name}.json")];
    let (mut fresh, mut stale) = (Vec::new(), None);
    for path in names.iter().map(|file| folder.join(file)).filter(|path| path.is_file()) {
        match read_file(root, &path, name) {
            Ok(artifact) => fresh.push(artifact),
            Err(error @ ArtifactError::Stale { .. }) => stale = Some(error),
            Err(error) => return Err(error),
        }
    }
    let paris = fresh.iter().position(|artifact| artifact.evm_version() == "paris");
    match (fresh.is_empty(), stale) {
        (false, _) => Ok(fresh.swap_remove(paris.unwrap_or_default())),
        (true, Some(stale)) => Err(stale),
        (true, None) => read_file(root, &folder.join(format!("{name}.json")), name),
    }
}

fn read_file(root: &Path, path: &Path, name: &str) -> Result<Artifact, ArtifactError> {
    let text = std::fs::read(path).map_err(|source| ArtifactError::Read { path: path.to_owned(), source })?;
    let parse = |source| ArtifactError::Parse { path: path.to_owned(), source };
    let File { bytecode, raw_metadata } = serde_json::from_slice(&text).map_err(parse)?;
    let Metadata { compiler, mut settings, sources } = serde_json::from_str(&raw_metadata).map_err(parse)?;
    let sources: BTreeMap<_, _> = sources.into_iter().map(|(path, hash)| (path, hash.keccak256)).collect();
    for (source_path, hash) in &sources {
        if keccak256(read_source(root, source_path)?) != *hash {
            return Err(ArtifactError::Stale { artifact: path.to_owned(), source_path: source_path.clone() });
        }
    }
    let target = settings.as_object_mut().and_then(|settings| settings.remove("compilationTarget"));
    let source = target
        .as_ref()
        .and_then(Value::as_object)
        .and_then(|target| target.iter().find(|(_, contract)| contract.as_str() == Some(name)))
        .map(|(source, _)| source.clone())
        .ok_or_else(|| ArtifactError::NoTarget(path.to_owned()))?;
    Ok(Artifact {
        name: name.to_owned(),
        source,
        creation_code: bytecode.object,
        compiler: compiler.version,
        settings,
        metadata: raw_metadata,
        sources,
    })
}

/// The text of a source by the compiler's name for it.
pub(super) fn read_source(root: &Path, source_path: &str) -> Result<Vec<u8>, ArtifactError> {
    let path = root.join(source_path);
    std::fs::read(&path).map_err(|source| ArtifactError::Read { path, source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(source: &str, code: &str) -> String {
        artifact_for("cancun", source, code)
    }

    fn artifact_for(evm: &str, source: &str, code: &str) -> String {
        let metadata = json!({
            "compiler": {"version": "0.8.37+commit.1"},
            "settings": {"evmVersion": evm, "compilationTarget": {"src/Token.sol": "Token"}},
            "sources": {"src/Token.sol": {"keccak256": keccak256(source)}},
        });
        json!({"bytecode": {"object": code}, "rawMetadata": metadata.to_string()}).to_string()
    }

    #[test]
    fn the_artifact_of_the_present_sources_counts_and_a_stale_one_does_not() {
        let root = std::env::temp_dir().join(format!("leasehold-artifacts-{}", std::process::id()));
        let (out, folder) = (root.join("out"), root.join("out/Token.sol"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(root.join("src")).unwrap();
        std::fs::write(root.join("src/Token.sol"), "new").unwrap();
        assert!(matches!(read(&root, &out, "Token"), Err(ArtifactError::Read { .. })));

        std::fs::write(folder.join("Token.json"), artifact("new", "0x01")).unwrap();
        let token = read(&root, &out, "Token").unwrap();
        assert_eq!((token.qualified_name().as_str(), token.evm_version()), ("src/Token.sol:Token", "cancun"));
        assert_eq!(token.settings, json!({"evmVersion": "cancun"}));

        std::fs::write(folder.join("Token.default.json"), artifact("new", "0x02")).unwrap();
        assert_eq!(read(&root, &out, "Token").unwrap().creation_code, Bytes::from_static(&[2]));
        std::fs::write(folder.join("Token.json"), artifact_for("paris", "new", "0x03")).unwrap();
        assert_eq!(read(&root, &out, "Token").unwrap().creation_code, Bytes::from_static(&[3]));
        std::fs::write(folder.join("Token.json"), artifact("new", "0x01")).unwrap();
        std::fs::write(folder.join("Token.default.json"), artifact("old", "0x02")).unwrap();
        assert_eq!(read(&root, &out, "Token").unwrap().creation_code, Bytes::from_static(&[1]));
        std::fs::write(folder.join("Token.json"), artifact("old", "0x01")).unwrap();
        assert!(matches!(read(&root, &out, "Token"), Err(ArtifactError::Stale { .. })));
        std::fs::remove_dir_all(root).unwrap();
    }
}
