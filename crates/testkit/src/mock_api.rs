//! An API server in memory, behind a real `kube::Client`: stores objects, records requests, fails on demand.
//!
//! It knows only what reconcilers rely on: server-side apply replaces an object, status is a subresource that several
//! managers share,
//! a namespace with a deletion mark stays until the test lets it go, and a quota has no status until the
//! test's quota controller runs. What only a real server can prove belongs to `e2e`.

mod ownership;
mod path;
mod store;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde::Serialize;
use serde_json::{Value, json};

use path::Target;
use store::Store;

/// A mock API server. Cloning shares its state.
#[derive(Clone, Default)]
pub struct MockApi {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    store: Store,
    requests: Vec<Recorded>,
    faults: Vec<Fault>,
}

/// One request that the server got.
#[derive(Clone, PartialEq)]
pub struct Recorded {
    /// Method in capitals; server-side apply is `APPLY`, a merge patch `PATCH`.
    pub verb: String,
    /// Path without the query.
    pub path: String,
    /// Body, null when there was none.
    pub body: Value,
}

struct Fault {
    verb: String,
    path_end: String,
    status: StatusCode,
    message: String,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path)
    }
}

impl MockApi {
    /// An empty server.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client of this server. Call it within a tokio runtime.
    pub fn client(&self) -> Client {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let server = self.clone();
        tokio::spawn(async move {
            while let Some((request, answer)) = handle.next_request().await {
                answer.send_response(server.serve(request).await);
            }
        });
        Client::new(service, "default")
    }

    /// Puts an object there as if somebody else had made it.
    pub fn insert(&self, path: &str, object: impl Serialize) {
        let object = serde_json::to_value(object).expect("an object is JSON");
        self.lock().store.insert(&Target::parse(path), object);
    }

    /// The object at a path.
    pub fn find(&self, path: &str) -> Option<Value> {
        self.lock().store.find(&Target::parse(path))
    }

    /// Removes what is at a path, and below it for a namespace, as the garbage collector would.
    pub fn remove(&self, path: &str) {
        self.lock().store.remove_tree(&Target::parse(path));
    }

    /// Paths of all objects, in order.
    pub fn paths(&self) -> Vec<String> {
        self.lock().store.paths()
    }

    /// Fills in the status of every quota, as the quota controller does some time after it was written.
    pub fn run_quota_controller(&self) {
        self.lock().store.enforce_quotas();
    }

    /// Answers the next request of this verb to a path with this end with a failure.
    pub fn fail_next(&self, verb: &str, path_end: &str, status: StatusCode) {
        self.fail_next_saying(verb, path_end, status, &format!("mock: {status}"));
    }

    /// Answers the next request of this verb to a path with this end with a failure in these words.
    pub fn fail_next_saying(&self, verb: &str, path_end: &str, status: StatusCode, message: &str) {
        let (verb, path_end, message) = (verb.to_owned(), path_end.to_owned(), message.to_owned());
        self.lock().faults.push(Fault { verb, path_end, status, message });
    }

    /// Takes the requests since the last call.
    pub fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.lock().requests)
    }

    /// Takes the requests since the last call and returns those that wrote, as `VERB path`.
    pub fn take_writes(&self) -> Vec<String> {
        let requests = self.take_requests();
        requests
            .iter()
            .filter(|request| request.verb != "GET")
            .map(|request| format!("{request:?}"))
            .collect()
    }

    async fn serve(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.expect("a request body in memory").to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let verb = match (&parts.method, header("content-type")) {
            (&Method::PATCH, "application/apply-patch+yaml") => "APPLY",
            (method, _) => method.as_str(),
        };
        let metadata_only = header("accept").contains("PartialObjectMetadata");
        let selector = parts.uri.query().and_then(path::label_selector);
        let manager = parts.uri.query().and_then(path::field_manager).unwrap_or_default();
        let path = parts.uri.path();

        let mut state = self.lock();
        state.requests.push(Recorded { verb: verb.to_owned(), path: path.to_owned(), body: body.clone() });
        let fault =
            state.faults.iter().position(|fault| fault.verb == verb && path.ends_with(&fault.path_end));
        let result = match fault {
            Some(fault) => {
                let Fault { status, message, .. } = state.faults.remove(fault);
                Err((status, message))
            }
            None => state
                .store
                .serve(verb, &Target::parse(path), selector.as_ref(), &manager, body)
                .map_err(|status| (status, format!("mock: {status}"))),
        };
        drop(state);
        match result {
            Ok(object) if metadata_only => answer(StatusCode::OK, &store::metadata_only(object)),
            Ok(object) => answer(StatusCode::OK, &object),
            Err((store::ALREADY_EXISTS, message)) => {
                answer(StatusCode::CONFLICT, &failure("AlreadyExists", StatusCode::CONFLICT, &message))
            }
            Err((status, message)) => answer(status, &failure(reason(status), status, &message)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string().into_bytes()))
        .expect("a response of valid parts")
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::UNPROCESSABLE_ENTITY => "Invalid",
        _ => "InternalError",
    }
}

fn failure(reason: &str, status: StatusCode, message: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": reason, "message": message, "code": status.as_u16(),
    })
}
