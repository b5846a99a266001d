//! Sizes, and words that must not be in a file.

use std::{fs, path::Path};

use anyhow::Context as _;

/// The largest file that is kept, in bytes.
const MAX_BYTES: u64 = 1_000_000;
/// The longest Rust file, tests aside, in lines.
const MAX_RUST_LINES: usize = 600;
/// Documents that must stay short enough to be read.
const MAX_LINES: [(&str, usize); 2] = [("README.md", 130), ("ARCHITECTURE.md", 250)];

/// Places on somebody's machine, each in two halves so that this file does not hold them.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/main"), concat!("/ro", "ot/."), concat!("/ho", "me/"), concat!("/Us", "ers/")];
const TO_DO: &str = concat!("TO", "DO");

/// Returns one line for each file that is too long, or holds what it must not.
pub(super) fn check(root: &Path, tracked: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in tracked {
        let full = root.join(path);
        let metadata =
            fs::symlink_metadata(&full).with_context(|| format!("{path} is tracked but not there"))?;
        if !metadata.is_file() {
            continue;
        }
        if metadata.len() > MAX_BYTES {
            problems.push(format!(
                "{path}: {} bytes; keep files of more than {MAX_BYTES} elsewhere",
                metadata.len()
            ));
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("failed to read {path}"))?;
        if let Ok(text) = str::from_utf8(&bytes) {
            problems.extend(check_text(path, text));
        }
    }
    Ok(problems)
}

fn check_text(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    if let Some((_, limit)) = MAX_LINES.iter().find(|(name, limit)| *name == path && lines > *limit) {
        problems.push(format!("{path}: {lines} lines, at most {limit}"));
    }
    if path.ends_with(".rs") {
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if code > MAX_RUST_LINES {
            problems.push(format!(
                "{path}: {code} lines before its tests, at most {MAX_RUST_LINES}; split it by concept"
            ));
        }
    }
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if MACHINE_PATHS.iter().any(|place| line.contains(place)) {
            problems.push(format!("{path}:{number}: names a place on somebody's machine"));
        }
        if let Some((_, after)) = line.split_once(TO_DO)
            && !after.starts_with("(#")
        {
            problems.push(format!("{path}:{number}: write {TO_DO}(#ISSUE), so that somebody does it"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_loose_ends_and_machine_paths_are_found() {
        let long = "line\n".repeat(131);
        assert_eq!(check_text("README.md", &long), ["README.md: 131 lines, at most 130"]);
        let text = format!("// {TO_DO}: later\n// {TO_DO}(#7): later\nlet x = \"{}me/x\";\n", "/ho");
        assert_eq!(
            check_text("a.rs", &text),
            [
                format!("a.rs:1: write {TO_DO}(#ISSUE), so that somebody does it"),
                "a.rs:3: names a place on somebody's machine".to_owned(),
            ]
        );
    }

    #[test]
    fn the_tests_of_a_file_do_not_make_it_long() {
        let text = format!("fn a() {{}}\n#[cfg(test)]\n{}", "//\n".repeat(MAX_RUST_LINES));
        assert_eq!(check_text("a.rs", &text), Vec::<String>::new());
    }
}
