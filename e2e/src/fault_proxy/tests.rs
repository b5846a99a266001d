use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::timeout};

use super::*;

/// An upstream that counts what reaches it; its watches tell one event and then stay open.
struct Upstream {
    seen: Arc<AtomicUsize>,
    proxy: FaultProxy,
    client: reqwest::Client,
}

impl Upstream {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let count = count.clone();
                let service = service_fn(move |request| reply(request, count.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        let proxy = FaultProxy::start(Config::new(url.parse().unwrap())).await.unwrap();
        Self { seen, proxy, client: reqwest::Client::new() }
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    fn post(&self) -> tokio::task::JoinHandle<reqwest::Result<String>> {
        let request = self.client.post(format!("{}/things", self.proxy.url())).body("{}");
        tokio::spawn(async move { request.send().await?.text().await })
    }

    async fn watch(&self) -> reqwest::Result<reqwest::Response> {
        self.client.get(format!("{}/things?watch=true", self.proxy.url())).send().await
    }
}

async fn reply(
    request: Request<Incoming>,
    seen: Arc<AtomicUsize>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    seen.fetch_add(1, Ordering::SeqCst);
    let event = Bytes::from_static(b"event");
    Ok(Response::new(if request.uri().query() == Some("watch=true") {
        let first = stream::iter([Ok(Frame::data(event))]);
        StreamBody::new(first.chain(stream::pending())).boxed_unsync()
    } else {
        Full::new(event).boxed_unsync()
    }))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.unwrap()
}

async fn never<T>(future: impl Future<Output = T>) {
    assert!(timeout(Duration::from_millis(100), future).await.is_err());
}

#[tokio::test]
async fn calls_are_numbered_and_watches_and_elections_are_not() {
    let upstream = Upstream::start().await;
    let lease = format!("{}/apis/coordination.k8s.io/v1/leases/a", upstream.proxy.url());
    upstream.post().await.unwrap().unwrap();
    let _watch = upstream.watch().await.unwrap();
    upstream.client.get(&lease).send().await.unwrap();
    assert_eq!(upstream.proxy.elections(), 0);
    upstream.client.put(&lease).send().await.unwrap();
    upstream.client.get(format!("{}/things?limit=500", upstream.proxy.url())).send().await.unwrap();
    let call = |number, kind, method: &str| Call {
        number,
        kind,
        method: method.to_owned(),
        path: "/things".to_owned(),
        status: Some(200),
    };
    assert_eq!(upstream.proxy.calls(), [call(1, CallKind::Write, "POST"), call(2, CallKind::Read, "GET")]);
    assert_eq!((upstream.proxy.elections(), upstream.proxy.watches()), (1, vec!["/things".to_owned()]));
    upstream.proxy.count_from_one();
    assert_eq!(upstream.proxy.calls(), []);
}

#[tokio::test]
async fn a_call_is_stopped_before_it_is_known_or_before_its_answer_is() {
    for (moment, before, answered) in
        [(Moment::BeforeRequest, 1, false), (Moment::BeforeAnswer, 2, false), (Moment::AfterAnswer, 2, true)]
    {
        let upstream = Upstream::start().await;
        let stop = upstream.proxy.stop_at(2, moment);
        upstream.post().await.unwrap().unwrap();
        let stopped_call = upstream.post();
        let stopped = soon(stop.reached()).await.unwrap();
        assert_eq!((stopped.call().number, upstream.seen()), (2, before), "{moment:?}");
        let next = upstream.post();
        // Nothing new passes until it is decided, and what waited for a dead client's connection never does.
        never(async {
            while upstream.seen() == before {
                tokio::task::yield_now().await
            }
        })
        .await;
        stopped.disconnect();
        assert_eq!(soon(stopped_call).await.unwrap().is_ok(), answered, "{moment:?}");
        assert!(soon(next).await.unwrap().is_err());
        assert_eq!(upstream.seen(), before);
        soon(upstream.post()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_stopped_call_goes_on_when_it_is_released_and_is_known_to_be_given_up() {
    let upstream = Upstream::start().await;
    let stop = upstream.proxy.stop_at(1, Moment::BeforeRequest);
    let call = upstream.post();
    let stopped = soon(stop.reached()).await.unwrap();
    assert!(!stopped.is_abandoned());
    stopped.release();
    assert_eq!(soon(call).await.unwrap().unwrap(), "event");

    let stop = upstream.proxy.stop_at(2, Moment::BeforeRequest);
    let call = upstream.post();
    let mut stopped = soon(stop.reached()).await.unwrap();
    call.abort();
    soon(stopped.abandoned()).await;
    assert!(stopped.is_abandoned());
    stopped.release();
    soon(upstream.post()).await.unwrap().unwrap();
    assert_eq!(upstream.seen(), 2, "what was given up is not sent");
}

#[tokio::test]
async fn an_api_server_that_is_away_refuses_and_one_that_is_silent_does_not_answer() {
    let upstream = Upstream::start().await;
    let mut watch = upstream.watch().await.unwrap();
    assert_eq!(soon(watch.chunk()).await.unwrap().unwrap(), "event");
    upstream.proxy.set_link(Link::Refused);
    assert!(soon(watch.chunk()).await.is_err());
    assert!(soon(upstream.post()).await.unwrap().is_err());
    assert_eq!(upstream.proxy.watches(), Vec::<String>::new());
    upstream.proxy.set_link(Link::Silent);
    let call = upstream.post();
    never(async {
        while upstream.seen() == 1 {
            tokio::task::yield_now().await
        }
    })
    .await;
    upstream.proxy.set_link(Link::Open);
    soon(call).await.unwrap().unwrap();
    assert_eq!(upstream.seen(), 2);
}

#[tokio::test]
async fn watches_are_cut_as_often_as_is_said_and_may_stall() {
    let upstream = Upstream::start().await;
    let mut watch = upstream.watch().await.unwrap();
    assert_eq!(soon(watch.chunk()).await.unwrap().unwrap(), "event");
    upstream.proxy.cut_watches(3);
    assert!(soon(watch.chunk()).await.is_err());
    for left in [1, 0] {
        // The head of the answer may be lost with it.
        if let Ok(mut watch) = upstream.watch().await {
            assert!(soon(watch.chunk()).await.is_err());
        }
        assert_eq!(upstream.proxy.cuts_left(), left);
    }
    upstream.proxy.set_watches(Watches::Stalled);
    let mut watch = upstream.watch().await.unwrap();
    never(watch.chunk()).await;
    upstream.proxy.set_watches(Watches::Flowing);
    assert_eq!(soon(watch.chunk()).await.unwrap().unwrap(), "event");
}
