//! The meter against kubelets that speak real HTTPS, with truth that is known.

mod keeper;
mod scripts;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

use axum::{Json, Router, extract::State, http::HeaderMap, http::StatusCode, routing::get};
use axum_server::tls_rustls::RustlsConfig;
use crd::{
    ComputeLeaseStatus, DesiredState, LeaseUsage, ResourceUsage, ServiceStatus, Term, UsedResources,
    condition::{self, METERED, USAGE_COLLECTED, USAGE_FINAL},
    reason,
};
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Node, PersistentVolumeClaim, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use telemetry::Registry;

use super::*;
use crate::{
    lease_controller::test_support::{lease, manifest_yaml, name},
    meter::kubelet::{KubeletTrust, Summary},
};

const TOKEN: &str = "token-of-the-operator";
const START: i64 = 1_800_000_000;

/// A node with a kubelet that answers what the test says.
struct FakeKubelet {
    addr: SocketAddr,
    authority: PathBuf,
    token: PathBuf,
    answer: Arc<Mutex<Value>>,
    _files: tempfile::TempDir,
}

impl FakeKubelet {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = tempfile::tempdir().unwrap();
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let authority = files.path().join("ca.crt");
        std::fs::write(&authority, certified.cert.pem()).unwrap();
        let token = files.path().join("token");
        std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
        let tls = RustlsConfig::from_pem(
            certified.cert.pem().into_bytes(),
            certified.signing_key.serialize_pem().into_bytes(),
        )
        .await
        .unwrap();
        let answer = Arc::new(Mutex::new(json!({"pods": []})));
        let app = Router::new().route("/stats/summary", get(summary)).with_state(answer.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
        tokio::spawn(server.serve(app.into_make_service()));
        Self { addr, authority, token, answer, _files: files }
    }

    fn client(&self, trust: KubeletTrust) -> KubeletClient {
        KubeletClient::new(trust, self.token.clone(), self.addr.port()).unwrap()
    }

    fn trusted(&self) -> KubeletClient {
        self.client(KubeletTrust::Authority(self.authority.clone()))
    }

    /// The pod `web-0` at a second of the test, with its CPU seconds and sent bytes since its start.
    fn shows(&self, second: i64, cpu_seconds: u64, tx_bytes: u64) {
        *self.answer.lock().unwrap() = json!({"node": {"nodeName": "node-a"}, "pods": [{
            "podRef": {"name": "web-0", "namespace": name().as_str(), "uid": "pod-web-0"},
            "startTime": time(0),
            "cpu": {"time": time(second), "usageCoreNanoSeconds": cpu_seconds * 1_000_000_000, "usageNanoCores": 7},
            "memory": {"time": time(second), "workingSetBytes": 1 << 20},
            "network": {"time": time(second), "rxBytes": 5, "txBytes": tx_bytes, "interfaces": []},
            "containers": []
        }]});
    }
}

async fn summary(
    State(answer): State<Arc<Mutex<Value>>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    match headers.get("authorization").map(|value| value.as_bytes()) {
        Some(value) if value == format!("Bearer {TOKEN}").as_bytes() => {
            Ok(Json(answer.lock().unwrap().clone()))
        }
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

fn time(second: i64) -> String {
    at(second).to_string()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// A lease with one service of one pod, whose term runs from second 10 to second 1000 of the test.
struct Rig {
    kubelet: FakeKubelet,
    lease: ComputeLease,
}

impl Rig {
    async fn new() -> Self {
        let kubelet = FakeKubelet::start().await;
        let mut lease = lease(&manifest_yaml());
        lease.spec.term = Some(Term { started_at: START + 10, ends_at: START + 1000 });
        let service = |name: &str| ServiceStatus {
            name: name.to_owned(),
            replicas: 1,
            ready_replicas: 1,
            trouble: None,
            ports: vec![],
            pods: vec![],
        };
        lease.status =
            Some(ComputeLeaseStatus { services: vec![service("web")], ..ComputeLeaseStatus::default() });
        Self { kubelet, lease }
    }

    /// A meter that has just started and listed everything.
    fn meter(&self) -> Meter {
        self.meter_that_scrapes_every(30)
    }

    fn meter_that_scrapes_every(&self, seconds: u64) -> Meter {
        let settings = MeterSettings {
            scrape_interval: Duration::from_secs(seconds),
            publish_interval: Duration::from_secs(60),
            publish_rate: NonZeroU32::MIN,
        };
        let metrics = MeterMetrics::register(&Registry::new()).unwrap();
        let meter = Meter::new(settings, self.kubelet.trusted(), metrics);
        let long_ago = at(-1000);
        meter.saw_node(&Event::Init, long_ago);
        meter.saw_node(&Event::InitApply(node()), long_ago);
        meter.saw_node(&Event::InitDone, long_ago);
        meter.saw_heartbeat(&Event::Init, long_ago);
        meter.saw_heartbeat(&Event::InitDone, long_ago);
        meter.saw_claim(&Event::Init, long_ago);
        meter.saw_claim(&Event::InitApply(claim()), long_ago);
        meter.saw_claim(&Event::InitDone, long_ago);
        meter.saw_pod(&Event::Init, long_ago);
        meter.saw_pod(&Event::InitApply(pod()), long_ago);
        meter.saw_pod(&Event::InitDone, long_ago);
        meter.saw_lease(&Event::Init, long_ago);
        meter.saw_lease(&Event::InitApply(self.lease.clone()), long_ago);
        assert!(!meter.listed.is_cancelled());
        meter.saw_lease(&Event::InitDone, long_ago);
        assert!(meter.listed.is_cancelled());
        meter
    }

    /// One turn of the meter at a second of the test.
    async fn turn(&self, meter: &Meter, second: i64, cpu_seconds: u64, tx_bytes: u64) {
        self.kubelet.shows(second, cpu_seconds, tx_bytes);
        meter.turn(at(second)).await;
    }

    /// The end, as the meter sees it, at a second of the test.
    async fn end(&mut self, meter: &Meter, second: i64) -> Option<LeaseUsage> {
        self.lease.spec.desired = DesiredState::Ended;
        meter.saw_lease(&Event::Apply(self.lease.clone()), at(second));
        meter.finish(at(second)).await;
        self.published(meter)
    }

    fn published(&self, meter: &Meter) -> Option<LeaseUsage> {
        let uid = self.lease.uid().unwrap();
        meter.lock().accounts.get(&uid).and_then(|account| account.published().cloned())
    }

    /// Plays the API server that takes what the meter publishes; returns how much that was.
    fn take_publications(&mut self, meter: &Meter, second: i64) -> usize {
        let publications = meter.publications(at(second));
        let count = publications.len();
        for Publication { usage, conditions, .. } in publications {
            let status = self.lease.status.as_mut().unwrap();
            status.usage = usage;
            status.conditions.retain(|condition| !condition::OF_METER.contains(&condition.type_.as_str()));
            status.conditions.extend(conditions);
        }
        meter.saw_lease(&Event::Apply(self.lease.clone()), at(second));
        count
    }

    /// Reasons of the meter's two conditions.
    fn reasons(&self) -> [Option<&str>; 2] {
        [METERED, USAGE_FINAL].map(|type_| {
            condition::find(self.lease.conditions(), type_).map(|condition| condition.reason.as_str())
        })
    }
}

fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "web-0", "namespace": name().as_str(), "uid": "pod-web-0",
            "labels": {"leasehold.dev/service": "web"}
        },
        "spec": {"nodeName": "node-a", "containers": [{
            "name": "workload", "resources": {"limits": {"cpu": "1", "memory": "64Mi"}}
        }]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": time(2)}],
            "containerStatuses": [{
                "name": "workload", "ready": true, "restartCount": 0, "image": "", "imageID": "",
                "state": {"running": {"startedAt": time(1)}}
            }]
        }
    }))
    .unwrap()
}

fn node() -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": "node-a"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}]
        }
    }))
    .unwrap()
}

/// The node's `coordination.k8s.io` Lease, renewed at a second of the test.
fn heartbeat(second: i64) -> Lease {
    serde_json::from_value(json!({
        "metadata": {"name": "node-a", "namespace": node::HEARTBEATS},
        "spec": {"renewTime": format!("{}", at(second).strftime("%Y-%m-%dT%H:%M:%S.000000Z"))}
    }))
    .unwrap()
}

fn claim() -> PersistentVolumeClaim {
    serde_json::from_value(json!({
        "metadata": {"name": "data-web-0", "namespace": name().as_str(), "uid": "c1", "creationTimestamp": time(1)},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound"}
    }))
    .unwrap()
}

fn allocated(seconds: u64, tx_bytes: u64) -> ResourceUsage {
    ResourceUsage {
        uptime_seconds: seconds.to_string(),
        cpu_milli_seconds: (1000 * seconds).to_string(),
        memory_byte_seconds: ((64 << 20) * seconds).to_string(),
        storage_byte_seconds: ((1 << 30) * seconds).to_string(),
        gpu_milli_seconds: "0".to_owned(),
        egress_bytes: tx_bytes.to_string(),
        leased_ip_seconds: "0".to_owned(),
        device_milli_seconds: "0".to_owned(),
    }
}

fn used(cpu_seconds: u64, memory_seconds: u64, tx_bytes: u64) -> UsedResources {
    UsedResources {
        cpu_nanoseconds: (cpu_seconds * 1_000_000_000).to_string(),
        memory_byte_seconds: ((1 << 20) * memory_seconds).to_string(),
        network_rx_bytes: "0".to_owned(),
        network_tx_bytes: tx_bytes.to_string(),
    }
}

#[tokio::test]
async fn a_kubelet_is_asked_with_the_token_and_only_if_its_certificate_is_the_right_one() {
    let kubelet = FakeKubelet::start().await;
    kubelet.shows(5, 1, 2);
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let summary = kubelet.trusted().summary(local).await.unwrap();
    assert_eq!(summary.pods[0].cpu.as_ref().unwrap().usage_core_nano_seconds, Some(1_000_000_000));
    assert!(kubelet.client(KubeletTrust::Anything).summary(local).await.is_ok());

    let other = FakeKubelet::start().await;
    let foreign = KubeletClient::new(
        KubeletTrust::Authority(other.authority.clone()),
        kubelet.token.clone(),
        kubelet.addr.port(),
    )
    .unwrap();
    assert!(matches!(foreign.summary(local).await, Err(kubelet::Error::Ask { .. })));
    std::fs::write(&kubelet.token, "somebody else's").unwrap();
    assert!(matches!(kubelet.trusted().summary(local).await, Err(kubelet::Error::Ask { .. })));
    *kubelet.answer.lock().unwrap() = json!("not a summary");
    std::fs::write(&kubelet.token, TOKEN).unwrap();
    assert!(matches!(kubelet.trusted().summary(local).await, Err(kubelet::Error::ParseAnswer { .. })));
    assert_eq!(serde_json::from_value::<Summary>(json!({})).unwrap(), Summary::default());
}

#[tokio::test]
async fn usage_is_counted_inside_the_term_and_published_at_its_pace() {
    let mut rig = Rig::new().await;
    let meter = rig.meter();
    rig.turn(&meter, 5, 1, 100).await;
    assert_eq!(rig.published(&meter), None);
    // A lease that only starts costs no write.
    assert_eq!(rig.take_publications(&meter, 5), 0);

    rig.turn(&meter, 40, 11, 400).await;
    assert_eq!(rig.take_publications(&meter, 40), 1);
    assert_eq!(rig.reasons(), [Some(reason::METERING), Some(reason::LEASE_RUNNING)]);
    let first = rig.published(&meter).unwrap();
    // Readings across the edge of the term do not count, what was allocated inside it does.
    assert_eq!((first.as_of, first.sequence), (START + 40, 1));
    assert_eq!((&first.allocated, &first.used), (&allocated(30, 0), &used(0, 0, 0)));

    rig.turn(&meter, 70, 31, 900).await;
    assert_eq!(rig.published(&meter), Some(first));
    rig.lease.metadata.generation = Some(7);
    assert_eq!(rig.take_publications(&meter, 70), 0);
    rig.turn(&meter, 100, 41, 1000).await;
    let second = rig.published(&meter).unwrap();
    assert_eq!((second.as_of, second.sequence), (START + 100, 2));
    assert_eq!((&second.allocated, &second.used), (&allocated(90, 600), &used(30, 60, 600)));
    assert_eq!(rig.lease.status.as_ref().unwrap().usage.as_ref().unwrap().sequence, 1);
    assert_eq!(rig.take_publications(&meter, 101), 1);
    assert_eq!(rig.lease.status.as_ref().unwrap().usage, Some(second));
    assert_eq!(rig.take_publications(&meter, 101), 0);
    assert_eq!(rig.take_publications(&meter, 300), 1);
    assert_eq!(rig.reasons(), [Some(reason::SAMPLES_STALE), Some(reason::LEASE_RUNNING)]);
    assert_eq!(rig.take_publications(&meter, 1000), 1);
    assert_eq!(rig.reasons(), [Some(reason::TERM_ENDED), Some(reason::LEASE_RUNNING)]);
}

#[tokio::test]
async fn what_is_not_published_and_what_nodes_did_not_tell_shows_in_seconds() {
    let mut rig = Rig::new().await;
    let meter = rig.meter();
    let seconds = || (meter.metrics.publication_age_seconds.get(), meter.metrics.gap_seconds.get());
    rig.turn(&meter, 5, 1, 100).await;
    assert_eq!(seconds(), (0, 0));
    // The term began at second 10, and nothing of it stands in the API yet.
    rig.turn(&meter, 40, 1, 100).await;
    assert_eq!(seconds(), (30, 0));
    rig.take_publications(&meter, 40);
    rig.turn(&meter, 130, 31, 900).await;
    assert_eq!(seconds(), (90, 0));
    // Longer than three scrapes is a gap.
    rig.turn(&meter, 221, 41, 1000).await;
    assert_eq!(seconds(), (181, 91));
    // No publication can tell of more than the term, which ends at second 1000.
    rig.turn(&meter, 2000, 51, 1000).await;
    assert_eq!(seconds(), (960, 91 + 1779));
    assert_eq!(meter.metrics.ledger_commit_seconds.get_sample_count(), 0);
}

#[tokio::test]
async fn where_more_leases_wait_than_may_be_published_each_has_its_turn() {
    let rig = Rig::new().await;
    let meter = rig.meter_that_scrapes_every(1);
    let uids = ["b", "c"].map(|uid| {
        let mut other = rig.lease.clone();
        other.metadata.uid = Some(uid.to_owned());
        other.metadata.name = Some(format!("clease-{uid}"));
        meter.saw_lease(&Event::Apply(other), at(0));
        uid.to_owned()
    });
    let [b, c] = uids;
    let uids = [rig.lease.uid().unwrap(), b, c];
    let sequences = || uids.each_ref().map(|uid| meter.lock().accounts[uid].sequence());
    let mut seen = Vec::new();
    for second in 40..43 {
        rig.turn(&meter, second, 1, 100).await;
        seen.push(sequences().iter().sum::<i64>());
    }
    assert_eq!((seen, sequences()), (vec![1, 2, 3], [1, 1, 1]));
    // The first is due again, and goes before those that are due later.
    for second in [150, 151, 152] {
        rig.turn(&meter, second, 1, 100).await;
    }
    assert_eq!(sequences(), [2, 2, 2]);
}

#[tokio::test]
async fn a_killed_meter_ends_up_with_the_same_totals() {
    let mut rig = Rig::new().await;
    let steps =
        [(5, 1, 100), (40, 11, 400), (70, 31, 900), (100, 41, 1000), (130, 61, 2000), (170, 71, 3000)];
    let uninterrupted = rig.meter();
    for (second, cpu, tx) in steps {
        rig.turn(&uninterrupted, second, cpu, tx).await;
    }
    let expected = rig.published(&uninterrupted).unwrap();

    for killed_after in 1..steps.len() {
        let mut meter = rig.meter();
        rig.lease.status.as_mut().unwrap().usage = None;
        for (index, (second, cpu, tx)) in steps.into_iter().enumerate() {
            if index == killed_after {
                // All that survives is what was published.
                meter = rig.meter();
            }
            rig.turn(&meter, second, cpu, tx).await;
            rig.lease.status.as_mut().unwrap().usage = rig.published(&meter);
        }
        let found = rig.published(&meter).unwrap();
        assert_eq!(found.allocated, expected.allocated, "killed after {killed_after}");
        assert_eq!(
            (found.as_of, found.used),
            (expected.as_of, expected.used.clone()),
            "killed after {killed_after}"
        );
        assert_eq!(found.sequence, expected.sequence, "killed after {killed_after}");
    }
}

#[tokio::test]
async fn published_totals_never_fall_when_the_state_is_lost() {
    let mut rig = Rig::new().await;
    let meter = rig.meter();
    rig.turn(&meter, 40, 11, 400).await;
    rig.turn(&meter, 100, 41, 1000).await;
    let mut published = rig.published(&meter).unwrap();
    published.state = Some("scribble".to_owned());
    rig.lease.status.as_mut().unwrap().usage = Some(published.clone());
    let restarted = rig.meter();
    rig.turn(&restarted, 130, 61, 2000).await;
    rig.turn(&restarted, 160, 62, 2500).await;
    let after = rig.published(&restarted).unwrap();
    assert_eq!((after.as_of, after.sequence), (START + 160, published.sequence + 1));
    // What happened between the last publication and the first look is the provider's loss.
    assert_eq!(after.allocated, allocated(90 + 30, 600 + 500));
}

#[tokio::test]
async fn the_last_publication_is_made_once_and_holds_the_last_reading() {
    let mut rig = Rig::new().await;
    let meter = rig.meter();
    rig.turn(&meter, 40, 11, 400).await;
    rig.kubelet.shows(55, 16, 700);
    let last = rig.end(&meter, 55).await.unwrap();
    assert_eq!((last.as_of, last.sequence), (START + 55, 2));
    assert_eq!((&last.allocated, &last.used), (&allocated(45, 300), &used(5, 15, 300)));
    rig.kubelet.shows(60, 20, 900);
    assert_eq!(rig.end(&meter, 60).await, Some(last.clone()));
    assert_eq!(rig.take_publications(&meter, 60), 1);
    assert_eq!(rig.reasons(), [Some(reason::TERM_ENDED), Some(reason::FINAL_USAGE_PUBLISHED)]);
    assert_eq!(rig.take_publications(&meter, 61), 0);

    // Neither does a meter that comes later add to it.
    let restarted = rig.meter();
    assert_eq!(rig.end(&restarted, 70).await, None);
    assert_eq!(rig.take_publications(&restarted, 70), 0);
    assert_eq!(rig.lease.status.unwrap().usage, Some(last));
}

#[tokio::test]
async fn a_meter_killed_before_its_last_word_was_written_says_it_again() {
    let mut rig = Rig::new().await;
    let meter = rig.meter();
    rig.turn(&meter, 40, 11, 400).await;
    rig.take_publications(&meter, 40);
    rig.kubelet.shows(55, 16, 700);
    let unwritten = rig.end(&meter, 55).await.unwrap();
    let restarted = rig.meter();
    assert_eq!(rig.end(&restarted, 55).await, Some(unwritten));
    assert_eq!(rig.take_publications(&restarted, 55), 1);
}

#[tokio::test]
async fn a_lease_that_the_operator_ended_alone_keeps_what_was_published() {
    let mut rig = Rig::new().await;
    let meter = rig.meter();
    rig.turn(&meter, 40, 11, 400).await;
    rig.take_publications(&meter, 40);
    let published = rig.published(&meter);
    let conditions = &mut rig.lease.status.as_mut().unwrap().conditions;
    let silent = condition::ConditionStatus::False;
    condition::set_condition(conditions, USAGE_COLLECTED, silent, reason::METER_SILENT, "", None, at(50));
    let restarted = rig.meter();
    assert_eq!(rig.end(&restarted, 55).await, published);
    assert_eq!(rig.take_publications(&restarted, 55), 1);
    assert_eq!(rig.reasons(), [Some(reason::TERM_ENDED), Some(reason::METER_SILENT)]);
    assert_eq!(rig.lease.status.unwrap().usage, published);
}

#[tokio::test]
async fn a_meter_that_was_overtaken_goes_on_from_what_stands() {
    let mut rig = Rig::new().await;
    let (overtaken, meter) = (rig.meter(), rig.meter());
    rig.turn(&overtaken, 40, 11, 400).await;
    rig.turn(&meter, 40, 11, 400).await;
    rig.turn(&meter, 100, 41, 1000).await;
    rig.take_publications(&meter, 100);
    overtaken.saw_lease(&Event::Apply(rig.lease.clone()), at(101));
    assert_eq!(rig.published(&overtaken), rig.published(&meter));
    rig.turn(&overtaken, 160, 61, 2000).await;
    rig.turn(&meter, 160, 61, 2000).await;
    assert_eq!(rig.published(&overtaken), rig.published(&meter));
    assert_eq!(rig.published(&meter).unwrap().sequence, 3);
}

#[tokio::test]
async fn a_lease_can_end_while_its_node_is_gone_and_is_paid_for_until_that_was_last_known_to_live() {
    for (renewed, delivered) in [(None, 30), (Some(50), 40), (Some(70), 45)] {
        let mut rig = Rig::new().await;
        let meter = rig.meter();
        rig.turn(&meter, 40, 11, 400).await;
        std::fs::write(&rig.kubelet.token, "expired").unwrap();
        if let Some(second) = renewed {
            meter.saw_heartbeat(&Event::Apply(heartbeat(second)), at(55));
        }
        let last = rig.end(&meter, 55).await.unwrap();
        assert_eq!((&last.allocated, &last.used), (&allocated(delivered, 0), &used(0, 0, 0)));
    }
}

#[tokio::test]
async fn a_pod_that_was_told_to_end_is_looked_at_at_once_and_once_more_before_it_is_killed() {
    let rig = Rig::new().await;
    let meter = rig.meter();
    rig.turn(&meter, 10, 1, 100).await;
    rig.turn(&meter, 40, 11, 400).await;
    let mut dying = pod();
    dying.metadata.deletion_timestamp = Some(Time(at(75)));
    for _ in 0..2 {
        // Told twice, it is announced once.
        meter.saw_pod(&Event::Apply(dying.clone()), at(45));
    }
    let mut looks = Vec::new();
    while let Some(due) = meter.next_death() {
        let second = due.as_second() - START;
        rig.kubelet.shows(second, 12, 400 + u64::try_from(second).unwrap());
        meter.look_at_dying(due).await;
        looks.push(second);
    }
    meter.saw_pod(&Event::Delete(dying), at(75));
    rig.turn(&meter, 100, 0, 0).await;
    assert_eq!(
        (looks, rig.published(&meter).unwrap().used.network_tx_bytes),
        (vec![45, 73], "373".to_owned())
    );
}

#[tokio::test]
async fn a_lease_without_a_term_ends_without_usage() {
    let mut rig = Rig::new().await;
    rig.lease.spec.term = None;
    let meter = rig.meter();
    rig.turn(&meter, 40, 11, 400).await;
    assert_eq!(rig.end(&meter, 55).await, None);
    assert_eq!(rig.take_publications(&meter, 55), 1);
    assert_eq!(rig.reasons(), [Some(reason::TERM_ENDED), Some(reason::FINAL_USAGE_PUBLISHED)]);
}

#[test]
fn scrapes_are_spread_by_a_tenth() {
    let spread: Vec<u64> =
        (0..200).map(|turn| scrape::jittered(Duration::from_secs(30), turn).as_millis() as u64).collect();
    assert!(spread.iter().all(|millis| (27_000..33_000).contains(millis)), "{spread:?}");
    assert!(spread.iter().max().unwrap() - spread.iter().min().unwrap() > 5_000, "{spread:?}");
}
