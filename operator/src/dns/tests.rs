//! The whole name server on the loopback, asked by UDP and TCP from addresses that stand for pods.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use crd::{LeaseName, labels};
use futures::{FutureExt, future::BoxFuture};
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::{
        op::{Edns, Message, MessageType, Query, ResponseCode},
        rr::{
            Name, RData, Record, RecordType,
            rdata::{A, CNAME, TXT},
        },
    },
};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::runtime::watcher::Event;
use market::{B256, LeaseId};
use prometheus::Registry;
use serde_json::json;
use telemetry::CancellationToken;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, UdpSocket},
    task::JoinHandle,
    time::{Duration, Instant, timeout},
};

use super::{
    directory::Directory,
    message::LONGEST_DATAGRAM,
    metrics::{DnsMetrics, Outcome},
    names::Zones,
    resolver::Names,
    server::{Server, Sockets},
    upstream::{Answer, Upstream},
};
use crate::{client::Rate, public_internet::PublicInternet};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pods of the first lease, of the second, and of nobody.
const ONE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

/// Namespace of a lease.
pub(super) fn lease(seed: u8) -> String {
    LeaseName::of(LeaseId(B256::repeat_byte(seed))).to_string()
}

fn labels_of(namespace: &str) -> BTreeMap<String, String> {
    let lease = LeaseName::parse(namespace).unwrap();
    BTreeMap::from([(labels::LEASE.to_owned(), lease.label_value().to_owned())])
}

/// A running pod of a lease.
pub(super) fn pod(namespace: &str, name: &str, address: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"namespace": namespace, "name": name, "labels": labels_of(namespace)},
        "spec": {"containers": []},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }))
    .unwrap()
}

/// A Service of a lease.
pub(super) fn service(namespace: &str, name: &str, address: &str) -> Service {
    serde_json::from_value(json!({
        "metadata": {"namespace": namespace, "name": name, "labels": labels_of(namespace)},
        "spec": {"clusterIP": address, "clusterIPs": [address]},
    }))
    .unwrap()
}

/// An internet of a few names, which notes what it was asked. What is under `slow.example` it never answers.
#[derive(Default)]
struct Internet {
    asked: Mutex<Vec<String>>,
}

impl Upstream for Internet {
    fn ask(&self, question: Query) -> BoxFuture<'_, Answer> {
        let name = question.name.to_ascii();
        self.asked.lock().unwrap().push(name.clone());
        let record = |data| Record::from_rdata(question.name.clone(), 60, data);
        let a = |text: &str| record(RData::A(A(text.parse().unwrap())));
        let answer = match name.as_str() {
            "example.com." => Answer::Records(vec![a("1.1.1.1")]),
            "rebind.example.com." => Answer::Records(vec![a("10.96.0.1"), a("1.1.1.1")]),
            "inside.example.com." => {
                let target = Name::from_ascii("kubernetes.default.svc.cluster.local.").unwrap();
                let address = Record::from_rdata(target.clone(), 60, RData::A(A("1.1.1.1".parse().unwrap())));
                Answer::Records(vec![record(RData::CNAME(CNAME(target))), address])
            }
            "long.example.com." => {
                let text = |number: usize| record(RData::TXT(TXT::new(vec![format!("{number}").repeat(90)])));
                Answer::Records((10..30).map(text).collect())
            }
            "broken.example.com." => Answer::Failed,
            slow if slow.ends_with("slow.example.") => return std::future::pending().boxed(),
            _ => Answer::None { code: ResponseCode::NXDomain, authorities: Vec::new() },
        };
        std::future::ready(answer).boxed()
    }
}

struct Running {
    address: SocketAddr,
    directory: Directory,
    internet: Arc<Internet>,
    metrics: DnsMetrics,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        Self::with_rate(10_000, 10_000).await
    }

    async fn with_rate(per_second: u32, burst: u32) -> Self {
        let number = |number| NonZeroU32::new(number).unwrap();
        let (directory, internet) = (Directory::default(), Arc::new(Internet::default()));
        directory.saw_pod(Event::Init);
        directory.saw_pod(Event::InitApply(pod(&lease(1), "web", &ONE.to_string())));
        directory.saw_pod(Event::InitApply(pod(&lease(2), "web", &TWO.to_string())));
        directory.saw_pod(Event::InitDone);
        directory.saw_service(Event::Init);
        directory.saw_service(Event::InitApply(service(&lease(1), "db", "10.96.0.11")));
        directory.saw_service(Event::InitApply(service(&lease(2), "db", "10.96.0.12")));
        directory.saw_service(Event::InitApply(service(&lease(2), "secret", "10.96.0.13")));
        directory.saw_service(Event::InitDone);
        let metrics = DnsMetrics::register(&Registry::new()).unwrap();
        let zones = Zones { cluster: "cluster.local".parse().unwrap(), private: Vec::new() };
        let names =
            Names::new(directory.clone(), zones, PublicInternet::without(Vec::new()), internet.clone());
        let rate = Rate { per_second: number(per_second), burst: number(burst) };
        let server = Arc::new(Server::new(directory.clone(), names, rate, metrics.clone()));
        let sockets = Sockets::bind((ONE, 0).into()).await.unwrap();
        let (address, shutdown) = (sockets.address().unwrap(), CancellationToken::new());
        let task = tokio::spawn(server.serve(sockets, shutdown.clone()));
        Self { address, directory, internet, metrics, shutdown, task }
    }

    async fn udp(&self, from: IpAddr) -> UdpSocket {
        let socket = UdpSocket::bind((from, 0)).await.unwrap();
        socket.connect(self.address).await.unwrap();
        socket
    }

    async fn tcp(&self, from: IpAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    async fn by_udp(&self, from: IpAddr, question: &Message) -> Message {
        let socket = self.udp(from).await;
        socket.send(&question.to_vec().unwrap()).await.unwrap();
        receive(&socket).await
    }

    async fn by_tcp(&self, from: IpAddr, question: &Message) -> Message {
        let mut stream = self.tcp(from).await;
        send(&mut stream, &question.to_vec().unwrap()).await;
        let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.unwrap();
        Message::from_vec(&answer).unwrap()
    }

    /// The code and the addresses, which must be the same by both ways.
    async fn ask(&self, from: IpAddr, name: &str) -> (ResponseCode, Vec<String>) {
        let question = question(name, RecordType::A);
        let (udp, tcp) = (self.by_udp(from, &question).await, self.by_tcp(from, &question).await);
        assert_eq!(udp.answers, tcp.answers, "{name}");
        assert_eq!(udp.metadata, tcp.metadata, "{name}");
        (udp.metadata.response_code, udp.answers.iter().map(|record| record.data.to_string()).collect())
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 0x1234;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

async fn receive(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 4096];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    assert!(length <= LONGEST_DATAGRAM);
    Message::from_vec(&buffer[..length]).unwrap()
}

async fn send(stream: &mut TcpStream, question: &[u8]) {
    let length = u16::try_from(question.len()).unwrap().to_be_bytes();
    stream.write_all(&[length.as_slice(), question].concat()).await.unwrap();
}

fn none(code: ResponseCode) -> (ResponseCode, Vec<String>) {
    (code, Vec::new())
}

fn address(text: &str) -> (ResponseCode, Vec<String>) {
    (ResponseCode::NoError, vec![text.to_owned()])
}

#[tokio::test]
async fn each_lease_gets_its_own_names_and_no_others() {
    let running = Running::start().await;
    let (one, two) = (lease(1), lease(2));
    for (from, own, other, own_db) in [(ONE, &one, &two, "10.96.0.11"), (TWO, &two, &one, "10.96.0.12")] {
        for form in
            ["db.", &format!("db.{own}."), &format!("db.{own}.svc."), &format!("DB.{own}.svc.cluster.local.")]
        {
            assert_eq!(running.ask(from, form).await, address(own_db), "{form}");
        }
        for form in [
            "web.".to_owned(),
            format!("web.{own}.svc.cluster.local."),
            format!("db.{other}."),
            format!("db.{other}.svc."),
            format!("db.{other}.svc.cluster.local."),
            format!("{other}.svc.cluster.local."),
            "kubernetes.default.".to_owned(),
            "kubernetes.default.svc.cluster.local.".to_owned(),
            "kube-dns.kube-system.svc.cluster.local.".to_owned(),
            "11.0.96.10.in-addr.arpa.".to_owned(),
            "1.0.0.127.in-addr.arpa.".to_owned(),
            "metadata.google.internal.".to_owned(),
            "localhost.".to_owned(),
        ] {
            assert_eq!(running.ask(from, &form).await, none(ResponseCode::NXDomain), "{form}");
        }
    }
    assert_eq!(running.ask(TWO, "secret.").await, address("10.96.0.13"));
    assert_eq!(running.ask(ONE, "secret.").await, none(ResponseCode::NXDomain));
    assert_eq!(running.ask(ONE, &format!("{one}.svc.cluster.local.")).await, none(ResponseCode::NoError));
    let six = running.by_udp(ONE, &question("db.", RecordType::AAAA)).await;
    assert_eq!(
        (six.metadata.response_code, six.answers.len()),
        (ResponseCode::NoError, 0),
        "there is no version 6"
    );
    assert_eq!(*running.internet.asked.lock().unwrap(), Vec::<String>::new(), "none of it went upstream");
    running.stop().await;
}

#[tokio::test]
async fn a_name_of_another_lease_cannot_be_told_from_one_that_does_not_exist() {
    let running = Running::start().await;
    let (there, nowhere) = (lease(2), lease(3));
    let mut answers = Vec::new();
    for name in [
        format!("db.{there}.svc.cluster.local."),
        format!("no.{there}.svc.cluster.local."),
        format!("db.{nowhere}.svc.cluster.local."),
    ] {
        let mut answer = running.by_udp(ONE, &question(&name, RecordType::A)).await;
        answer.queries.clear();
        answers.push(answer.to_vec().unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    running.stop().await;
}

#[tokio::test]
async fn names_of_the_internet_are_answered_without_what_leads_inside() {
    let running = Running::start().await;
    assert_eq!(running.ask(ONE, "example.com.").await, address("1.1.1.1"));
    assert_eq!(running.ask(ONE, "rebind.example.com.").await, address("1.1.1.1"));
    assert_eq!(running.ask(ONE, "missing.example.com.").await, none(ResponseCode::NXDomain));
    assert_eq!(running.ask(ONE, "broken.example.com.").await, none(ResponseCode::ServFail));
    let inside = address("kubernetes.default.svc.cluster.local.");
    assert_eq!(running.ask(ONE, "inside.example.com.").await, inside, "the alias, and nothing at its end");
    assert_eq!(running.metrics.counted(Outcome::Public), 8);
    assert_eq!(running.metrics.counted(Outcome::Failed), 2);
    running.stop().await;
}

/// What programs use: a library of somebody else, which comes back by TCP when an answer was cut.
#[tokio::test]
async fn a_resolver_library_reads_the_answers() {
    let running = Running::start().await;
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = running.address.port();
    }
    let server = NameServerConfig::new(running.address.ip(), true, connections);
    let config = ResolverConfig::from_name_servers(vec![server]);
    let library: TokioResolver =
        Resolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap();
    let own = library.lookup_ip(format!("db.{}.svc.cluster.local.", lease(1))).await.unwrap();
    assert_eq!(own.iter().collect::<Vec<_>>(), ["10.96.0.11".parse::<IpAddr>().unwrap()]);
    let long = library.txt_lookup("long.example.com.").await.unwrap();
    assert_eq!(long.answers().len(), 20);
    let other = library.lookup_ip(format!("db.{}.svc.cluster.local.", lease(2))).await.unwrap_err();
    assert!(other.is_nx_domain(), "{other}");
    running.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_cut_by_udp_and_whole_by_tcp() {
    let running = Running::start().await;
    let mut asked = question("long.example.com.", RecordType::TXT);
    let mut edns = Edns::new();
    edns.set_max_payload(65_000);
    asked.set_edns(edns);
    let cut = running.by_udp(ONE, &asked).await;
    assert_eq!((cut.metadata.truncation, cut.answers.len()), (true, 0));
    let whole = running.by_tcp(ONE, &asked).await;
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 20));
    running.stop().await;
}

#[tokio::test]
async fn whole_zones_and_any_are_refused_by_both_ways() {
    let running = Running::start().await;
    for kind in [RecordType::ANY, RecordType::AXFR] {
        let asked = question("example.com.", kind);
        for answer in [running.by_udp(ONE, &asked).await, running.by_tcp(ONE, &asked).await] {
            assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
            assert_eq!(answer.metadata.message_type, MessageType::Response);
        }
    }
    assert_eq!(running.metrics.counted(Outcome::Refused), 4);
    running.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_question_harm_nobody() {
    let running = Running::start().await;
    let socket = running.udp(TWO).await;
    let good = question("db.", RecordType::A).to_vec().unwrap();
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    bad.push(vec![0xff; 1200]);
    bad.push(vec![0; 1400]);
    // A name that points at itself.
    bad.push([&good[..12], &[0xc0, 0x0c, 0, 1, 0, 1]].concat());
    for bytes in &bad {
        socket.send(bytes).await.unwrap();
        let mut stream = running.tcp(TWO).await;
        send(&mut stream, bytes).await;
    }
    // One that announces more than it sends, and one that announces too much.
    let mut stream = running.tcp(TWO).await;
    stream.write_all(&[0, 40, 1]).await.unwrap();
    let mut greedy = running.tcp(TWO).await;
    greedy.write_all(&[0xff, 0xff]).await.unwrap();
    assert_eq!(timeout(PATIENCE, greedy.read(&mut [0; 8])).await.unwrap().unwrap(), 0, "it is hung up on");
    assert_eq!(running.ask(ONE, "db.").await, address("10.96.0.11"));
    assert!(running.metrics.counted(Outcome::Malformed) > 0);
    running.stop().await;
}

#[tokio::test]
async fn a_flood_of_one_pod_is_cut_and_others_are_answered() {
    let running = Running::with_rate(1, 20).await;
    let socket = running.udp(TWO).await;
    let asked = question("db.", RecordType::A).to_vec().unwrap();
    for _ in 0..500 {
        socket.send(&asked).await.unwrap();
    }
    assert_eq!(running.by_udp(ONE, &question("db.", RecordType::A)).await.answers.len(), 1);
    let mut stream = running.tcp(TWO).await;
    send(&mut stream, &asked).await;
    let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(Message::from_vec(&answer).unwrap().metadata.response_code, ResponseCode::Refused);
    let own = running.metrics.counted(Outcome::Own);
    assert!((20..=30).contains(&own), "{own} of 501 were answered");
    assert!(running.metrics.counted(Outcome::Limited) > 400);
    running.stop().await;
}

#[tokio::test]
async fn a_stranger_is_refused_and_a_young_pod_is_waited_for() {
    let running = Running::start().await;
    let young = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
    let socket = running.udp(young).await;
    socket.send(&question("db.", RecordType::A).to_vec().unwrap()).await.unwrap();
    let began = Instant::now();
    let stranger = running.by_udp(NOBODY, &question("example.com.", RecordType::A)).await;
    assert_eq!(stranger.metadata.response_code, ResponseCode::Refused);
    assert!(began.elapsed() >= Duration::from_millis(2900));
    assert_eq!(receive(&socket).await.metadata.response_code, ResponseCode::Refused, "nobody reported it");

    socket.send(&question("db.", RecordType::A).to_vec().unwrap()).await.unwrap();
    running.directory.saw_pod(Event::Apply(pod(&lease(2), "young", &young.to_string())));
    let answer = receive(&socket).await;
    assert_eq!(answer.answers[0].data.to_string(), "10.96.0.12");
    assert_eq!(*running.internet.asked.lock().unwrap(), Vec::<String>::new());
    running.stop().await;
}

#[tokio::test]
async fn a_lease_whose_names_never_come_leaves_the_others_alone() {
    let running = Running::start().await;
    let socket = running.udp(TWO).await;
    for number in 0..70 {
        let asked = question(&format!("{number}.slow.example."), RecordType::A);
        socket.send(&asked.to_vec().unwrap()).await.unwrap();
    }
    // Sixty-four wait; the others are told at once.
    for _ in 64..70 {
        assert_eq!(receive(&socket).await.metadata.response_code, ResponseCode::ServFail);
    }
    assert_eq!(running.ask(ONE, "example.com.").await, address("1.1.1.1"));
    assert_eq!(running.metrics.counted(Outcome::Overloaded), 6);
    // The questions that wait for ever are not waited for here: the task ends with the test.
    running.shutdown.cancel();
}
