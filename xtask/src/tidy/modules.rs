//! Every Rust file belongs to a crate, starts by saying what it is for, and is called after its module.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// Returns one line for each file that no crate includes, that is called `mod.rs`, or that does not introduce itself.
pub(super) fn check(root: &Path, tracked: &[&str]) -> anyhow::Result<Vec<String>> {
    let files: Vec<_> = tracked.iter().filter(|path| path.ends_with(".rs")).map(PathBuf::from).collect();
    let mut reached = BTreeSet::new();
    for file in files.iter().filter(|file| is_crate_root(root, file)) {
        visit(root, file, &mut reached)?;
    }
    let mut problems = Vec::new();
    for file in &files {
        let shown = file.display();
        if file.ends_with("mod.rs") {
            problems.push(format!("{shown}: call it after its folder, beside it"));
        } else if !reached.contains(file) {
            problems.push(format!("{shown}: no module includes it"));
        }
        // The tests of a module say what they are for by their names.
        if !file.ends_with("tests.rs") && !introduces_itself(&read(root, file)?) {
            problems.push(format!("{shown}: says nowhere what it is for (//!)"));
        }
    }
    Ok(problems)
}

fn is_crate_root(root: &Path, file: &Path) -> bool {
    let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    match file.file_name().and_then(|name| name.to_str()) {
        Some("main.rs") => true,
        Some("lib.rs") => folder == Some("src"),
        Some("build.rs")
            if file.parent().is_some_and(|folder| root.join(folder).join("Cargo.toml").exists()) =>
        {
            true
        }
        // A folder of a module's tests is called `tests` too.
        Some(_) if matches!(folder, Some("tests" | "examples" | "benches")) => {
            let package = file.parent().and_then(Path::parent);
            package.is_some_and(|package| root.join(package).join("Cargo.toml").exists())
        }
        Some(_) => folder == Some("bin"),
        None => false,
    }
}

fn visit(root: &Path, file: &Path, reached: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    if !reached.insert(file.to_owned()) {
        return Ok(());
    }
    let folder = if is_crate_root(root, file) {
        file.parent().map(Path::to_owned).unwrap_or_default()
    } else {
        file.with_extension("")
    };
    for name in module_names(&read(root, file)?) {
        let child = folder.join(format!("{name}.rs"));
        if root.join(&child).exists() {
            visit(root, &child, reached)?;
        }
    }
    Ok(())
}

fn read(root: &Path, file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(root.join(file)).with_context(|| format!("failed to read {}", file.display()))
}

/// The modules that a file takes from other files: lines such as `pub(crate) mod name;`.
fn module_names(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let declaration = line.strip_suffix(';')?;
            let (before, name) = declaration.rsplit_once("mod ")?;
            let before = before.trim();
            (before.is_empty() || before.starts_with("pub")).then_some(name)
        })
        .collect()
}

fn introduces_itself(text: &str) -> bool {
    text.lines().take(10).any(|line| line.trim_start().starts_with("//!"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_file_and_an_old_fashioned_name_are_found() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("the path has a folder"))
                .expect("the folder can be made");
            fs::write(path, text).expect("the file can be written");
        };
        write("a/src/lib.rs", "//! A.\npub mod used;\n");
        write("a/src/used.rs", "//! Used.\nmod build;\npub(crate) mod deep;\n");
        write("a/src/used/deep.rs", "mod absent {}\n");
        write("a/src/lost.rs", "//! Lost.\n");
        write("a/src/old/mod.rs", "//! Old.\n");
        write("a/Cargo.toml", "");
        write("a/build.rs", "//! Build script.\n");
        write("a/src/used/build.rs", "//! A module of that name.\nmod namespace;\n");
        write("a/src/used/build/namespace.rs", "//! Namespace.\n");
        let tracked = [
            "a/build.rs",
            "a/src/lib.rs",
            "a/src/used.rs",
            "a/src/used/build.rs",
            "a/src/used/build/namespace.rs",
            "a/src/used/deep.rs",
            "a/src/lost.rs",
            "a/src/old/mod.rs",
        ];
        assert_eq!(
            check(folder.path(), &tracked).expect("the files can be read"),
            [
                "a/src/used/deep.rs: says nowhere what it is for (//!)",
                "a/src/lost.rs: no module includes it",
                "a/src/old/mod.rs: call it after its folder, beside it",
            ]
        );
    }

    #[test]
    fn only_declarations_without_a_body_name_files() {
        assert_eq!(
            module_names("mod a;\npub(crate) mod b;\nmod c {\n// mod d;\nuse x::mod_e;\n"),
            ["a", "b"]
        );
    }
}
