//! What can be wrong with a manifest, with where it is wrong.

use crate::path::Path;

/// The text is not a manifest document: broken YAML, an unknown field, a value of the wrong type, or too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {path}: {reason}")]
pub struct ParseError {
    /// Name of the file, as the caller gave it.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// The field at fault; the root when the fault has no field.
    pub path: Path,
    /// What is wrong.
    pub reason: String,
}

/// One thing that a well-formed document asks for and may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Problem {
    /// The field at fault.
    pub path: Path,
    /// What is wrong, and what would be right.
    pub reason: String,
}
