//! Containers that do not run, end again and again, or run and are not ready.

use crd::{Cause, Trouble};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};

use super::{
    Evidence, PATIENCE, image, is_older_than, memory_limit, probe, start,
    text::{self, Hidden},
};

/// Characters of a container's last lines that are shown.
const LAST_LINES_CHARS: usize = 600;
/// A container that has run for so long since it last ended does not end again and again.
const RECOVERED: SignedDuration = SignedDuration::from_mins(10);

/// What is wrong with the pod's container.
pub(super) fn diagnose(pod: &Pod, evidence: &Evidence<'_>) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    if let Some(trouble) = containers.iter().find_map(|container| of_container(container, evidence)) {
        return Some(trouble);
    }
    let waits = containers.is_empty() || containers.iter().any(is_starting);
    let scheduled =
        status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "True")?;
    let since = scheduled.last_transition_time.as_ref().map(|time| time.0);
    (waits && is_older_than(since, PATIENCE, evidence.now)).then(|| {
        Trouble::new(
            Cause::NodeNotStarting,
            "the node has the replica and has not started it for minutes".to_owned(),
        )
    })
}

fn of_container(container: &ContainerStatus, evidence: &Evidence<'_>) -> Option<Trouble> {
    if container.ready {
        return None;
    }
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref();
        return match reason {
            reason if image::is_about_images(reason) => Some(image::diagnose(reason, message, evidence)),
            "CreateContainerConfigError" => Some(start::configuration(message, evidence.hidden)),
            "CreateContainerError" | "RunContainerError" => Some(start::command(message, evidence.hidden)),
            _ => ended(container, container.last_state.as_ref(), evidence),
        };
    }
    if state.terminated.is_some() {
        return ended(container, Some(state), evidence);
    }
    let started = state.running.as_ref()?.started_at.as_ref().map(|time| time.0);
    recently_ended(container, started, evidence)
        .or_else(|| probe::diagnose(evidence.service.readiness.as_ref()?, started?, evidence))
}

/// A container that ended and was started again a moment ago is still one that ends again and again: otherwise the
/// status would change with each of its starts.
fn recently_ended(
    container: &ContainerStatus,
    started: Option<Timestamp>,
    evidence: &Evidence<'_>,
) -> Option<Trouble> {
    if is_older_than(started, RECOVERED, evidence.now) {
        return None;
    }
    ended(container, container.last_state.as_ref(), evidence)
}

fn ended(
    container: &ContainerStatus,
    state: Option<&ContainerState>,
    evidence: &Evidence<'_>,
) -> Option<Trouble> {
    let terminated = state?.terminated.as_ref()?;
    let message = terminated.message.as_deref();
    let cause = match terminated.reason.as_deref().unwrap_or_default() {
        "StartError" | "ContainerCannotRun" => return Some(start::command(message, evidence.hidden)),
        "ContainerStatusUnknown" => {
            return Some(Trouble::new(Cause::RuntimeFailed, "the node lost the container".to_owned()));
        }
        "OOMKilled" => Cause::OutOfMemory,
        _ => Cause::ContainerCrashed,
    };
    let how = match cause {
        Cause::OutOfMemory => {
            let limit = memory_limit::words(evidence.service.memory.0);
            format!("the container was killed because it took more than {limit} of memory")
        }
        _ => manner(terminated),
    };
    let again = match container.restart_count {
        count if count <= 0 => String::new(),
        1 => ", started again once".to_owned(),
        count => format!(", started again {count} times"),
    };
    Some(Trouble::new(cause, format!("{how}{again}{}", last_words(message, evidence.hidden))))
}

fn last_words(message: Option<&str>, hidden: &Hidden) -> String {
    let lines = text::last_lines(message.unwrap_or_default(), hidden, LAST_LINES_CHARS);
    if lines.is_empty() { String::new() } else { format!("; last lines: {lines}") }
}

fn manner(terminated: &ContainerStateTerminated) -> String {
    let code = terminated.exit_code;
    let signal =
        terminated.signal.filter(|signal| *signal > 0).or((129..=192).contains(&code).then_some(code - 128));
    match (signal, code) {
        (Some(signal), _) => {
            format!("the container was ended by signal {}, exit code {code}", signal_name(signal))
        }
        (None, 0) => "the container ended with exit code 0, and a service must keep running".to_owned(),
        (None, code) => format!("the container ended with exit code {code}"),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        31 => "SIGSYS",
        other => return other.to_string(),
    };
    name.to_owned()
}

fn is_starting(container: &ContainerStatus) -> bool {
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    waiting.is_some_and(|waiting| {
        matches!(waiting.reason.as_deref(), None | Some("ContainerCreating" | "PodInitializing"))
    })
}
