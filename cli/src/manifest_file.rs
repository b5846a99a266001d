//! From a manifest's file to a checked manifest: variables, secrets, and errors with file and line.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use manifest::{MAX_DOCUMENT_BYTES, Problem, Secret, SecretSource, Source, ValidManifest, Variables};

use crate::exit::{Kind, Stop};

/// Where `${NAME}` takes its value from.
#[derive(Debug, clap::Args)]
pub(crate) struct VariableArgs {
    /// Value for ${NAME} in the manifest; goes before the environment
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_pair)]
    set: Vec<(String, String)>,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(format!("{name:?} is not a variable name"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// How secrets get their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// From their sources.
    Resolve,
    /// Each becomes empty, to check a manifest on a machine without them.
    Blank,
}

/// Reads and checks a manifest. Every problem is reported at once.
pub(crate) fn load(path: &Path, variables: &VariableArgs, secrets: Secrets) -> anyhow::Result<ValidManifest> {
    let file = path.display().to_string();
    let text = read(path, MAX_DOCUMENT_BYTES)?;
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let variables = environment.chain(variables.set.iter().cloned()).collect::<Variables>();
    let mut source =
        manifest::parse_source(&text, &file, &variables).map_err(|error| invalid(error.to_string()))?;
    source.manifest = resolve(&source, path, secrets)?;
    manifest::validate(&source.manifest).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(|problem| source.explain(problem).to_string()).collect();
        invalid(lines.join("\n"))
    })
}

fn invalid(lines: String) -> anyhow::Error {
    let stop = Stop::new(Kind::InvalidManifest, lines);
    stop.advise("`leasehold manifest schema` prints a schema that editors check and complete manifests with")
        .into()
}

fn resolve(source: &Source, path: &Path, secrets: Secrets) -> anyhow::Result<manifest::Manifest> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    source.manifest.clone().resolve_secrets(|place, secret| {
        let refuse = |reason: String| {
            let problem = Problem { path: place.clone(), reason };
            invalid(source.explain(&problem).to_string())
        };
        match (secret, secrets) {
            (SecretSource::Value(secret), _) => Ok(secret.clone()),
            (_, Secrets::Blank) => Ok(Secret::new(String::new())),
            (SecretSource::FromEnv(name), Secrets::Resolve) => match std::env::var(name) {
                Ok(value) => Ok(Secret::new(value)),
                Err(std::env::VarError::NotPresent) => {
                    Err(refuse(format!("the environment variable {name} is not set")))
                }
                Err(_) => Err(refuse(format!("the environment variable {name} is not text"))),
            },
            (SecretSource::FromFile(name), Secrets::Resolve) => {
                let text =
                    read(&folder.join(name), 64 * 1024).map_err(|error| refuse(format!("{error:#}")))?;
                let value = text
                    .strip_suffix('\n')
                    .map(|text| text.strip_suffix('\r').unwrap_or(text))
                    .unwrap_or(&text);
                Ok(Secret::new(value.to_owned()))
            }
        }
    })
}

/// Reads a text file, but no more of it than could be used.
fn read(path: &Path, limit: usize) -> anyhow::Result<String> {
    use std::io::Read as _;
    let describe = || format!("failed to read {}", path.display());
    let file = std::fs::File::open(path).with_context(describe)?;
    let mut text = String::new();
    file.take(limit as u64 + 1).read_to_string(&mut text).with_context(describe)?;
    Ok(text)
}
