//! The answer to a list or a watch, looked at as it comes.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use kube::client::Body;
use tokio::time::{Duration, Instant, timeout};
use tower::BoxError;

use super::{RestartCause, WatchTimes, book::Watched};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// What there is.
    List,
    /// More of a list that was begun.
    NextPage,
    /// What changes from now on.
    Watch,
}

/// An answer from which nothing came for longer than a healthy API server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing came from the API server for {} s", .0.as_secs())]
pub(super) struct Silent(pub(super) Duration);

impl Question {
    /// What this request asks for.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let asks_for = |what| {
            request.uri().query().unwrap_or_default().split('&').any(|pair: &str| pair.starts_with(what))
        };
        match (asks_for("watch="), asks_for("continue=")) {
            (true, _) => Self::Watch,
            (false, true) => Self::NextPage,
            (false, false) => Self::List,
        }
    }

    /// Longest time in which nothing comes.
    fn silence(self, times: WatchTimes) -> Duration {
        match self {
            Self::List | Self::NextPage => times.answer,
            Self::Watch => times.silence(),
        }
    }
}

/// An answer on its way.
struct Observed {
    frames: BodyStream<Body>,
    question: Question,
    limit: Duration,
    watched: Arc<Watched>,
    began: Instant,
    is_over: bool,
}

/// The body of an answer. What comes is noted; if nothing comes for too long it breaks off, and so does what reads it.
pub(super) fn observed(
    body: Body,
    question: Question,
    watched: Arc<Watched>,
    times: WatchTimes,
) -> StreamBody<impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static> {
    let observed = Observed {
        frames: BodyStream::new(body),
        question,
        limit: question.silence(times),
        watched,
        began: Instant::now(),
        is_over: false,
    };
    StreamBody::new(stream::unfold(observed, |mut observed| async move {
        let item = observed.next().await?;
        Some((item, observed))
    }))
}

impl Observed {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        if self.is_over {
            return None;
        }
        match timeout(self.limit, self.frames.next()).await {
            Ok(Some(Ok(frame))) => {
                self.watched.alive();
                Some(Ok(frame))
            }
            // The API server kept its word to the end.
            Ok(None) => {
                self.watched.alive();
                self.end(RestartCause::Ended);
                None
            }
            Ok(Some(Err(error))) => {
                self.end(RestartCause::Failed);
                Some(Err(error.into()))
            }
            Err(_) => {
                self.end(RestartCause::Silent);
                Some(Err(Silent(self.limit).into()))
            }
        }
    }

    fn end(&mut self, cause: RestartCause) {
        self.is_over = true;
        match (self.question, cause) {
            (Question::Watch, cause) => self.watched.ended(cause, self.began.elapsed()),
            (Question::List | Question::NextPage, RestartCause::Ended) => self.watched.listed(),
            (question, RestartCause::Failed | RestartCause::Silent) => self.watched.failed(question),
        }
    }
}

/// A watch that its reader gave up is over too: kube does that to one that is late.
impl Drop for Observed {
    fn drop(&mut self) {
        if !self.is_over && self.question == Question::Watch {
            self.end(RestartCause::Failed);
        }
    }
}
