//! Each `test_data/NAME.yaml` is explained exactly as `NAME.txt` says. `UPDATE_GOLDEN=1` rewrites the expectations.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use manifest::{Secret, SecretSource, Variables, parse_source, validate};

/// What a tenant reads about a file.
fn explain(text: &str, file: &str) -> String {
    let variables = Variables::from_iter([("BARE".to_owned(), "registry.example/web".to_owned())]);
    let mut source = match parse_source(text, file, &variables) {
        Ok(source) => source,
        Err(error) => return format!("{error}\n"),
    };
    let resolved = source.manifest.clone().resolve_secrets(|_, source| {
        Ok::<_, Infallible>(match source {
            SecretSource::Value(secret) => secret.clone(),
            SecretSource::FromEnv(name) | SecretSource::FromFile(name) => Secret::new(name.clone()),
        })
    });
    source.manifest = resolved.unwrap();
    match validate(&source.manifest) {
        Ok(_) => "valid\n".to_owned(),
        Err(problems) => problems.iter().map(|problem| format!("{}\n", source.explain(problem))).collect(),
    }
}

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("test_data");
    let text = fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
    let found = explain(&text, &format!("{name}.yaml"));
    let expected_path: PathBuf = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&expected_path, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&expected_path).unwrap());
}

macro_rules! cases {
    ($($test:ident: $name:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            check($name);
        }
    )*};
}

cases!(
    a_complete_manifest_is_valid: "complete",
    root_behind_a_wall_is_valid: "root",
    an_unknown_field_is_named_with_its_path: "unknown-field",
    an_unknown_top_level_field_is_named: "unknown-top-level-field",
    a_missing_field_is_named: "missing-field",
    a_value_of_the_wrong_type_is_refused: "wrong-type",
    an_unknown_choice_is_refused: "unknown-choice",
    a_duplicate_service_is_refused: "duplicate-service",
    broken_yaml_is_refused: "broken-yaml",
    an_empty_file_is_refused: "empty",
    two_documents_are_refused: "two-documents",
    an_alias_bomb_is_refused: "alias-bomb",
    a_misplaced_secret_is_not_quoted: "misplaced-secret",
    a_numeric_misplaced_secret_is_not_quoted: "misplaced-numeric-secret",
    a_variable_without_a_value_is_named: "missing-variable",
    a_variable_is_replaced_before_the_rules_are_checked: "variable",
    an_absent_value_is_refused: "null-value",
    every_problem_is_reported_at_once: "many-problems",
    public_ports_may_have_hosts: "public",
    every_problem_of_public_ports_is_reported: "public-problems",
    volumes_of_two_services_never_share_a_claim: "claim-problems",
);

#[test]
fn a_file_over_the_limit_is_refused() {
    let text = " ".repeat(manifest::MAX_DOCUMENT_BYTES + 1);
    assert_eq!(
        explain(&text, "large.yaml"),
        "large.yaml:1:1: .: the manifest has 262145 bytes; at most 262144 are accepted\n"
    );
}

#[test]
fn the_shipped_example_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/guestbook.yaml");
    let text = fs::read_to_string(path).unwrap();
    let image = |name: &str| format!("registry.example/{name}@sha256:{}", "0".repeat(64));
    let variables =
        Variables::from_iter([("WEB_IMAGE".to_owned(), image("web")), ("DB_IMAGE".to_owned(), image("db"))]);
    let source = parse_source(&text, "guestbook.yaml", &variables).unwrap();
    let secret =
        |_: &manifest::Path, _: &SecretSource| Ok::<_, Infallible>(Secret::new("unguessable".into()));
    let manifest = validate(&source.manifest.resolve_secrets(secret).unwrap()).unwrap();
    assert_eq!(manifest.services().keys().map(ToString::to_string).collect::<Vec<_>>(), ["db", "web"]);
    let missing = parse_source(&text, "guestbook.yaml", &Variables::default()).unwrap_err();
    assert!(missing.reason.contains("has no value; give one with --set"), "{missing}");
}

#[test]
fn the_published_schema_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manifest.schema.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, manifest::json_schema()).unwrap();
    }
    assert_eq!(manifest::json_schema(), fs::read_to_string(path).unwrap(), "run: leasehold manifest schema");
}
