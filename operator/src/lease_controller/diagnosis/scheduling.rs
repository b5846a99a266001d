//! Pods that no node takes: the scheduler's sentence, in words that name what is lacking.
//!
//! Volumes are made when a node was chosen, so a volume that is not there is the scheduler's news too.

use crd::{Cause, Trouble};
use k8s_openapi::api::core::v1::Pod;

use super::{Evidence, PATIENCE, is_older_than, text};

const SENTENCE_CHARS: usize = 400;

/// Why no node takes the pod.
pub(super) fn diagnose(pod: &Pod, evidence: &Evidence<'_>) -> Option<Trouble> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let Some(decision) = conditions.iter().find(|c| c.type_ == "PodScheduled") else {
        return undecided(pod, evidence);
    };
    if decision.status == "True" {
        return None;
    }
    let hidden = evidence.hidden;
    let message = decision.message.as_deref().unwrap_or_default();
    let Some(refusals) = Refusals::parse(message) else {
        let message = text::line(message, hidden, SENTENCE_CHARS);
        let message = if message.is_empty() { "no node takes the replica".to_owned() } else { message };
        let is_volume = message.to_lowercase().contains("volume");
        let cause = if is_volume { Cause::VolumePending } else { Cause::Unschedulable };
        return Some(Trouble::new(cause, message));
    };
    let cause = if refusals.is_about_volumes() { Cause::VolumePending } else { Cause::Unschedulable };
    Some(Trouble::new(cause, text::line(&refusals.sentence(), hidden, SENTENCE_CHARS)))
}

/// The scheduler says nothing while it waits for a volume that was asked for.
fn undecided(pod: &Pod, evidence: &Evidence<'_>) -> Option<Trouble> {
    let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let spec = pod.spec.as_ref()?;
    if spec.node_name.is_some() || !is_older_than(created, PATIENCE, evidence.now) {
        return None;
    }
    let volumes = spec.volumes.iter().flatten();
    let (cause, message) = if volumes.into_iter().any(|volume| volume.persistent_volume_claim.is_some()) {
        (Cause::VolumePending, "the volume of a replica was not provided for minutes")
    } else {
        (Cause::Unschedulable, "no node was chosen for minutes")
    };
    Some(Trouble::new(cause, message.to_owned()))
}

/// Why nodes refused a pod, and how many did for each reason.
struct Refusals<'a> {
    /// `0/3`.
    nodes: &'a str,
    reasons: Vec<(u32, Why<'a>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why<'a> {
    Lacks(&'a str),
    Full,
    NotOurPool,
    Closed,
    NoVolume,
    VolumeElsewhere,
    Other(&'a str),
}

impl<'a> Refusals<'a> {
    /// Reads `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had … . preemption: …`.
    fn parse(message: &'a str) -> Option<Self> {
        let (nodes, rest) = message.split_once(" nodes are available: ")?;
        // What preemption would do is no news: tenants' pods never preempt.
        let rest = rest.split(" preemption: ").next()?.trim().trim_end_matches(['.', ',']);
        let mut reasons: Vec<(u32, Why<'_>)> = pieces(rest).into_iter().map(reason).collect();
        reasons.sort_by(|(a, why_a), (b, why_b)| why_a.cmp(why_b).then(b.cmp(a)));
        let is_count = nodes.split('/').count() == 2 && nodes.chars().all(|c| c.is_ascii_digit() || c == '/');
        (is_count && !reasons.is_empty()).then_some(Self { nodes, reasons })
    }

    fn is_about_volumes(&self) -> bool {
        let volume = |why: Why<'_>| matches!(why, Why::NoVolume | Why::VolumeElsewhere);
        self.reasons.iter().any(|(_, why)| volume(*why))
            && !self.reasons.iter().any(|(_, why)| matches!(why, Why::Lacks(_) | Why::Full))
    }

    fn sentence(&self) -> String {
        let reasons: Vec<String> = self
            .reasons
            .iter()
            .map(|(count, why)| match why {
                Why::Lacks(resource) => format!("insufficient {resource} ({count})"),
                Why::Full => format!("no room for more pods ({count})"),
                Why::NotOurPool => format!("not in the tenants' pool ({count})"),
                Why::Closed => format!("closed for new pods ({count})"),
                Why::NoVolume => "the volume is not there yet".to_owned(),
                Why::VolumeElsewhere => format!("the volume is on another node ({count})"),
                Why::Other(text) => format!("{text} ({count})"),
            })
            .collect();
        format!("{} nodes: {}", self.nodes, reasons.join(", "))
    }
}

/// Splits at commas that a number follows; others belong to a sentence.
fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(", ") {
        if text[at + 2..].starts_with(|c: char| c.is_ascii_digit()) {
            found.push(&text[start..at]);
            start = at + 2;
        }
    }
    found.push(&text[start..]);
    found.retain(|piece| !piece.trim().is_empty());
    found
}

fn reason(piece: &str) -> (u32, Why<'_>) {
    let (count, text) = piece.split_once(' ').unwrap_or(("", piece));
    let (count, text) = count.parse().map_or((1, piece), |count| (count, text));
    let text = text.strip_prefix("node(s) ").unwrap_or(text).trim_end_matches('.');
    let why = if let Some(resource) = text.strip_prefix("Insufficient ") {
        Why::Lacks(resource)
    } else if text.starts_with("Too many pods") {
        Why::Full
    } else if text.contains("untolerated taint") || text.contains("node affinity/selector") {
        // Which taints and labels a provider's nodes have is the provider's own affair.
        Why::NotOurPool
    } else if text.contains("were unschedulable") {
        Why::Closed
    } else if text.contains("volume node affinity conflict") || text.contains("max volume count") {
        Why::VolumeElsewhere
    } else if text.contains("PersistentVolumeClaims")
        || text.contains("persistent volumes to bind")
        || text.contains("persistentvolumeclaim")
    {
        Why::NoVolume
    } else {
        Why::Other(text)
    };
    (count, why)
}
