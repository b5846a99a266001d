//! Images that cannot be pulled: whose matter that is follows from the registry's answer.

use crd::{Cause, Trouble};

use super::{
    Evidence,
    text::{self, Hidden},
};

/// Characters of a registry's answer that are shown.
const ANSWER_CHARS: usize = 400;

/// Reasons of waiting containers that have to do with the image.
pub(super) fn is_about_images(reason: &str) -> bool {
    matches!(
        reason,
        "ImagePullBackOff"
            | "ErrImagePull"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "RegistryUnavailable"
            | "ImageInspectError"
            | "SignatureValidationFailed"
    )
}

/// Why the image is not there.
pub(super) fn diagnose(reason: &str, message: Option<&str>, evidence: &Evidence<'_>) -> Trouble {
    let image = evidence.service.image.to_string();
    let answer = answer(message.unwrap_or_default());
    // While the node waits before it tries again, an older kubelet does not repeat the registry's answer.
    if reason == "ImagePullBackOff" && answer.is_empty() {
        let known = evidence
            .known
            .filter(|known| Cause::ALL.into_iter().any(|c| is_image_cause(c) && c.as_str() == known.reason));
        return known.cloned().unwrap_or_else(|| {
            Trouble::new(
                Cause::RegistryUnreachable,
                format!("{image} cannot be pulled; the node does not say why"),
            )
        });
    }
    let cause = if reason == "InvalidImageName" { Cause::ImageInvalid } else { cause(&answer, &image) };
    Trouble::new(cause, sentence(&image, &answer, evidence.hidden))
}

fn sentence(image: &str, answer: &str, hidden: &Hidden) -> String {
    let answer = text::line(answer, hidden, ANSWER_CHARS);
    let image = text::line(image, hidden, 300);
    if answer.is_empty() { format!("{image} cannot be pulled") } else { format!("{image}: {answer}") }
}

fn is_image_cause(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ImageNotFound | Cause::ImageAccessDenied | Cause::ImageInvalid | Cause::RegistryUnreachable
    )
}

/// What the registry or the runtime said, without the frames that kubelet and gRPC put around it.
fn answer(message: &str) -> String {
    let message = match message.strip_prefix("Back-off pulling image ") {
        // `"NAME": ErrImagePull: …`, or only the name.
        Some(rest) => rest.split_once("ErrImagePull: ").map_or("", |(_, answer)| answer),
        None => message,
    };
    let message = match message.strip_prefix("rpc error: code = ") {
        Some(rest) => rest.split_once(" desc = ").map_or(rest, |(_, answer)| answer),
        None => message,
    };
    message.trim().to_owned()
}

/// Words that tell causes apart, in the order in which they are looked for.
const WORDS: [(Cause, &[&str]); 5] = [
    (Cause::RuntimeFailed, &["no space left on device", "input/output error", "read-only file system"]),
    (
        Cause::RegistryUnreachable,
        &[
            "i/o timeout",
            "connection refused",
            "connection reset",
            "connection timed out",
            "no route to host",
            "network is unreachable",
            "tls handshake",
            "x509",
            "deadline exceeded",
            "server misbehaving",
            "temporary failure",
            "toomanyrequests",
            "too many requests",
            "service unavailable",
            "bad gateway",
            "gateway timeout",
            "internal server error",
            "unexpected eof",
        ],
    ),
    (
        Cause::ImageAccessDenied,
        &[
            "unauthorized",
            "forbidden",
            "access denied",
            "access to the resource is denied",
            "authorization failed",
            "authentication required",
            "no basic auth credentials",
            "insufficient_scope",
            "may require authorization",
        ],
    ),
    (
        Cause::ImageInvalid,
        &[
            "no match for platform",
            "exec format error",
            "unsupported media type",
            "unexpected media type",
            "unsupported manifest",
            "invalid reference format",
            "failed size validation",
            "unexpected commit digest",
            "invalid tar header",
            "failed to verify",
        ],
    ),
    (
        Cause::ImageNotFound,
        &["not found", "manifest unknown", "name unknown", "does not exist", "no such host", "no such image"],
    ),
];

fn cause(answer: &str, image: &str) -> Cause {
    // Names and digests are the tenant's choice and may hold any of the words.
    let repository = image.split(['@', ':']).next().unwrap_or(image);
    let words: Vec<&str> = answer
        .split_whitespace()
        .filter(|word| !word.contains(repository) && !word.contains("://"))
        .collect();
    let words = words.join(" ").replace(image, "").to_lowercase();
    WORDS
        .into_iter()
        .find(|(_, any)| any.iter().any(|word| words.contains(word)))
        .map_or(Cause::RegistryUnreachable, |(cause, _)| cause)
}
