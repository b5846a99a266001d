//! Rows 20, 21, 23 and 27: loads that a limit ends, beside the same loads without it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use crd::TierName;
use e2e::cluster::until;
use isolation_probe::load::UNSTOPPED;
use isolation_probe::observation::Observation;
use isolation_probe::send::speed;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams, LogParams};
use serde_json::{Value, json};

use crate::lease::{self, Lease};
use crate::place::{BARE, NodeFacts, Place};

/// The kubelet looks at the disk every ten seconds, and at the logs too; a busy machine needs longer for all of it.
const PATIENCE: Duration = Duration::from_secs(300);
const MEMORY: &str = "268435456";
/// More than the gibibyte of ephemeral storage that each pod has.
const DISK: &str = "1342177280";
const LINES: &str = "157286400";
const LINES_BYTES: u64 = 157_286_400;

/// What a pod may send, bits per second; a limit that another network plug-in counts a little differently still holds.
pub(crate) const BANDWIDTH: u64 = 100_000_000;
const TOLERANCE_PERCENT: u64 = 125;

/// What became of a load.
enum End {
    Stopped(String),
    Unstopped,
    /// It was still at work when the time was over, so nothing follows; and what was seen of it last.
    Unfinished(String),
}

/// Opens the lease with the loads.
pub(crate) async fn open(place: &Place) -> Result<Lease> {
    let (none, sink) = (json!({}), sink(place));
    let services = json!({
        "burn": lease::service(place, &["burn", "--bytes", MEMORY], "50m", "32Mi", &none),
        "fill": lease::service(place, &["fill", "--bytes", DISK], "300m", "64Mi", &none),
        "send": lease::service(place, &["send", "--to", &sink], "300m", "32Mi", &none),
        "flood": lease::service(place, &["flood", "--bytes", LINES], "300m", "32Mi", &none),
    });
    lease::open(place, 10, TierName::Strict, services).await
}

/// Waits until the operator has made every load. From then on they do without it.
pub(crate) async fn await_pods(place: &Place, lease: &Lease) -> Result<()> {
    for service in ["burn", "fill", "send", "flood"] {
        until(&format!("a pod of {service}"), PATIENCE, || async {
            Ok((!lease.pods(place, service).await?.is_empty()).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Starts the same loads without limits.
pub(crate) async fn start_mutants(place: &Place) -> Result<()> {
    let sink = sink(place);
    for (name, arguments) in [
        ("burn", ["burn", "--bytes", MEMORY]),
        ("fill", ["fill", "--bytes", DISK]),
        ("send", ["send", "--to", &sink]),
    ] {
        let container = json!({"name": name, "image": place.probe_image, "args": arguments});
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"automountServiceAccountToken": false, "containers": [container]},
        });
        place.apply(&format!("/api/v1/namespaces/{BARE}/pods"), &pod).await?;
    }
    Ok(())
}

/// Watches the loads of the lease until each is stopped or has got through; the node must stay ready.
pub(crate) async fn of_lease(place: &Place, lease: &Lease, node: &NodeFacts) -> Result<Vec<Observation>> {
    let (burn, fill, flood, send) = tokio::try_join!(
        end(place, lease, "burn"),
        end(place, lease, "fill"),
        flood(place, lease, node),
        sent(place, || lease.pods(place, "send")),
    )?;
    let mut seen = vec![
        observation(20, format!("{MEMORY} bytes of memory"), burn),
        observation(21, format!("{DISK} bytes of disk"), fill),
        flood,
        send,
    ];
    let ready = node_is_ready(place, node).await?;
    for row in [21, 23] {
        let result = if ready { Ok } else { Err };
        seen.push(Observation::control(row, "node", result(format!("ready {ready}"))));
    }
    Ok(seen)
}

/// The loads without limits, seen when the limited ones have ended.
pub(crate) async fn mutants(place: &Place) -> Result<Vec<Observation>> {
    let pods = Api::<Pod>::namespaced(place.admin.clone(), BARE);
    let mut seen = Vec::new();
    for (row, name) in [(20, "burn"), (21, "fill")] {
        let end = patiently(&format!("the end of {name} without limits"), async |_| {
            end_of(place, &pods.get(name).await?).await
        })
        .await
        .unwrap_or_else(End::Unfinished);
        seen.push(observation(row, format!("{name} without limits"), end));
    }
    seen.push(sent(place, || async { Ok(vec![pods.get("send").await?]) }).await?);
    Ok(seen)
}

fn observation(row: u8, tried: String, end: End) -> Observation {
    match end {
        End::Stopped(reason) => Observation::attempt(row, tried, Err(reason)),
        End::Unstopped => Observation::attempt(row, tried, Ok("nothing stopped it".to_owned())),
        End::Unfinished(last) => Observation::control(row, tried, Err(last)),
    }
}

/// Where a pod may send to: a port of a public address that takes whatever comes.
fn sink(place: &Place) -> String {
    SocketAddr::new(place.args.public, 9).to_string()
}

/// Awaits the speed that one of these senders tells, and compares it with the limit.
async fn sent<F>(place: &Place, senders: impl Fn() -> F) -> Result<Observation>
where
    F: Future<Output = Result<Vec<Pod>>>,
{
    let tried = "as many bytes a second as the network takes".to_owned();
    let told = patiently("the speed of a sender", async |last| {
        for pod in senders().await? {
            let line = last_line(place, &pod).await?;
            if let Some(speed) = line.as_deref().and_then(speed) {
                return Ok(Some(speed));
            }
            last.replace(format!("{} says {line:?}", pod.name_any()));
        }
        Ok(None)
    })
    .await;
    Ok(match told {
        Ok(speed) => {
            let seen = format!("{speed} bits a second, {BANDWIDTH} allowed");
            let result = if speed * 100 <= BANDWIDTH * TOLERANCE_PERCENT { Err } else { Ok };
            Observation::attempt(27, tried, result(seen))
        }
        Err(last) => Observation::control(27, tried, Err(last)),
    })
}

/// Asks until there is an answer. A question that fails is asked again, because a busy kubelet, or a log that is rotated just
/// now, is no answer; when the time is over, the failure, or what was noted last, is told.
async fn patiently<T>(
    what: &str,
    question: impl AsyncFn(&RefCell<String>) -> Result<Option<T>>,
) -> Result<T, String> {
    let last = RefCell::new("nothing was seen of it".to_owned());
    let answer = until(what, PATIENCE, || async {
        Ok(question(&last).await.unwrap_or_else(|error| {
            last.replace(format!("{error:#}"));
            None
        }))
    });
    answer.await.map_err(|over| format!("{over:#}: {}", last.into_inner()))
}

/// Awaits a load's end. The kubelet looks at the disk now and then, so one that has finished may still be stopped.
async fn end(place: &Place, lease: &Lease, service: &str) -> Result<End> {
    let finished = AtomicBool::new(false);
    let stopped = patiently(&format!("the end of {service}"), async |_| {
        if let Some(words) = evicted(place, lease, service).await? {
            return Ok(Some(words));
        }
        for pod in lease.pods(place, service).await? {
            match end_of(place, &pod).await? {
                Some(End::Stopped(reason)) => return Ok(Some(reason)),
                Some(_) => finished.store(true, Ordering::Relaxed),
                None => {}
            }
        }
        Ok(None)
    })
    .await;
    Ok(match stopped {
        Ok(reason) => End::Stopped(reason),
        Err(_) if finished.load(Ordering::Relaxed) => End::Unstopped,
        Err(last) => End::Unfinished(last),
    })
}

/// The kubelet's words about a pod of the service that it evicted. The pod's own status loses them when its process
/// ends well.
async fn evicted(place: &Place, lease: &Lease, service: &str) -> Result<Option<String>> {
    let events = Api::<Event>::namespaced(place.admin.clone(), lease.namespace());
    let evictions = events.list(&ListParams::default().fields("reason=Evicted")).await?;
    let of_service = |event: &Event| {
        event.involved_object.name.as_deref().is_some_and(|pod| pod.starts_with(&format!("{service}-")))
    };
    let event = evictions.into_iter().find(of_service);
    Ok(event.map(|event| format!("evicted: {}", event.message.unwrap_or_default())))
}

async fn end_of(place: &Place, pod: &Pod) -> Result<Option<End>> {
    let status = serde_json::to_value(&pod.status)?;
    if status["reason"] == "Evicted" {
        let message = status["message"].as_str().unwrap_or_default().to_owned();
        return Ok(Some(End::Stopped(format!("evicted: {message}"))));
    }
    let container = &status["containerStatuses"][0];
    for ended in [&container["lastState"]["terminated"], &container["state"]["terminated"]] {
        if ended["exitCode"] == 137 {
            return Ok(Some(End::Stopped(format!(
                "killed: {}",
                ended["reason"].as_str().unwrap_or_default()
            ))));
        }
    }
    let finished = last_line(place, pod).await?.is_some_and(|line| line == UNSTOPPED);
    Ok(finished.then_some(End::Unstopped))
}

async fn last_line(place: &Place, pod: &Pod) -> Result<Option<String>> {
    let namespace = pod.namespace().context("a pod has a namespace")?;
    let pods = Api::<Pod>::namespaced(place.admin.clone(), &namespace);
    let last = LogParams { tail_lines: Some(1), ..LogParams::default() };
    match pods.logs(&pod.name_any(), &last).await {
        Ok(log) => Ok(log.lines().last().map(str::to_owned)),
        // Not started yet, or ended just now.
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Held when the kubelet has cut the log down to less than half, or evicted the pod; both take it a few rounds. How much
/// it keeps depends on how fast the lines came: it looks every ten seconds, and keeps the newest file whole.
async fn flood(place: &Place, lease: &Lease, node: &NodeFacts) -> Result<Observation> {
    let tried = format!("{LINES} bytes of log lines");
    let finished = AtomicBool::new(false);
    let held = patiently("a log that is cut", async |last| {
        if let Some(words) = evicted(place, lease, "flood").await? {
            return Ok(Some(words));
        }
        for pod in lease.pods(place, "flood").await? {
            if last_line(place, &pod).await?.is_some_and(|line| line == UNSTOPPED) {
                finished.store(true, Ordering::Relaxed);
            }
        }
        let bytes = ephemeral_bytes(place, node, lease.namespace()).await?;
        last.replace(format!("{bytes:?} bytes are kept"));
        let kept = bytes.filter(|bytes| finished.load(Ordering::Relaxed) && *bytes <= LINES_BYTES / 2);
        Ok(kept.map(|kept| format!("{LINES} bytes and more were written, {kept} are kept")))
    })
    .await;
    Ok(match held {
        Ok(seen) => Observation::attempt(23, tried, Err(seen)),
        Err(_) if finished.load(Ordering::Relaxed) => {
            let kept = ephemeral_bytes(place, node, lease.namespace()).await?.unwrap_or_default();
            Observation::attempt(23, tried, Ok(format!("all lines were written, {kept} bytes are kept")))
        }
        Err(last) => Observation::control(23, tried, Err(last)),
    })
}

/// Ephemeral storage of the flood's pod, as its kubelet counts it.
async fn ephemeral_bytes(place: &Place, node: &NodeFacts, namespace: &str) -> Result<Option<u64>> {
    let path = format!("/api/v1/nodes/{}/proxy/stats/summary", node.name);
    let summary: Value = place.admin.request(http::Request::get(path).body(Vec::new())?).await?;
    let pods = summary["pods"].as_array().context("the kubelet names no pods")?;
    let pod = pods.iter().find(|pod| {
        let reference = &pod["podRef"];
        reference["namespace"] == namespace
            && reference["name"].as_str().is_some_and(|name| name.starts_with("flood"))
    });
    Ok(pod.and_then(|pod| pod["ephemeral-storage"]["usedBytes"].as_u64()))
}

async fn node_is_ready(place: &Place, node: &NodeFacts) -> Result<bool> {
    let node = Api::<Node>::all(place.admin.clone()).get(&node.name).await?;
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    Ok(conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}
