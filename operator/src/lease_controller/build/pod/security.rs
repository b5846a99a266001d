//! Who a container is and what it may do, by tier.
//!
//! Every field that the tier's Pod Security level asks for is set here as well, so that a namespace whose label was
//! lost opens nothing.

use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SeccompProfile, SecurityContext};
use manifest::Service;

use crate::lease_controller::tiers::Confinement;

/// Group that owns the volumes when the manifest names no user.
const DEFAULT_FS_GROUP: i64 = 10001;
/// What root inside the walls of a tier keeps: enough for images that prepare files and then step down to a user of
/// their own. All of them end at the user namespace or the sandbox.
const ROOT_CAPABILITIES: [&str; 7] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

/// The context of the pod. Without a user in the manifest the image's own user runs; in the strict tier the kubelet
/// refuses it when it is root.
pub fn pod(confinement: &Confinement, service: &Service) -> PodSecurityContext {
    let user = service.run_as_user.map(|user| user.0);
    PodSecurityContext {
        // Root needs no group to write to its volumes, and changing the group of files that the image gave away would
        // undo that at each start.
        fs_group: match user {
            Some(0) => None,
            user => Some(user.unwrap_or(DEFAULT_FS_GROUP)),
        },
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        run_as_group: user,
        run_as_non_root: non_root(confinement),
        run_as_user: user,
        seccomp_profile: Some(seccomp()),
        // Groups that the image's /etc/group gives to the user are ignored.
        supplemental_groups_policy: Some("Strict".to_owned()),
        ..PodSecurityContext::default()
    }
}

/// The context of the container.
pub fn container(confinement: &Confinement) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: match confinement {
                Confinement::Strict => None,
                Confinement::UserNamespace | Confinement::Sandbox(_) => {
                    Some(ROOT_CAPABILITIES.map(str::to_owned).to_vec())
                }
            },
        }),
        privileged: Some(false),
        read_only_root_filesystem: Some(false),
        run_as_non_root: non_root(confinement),
        seccomp_profile: Some(seccomp()),
        ..SecurityContext::default()
    }
}

/// Whether the pod shares the node's users. Unset where the runtime decides: gVisor has users of its own.
pub fn host_users(confinement: &Confinement) -> Option<bool> {
    match confinement {
        Confinement::UserNamespace => Some(false),
        Confinement::Strict | Confinement::Sandbox(_) => None,
    }
}

/// The runtime of the sandboxed tier.
pub fn runtime_class(confinement: &Confinement) -> Option<String> {
    match confinement {
        Confinement::Sandbox(sandbox) => Some(sandbox.runtime_class.clone()),
        Confinement::Strict | Confinement::UserNamespace => None,
    }
}

fn non_root(confinement: &Confinement) -> Option<bool> {
    match confinement {
        Confinement::Strict => Some(true),
        Confinement::UserNamespace | Confinement::Sandbox(_) => None,
    }
}

fn seccomp() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }
}
