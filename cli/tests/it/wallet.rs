//! Keys: made once, readable by their owner alone, never printed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::run::{Ran, Sandbox};

#[test]
fn a_new_key_is_private_is_never_overwritten_and_is_never_printed() {
    let sandbox = Sandbox::new();
    let made = sandbox.run(&["wallet", "new", "key"]);
    let key = fs::read_to_string(sandbox.path("key")).unwrap();
    assert_eq!(fs::metadata(sandbox.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((key.len(), &key[..2], made.code), (67, "0x", Some(0)));

    let again = sandbox.run(&["wallet", "new", "key"]);
    let expected = "error: key exists; a key is never overwritten\n  hint: choose another file\n";
    assert_eq!(again, Ran { code: Some(2), stdout: String::new(), stderr: expected.into() });
    assert_eq!(fs::read_to_string(sandbox.path("key")).unwrap(), key);

    let address = sandbox.run(&["--key-file", "key", "wallet", "address"]);
    assert_eq!((address.stdout.as_str(), address.code), (made.stdout.as_str(), Some(0)));
    let json = sandbox.run_with(&["wallet", "address", "-o", "json"], &[("LEASEHOLD_KEY_FILE", "key")]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json, serde_json::json!({ "address": made.stdout.trim().to_lowercase() }));
    for ran in [made, again, address] {
        assert!(!format!("{ran:?}").contains(key.trim()), "{ran:?}");
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(&["wallet", "new", "key"]);
    fs::set_permissions(sandbox.path("key"), fs::Permissions::from_mode(0o644)).unwrap();
    let expected = "error: key has mode 644, so others may use it; run: chmod 600 key\n";
    assert_eq!(
        sandbox.run(&["--key-file", "key", "wallet", "address"]),
        Ran { code: Some(1), stdout: String::new(), stderr: expected.into() }
    );
}

#[test]
fn a_damaged_key_is_refused_without_being_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("key", "0xdeadbeef");
    fs::set_permissions(sandbox.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let ran = sandbox.run(&["--key-file", "key", "wallet", "address"]);
    assert_eq!((ran.code, ran.stderr.contains("deadbeef")), (Some(1), false), "{ran:?}");
}
