//! Manifests: what is said about bad ones, and that nothing secret is ever said.

use crate::run::{Ran, Sandbox, repository};

const HINT: &str =
    "  hint: `leasehold manifest schema` prints a schema that editors check and complete manifests with\n";
const IMAGE: &str =
    "registry.example/web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn manifest(rest: &str) -> String {
    format!(
        "version: v1\nname: shop\nduration: 1h\nservices:\n  web:\n    image: {IMAGE}\n    \
         resources: {{cpu: 100m, memory: 64Mi}}\n{rest}"
    )
}

fn refused(lines: &str) -> Ran {
    Ran { code: Some(9), stdout: String::new(), stderr: format!("error: {lines}\n{HINT}") }
}

#[test]
fn a_manifest_that_is_not_valid_is_explained_line_by_line() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.yaml", &manifest("    replicas: 0\n    ports: [{port: 0}]\n"));
    let expected = "bad.yaml:8:15: services.web.replicas: 0 replicas is out of bounds; allowed: 1 to 64\n\
        bad.yaml:9:20: services.web.ports[0].port: 0 as a port is out of bounds; allowed: 1 to 65535";
    assert_eq!(sandbox.run(&["manifest", "validate", "bad.yaml"]), refused(expected));
    // The same before anything is spent, and before a key or a chain is needed.
    assert_eq!(sandbox.run(&["deploy", "bad.yaml", "--deposit", "1"]), refused(expected));
}

#[test]
fn a_valid_manifest_is_summed_up_for_programs() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "good.yaml",
        &manifest("    replicas: 3\n    volumes: [{name: v, mountPath: /v, size: 1Mi}]\n"),
    );
    let ran = sandbox.run(&["manifest", "validate", "good.yaml", "-o", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = serde_json::json!({
        "name": "shop", "services": 1, "durationSeconds": 3600, "cpuMilli": 300, "memoryBytes": 201_326_592,
        "storageBytes": 3_145_728, "gpuMilli": 0, "egressBytesPerSecond": 0
    });
    assert_eq!((ran.code, summary, ran.stderr), (Some(0), expected, String::new()));
}

#[test]
fn a_secret_without_a_source_is_named_and_one_with_a_source_is_never_printed() {
    let sandbox = Sandbox::new();
    sandbox.write("secret.yaml", &manifest("    secrets:\n      PASSWORD: {fromEnv: SHOP_PASSWORD}\n"));
    let missing =
        "secret.yaml:9:7: services.web.secrets.PASSWORD: the environment variable SHOP_PASSWORD is not set";
    assert_eq!(sandbox.run(&["deploy", "secret.yaml", "--deposit", "1"]), refused(missing));

    let forms = [
        "{fromEnv: SHOP_PASSWORD}",
        "{fromFile: password.txt}",
        "{value: hunter2-unguessable}",
        "hunter2-unguessable",
        "[hunter2-unguessable]",
        "{hunter2-unguessable: x}",
        "{value: hunter2-unguessable, also: x}",
        "{value: \"hunter2-unguessable\\0\"}",
    ];
    sandbox.write("password.txt", "hunter2-unguessable\n");
    for form in forms {
        sandbox.write("secret.yaml", &manifest(&format!("    secrets:\n      PASSWORD: {form}\n")));
        for command in
            [["manifest", "validate", "secret.yaml"].as_slice(), &["deploy", "secret.yaml", "--deposit", "1"]]
        {
            for output in ["table", "json"] {
                let args = [command, &["-o", output]].concat();
                let ran = sandbox.run_with(&args, &[("SHOP_PASSWORD", "hunter2-unguessable")]);
                assert!(!format!("{ran:?}").contains("hunter2"), "{form}: {ran:?}");
            }
        }
    }
}

#[test]
fn a_variable_is_taken_from_the_command_line_before_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.write("variable.yaml", &manifest("").replace(IMAGE, "${IMAGE}"));
    let environment = [("IMAGE", "not-an-image")];
    let validate = ["manifest", "validate", "variable.yaml"];
    assert_eq!(sandbox.run_with(&validate, &environment).code, Some(9));
    let set = format!("IMAGE={IMAGE}");
    let ran = sandbox.run_with(&[&validate[..], &["--set", &set]].concat(), &environment);
    assert_eq!((ran.code, ran.stderr), (Some(0), String::new()));
    let missing = "variable.yaml:6:12: services.web.image: ${IMAGE} has no value; give one with --set IMAGE=VALUE or in the \
        environment";
    assert_eq!(sandbox.run(&validate), refused(missing));
}

#[test]
fn the_schema_is_the_published_one() {
    let ran = Sandbox::new().run(&["manifest", "schema"]);
    let published = std::fs::read_to_string(repository().join("docs/manifest.schema.json")).unwrap();
    assert_eq!((ran.code, ran.stdout, ran.stderr), (Some(0), published, String::new()));
}
