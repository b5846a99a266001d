//! `cargo xtask images`: makes the images and pushes them, without a container daemon.
//!
//! A recipe (`testbed/images/NAME.toml`) becomes two layers: Debian packages, kept in the cache under a key of the
//! recipe, and our own files, made anew each time. Both are packed so that the same content has the same digest.

mod packages;
mod push;
mod recipe;
pub(crate) mod root_fs;

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    cache::{self, Key},
    step::long_step,
    tools::{Tool, repository},
};
use recipe::Recipe;

/// Raised when the same recipe is to give another layer than before.
const LAYER_FORMAT: &[u8] = b"1";

/// Which images to make, and where they go.
#[derive(Debug, clap::Args)]
pub(crate) struct ImagesArgs {
    /// The registry to push to, as HOST:PORT. It is spoken to without TLS.
    #[arg(long)]
    registry: String,
    /// Images to make; all of them if none is named.
    #[arg(long)]
    only: Vec<String>,
    /// Build our binaries with the release profile.
    #[arg(long)]
    release: bool,
    /// Also write the references to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Which build of our binaries goes into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Dev,
    /// Optimised.
    Release,
}

impl ImagesArgs {
    /// Makes and pushes the images and prints their references as JSON.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { registry, only, release, json } = self;
        let profile = if release { Profile::Release } else { Profile::Dev };
        let references = build_and_push(&registry, &only, profile)?;
        let text = serde_json::to_string_pretty(&references)?;
        if let Some(path) = json {
            fs::write(&path, &text).with_context(|| format!("failed to write {}", path.display()))?;
        }
        println!("{text}");
        Ok(())
    }
}

/// Makes the images named in `only`, or all, and returns their references by digest, keyed by name.
pub(crate) fn build_and_push(
    registry: &str,
    only: &[String],
    profile: Profile,
) -> anyhow::Result<BTreeMap<String, String>> {
    let root = repository();
    let recipes = select(Recipe::read_all(&root.join("testbed/images"))?, only)?;
    let crane = Tool::Crane.program("crane")?;
    let binaries: Vec<_> = recipes.iter().filter_map(|recipe| recipe.binary.as_deref()).collect();
    let built = build_binaries(root, &binaries, profile)?;
    let mut references = BTreeMap::new();
    for recipe in &recipes {
        let work = tempfile::tempdir()?;
        let base = package_layer(recipe)?;
        let own = own_layer(recipe, root, &built, work.path())?;
        let reference = push::push(&crane, registry, recipe, &[&base, &own])?;
        references.insert(recipe.name.clone(), reference);
    }
    Ok(references)
}

fn select(recipes: Vec<Recipe>, only: &[String]) -> anyhow::Result<Vec<Recipe>> {
    if let Some(unknown) = only.iter().find(|name| !recipes.iter().any(|recipe| recipe.name == **name)) {
        let known: Vec<_> = recipes.iter().map(|recipe| recipe.name.as_str()).collect();
        bail!("there is no image `{unknown}`; there are {}", known.join(", "));
    }
    Ok(recipes.into_iter().filter(|recipe| only.is_empty() || only.contains(&recipe.name)).collect())
}

/// The layer of Debian packages, from the cache if it was made before. `packages.lock` beside it says what it holds.
fn package_layer(recipe: &Recipe) -> anyhow::Result<PathBuf> {
    let packages = serde_json::to_vec(&(&recipe.packages, &recipe.exclude))?;
    let key = Key::of([("format", LAYER_FORMAT), ("packages", &packages)]);
    let archives = cache::root()?.join("debian-archives");
    let folder = cache::ensure("image-packages", &key, |target| {
        long_step(&format!("collect the packages of {}", recipe.name), || {
            let work = tempfile::tempdir()?;
            let lock = packages::unpack(recipe, &archives, work.path())
                .with_context(|| format!("failed to collect the packages of {}", recipe.name))?;
            root_fs::complete(work.path())?;
            root_fs::pack(work.path(), &target.join("layer.tar.gz"))?;
            Ok(fs::write(target.join("packages.lock"), lock)?)
        })
    })?;
    Ok(folder.join("layer.tar.gz"))
}

/// The layer with our binary and files.
fn own_layer(recipe: &Recipe, workspace: &Path, binaries: &Path, work: &Path) -> anyhow::Result<PathBuf> {
    let root = work.join("root");
    fs::create_dir_all(&root)?;
    if let Some(binary) = &recipe.binary {
        let target = root.join("usr/local/bin").join(binary);
        place(&binaries.join(binary), &target)?;
        let stripped =
            Command::new("strip").arg(&target).status().context("failed to start strip (binutils)")?;
        ensure!(stripped.success(), "failed to strip {binary}");
    }
    for recipe::File { source, target } in &recipe.files {
        let target = target.strip_prefix("/").context("a recipe's target is absolute")?;
        place(&workspace.join(source), &root.join(target))?;
    }
    root_fs::settle_modes(&root)?;
    let layer = work.join("own.tar.gz");
    root_fs::pack(&root, &layer)?;
    Ok(layer)
}

fn place(source: &Path, target: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(target.parent().context("a target has a folder")?)?;
    fs::copy(source, target).with_context(|| format!("failed to copy {}", source.display()))?;
    fs::set_permissions(target, Permissions::from_mode(0o755))?;
    Ok(())
}

/// Builds `binaries` and returns the folder that they are in.
fn build_binaries(workspace: &Path, binaries: &[&str], profile: Profile) -> anyhow::Result<PathBuf> {
    let target = target_directory();
    if !binaries.is_empty() {
        let mut build = Command::new("cargo");
        build.current_dir(workspace).args(["build", "--quiet"]);
        build.args(binaries.iter().flat_map(|binary| ["--package", binary]));
        if profile == Profile::Release {
            build.arg("--release");
        }
        let built = build.status().context("failed to start cargo")?;
        ensure!(built.success(), "failed to build {}", binaries.join(" and "));
    }
    Ok(target.join(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    }))
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), |target| repository().join(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_image_is_named_beside_the_known_ones() {
        let recipes = Recipe::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed/images"))
            .expect("the recipes are well formed");
        let error = select(recipes, &["web".to_owned()]).expect_err("there is no such image");
        assert_eq!(
            error.to_string(),
            "there is no image `web`; there are guestbook-db, guestbook-web, isolation-probe, operator, provider-agent"
        );
    }
}
