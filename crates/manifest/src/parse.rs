//! Text to document. Every refusal names file, line, column and field; none quotes a value that may be secret.

use std::collections::HashMap;

use serde::Deserialize;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error as YamlError, MessageFormatter, Options, UserMessageFormatter};

use crate::document::Manifest;
use crate::error::{ParseError, Problem};
use crate::locate::Locations;
use crate::path::Path;

/// Largest manifest text accepted.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Values for `${NAME}` in plain (unquoted) scalars. They replace text after YAML is parsed, so they cannot add structure.
#[derive(Clone, Default)]
pub struct Variables(HashMap<String, String>);

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Variables(pairs.into_iter().collect())
    }
}

/// A parsed file that still knows its lines, to explain later problems with.
#[derive(Debug, Clone)]
pub struct Source {
    /// The document.
    pub manifest: Manifest,
    file: String,
    locations: Locations,
}

impl Source {
    /// `FILE:LINE:COL: PATH: reason`. A problem about something absent points at what should have held it.
    pub fn explain(&self, problem: &Problem) -> ParseError {
        let (line, column) = self.locations.nearest(&problem.path);
        ParseError {
            file: self.file.clone(),
            line,
            column,
            path: problem.path.clone(),
            reason: problem.reason.clone(),
        }
    }
}

/// Reads a document without variables: any `${NAME}` is refused.
pub fn parse(text: &str, file: &str) -> Result<Manifest, ParseError> {
    parse_source(text, file, &Variables::default()).map(|source| source.manifest)
}

/// Reads a document, replacing each `${NAME}` in a plain scalar by its variable. A name without a value is an error.
pub fn parse_source(text: &str, file: &str, variables: &Variables) -> Result<Source, ParseError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(ParseError {
            file: file.to_owned(),
            line: 1,
            column: 1,
            path: Path::root(),
            reason: format!(
                "the manifest has {} bytes; at most {MAX_DOCUMENT_BYTES} are accepted",
                text.len()
            ),
        });
    }
    let mut path = Path::root();
    let with_variables = options().with_properties(variables.0.clone());
    let result =
        serde_saphyr::with_deserializer_from_str_with_options(text, with_variables, |deserializer| {
            let mut track = serde_path_to_error::Track::new();
            Manifest::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track))
                .inspect_err(|_| path = Path::from(&track.path()))
        });
    let locations = Locations::of(text, options());
    match (result, locations) {
        (Ok(manifest), Ok(locations)) => Ok(Source { manifest, file: file.to_owned(), locations }),
        (Err(error), locations) => Err(refusal(file, path, &error, &locations.unwrap_or_default())),
        (Ok(_), Err(error)) => Err(refusal(file, Path::root(), &error, &Locations::default())),
    }
}

/// Budgets far above any manifest of the accepted size that a person would write, and far below harm.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 60_000,
            max_nodes: 30_000,
            max_aliases: 256,
            max_anchors: 128,
            max_depth: 24,
            flow_nesting_limit: 24,
            max_documents: 1,
            max_merge_keys: 128,
            max_total_scalar_bytes: 2 * MAX_DOCUMENT_BYTES,
            max_inclusion_depth: 0,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 256,
        },
        with_snippet: false,
        strict_booleans: true,
        strict_indentation: true,
        reject_unsupported_tags: true,
    }
}

fn refusal(file: &str, path: Path, error: &YamlError, locations: &Locations) -> ParseError {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
    let path = match error {
        // A variable is replaced while its field is looked up, where the tracked path stops one step short.
        YamlError::UnresolvedProperty { .. }
        | YamlError::PropertyRequiredButUnset { .. }
        | YamlError::PropertyRequiredButEmpty { .. } => locations.scalar_at((line, column)).unwrap_or(path),
        _ => path,
    };
    let (path, reason) = describe(path, error);
    ParseError { file: file.to_owned(), line, column, path, reason }
}

fn describe(path: Path, error: &YamlError) -> (Path, String) {
    let list = |names: &[&'static str]| names.join(", ");
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            let path = if path.ends_with(field) { path } else { path.field(field) };
            (path, format!("unknown field; known here: {}", list(expected)))
        }
        YamlError::SerdeMissingField { field, .. } => {
            (path.field(field), "missing; it is required".to_owned())
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            (path, format!("unknown value {variant:?}; expected one of: {}", list(expected)))
        }
        // What was found is left out: a misplaced value may be a secret.
        YamlError::SerdeInvalidType { expected, .. } | YamlError::SerdeInvalidValue { expected, .. } => {
            (path, format!("wrong type; expected {}", plain(expected)))
        }
        YamlError::InvalidScalar { ty, .. } => (path, format!("wrong type; expected {}", plain(ty))),
        YamlError::Unexpected { expected, .. } => (path, format!("wrong type; expected {}", plain(expected))),
        YamlError::DuplicateMappingKey { key: Some(key), .. } => {
            (if path.ends_with(key) { path } else { path.field(key) }, "given twice".to_owned())
        }
        YamlError::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            (path, "a second document begins here; a manifest is one document".to_owned())
        }
        YamlError::NullIntoString { .. } => {
            (path, "no value; write text, or \"\" for the empty text".to_owned())
        }
        YamlError::UnresolvedProperty { name, .. }
        | YamlError::PropertyRequiredButUnset { name, .. }
        | YamlError::PropertyRequiredButEmpty { name, .. } => (
            path,
            format!("${{{name}}} has no value; give one with --set {name}=VALUE or in the environment"),
        ),
        YamlError::Message { msg, .. } => (path, msg.clone()),
        other => (path, UserMessageFormatter.format_message(other).into_owned()),
    }
}

/// The parser's words for types, in the words of people who write manifests.
fn plain(expected: &str) -> &str {
    match expected {
        "i64" | "integer" | "an integer" => "a whole number",
        "string" | "string scalar" => "text",
        "map" | "mapping" | "mapping start" => "a mapping",
        "seq" | "sequence" | "sequence start" => "a list",
        other => other,
    }
}
