use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt, stream, stream::BoxStream};
use http_body::Frame;
use http_body_util::StreamBody;
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::{Api, ResourceExt, runtime::watcher::Event};
use serde_json::{Value, json};
use telemetry::{Health, Registry};
use tokio::{task::JoinHandle, time::Instant};

use super::*;

const KIND: &str = "RuntimeClass";
const MINUTE: Duration = Duration::from_secs(60);

/// What the API server does with a list or a watch.
#[derive(Clone, Debug)]
enum Deed {
    /// Refuses the connection.
    Away,
    /// Takes the request and says nothing, not even a status.
    Swallow,
    /// Answers with this status.
    Status(u16),
    /// Answers a list with nothing in it; begins a watch in which nothing ever comes.
    Mute,
    /// Answers a list with nothing in it; a watch has a bookmark each minute.
    Bookmarks,
    /// Answers a list with nothing in it; a watch says this and ends in order.
    Say(Vec<Value>),
    /// Answers a list with nothing in it; a watch says this and breaks off.
    Break(Vec<Value>),
}

/// An API server that does what it is told, and counts.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    lists: VecDeque<Deed>,
    watches: VecDeque<Deed>,
    then: Option<Deed>,
    plain: Option<Deed>,
    seen: Vec<(Instant, String)>,
}

impl Server {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does when nothing else is left to do.
    fn then(&self, deed: Deed) {
        self.lock().then = Some(deed);
    }

    /// What it does with plain reads, if not the same.
    fn plain(&self, deed: Deed) {
        self.lock().plain = Some(deed);
    }

    fn watch(&self, deeds: impl IntoIterator<Item = Deed>) {
        self.lock().watches.extend(deeds);
    }

    /// Requests so far whose query has this.
    fn count(&self, what: &str) -> usize {
        self.lock().seen.iter().filter(|(_, query)| query.contains(what)).count()
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            let query = request.uri().query().unwrap_or_default().to_owned();
            async move { server.answer(query).await }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, query: String) -> Result<Response<Spoken>, BoxError> {
        let is_watch = query.contains("watch=true");
        let deed = {
            let mut told = self.lock();
            told.seen.push((Instant::now(), query.clone()));
            let next = if is_watch { told.watches.pop_front() } else { told.lists.pop_front() };
            let plain = told.plain.clone().filter(|_| query == "limit=1");
            next.or(plain).or_else(|| told.then.clone()).unwrap()
        };
        let nothing = json!({
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClassList",
            "metadata": {"resourceVersion": "7"}, "items": []
        });
        let the_end = || stream::empty().boxed();
        match deed {
            Deed::Away => Err("connection refused".into()),
            Deed::Swallow => std::future::pending().await,
            Deed::Status(code) => {
                let mut refusal = says(vec![json!({})], the_end());
                *refusal.status_mut() = StatusCode::from_u16(code)?;
                Ok(refusal)
            }
            Deed::Mute if is_watch => Ok(says(Vec::new(), stream::pending().boxed())),
            Deed::Bookmarks if is_watch => Ok(says(Vec::new(), bookmarks())),
            Deed::Say(lines) if is_watch => Ok(says(lines, the_end())),
            Deed::Break(lines) if is_watch => {
                Ok(says(lines, stream::iter([Err("unexpected EOF during chunk".into())]).boxed()))
            }
            Deed::Mute | Deed::Bookmarks | Deed::Say(_) | Deed::Break(_) => {
                Ok(says(vec![nothing], the_end()))
            }
        }
    }
}

type Frames = BoxStream<'static, Result<Frame<Bytes>, BoxError>>;
type Spoken = StreamBody<Frames>;

fn says(lines: Vec<Value>, then: Frames) -> Response<Spoken> {
    let lines = lines.into_iter().map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n")))));
    Response::new(StreamBody::new(stream::iter(lines).chain(then).boxed()))
}

fn added(name: &str, version: u32) -> Value {
    json!({"type": "ADDED", "object": {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "h",
        "metadata": {"name": name, "resourceVersion": version.to_string()}
    }})
}

fn bookmark(version: u32) -> Value {
    json!({"type": "BOOKMARK", "object": {
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"resourceVersion": version.to_string()}
    }})
}

fn bookmarks() -> Frames {
    stream::unfold(8, |version| async move {
        tokio::time::sleep(MINUTE).await;
        let frame = Frame::data(Bytes::from(format!("{}\n", bookmark(version))));
        Some((Ok(frame), version + 1))
    })
    .boxed()
}

/// A watch that is read, and a watchdog beside it.
struct Reading {
    metrics: WatchMetrics,
    health: Health,
    seen: Arc<Mutex<Vec<String>>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Reading {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Reading {
    fn start(server: &Server) -> Self {
        let metrics = WatchMetrics::register("operator", &Registry::new()).unwrap();
        let watches = Watches::new(server.client(), WatchTimes::new(2 * MINUTE), metrics.clone());
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (api, config, told) =
            (Api::<RuntimeClass>::all(watches.client(KIND)), watches.config(), seen.clone());
        let reading = watcher(api, config).for_each(move |event| {
            let line = match event {
                Ok(Event::Apply(class) | Event::InitApply(class)) => class.name_any(),
                Ok(_) => return std::future::ready(()),
                Err(error) => format!("error: {error}"),
            };
            told.lock().unwrap().push(line);
            std::future::ready(())
        });
        let health = Health::default();
        let tasks = [tokio::spawn(reading), tokio::spawn(watches.guard(health.clone()))];
        Self { metrics, health, seen, tasks }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn is_alive(&self) -> bool {
        self.health.alive.report().passes()
    }

    fn is_ready(&self) -> bool {
        self.health.ready.report().passes()
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_which_nothing_comes_is_cut_and_begun_again() {
    let server = Server::default();
    server.watch([Deed::Mute, Deed::Say(vec![added("late", 9)])]);
    server.then(Deed::Mute);
    let reading = Reading::start(&server);
    tokio::time::sleep(Duration::from_secs(123)).await;
    assert_eq!(server.count("watch=true"), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(reading.metrics.restarts(KIND, RestartCause::Silent), 1);
    assert_eq!(reading.seen()[1..], ["late"]);
    assert!(reading.seen()[0].contains("nothing came from the API server for 124 s"), "{:?}", reading.seen());
    assert!(server.count("timeoutSeconds=120") >= 2, "the API server is told when to end a watch");
    assert_eq!(reading.metrics.lists(KIND), 1, "it goes on where it was");
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_is_a_sign_of_life_though_nobody_else_sees_it() {
    let server = Server::default();
    server.watch([Deed::Bookmarks]);
    server.then(Deed::Mute);
    let reading = Reading::start(&server);
    tokio::time::sleep(10 * MINUTE - Duration::from_secs(1)).await;
    assert!((54..60).contains(&reading.metrics.age(KIND)), "{}", reading.metrics.age(KIND));
    assert_eq!(server.count("watch=true"), 1);
    assert!(reading.is_alive() && reading.is_ready());
}

#[tokio::test(start_paused = true)]
async fn fifty_cuts_lose_no_event_list_nothing_again_and_do_not_hammer() {
    for cut in [Deed::Break, Deed::Say] {
        let server = Server::default();
        server.watch((0..50).map(|number| cut(vec![added(&format!("class-{number}"), 10 + number)])));
        server.then(Deed::Mute);
        let reading = Reading::start(&server);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let early = server.count("watch=true");
        assert!(early <= 8, "{early} watches in the first 20 s");
        tokio::time::sleep(15 * MINUTE).await;
        let expected: Vec<_> = (0..50).map(|number| format!("class-{number}")).collect();
        let seen: Vec<_> = reading.seen().into_iter().filter(|line| !line.starts_with("error")).collect();
        assert_eq!(seen, expected);
        assert_eq!(reading.metrics.lists(KIND), 1);
        // Each goes on after what was seen last.
        assert!(server.count("resourceVersion=59") > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn lists_that_fail_are_asked_ever_more_seldom() {
    let server = Server::default();
    server.then(Deed::Status(500));
    let _reading = Reading::start(&server);
    tokio::time::sleep(10 * MINUTE).await;
    let lists = server.count("limit=500");
    // Every 7.5 to 15 s, and a few at first; kube's own back-off would begin anew after each.
    assert!((40..=90).contains(&lists), "{lists}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_is_no_reason_to_start_again() {
    for away in [Deed::Away, Deed::Swallow, Deed::Status(503)] {
        let server = Server::default();
        server.watch([Deed::Say(vec![bookmark(8)])]);
        server.then(away.clone());
        let reading = Reading::start(&server);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(reading.is_alive() && reading.is_ready());
        tokio::time::sleep(60 * MINUTE).await;
        assert!(reading.is_alive(), "{away:?}: {}", reading.health.alive.report());
        assert_eq!(
            reading.health.ready.report().to_string(),
            "watches: nothing came for too long: RuntimeClass\n"
        );
        // It comes back: the watch goes on before anybody calls it dead.
        server.then(Deed::Say(vec![bookmark(9)]));
        tokio::time::sleep(2 * MINUTE).await;
        assert!(reading.is_alive() && reading.is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_stays_dead_while_plain_reads_are_answered_fails_liveness() {
    for dead in [Deed::Mute, Deed::Swallow] {
        let server = Server::default();
        let began = Instant::now();
        server.then(dead);
        server.plain(Deed::Mute);
        let reading = Reading::start(&server);
        let times = WatchTimes::new(2 * MINUTE);
        tokio::time::sleep(times.silence() + times.second_chance() - Duration::from_secs(1)).await;
        assert!(reading.is_alive());
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(
            reading.health.alive.report().to_string(),
            "watches: dead although the API server answers: RuntimeClass\n",
            "{:?}",
            began.elapsed()
        );
        assert!(server.count("watch=true") + server.count("limit=500") >= 2, "it was tried again before");
        // Should it wake up all the same, nobody is killed for it.
        server.then(Deed::Say(vec![bookmark(9)]));
        tokio::time::sleep(5 * MINUTE).await;
        assert!(reading.is_alive() && reading.is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_reader_is_stuck_fails_liveness() {
    let server = Server::default();
    server.then(Deed::Say(vec![bookmark(8)]));
    let metrics = WatchMetrics::register("operator", &Registry::new()).unwrap();
    let times = WatchTimes::new(2 * MINUTE);
    let watches = Watches::new(server.client(), times, metrics);
    // Nobody reads by it.
    let _unread = watches.client(KIND);
    let health = Health::default();
    let guard = tokio::spawn(watches.guard(health.clone()));
    tokio::time::sleep(times.silence()).await;
    assert!(health.alive.report().passes());
    tokio::time::sleep(times.second_chance() + Duration::from_secs(15)).await;
    assert!(!health.alive.report().passes());
    guard.abort();
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_is_told_but_not_called_dead() {
    for code in [403, 404] {
        let server = Server::default();
        server.then(Deed::Status(code));
        server.plain(Deed::Mute);
        let reading = Reading::start(&server);
        tokio::time::sleep(30 * MINUTE).await;
        assert!(reading.is_alive() && reading.is_ready());
        assert!(reading.metrics.age(KIND) > 1700, "{}", reading.metrics.age(KIND));
    }
}
