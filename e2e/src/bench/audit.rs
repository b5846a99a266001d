//! The API server's own record of what the operator asked of it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The audit log; it holds the operator's requests and nobody else's.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
}

/// Requests by verb and resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<Request, u64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    verb: String,
    resource: String,
}

/// The part of an audit event that counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    object_ref: Option<ObjectRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectRef {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    api_group: String,
    #[serde(default)]
    subresource: String,
}

/// The object by which replicas agree who leads is renewed by time, whatever leases do.
const ELECTION: &str = "leases.coordination.k8s.io";

impl AuditLog {
    /// The log at `path`.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Everything so far.
    ///
    /// # Errors
    /// When the log cannot be read or is not an audit log.
    pub fn read(&self) -> Result<Requests> {
        match File::open(&self.path) {
            // It begins with the first request.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Requests::default()),
            opened => Requests::parse(BufReader::new(opened?))
                .with_context(|| format!("failed to read {}", self.path.display())),
        }
    }
}

impl Requests {
    fn parse(mut log: impl BufRead) -> Result<Self> {
        let mut requests = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            log.read_until(b'\n', &mut line)?;
            // The last line may still be half written.
            if line.last() != Some(&b'\n') {
                return Ok(requests);
            }
            let Event { stage, verb, object_ref } =
                serde_json::from_slice(&line).context("the audit log is not understood")?;
            // A watch is complete only when it ends.
            if stage != if verb == "watch" { "ResponseStarted" } else { "ResponseComplete" } {
                continue;
            }
            let resource = object_ref.map_or_else(|| "-".to_owned(), |object| object.shown());
            *requests.0.entry(Request { verb, resource }).or_default() += 1;
        }
    }

    /// Those that `before` did not have.
    pub fn since(&self, before: &Self) -> Self {
        let more = self.0.iter().filter_map(|(request, count)| {
            let more = count - before.0.get(request).copied().unwrap_or_default();
            (more > 0).then(|| (request.clone(), more))
        });
        Self(more.collect())
    }

    /// How many changed something, without those that only say that a replica still leads.
    pub fn writes(&self) -> u64 {
        self.sum(|request| !is_read(&request.verb) && !request.resource.starts_with(ELECTION))
    }

    /// How many asked for something.
    pub fn reads(&self) -> u64 {
        self.sum(|request| is_read(&request.verb) && !request.resource.starts_with(ELECTION))
    }

    /// Counts under `verb resource`.
    pub fn by_request(&self) -> BTreeMap<String, u64> {
        self.0
            .iter()
            .map(|(Request { verb, resource }, count)| (format!("{verb} {resource}"), *count))
            .collect()
    }

    fn sum(&self, counted: impl Fn(&Request) -> bool) -> u64 {
        self.0.iter().filter(|(request, _)| counted(request)).map(|(_, count)| count).sum()
    }
}

impl ObjectRef {
    fn shown(&self) -> String {
        let Self { resource, api_group, subresource } = self;
        let group = if api_group.is_empty() { String::new() } else { format!(".{api_group}") };
        let part = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        format!("{resource}{group}{part}")
    }
}

fn is_read(verb: &str) -> bool {
    matches!(verb, "get" | "list" | "watch")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"stage":"ResponseComplete","verb":"patch","objectRef":{"resource":"computeleases","apiGroup":"leasehold.dev","subresource":"status"}}
{"stage":"ResponseComplete","verb":"create","objectRef":{"resource":"namespaces"}}
{"stage":"ResponseStarted","verb":"watch","objectRef":{"resource":"pods"}}
{"stage":"ResponseComplete","verb":"watch","objectRef":{"resource":"pods"}}
{"stage":"ResponseComplete","verb":"update","objectRef":{"resource":"leases","apiGroup":"coordination.k8s.io"}}
{"stage":"ResponseComplete","verb":"get"}
{"stage":"Respon"#;

    #[test]
    fn requests_are_counted_once_and_the_election_apart() {
        let requests = Requests::parse(LOG.as_bytes()).expect("the log is well formed");
        assert_eq!((requests.writes(), requests.reads()), (2, 2));
        let shown: Vec<_> = requests.by_request().into_iter().collect();
        let expected = [
            ("create namespaces", 1),
            ("get -", 1),
            ("patch computeleases.leasehold.dev/status", 1),
            ("update leases.coordination.k8s.io", 1),
            ("watch pods", 1),
        ];
        assert_eq!(shown, expected.map(|(request, count)| (request.to_owned(), count)));
    }

    #[test]
    fn only_what_came_since_is_left() {
        let all = Requests::parse(LOG.as_bytes()).expect("the log is well formed");
        let first = Requests::parse(LOG.split_inclusive('\n').next().unwrap_or_default().as_bytes())
            .expect("the log is well formed");
        assert_eq!((all.since(&first).writes(), all.since(&all).by_request().len()), (1, 0));
    }
}
