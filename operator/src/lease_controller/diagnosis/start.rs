//! Containers that cannot be created or whose command cannot be started.

use crd::{Cause, Trouble};

use super::text::{self, Hidden};

const SENTENCE_CHARS: usize = 400;

/// The node cannot put the container's configuration together.
pub(super) fn configuration(message: Option<&str>, hidden: &Hidden) -> Trouble {
    let message = message.unwrap_or_default();
    let cause = if [
        "image will run as root",
        "non-numeric user",
        "verify user is non-root",
        "breaks non-root policy",
    ]
    .iter()
    .any(|words| message.contains(words))
    {
        Cause::ImageRunsAsRoot
    } else if message.is_empty() || message.contains("not found") || message.contains("couldn't find key") {
        Cause::ObjectMissing
    } else {
        Cause::RuntimeFailed
    };
    let text = match cause {
        // The message names pods and objects that tell a tenant nothing.
        Cause::ImageRunsAsRoot => {
            "the image would run as root, or as a user that has only a name: set runAsUser".to_owned()
        }
        Cause::ObjectMissing => {
            "an object that the replica refers to is missing; it is being written again".to_owned()
        }
        _ => text::line(message, hidden, SENTENCE_CHARS),
    };
    Trouble::new(cause, text)
}

/// The runtime cannot start the command.
pub(super) fn command(message: Option<&str>, hidden: &Hidden) -> Trouble {
    let message = message.unwrap_or_default();
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    let cause = if says(&["exec format error"]) {
        Cause::ImageInvalid
    } else if says(&[
        "executable file not found",
        "no such file or directory",
        "permission denied",
        "is a directory",
        "not a directory",
        "no command specified",
        "unable to find user",
    ]) {
        Cause::CommandNotStartable
    } else {
        Cause::RuntimeFailed
    };
    let shown = text::line(innermost(message), hidden, SENTENCE_CHARS);
    let text = if shown.is_empty() { "the container cannot be started".to_owned() } else { shown };
    Trouble::new(cause, text)
}

/// Runtimes wrap what matters in their own story, which always comes first.
fn innermost(message: &str) -> &str {
    message.rfind("exec: ").or_else(|| message.rfind("process: ")).map_or(message, |at| &message[at..])
}
