//! Who the process is: its user, privileges, kernel and token, as the kernel itself tells.

use std::fs;
use std::path::Path;

use crate::observation::{Observation, Outcome};
use crate::targets::Targets;

const STATUS: &str = "/proc/self/status";
const USER_MAP: &str = "/proc/self/uid_map";
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Users of the node begin below this; a user namespace of a pod begins at or above it.
const FIRST_MAPPED_USER: u64 = 65_536;

/// Row 3: capabilities, new privileges, seccomp.
pub fn privileges(targets: &Targets) -> Vec<Observation> {
    match read(STATUS) {
        Ok(status) => privileges_of(&status, targets, runs_in_gvisor()),
        Err(reason) => vec![Observation::new(3, STATUS, Outcome::ControlFailed, reason)],
    }
}

fn privileges_of(status: &str, targets: &Targets, in_gvisor: bool) -> Vec<Observation> {
    let allowed = targets.allowed_capabilities.as_deref().unwrap_or("0");
    let Ok(allowed) = u64::from_str_radix(allowed, 16) else {
        return vec![Observation::new(3, "the mask that is allowed", Outcome::ControlFailed, allowed)];
    };
    let mut seen = Vec::new();
    for name in ["CapEff", "CapPrm", "CapBnd"] {
        let Some(mask) = field(status, name).and_then(|text| u64::from_str_radix(text, 16).ok()) else {
            seen.push(Observation::new(3, name, Outcome::ControlFailed, "the kernel does not say"));
            continue;
        };
        let result = if mask & !allowed == 0 { Err } else { Ok };
        seen.push(Observation::attempt(3, name, result(format!("{mask:016x}"))));
    }
    match field(status, "NoNewPrivs") {
        Some("1") => seen.push(Observation::attempt(3, "NoNewPrivs", Err("1".to_owned()))),
        Some(other) => seen.push(Observation::attempt(3, "NoNewPrivs", Ok(other.to_owned()))),
        None => seen.push(Observation::new(3, "NoNewPrivs", Outcome::NotTried, "this kernel does not say")),
    }
    match field(status, "Seccomp") {
        Some("2") => seen.push(Observation::attempt(3, "Seccomp", Err("2, a filter".to_owned()))),
        // The sandbox's kernel takes the calls itself; the filter that matters is around the sandbox, outside this view.
        Some(mode) if in_gvisor => seen.push(Observation::new(
            3,
            "Seccomp",
            Outcome::NotTried,
            format!("{mode}, inside a sandbox's own kernel"),
        )),
        Some(mode) => seen.push(Observation::attempt(3, "Seccomp", Ok(format!("{mode}, no filter")))),
        None => seen.push(Observation::new(3, "Seccomp", Outcome::NotTried, "this kernel does not say")),
    }
    seen
}

/// Row 4: the user on the node behind the user in the container.
pub fn root() -> Vec<Observation> {
    let seen = read(STATUS).and_then(|status| Ok((status, read(USER_MAP)?)));
    match seen {
        Ok((status, map)) => vec![root_of(&status, &map, runs_in_gvisor())],
        Err(reason) => vec![Observation::new(4, STATUS, Outcome::ControlFailed, reason)],
    }
}

fn root_of(status: &str, map: &str, in_gvisor: bool) -> Observation {
    let user = field(status, "Uid").and_then(|ids| ids.split_whitespace().next()?.parse::<u64>().ok());
    let Some(user) = user else {
        return Observation::new(4, "Uid", Outcome::ControlFailed, "the kernel does not say");
    };
    let outside = map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (inside, outside, length) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        (inside..inside.saturating_add(length)).contains(&user).then(|| outside + (user - inside))
    });
    let tried = format!("user {user}");
    match outside {
        Some(0) if in_gvisor => {
            Observation::attempt(4, tried, Err("root of the sandbox's own kernel alone".to_owned()))
        }
        Some(0) => Observation::attempt(4, tried, Ok("user 0 of the node".to_owned())),
        Some(outside) if outside >= FIRST_MAPPED_USER => {
            Observation::attempt(4, tried, Err(format!("user {outside} of the node, of no account")))
        }
        Some(outside) => Observation::attempt(4, tried, Err(format!("user {outside} of the node, not root"))),
        None => Observation::new(4, tried, Outcome::ControlFailed, "the map of users does not hold it"),
    }
}

/// Row 5: whether the kernel that answers is the node's.
pub fn kernel(targets: &Targets) -> Vec<Observation> {
    let Some(node) = &targets.node_kernel else {
        return vec![Observation::new(
            5,
            "kernel",
            Outcome::NotTried,
            "only the sandboxed tier has its own kernel",
        )];
    };
    let seen = read("/proc/sys/kernel/osrelease").or_else(|_| read("/proc/version"));
    match seen {
        Ok(release) => {
            let release = release.trim();
            let result = if release.contains(node.as_str()) { Ok } else { Err };
            let seen = format!("{release}, the node has {node}");
            vec![Observation::attempt(5, "the node's kernel", result(seen))]
        }
        Err(reason) => vec![Observation::new(5, "kernel", Outcome::ControlFailed, reason)],
    }
}

/// Row 6: the token's file.
pub fn token() -> Vec<Observation> {
    // The token itself is never written anywhere.
    let result = match fs::read(TOKEN) {
        Ok(token) => Ok(format!("{} bytes", token.len())),
        Err(error) => Err(error.to_string()),
    };
    let mut seen = vec![Observation::attempt(6, TOKEN, result)];
    if let Some(directory) = Path::new(TOKEN).ancestors().nth(2) {
        let result =
            if directory.exists() { Ok("it is there".to_owned()) } else { Err("it is not there".to_owned()) };
        seen.push(Observation::attempt(6, directory.display().to_string(), result));
    }
    seen
}

/// Whether a sandbox's own kernel answers, which counts threads and time for itself.
pub fn runs_in_gvisor() -> bool {
    read("/proc/version").is_ok_and(|version| version.contains("gvisor"))
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(capabilities: &str, privileges: &str, seccomp: &str) -> String {
        format!(
            "Name:\tprobe\nUid:\t10001\t10001\t10001\t10001\nCapPrm:\t{capabilities}\nCapEff:\t{capabilities}\n\
             CapBnd:\t{capabilities}\nNoNewPrivs:\t{privileges}\nSeccomp:\t{seccomp}\nSeccomp_filters:\t1\n"
        )
    }

    fn outcomes(status: &str, allowed: &str, in_gvisor: bool) -> Vec<Outcome> {
        let targets = Targets { allowed_capabilities: Some(allowed.to_owned()), ..Targets::default() };
        privileges_of(status, &targets, in_gvisor).into_iter().map(|seen| seen.outcome).collect()
    }

    #[test]
    fn a_confined_process_is_told_from_a_privileged_one() {
        use Outcome::{ControlFailed, GotThrough, NotTried, Stopped};
        assert_eq!(outcomes(&status("0000000000000000", "1", "2"), "0", false), [Stopped; 5]);
        assert_eq!(outcomes(&status("00000000a80425fb", "0", "0"), "0", false), [GotThrough; 5]);
        assert_eq!(outcomes(&status("00000000000004c3", "1", "2"), "4c3", false), [Stopped; 5]);
        assert_eq!(
            outcomes(&status("0", "1", "0"), "0", true),
            [Stopped, Stopped, Stopped, Stopped, NotTried]
        );
        assert_eq!(
            outcomes("", "0", false),
            [ControlFailed, ControlFailed, ControlFailed, NotTried, NotTried]
        );
        assert_eq!(outcomes("", "x", false), [ControlFailed]);
    }

    #[test]
    fn root_is_open_only_where_it_is_root_of_the_node() {
        let root = "Uid:\t0\t0\t0\t0\n";
        let whole = "         0          0 4294967295\n";
        let mapped = "         0 1970405376      65536\n";
        let seen = |status: &str, map: &str, gvisor| root_of(status, map, gvisor).outcome;
        assert_eq!(seen(root, whole, false), Outcome::GotThrough);
        assert_eq!(seen(root, whole, true), Outcome::Stopped);
        assert_eq!(seen(root, mapped, false), Outcome::Stopped);
        assert_eq!(seen("Uid:\t10001\t10001\t10001\t10001\n", whole, false), Outcome::Stopped);
        assert_eq!(seen("Uid:\t70000\t0\t0\t0\n", mapped, false), Outcome::ControlFailed);
        assert_eq!(seen("", whole, false), Outcome::ControlFailed);
    }
}
