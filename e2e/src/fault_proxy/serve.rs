//! Connections, calls and answers.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::{Stream, stream};
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::JoinSet,
};

use super::{
    CallKind, Link, Watches,
    control::{Control, Gates, Ticket, Verdict},
};

type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// Headers that belong to one connection.
const OF_A_CONNECTION: [header::HeaderName; 4] =
    [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE];

/// Takes connections until it is dropped, which ends them too.
pub(super) async fn serve(listener: TcpListener, client: Client, control: Arc<Control>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    let (link, generation) = {
                        let gates = control.gates();
                        let gates = gates.borrow();
                        (gates.link, gates.generation)
                    };
                    // Dropping it closes it.
                    if link != Link::Refused {
                        connections.spawn(connection(socket, generation, client.clone(), control.clone()));
                    }
                }
                Err(error) => eprintln!("the fault proxy failed to take a connection: {error}"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(socket: TcpStream, generation: u64, client: Client, control: Arc<Control>) {
    let mut gates = control.gates();
    let answers = service_fn(|request| answer(request, generation, client.clone(), control.clone()));
    let served = http1::Builder::new().serve_connection(TokioIo::new(socket), answers);
    tokio::select! {
        biased;
        _ = gates.wait_for(|gates| gates.generation != generation) => {}
        // A client that breaks off is none of our business.
        _ = served => {}
    }
}

/// Answers a call, or breaks its connection.
async fn answer(
    request: Request<Incoming>,
    generation: u64,
    client: Client,
    control: Arc<Control>,
) -> io::Result<Response<AnswerBody>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (ticket, stopped) =
        control.enter(generation, &parts.method, &parts.uri).await.map_err(|_| broken())?;
    wait(stopped).await?;

    let path = parts.uri.path().to_owned();
    let kind = CallKind::of(&parts.method, &parts.uri);
    let is_write = parts.method != http::Method::GET;
    let mut request = Request::builder().method(parts.method).uri(parts.uri).body(Body::from(body));
    if let Ok(request) = &mut request {
        *request.headers_mut() = passed(parts.headers);
    }
    let answer = client.send(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?;

    let (parts, body) = answer.into_parts();
    if let Some(ticket) = ticket {
        wait(control.answered(ticket, parts.status.as_u16())).await?;
    }
    if kind == CallKind::Election && is_write && parts.status.is_success() {
        control.elected();
    }
    let mut gates = control.gates();
    gates.wait_for(|gates| gates.link != Link::Silent).await.map_err(|_| broken())?;
    let body = if kind == CallKind::Watch && parts.status.is_success() {
        StreamBody::new(followed(body, path, control)).boxed_unsync()
    } else {
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let delivery = ticket.map(|ticket| Delivery { ticket, control });
        StreamBody::new(whole(bytes, delivery)).boxed_unsync()
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = passed(parts.headers);
    Ok(answer)
}

fn passed(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_A_CONNECTION {
        headers.remove(name);
    }
    headers
}

fn broken() -> io::Error {
    io::Error::other("broken by the fault proxy")
}

/// Waits for what becomes of a stopped call.
async fn wait(stopped: Option<oneshot::Receiver<Verdict>>) -> io::Result<()> {
    let Some(stopped) = stopped else { return Ok(()) };
    match stopped.await {
        Ok(Verdict::GoOn) => Ok(()),
        Err(_) => Err(broken()),
    }
}

/// Tells when an answer was handed to its connection: the server drops a body that it has written.
struct Delivery {
    ticket: Ticket,
    control: Arc<Control>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.control.delivered(self.ticket);
    }
}

fn whole(bytes: Bytes, delivery: Option<Delivery>) -> impl Stream<Item = io::Result<Frame<Bytes>>> {
    stream::unfold((Some(bytes), delivery), |(bytes, delivery)| async move {
        let bytes = bytes.filter(|bytes| !bytes.is_empty())?;
        Some((Ok(Frame::data(bytes)), (None, delivery)))
    })
}

/// An open watch.
struct Followed {
    body: Body,
    gates: watch::Receiver<Gates>,
    /// The cut at which it was opened.
    cut: u64,
    cut_at_once: bool,
    path: String,
    control: Arc<Control>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.control.closed(&self.path);
    }
}

fn followed(body: Body, path: String, control: Arc<Control>) -> impl Stream<Item = io::Result<Frame<Bytes>>> {
    let gates = control.gates();
    let cut = gates.borrow().cut;
    let cut_at_once = control.opened(&path);
    let open = Followed { body, gates, cut, cut_at_once, path, control };
    stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        match open.next().await {
            Ok(Some(frame)) => Some((Ok(frame), Some(open))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl Followed {
    async fn next(&mut self) -> io::Result<Option<Frame<Bytes>>> {
        if self.cut_at_once {
            return Err(broken());
        }
        let (cut, mut flowing) = (self.cut, self.gates.clone());
        let frame = async {
            let frame = self.body.frame().await.transpose().map_err(io::Error::other);
            flowing
                .wait_for(|gates| gates.watches == Watches::Flowing && gates.link != Link::Silent)
                .await
                .map_err(|_| broken())?;
            frame
        };
        tokio::select! {
            biased;
            _ = self.gates.wait_for(|gates| gates.cut != cut) => Err(broken()),
            frame = frame => frame,
        }
    }
}
