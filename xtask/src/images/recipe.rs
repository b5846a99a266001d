//! An image recipe: `testbed/images/NAME.toml`. Reading only; nothing here builds.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// What an image holds and how it starts. Every image runs as the user of [`super::root_fs::USER`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// The image's name in the registry: the recipe's file name.
    #[serde(skip)]
    pub(crate) name: String,
    /// Debian packages; what they depend on comes with them.
    pub(crate) packages: Vec<String>,
    /// Packages to leave out although something depends on them. A trailing `*` stands for any ending.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// A binary of this workspace, put into `/usr/local/bin`.
    pub(crate) binary: Option<String>,
    /// Files of this repository.
    #[serde(default)]
    pub(crate) files: Vec<File>,
    /// The command that the container runs.
    pub(crate) entrypoint: Vec<String>,
    /// Environment variables that the image sets.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
}

/// One file of this repository in an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Where it is, from the repository's root.
    pub(crate) source: PathBuf,
    /// Where it goes in the image: an absolute path.
    pub(crate) target: PathBuf,
}

impl Recipe {
    /// Reads every recipe of `folder`, in the order of their names.
    pub(crate) fn read_all(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let entries = fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("failed to read {}", folder.display()))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a recipe's name is not text")?;
        Self::parse(name, &text).with_context(|| format!("failed to parse {}", path.display()))
    }

    fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut recipe: Self = toml::from_str(text)?;
        recipe.name = name.to_owned();
        ensure!(!recipe.entrypoint.is_empty(), "entrypoint: expected at least the program");
        for File { target, .. } in &recipe.files {
            ensure!(target.is_absolute(), "files.target: {} is not an absolute path", target.display());
        }
        Ok(recipe)
    }

    /// Whether `package` is one of those to leave out.
    pub(crate) fn excludes(&self, package: &str) -> bool {
        self.exclude.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => package.starts_with(start),
            None => package == pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
packages = ["libc6"]
exclude = ["debconf", "perl*"]
binary = "operator"
entrypoint = ["/usr/local/bin/operator"]
"#;

    #[test]
    fn a_recipe_takes_its_name_from_the_file() {
        let recipe = Recipe::parse("operator", TEXT).expect("the recipe is well formed");
        assert_eq!(
            recipe,
            Recipe {
                name: "operator".to_owned(),
                packages: vec!["libc6".to_owned()],
                exclude: vec!["debconf".to_owned(), "perl*".to_owned()],
                binary: Some("operator".to_owned()),
                files: Vec::new(),
                entrypoint: vec!["/usr/local/bin/operator".to_owned()],
                env: BTreeMap::new(),
            }
        );
    }

    #[test]
    fn an_exclusion_is_a_whole_name_or_a_beginning() {
        let recipe = Recipe::parse("operator", TEXT).expect("the recipe is well formed");
        let answers =
            ["debconf", "debconf-doc", "perl", "perl-base", "libperl5"].map(|name| recipe.excludes(name));
        assert_eq!(answers, [true, false, true, true, false]);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = Recipe::parse("x", &format!("{TEXT}\nuser = 0")).expect_err("`user` is no key");
        assert!(error.to_string().contains("unknown field `user`"), "{error}");
    }

    #[test]
    fn every_recipe_of_the_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed/images");
        let names: Vec<_> = Recipe::read_all(&folder)
            .expect("the recipes are well formed")
            .into_iter()
            .map(|r| r.name)
            .collect();
        assert_eq!(names, ["guestbook-db", "guestbook-web", "isolation-probe", "operator", "provider-agent"]);
    }
}
