//! The connection to the API server: no write outside a term, and no more calls than the provider allows.

mod throttle;

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use tower::{BoxError, service_fn};

pub use self::throttle::Rate;
use self::throttle::Throttle;
use crate::election::Term;

/// A write that was not made, or given up, because another process may be writing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to write: this process does not hold the lease of the election")]
pub struct NotElected;

/// A client over another whose calls keep to the rate and whose writes pass only while the term lasts.
///
/// It stands around the retries of the inner client, so a write that is repeated ends with the term too.
pub fn elected(inner: Client, rate: Rate, term: Term) -> Client {
    let namespace = inner.default_namespace().to_owned();
    let throttle = Throttle::new(rate);
    let guard = service_fn(move |request: Request<Body>| {
        let (inner, throttle, term) = (inner.clone(), throttle.clone(), term.clone());
        async move {
            throttle.turn().await;
            send(&inner, request, term).await
        }
    });
    Client::new(guard, namespace)
}

async fn send(inner: &Client, request: Request<Body>, mut term: Term) -> Result<Response<Body>, BoxError> {
    if is_read(request.method()) {
        return Ok(inner.send(request).await?);
    }
    tokio::select! {
        // The end of the term comes first: a call that was never begun cannot arrive late.
        biased;
        () = term.over() => Err(NotElected.into()),
        answer = inner.send(request) => Ok(answer?),
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests;
