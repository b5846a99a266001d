//! Properties over arbitrary input: no panic, and one canonical form.

use manifest::{from_canonical, manifest_hash, parse, validate};
use proptest::prelude::*;

fn manifest_text() -> impl Strategy<Value = String> {
    let service = (
        10_u64..512_000,
        4_u64..4_096,
        1_i64..64,
        prop::option::of((1_i64..65_535, prop::sample::select(vec!["internal", "tenant", "public"]))),
        prop::option::of(1_u64..1_000),
        prop::collection::btree_map("[A-JL-M][A-Z0-9_]{0,8}", "\\PC{0,16}", 0..4),
    );
    (60_u32..7_776_000, prop::collection::btree_map("[a-z][a-z0-9]{0,9}", service, 1..12)).prop_map(
        |(duration, services)| {
            let services: serde_json::Map<_, _> = services
                .into_iter()
                .map(|(name, (cpu, memory, replicas, port, volume, env))| {
                    let value = serde_json::json!({
                        "image": format!("registry.example/{name}@sha256:{}", "a".repeat(64)),
                        "resources": { "cpu": format!("{cpu}m"), "memory": format!("{memory}Mi") },
                        "replicas": replicas,
                        "ports": port
                            .map(|(port, expose)| {
                                let hosts = if expose == "public" { vec![format!("{name}.example.com")] } else { Vec::new() };
                                serde_json::json!({ "port": port, "expose": expose, "hosts": hosts })
                            })
                            .into_iter()
                            .collect::<Vec<_>>(),
                        "volumes": volume
                            .map(|size| serde_json::json!({ "name": "v", "mountPath": "/v", "size": format!("{size}Mi") }))
                            .into_iter()
                            .collect::<Vec<_>>(),
                        "env": env,
                    });
                    (name, value)
                })
                .collect();
            // JSON is YAML, so this goes through the same parser as a tenant's file.
            serde_json::json!({
                "version": "v1", "name": "any", "duration": format!("{duration}s"), "services": services
            })
            .to_string()
        },
    )
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text, "any.yaml");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = from_canonical(&bytes);
        let _ = parse(&String::from_utf8_lossy(&bytes), "any.yaml");
    }

    #[test]
    fn yaml_like_text_never_panics(words in prop::collection::vec(
        prop::sample::select(vec!["version", ": ", "v1", "\n", "  ", "- ", "services", "{", "}", "[", "]", "&a", "*a",
            "<<", "|", ">", "'", "\"", "#", "!!str", "${A}", "? ", "image", "~", "---", "\t"]), 0..60)) {
        let _ = parse(&words.concat(), "any.yaml");
    }

    #[test]
    fn a_valid_manifest_survives_its_canonical_form(text in manifest_text()) {
        let manifest = validate(&parse(&text, "any.yaml").unwrap()).unwrap();
        let canonical = manifest.canonical_json();
        let read = from_canonical(&canonical).unwrap();
        prop_assert_eq!(&read, &manifest);
        prop_assert_eq!(read.canonical_json(), canonical.clone());
        prop_assert_eq!(read.requirements().check(), Ok(()));
        let spaced = [b" ".as_slice(), &canonical].concat();
        prop_assert!(from_canonical(&spaced).is_err());
        let (one, two) = ([1; 32].into(), [2; 32].into());
        prop_assert_ne!(manifest_hash(&one, &canonical), manifest_hash(&two, &canonical));
    }
}
