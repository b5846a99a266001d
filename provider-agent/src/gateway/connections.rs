//! Connections are cheap to open and cost memory while they are: their number is bounded before anything is read from them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use futures::future::BoxFuture;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// The bytes by which version 2 is told.
const PREFACE: usize = 24;

/// Lets a request's head, and a connection without a request, take `head_timeout` and no longer. Version 1.1 is all that is offered in the
/// handshake, because it needs this one bound only.
pub fn bound_requests(http: &mut Builder<TokioExecutor>, head_timeout: Duration) {
    http.http1().header_read_timeout(head_timeout);
    *http = http.clone().http1_only();
}

/// Accepts this many connections at a time, closes the others, and those that say too little in time.
#[derive(Clone, Debug)]
pub struct Bounded<A> {
    inner: A,
    connections: Arc<Semaphore>,
    head_timeout: Duration,
}

impl<A> Bounded<A> {
    /// At most `connections` at a time, handed on to `inner`.
    pub fn new(inner: A, connections: usize, head_timeout: Duration) -> Self {
        Self { inner, connections: Arc::new(Semaphore::new(connections)), head_timeout }
    }
}

impl<I, S, A> Accept<I, S> for Bounded<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
{
    type Stream = Counted<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Counted<A::Stream>, A::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            return Box::pin(async { Err(io::Error::other("too many connections are open")) });
        };
        let accepted = self.inner.accept(stream, service);
        let head_timeout = self.head_timeout;
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let beginning = Some(Beginning { missing: PREFACE, deadline: Box::pin(sleep(head_timeout)) });
            Ok((Counted { stream, beginning, _permit: permit }, service))
        })
    }
}

/// A connection that counts as long as it is open.
#[derive(Debug)]
pub struct Counted<I> {
    stream: I,
    beginning: Option<Beginning>,
    _permit: OwnedSemaphorePermit,
}

/// The server's own bound for a head begins only behind so many bytes, with which it tells the versions of HTTP apart.
#[derive(Debug)]
struct Beginning {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(beginning) = &mut self.beginning else { return read };
        if read.is_pending() {
            return beginning.deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        beginning.missing = beginning.missing.saturating_sub(buf.filled().len().saturating_sub(before));
        if beginning.missing == 0 {
            self.beginning = None;
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use axum_server::accept::DefaultAcceptor;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn one_connection_too_many_is_closed_until_another_ends() {
        let bounded = Bounded::new(DefaultAcceptor::new(), 1, Duration::from_secs(1));
        let (first, _service) = bounded.accept(tokio::io::empty(), ()).await.unwrap();
        assert!(bounded.accept(tokio::io::empty(), ()).await.is_err());
        drop(first);
        assert!(bounded.accept(tokio::io::empty(), ()).await.is_ok());
    }

    #[tokio::test]
    async fn a_connection_that_sends_nothing_or_half_a_head_is_closed_and_another_is_served() {
        let handle = axum_server::Handle::new();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = axum_server::bind(address)
            .acceptor(Bounded::new(DefaultAcceptor::new(), 8, Duration::from_millis(300)))
            .handle(handle.clone());
        bound_requests(server.http_builder(), Duration::from_millis(300));
        let router = axum::Router::new().route("/", axum::routing::get(async || "served"));
        tokio::spawn(server.serve(router.into_make_service()));
        let address = handle.listening().await.unwrap();
        let talk = async |head: &'static [u8]| {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(head).await.unwrap();
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).await.unwrap();
            String::from_utf8(answer).unwrap()
        };
        let (silent, preface, half, whole) = tokio::join!(
            talk(b""),
            talk(b"PRI * HT"),
            talk(b"GET / HTTP/1.1\r\nhost: x\r\n"),
            talk(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        );
        for answer in [silent, preface, half] {
            assert!(!answer.contains("served"), "{answer}");
        }
        // Kept alive until the bound for an idle connection.
        assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("served"), "{whole}");
    }
}
