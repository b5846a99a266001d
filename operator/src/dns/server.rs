//! The sockets: UDP and TCP, with an end to everything that a tenant can make long.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use hickory_resolver::proto::op::ResponseCode;
use telemetry::CancellationToken;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::{JoinError, JoinSet},
    time::{Duration, Instant, timeout},
};

use super::{
    directory::Directory,
    limits::{Buckets, Slots},
    message::{LONGEST_QUESTION, Reply, Request, Transport, Unread},
    metrics::{DnsMetrics, Outcome},
    resolver::Names,
};
use crate::client::Rate;

/// How long a question waits for its pod to be reported: shorter than a library's five seconds.
const YOUNG: Duration = Duration::from_secs(3);
/// Questions that may wait so, of one address and of all.
const YOUNG_EACH: usize = 8;
const YOUNG_ALL: usize = 1024;
/// Datagrams that are worked on at once.
const DATAGRAMS: usize = 4096;
/// Connections of one address and of all.
const CONNECTIONS_EACH: usize = 8;
const CONNECTIONS_ALL: usize = 512;
/// How long a connection may stay without a question, or take for one, or for its answer.
const IDLE: Duration = Duration::from_secs(10);
/// Questions of one connection.
const QUESTIONS: usize = 100;
/// Pause after a socket failed, so that a failure that stays does not take a processor.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Everything that answers.
pub struct Server {
    directory: Directory,
    names: Names,
    buckets: Buckets,
    young: Slots<IpAddr>,
    connections: Slots<IpAddr>,
    metrics: DnsMetrics,
}

/// A socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address}")]
pub struct Error {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Both sockets of a port.
#[derive(Debug)]
pub struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Sockets {
    /// Takes the port.
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        // Port 0 stands for any, but for one and the same.
        let taken = tcp.local_addr().map_err(failed)?;
        let udp = UdpSocket::bind(taken).await.map_err(failed)?;
        Ok(Self { udp, tcp })
    }

    /// The port that was taken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Server {
    /// Answers by these names, at most so often to each.
    pub fn new(directory: Directory, names: Names, rate: Rate, metrics: DnsMetrics) -> Self {
        Self {
            directory,
            names,
            buckets: Buckets::new(rate),
            young: Slots::new(YOUNG_EACH, YOUNG_ALL),
            connections: Slots::new(CONNECTIONS_EACH, CONNECTIONS_ALL),
            metrics,
        }
    }

    /// Answers until the token is cancelled; what is being answered then is finished.
    pub async fn serve(self: Arc<Self>, sockets: Sockets, shutdown: CancellationToken) {
        let Sockets { udp, tcp } = sockets;
        tokio::join!(self.clone().serve_udp(Arc::new(udp), shutdown.clone()), self.serve_tcp(tcp, shutdown));
    }

    async fn serve_udp(self: Arc<Self>, socket: Arc<UdpSocket>, shutdown: CancellationToken) {
        let mut working = JoinSet::new();
        // One byte more than the longest, to tell a longer one.
        let mut buffer = [0; LONGEST_QUESTION + 1];
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = working.join_next() => finished(done),
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((length, from)) => {
                        if working.len() >= DATAGRAMS {
                            self.metrics.count(Outcome::Overloaded);
                        } else if length > LONGEST_QUESTION {
                            self.metrics.count(Outcome::Malformed);
                        } else if self.may_ask(from.ip()) {
                            let question = buffer.get(..length).unwrap_or_default().to_vec();
                            let (server, socket) = (self.clone(), socket.clone());
                            working.spawn(async move { server.answer_datagram(&socket, from, &question).await });
                        }
                    }
                    Err(error) => failed("udp", &error).await,
                },
            }
        }
        while let Some(done) = working.join_next().await {
            finished(done);
        }
    }

    async fn answer_datagram(&self, socket: &UdpSocket, from: SocketAddr, question: &[u8]) {
        if let Some(answer) = self.answer(from.ip(), question, Transport::Udp).await
            && let Err(error) = socket.send_to(&answer, from).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "an answer was not sent");
        }
    }

    async fn serve_tcp(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) {
        let mut working = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(done) = working.join_next() => finished(done),
                accepted = listener.accept() => match accepted {
                    Ok((stream, from)) => match self.connections.take(&from.ip().to_canonical()) {
                        Some(slot) => {
                            let (server, shutdown) = (self.clone(), shutdown.clone());
                            working.spawn(async move {
                                server.answer_connection(stream, from.ip(), &shutdown).await;
                                drop(slot);
                            });
                        }
                        None => self.metrics.count(Outcome::Overloaded),
                    },
                    Err(error) => failed("tcp", &error).await,
                },
            }
        }
        while let Some(done) = working.join_next().await {
            finished(done);
        }
    }

    /// One question after the other, until there are no more, or something is not as it should be.
    async fn answer_connection(&self, mut stream: TcpStream, from: IpAddr, shutdown: &CancellationToken) {
        for _ in 0..QUESTIONS {
            let question = tokio::select! {
                () = shutdown.cancelled() => return,
                question = timeout(IDLE, read_question(&mut stream)) => question,
            };
            let Ok(Ok(Some(question))) = question else { return };
            let answer = if self.may_ask(from) {
                self.answer(from, &question, Transport::Tcp).await
            } else {
                // Here somebody waits, and knows that it was heard.
                Request::read(&question)
                    .ok()
                    .map(|request| request.write(Reply::empty(ResponseCode::Refused), Transport::Tcp))
            };
            let Some(answer) = answer else { return };
            let Ok(length) = u16::try_from(answer.len()) else { return };
            let framed = [length.to_be_bytes().as_slice(), answer.as_slice()].concat();
            let Ok(Ok(())) = timeout(IDLE, stream.write_all(&framed)).await else { return };
        }
    }

    fn may_ask(&self, from: IpAddr) -> bool {
        let may = self.buckets.take(from.to_canonical(), Instant::now());
        if !may {
            self.metrics.count(Outcome::Limited);
        }
        may
    }

    async fn answer(&self, from: IpAddr, question: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let began = Instant::now();
        let (outcome, answer) = self.decide(from, question, transport).await;
        self.metrics.count(outcome);
        self.metrics.seconds.observe(began.elapsed().as_secs_f64());
        answer
    }

    async fn decide(
        &self,
        from: IpAddr,
        question: &[u8],
        transport: Transport,
    ) -> (Outcome, Option<Vec<u8>>) {
        let request = match Request::read(question) {
            Ok(request) => request,
            Err(Unread::Silence) => return (Outcome::Malformed, None),
            Err(Unread::Refusal { answer, outcome }) => return (outcome, Some(answer)),
        };
        let Some(namespace) = self.asker(from).await else {
            let refused = Reply::empty(ResponseCode::Refused);
            return (Outcome::Stranger, Some(request.write(refused, transport)));
        };
        let (outcome, reply) = self.names.answer(&namespace, &request.question).await;
        (outcome, Some(request.write(reply, transport)))
    }

    /// Whose question it is. A pod may ask before anybody has reported its address.
    async fn asker(&self, from: IpAddr) -> Option<String> {
        if let Some(namespace) = self.directory.namespace_of(from) {
            return Some(namespace);
        }
        let _slot = self.young.take(&from.to_canonical())?;
        self.directory.await_namespace_of(from, Instant::now() + YOUNG).await
    }
}

/// A question with its length before it; none at the orderly end of a connection, or when it is too long.
async fn read_question(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > LONGEST_QUESTION {
        return Ok(None);
    }
    let mut question = vec![0; length];
    stream.read_exact(&mut question).await?;
    Ok(Some(question))
}

fn finished(done: Result<(), JoinError>) {
    if let Err(error) = done {
        tracing::error!(error = &error as &dyn std::error::Error, "an answer panicked");
    }
}

async fn failed(socket: &'static str, error: &io::Error) {
    tracing::warn!(socket, error = error as &dyn std::error::Error, "failed to receive");
    tokio::time::sleep(AFTER_FAILURE).await;
}
