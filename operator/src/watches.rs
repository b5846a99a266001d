//! Watches that are observed: when each gave its last sign of life, how often it began again, and how fast it may.
//!
//! A watch that breaks is begun again by kube's `watcher`, but two things are missing there. A cut that ends the stream is no
//! error to it, and a list that fails is followed by an event that resets the back-off: both begin again at once, for ever.
//! And whether bytes come at all is not told: bookmarks stay inside. So every watch reads through a client of its own, which
//! paces the requests (`pace`), sees the bytes of the answers (`body`) and notes them in the book that the watchdog
//! (`watchdog`) reads.

mod body;
mod book;
mod metrics;
mod pace;
mod watchdog;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Either;
use kube::{Client, client::Body, runtime::watcher};
use tokio::time::timeout;
use tower::{BoxError, service_fn};

pub use self::metrics::{RestartCause, WatchMetrics};
use self::{
    body::{Question, observed},
    book::{Book, Watched},
};

/// How long a watch may take for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchTimes {
    /// After which the API server is asked to end a watch. It keeps to it to the second, so a healthy watch gives a sign at
    /// least so often: its end, if neither an event nor a bookmark.
    pub lifetime: Duration,
    /// What a busy API server may add.
    pub margin: Duration,
    /// Longest wait for the beginning of an answer. The API server itself gives up a request after a minute.
    pub answer: Duration,
    /// Longest pause between two requests of a watch that does not last.
    pub longest_pause: Duration,
}

impl WatchTimes {
    /// The usual times around a lifetime.
    pub const fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            // A second less than kube's own margin, which ends a watch without a word.
            margin: Duration::from_secs(4),
            answer: Duration::from_secs(65),
            longest_pause: Duration::from_secs(15),
        }
    }

    /// A watch from which nothing came for so long is cut and begun again.
    pub fn silence(&self) -> Duration {
        self.lifetime + self.margin
    }

    /// How long a watch that was cut may stay silent while the API server answers plain reads: one pause, one request without
    /// an answer, and one more watch that never says anything.
    pub fn second_chance(&self) -> Duration {
        self.longest_pause + self.answer + self.silence()
    }
}

/// All watches of this process. Cloning shares them.
#[derive(Clone)]
pub struct Watches {
    inner: Client,
    times: WatchTimes,
    metrics: WatchMetrics,
    book: Arc<Book>,
}

/// What becomes of a request that its answer did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to get an answer from the API server within {} s", .0.as_secs())]
pub struct Unanswered(pub Duration);

impl Watches {
    /// None yet, by this client.
    pub fn new(inner: Client, times: WatchTimes, metrics: WatchMetrics) -> Self {
        Self { inner, times, metrics, book: Arc::default() }
    }

    /// A client for the watch of this kind and nothing else. Its silence counts from now.
    pub fn client(&self, kind: &'static str) -> Client {
        let watched = self.book.open(kind);
        let namespace = self.inner.default_namespace().to_owned();
        let watches = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let (watches, watched) = (watches.clone(), watched.clone());
            async move { watches.send(kind, &watched, request).await }
        });
        Client::new(service, namespace)
    }

    /// What a watch asks the API server for.
    pub fn config(&self) -> watcher::Config {
        // A lifetime is minutes, so it fits.
        watcher::Config::default().timeout(u32::try_from(self.times.lifetime.as_secs()).unwrap_or(u32::MAX))
    }

    async fn send(
        &self,
        kind: &'static str,
        watched: &Arc<Watched>,
        request: Request<Body>,
    ) -> Result<
        Response<impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static + use<>>,
        BoxError,
    > {
        let question = Question::of(&request);
        watched.note_path(request.uri().path());
        tokio::time::sleep(watched.pause(question, self.times.longest_pause)).await;
        match question {
            Question::Watch => {
                if let Some(cause) = watched.begin() {
                    self.metrics.restarted(kind, cause);
                }
            }
            Question::List => self.metrics.listed(kind),
            Question::NextPage => {}
        }
        let sent: Result<_, BoxError> = match timeout(self.times.answer, self.inner.send(request)).await {
            Ok(sent) => sent.map_err(BoxError::from),
            Err(_) => Err(Unanswered(self.times.answer).into()),
        };
        let is_success = sent.as_ref().is_ok_and(|response| response.status().is_success());
        if !is_success {
            watched.failed(question);
        }
        let response = sent?;
        if matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
            watched.refused();
        }
        Ok(response.map(|body| match is_success {
            true => Either::Left(observed(body, question, watched.clone(), self.times)),
            false => Either::Right(body),
        }))
    }
}

#[cfg(test)]
mod tests;
