//! The rules that the definition carries, enforced by the API server whoever writes.

use anyhow::Result;
use crd::{ComputeLease, DesiredState, Term};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::cluster::{Cluster, guestbook, lease};

/// Text of the refusal, empty if there was none.
async fn refusal(api: &Api<ComputeLease>, name: &str, spec: Value) -> String {
    let patch = json!({ "spec": spec });
    match api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn what_was_agreed_cannot_be_changed_and_malformed_fields_are_refused() -> Result<()> {
    Cluster::connect("crd").await?.clean_up_after(check).await
}

async fn check(cluster: &Cluster) -> Result<()> {
    let api = cluster.own::<ComputeLease>();
    let mut object = lease(0xc1, &guestbook());
    object.spec.term = Some(Term { started_at: 10, ends_at: 20 });
    let name = api.create(&PostParams::default(), &object).await?.metadata.name.unwrap_or_default();

    let zeros = |digits: usize| format!("0x{}", "0".repeat(digits));
    let cases = [
        (json!({"leaseId": zeros(64)}), "leaseId is immutable"),
        (json!({"tenant": zeros(40)}), "tenant is immutable"),
        (json!({"provider": zeros(40)}), "provider is immutable"),
        (json!({"chain": {"chainId": 1}}), "chain is immutable"),
        (json!({"tier": "userns"}), "tier is immutable"),
        (json!({"limits": {"cpuMilli": 1}}), "limits are immutable"),
        (json!({"manifest": null}), "manifest may not be removed"),
        (json!({"manifest": {"revision": 0}}), "revision may not go back"),
        (json!({"manifest": {"hash": zeros(64)}}), "a new hash needs a higher revision"),
        (json!({"term": null}), "term may not be removed"),
        (json!({"term": {"endsAt": 9}}), "endsAt may not be before startedAt"),
        (json!({"limits": {"gpuMilli": -1}}), "should be greater than or equal to 0"),
        (json!({"tenant": "0xABC"}), "should match"),
        (json!({"desired": "Asleep"}), "Unsupported value"),
    ];
    for (spec, wanted) in cases {
        let found = refusal(&api, &name, spec.clone()).await;
        assert!(found.contains(wanted), "{spec} was answered by {found:?}");
    }
    assert_eq!(refusal(&api, &name, json!({"term": {"endsAt": 15}})).await, "");
    assert_eq!(refusal(&api, &name, json!({"manifest": {"hash": zeros(64), "revision": 2}})).await, "");
    for desired in [DesiredState::Paused, DesiredState::Running, DesiredState::Paused, DesiredState::Ended] {
        assert_eq!(refusal(&api, &name, json!({"desired": desired})).await, "");
    }
    for desired in [DesiredState::Running, DesiredState::Paused] {
        let back = refusal(&api, &name, json!({"desired": desired})).await;
        assert!(back.contains("desired may not go back from Ended"), "{back}");
    }

    let usage = |sequence: i64, as_of: i64| {
        let zero = json!({
            "uptimeSeconds": "0", "cpuMilliSeconds": "0", "memoryByteSeconds": "0", "storageByteSeconds": "0",
            "gpuMilliSeconds": "0", "egressBytes": "0", "leasedIpSeconds": "0", "deviceMilliSeconds": "0",
        });
        json!({"status": {"usage": {
            "asOf": as_of, "sequence": sequence, "allocated": zero, "meterRoot": zeros(64),
            "used": {
                "cpuNanoseconds": "0", "memoryByteSeconds": "0", "networkRxBytes": "0", "networkTxBytes": "0",
            },
        }}})
    };
    let publish = async |sequence: i64, as_of: i64| {
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&usage(sequence, as_of))).await
    };
    publish(2, 12).await?;
    assert!(
        publish(1, 13).await.expect_err("a lower sequence").to_string().contains("sequence may not go back")
    );
    assert!(publish(3, 11).await.expect_err("an earlier asOf").to_string().contains("asOf may not go back"));
    publish(3, 12).await?;
    Ok(())
}
