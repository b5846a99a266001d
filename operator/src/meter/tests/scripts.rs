//! The meter over TLS against a kubelet that plays random scripts, before the judge of the ledger.

use std::collections::BTreeSet;

use fake_kubelet::{Answer, Fault, Judge, Random, Script, ShownNode, ShownPod, ShownRun, ShownState};

use super::*;

/// How many scripts are played. `crates/usage` plays ten thousand; here the way from the kubelet to the ledger counts.
const SCRIPTS: usize = 40;

/// A script on its way: what the API server shows, the kubelet and the judge.
struct Stage<'script> {
    script: &'script Script,
    kubelet: fake_kubelet::FakeKubelet,
    lease: ComputeLease,
    judge: Judge<'script>,
    /// When the newest publication was made, and what the judge had seen then.
    published: (u64, Judge<'script>),
    shown: BTreeMap<String, Pod>,
    /// What happened in it.
    happened: BTreeSet<&'static str>,
    quarantined: u64,
}

fn moment(millis: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap()
}

fn second(second: u64) -> String {
    moment(second * 1000).to_string()
}

fn ended(run: ShownRun) -> Value {
    json!({"terminated": {
        "startedAt": second(run.started), "finishedAt": second(run.finished), "exitCode": 0
    }})
}

fn pod_of(pod: &ShownPod) -> Pod {
    let (state, ready) = match pod.state {
        ShownState::Waiting => (json!({"waiting": {}}), None),
        ShownState::Running { started, ready } => (json!({"running": {"startedAt": second(started)}}), ready),
        ShownState::Terminated(run) => (ended(run), None),
    };
    let condition = match ready {
        Some(ready) => json!({"type": "Ready", "status": "True", "lastTransitionTime": second(ready)}),
        None => json!({"type": "Ready", "status": "False"}),
    };
    let (cpu, memory) = pod.limits;
    serde_json::from_value(json!({
        "metadata": {
            "name": pod.name, "namespace": name().as_str(), "uid": pod.uid,
            "labels": {"leasehold.dev/service": "web"},
            "deletionTimestamp": pod.told_to_end.map(|told| second(told / 1000 + 30)),
        },
        "spec": {"nodeName": "node-a", "containers": [{
            "name": "workload", "resources": {"limits": {"cpu": format!("{cpu}m"), "memory": memory.to_string()}}
        }]},
        "status": {"conditions": [condition], "containerStatuses": [{
            "name": "workload", "ready": ready.is_some(), "restartCount": 0, "image": "", "imageID": "",
            "state": state, "lastState": pod.last_run.map(ended),
        }]},
    }))
    .unwrap()
}

fn node_of(node: ShownNode) -> Node {
    serde_json::from_value(json!({
        "metadata": {"name": "node-a"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": if node.fit { "True" } else { "False" }}],
            "nodeInfo": {
                "bootID": format!("{:08x}-0000-0000-0000-000000000000", node.boot), "architecture": "",
                "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "",
                "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": ""
            },
        }
    }))
    .unwrap()
}

fn heartbeat_of(node: ShownNode) -> Lease {
    let renewed = moment(node.heartbeat).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    serde_json::from_value(json!({
        "metadata": {"name": "node-a", "namespace": node::HEARTBEATS}, "spec": {"renewTime": renewed}
    }))
    .unwrap()
}

fn listed<K: Clone>(objects: impl IntoIterator<Item = K>) -> impl Iterator<Item = Event<K>> {
    [Event::Init].into_iter().chain(objects.into_iter().map(Event::InitApply)).chain([Event::InitDone])
}

impl<'script> Stage<'script> {
    async fn of(script: &'script Script) -> Self {
        let Rig { mut lease, .. } = Rig::new().await;
        let second = |millis: u64| i64::try_from(millis / 1000).unwrap();
        lease.spec.term =
            Some(Term { started_at: second(script.term.from), ends_at: second(script.term.to) });
        let judge = Judge::new(script);
        Self {
            script,
            kubelet: fake_kubelet::FakeKubelet::start(name().as_str()).await.unwrap(),
            lease,
            published: (0, judge.clone()),
            judge,
            shown: BTreeMap::new(),
            happened: BTreeSet::new(),
            quarantined: 0,
        }
    }

    /// A meter that has just listed what is there, and looked at it.
    fn meter(&mut self, now: u64) -> Meter {
        let settings = MeterSettings {
            scrape_interval: Duration::from_secs(30),
            publish_interval: Duration::from_secs(60),
            publish_rate: NonZeroU32::MIN,
        };
        let trust = KubeletTrust::Authority(self.kubelet.authority());
        let port = self.kubelet.address().port();
        let kubelets = KubeletClient::new(trust, self.kubelet.token(), port).unwrap();
        let meter = Meter::new(settings, kubelets, MeterMetrics::register(&Registry::new()).unwrap());
        let node = self.script.node_at(0, now);
        self.shown = self.pods(now);
        listed([node_of(node)]).for_each(|event| meter.saw_node(&event, moment(now)));
        listed([heartbeat_of(node)]).for_each(|event| meter.saw_heartbeat(&event, moment(now)));
        listed([]).for_each(|event| meter.saw_claim(&event, moment(now)));
        listed(self.shown.values().cloned()).for_each(|event| meter.saw_pod(&event, moment(now)));
        listed([self.lease.clone()]).for_each(|event| meter.saw_lease(&event, moment(now)));
        meter.lock().observe_all(moment(now));
        meter
    }

    fn pods(&self, now: u64) -> BTreeMap<String, Pod> {
        self.script.pods_at(now).iter().map(|pod| (pod.uid.clone(), pod_of(pod))).collect()
    }

    /// Tells the meter what the API server shows now.
    fn show(&mut self, meter: &Meter, now: u64) {
        let node = self.script.node_at(0, now);
        meter.saw_heartbeat(&Event::Apply(heartbeat_of(node)), moment(now));
        meter.saw_node(&Event::Apply(node_of(node)), moment(now));
        let pods = self.pods(now);
        for (_, gone) in self.shown.iter().filter(|(uid, _)| !pods.contains_key(*uid)) {
            meter.saw_pod(&Event::Delete(gone.clone()), moment(now));
        }
        for pod in pods.iter().filter(|(uid, pod)| self.shown.get(*uid) != Some(pod)).map(|(_, pod)| pod) {
            meter.saw_pod(&Event::Apply(pod.clone()), moment(now));
        }
        self.shown = pods;
    }

    async fn scrape(&mut self, meter: &Meter, now: u64, fault: Fault) {
        // One that hangs is waited for in real time, so one is enough.
        let fault = if fault == Fault::Hang && self.happened.contains("hang") { Fault::Cut } else { fault };
        let answer = self.script.stats(0, now, fault);
        self.kubelet.answers(answer.clone());
        let asked = self.kubelet.asked();
        meter.turn(moment(now)).await;
        if self.kubelet.asked() > asked {
            self.happened.insert(kind(&answer, fault));
            if let Answer::Pods(readings) = answer {
                readings.iter().for_each(|reading| self.judge.shown(reading, now));
            }
        }
        self.publish(meter, now);
    }

    /// Plays the API server that takes what the meter publishes.
    fn publish(&mut self, meter: &Meter, now: u64) {
        for Publication { usage, conditions, .. } in meter.publications(moment(now)) {
            let status = self.lease.status.as_mut().unwrap();
            let is_new = status.usage != usage;
            (status.usage, status.conditions) = (usage, conditions);
            if is_new {
                self.published = (now, self.judge.clone());
            }
        }
        meter.saw_lease(&Event::Apply(self.lease.clone()), moment(now));
    }

    fn die(&mut self, meter: &Meter) {
        let metrics = &meter.metrics.quarantined;
        self.quarantined += metrics.with_label_values(&["above_limit"]).get();
        assert_eq!(metrics.with_label_values(&["went_back"]).get(), 0, "seed {}", self.script.seed);
    }

    /// What the judge says to the last publication.
    fn judged(&mut self, last: &LeaseUsage) {
        let seed = self.script.seed;
        let pods = 0..self.script.pods.len();
        let number = |text: &str| text.parse::<u128>().unwrap();
        let sent: u128 = pods.clone().map(|pod| self.judge.sent(pod)).sum();
        assert_eq!(number(&last.used.network_tx_bytes), sent, "bytes, seed {seed}");
        assert_eq!(number(&last.allocated.egress_bytes), sent, "egress, seed {seed}");
        let (counted, truth) =
            (number(&last.used.cpu_nanoseconds), pods.map(|pod| self.judge.cpu(pod)).sum::<u128>());
        assert!(counted <= truth, "CPU {counted} > {truth}, seed {seed}");
        assert!(counted == truth || self.quarantined > 0, "CPU {counted} < {truth}, seed {seed}");
        let (allocated, range) = (number(&last.allocated.cpu_milli_seconds) * 1000, self.judge.allocated());
        assert!(
            range.least <= allocated + 999 && allocated <= range.most,
            "allocated {allocated}, may be {range:?}, seed {seed}"
        );
        if sent.min(counted).min(range.least) > 0 {
            self.happened.insert("counted");
        }
    }
}

fn kind(answer: &Answer, fault: Fault) -> &'static str {
    match (answer, fault) {
        (Answer::Nothing(Fault::Status(_)), _) => "status",
        (Answer::Nothing(Fault::Hang), _) => "hang",
        (Answer::Nothing(Fault::Cut), _) => "cut",
        (Answer::Nothing(_), _) => "garbage",
        (Answer::Pods(_), Fault::Stale(_)) => "stale",
        (Answer::Pods(_), Fault::Partial(_)) => "partial",
        (Answer::Pods(_), _) => "good",
    }
}

/// Plays a script; returns what happened in it.
async fn play(script: &Script, hung: bool) -> BTreeSet<&'static str> {
    let mut stage = Stage::of(script).await;
    if hung {
        stage.happened.insert("hang");
    }
    let mut moments: BTreeSet<u64> = script.changes();
    moments.extend(script.scrapes.iter().map(|scrape| scrape.at));
    let mut meter = None;
    for now in moments {
        if script.outage.is_some_and(|outage| outage.holds(now)) {
            if let Some(dead) = meter.take() {
                stage.die(&dead);
            }
            continue;
        }
        let alive = match meter.take() {
            Some(meter) => {
                stage.show(&meter, now);
                meter
            }
            None if now < script.outage.map_or(u64::MAX, |outage| outage.from) => stage.meter(now),
            None => {
                let (at, seen) = stage.published.clone();
                stage.judge = seen;
                stage.judge.resumed(at, now);
                stage.happened.insert("outage");
                stage.meter(now)
            }
        };
        for scrape in script.scrapes.iter().filter(|scrape| scrape.at == now) {
            stage.scrape(&alive, now, scrape.fault).await;
        }
        meter = Some(alive);
    }
    let meter = meter.expect("the outage is over before the script is");
    stage.lease.spec.desired = DesiredState::Ended;
    meter.saw_lease(&Event::Apply(stage.lease.clone()), moment(script.end));
    meter.finish(moment(script.end)).await;
    stage.die(&meter);
    let uid = stage.lease.uid().unwrap();
    let last = meter.lock().accounts.get(&uid).and_then(|account| account.published().cloned());
    stage.judged(&last.expect("the term has begun"));
    stage.happened
}

#[tokio::test]
async fn what_kubelets_say_over_tls_is_counted_as_their_scripts_say() {
    let mut random = Random::new(20);
    // A meter that dies before it published anything has seen nothing.
    let is_fit = |script: &Script| {
        script.nodes.len() == 1
            && script.lies.is_none()
            && script.outage.is_none_or(|outage| script.term.from + 100_000 < outage.from)
    };
    let scripts = std::iter::repeat_with(|| Script::random(random.number())).filter(is_fit);
    let mut happened = BTreeSet::new();
    for script in scripts.take(SCRIPTS) {
        let hung = happened.contains("hang");
        happened.extend(play(&script, hung).await);
    }
    let all = ["counted", "cut", "garbage", "good", "hang", "outage", "partial", "stale", "status"];
    assert_eq!(happened, all.into());
}
