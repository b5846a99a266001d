//! Wrong and incomplete command lines: each says what to do, with its own exit code.

use crate::run::{Ran, Sandbox};

const LEASE: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

fn ended(code: i32, stderr: &str) -> Ran {
    Ran { code: Some(code), stdout: String::new(), stderr: stderr.into() }
}

#[test]
fn what_is_missing_is_named_with_the_option_that_gives_it() {
    let sandbox = Sandbox::new();
    let no_key = "error: no key is chosen\n  hint: give --key-file FILE or set LEASEHOLD_KEY_FILE; `leasehold wallet new \
        FILE` makes a key\n";
    assert_eq!(sandbox.run(&["wallet", "address"]), ended(2, no_key));
    let no_market = "error: no market is chosen\n  hint: give --deployment FILE or set LEASEHOLD_DEPLOYMENT to the \
        market's deployment.json\n";
    assert_eq!(sandbox.run(&["status", LEASE]), ended(2, no_market));
    sandbox.write(
        "deployment.json",
        r#"{"chainId":1,"market":"0x0000000000000000000000000000000000000001","registry":"0x0000000000000000000000000000000000000002","token":"0x0000000000000000000000000000000000000003","tokenDecimals":6,"deployedBlock":0}"#,
    );
    let no_node = "error: no node of the chain is chosen\n  hint: give --rpc URL or set LEASEHOLD_RPC to the address of a \
        node\n";
    assert_eq!(sandbox.run(&["status", LEASE, "--deployment", "deployment.json"]), ended(2, no_node));
}

#[test]
fn a_lease_id_is_checked_before_anything_else() {
    let ran = Sandbox::new().run(&["close", "0x12"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("expected 0x and 64 lower-case hexadecimal digits"), "{}", ran.stderr);
}

#[test]
fn a_node_that_does_not_answer_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "deployment.json",
        r#"{"chainId":1,"market":"0x0000000000000000000000000000000000000001","registry":"0x0000000000000000000000000000000000000002","token":"0x0000000000000000000000000000000000000003","tokenDecimals":6,"deployedBlock":0}"#,
    );
    // A listener that is dropped leaves a port that nothing answers on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rpc = format!("http://127.0.0.1:{port}");
    let ran = sandbox.run(&["status", LEASE, "--deployment", "deployment.json", "--rpc", &rpc]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("error: failed to use the node at 127.0.0.1 (--rpc): "), "{}", ran.stderr);
}
