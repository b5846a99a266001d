//! The kernel's own CPU counter of a pod, the judge of the metered figure.
//!
//! Only readable where the node is this machine (the testbed); elsewhere there is no judge and the report says so.

use std::path::{Path, PathBuf};

/// CPU time in nanoseconds that the kernel charged to the pod `uid`, or `None` where its control group is not here.
pub fn cpu_nanoseconds(uid: &str) -> Option<u64> {
    CpuCounter::of(uid)?.nanoseconds()
}

/// The counter of one pod, found once so that it can be read often.
#[derive(Debug, Clone)]
pub struct CpuCounter(PathBuf);

impl CpuCounter {
    /// The counter of the pod `uid`, if its control group is here.
    pub fn of(uid: &str) -> Option<Self> {
        find(uid).map(Self)
    }

    /// CPU time in nanoseconds; none once the control group is gone.
    pub fn nanoseconds(&self) -> Option<u64> {
        read_counter(&self.0)
    }

    /// Processes in the control groups of the pod's containers.
    pub fn processes(&self) -> Vec<u32> {
        let mut found = Vec::new();
        collect_processes(&self.0, &mut found);
        found
    }
}

fn collect_processes(directory: &Path, found: &mut Vec<u32>) {
    let text = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        collect_processes(&entry.path(), found);
    }
}

fn read_counter(directory: &Path) -> Option<u64> {
    // Control groups v1 count nanoseconds in one file, v2 counts microseconds in a table.
    if let Ok(text) = std::fs::read_to_string(directory.join("cpuacct.usage")) {
        return text.trim().parse().ok();
    }
    let table = std::fs::read_to_string(directory.join("cpu.stat")).ok()?;
    parse_cpu_stat(&table)
}

fn parse_cpu_stat(table: &str) -> Option<u64> {
    let microseconds: u64 =
        table.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()?;
    microseconds.checked_mul(1_000)
}

/// What the kernel grants a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Processor time, thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Periods in which the pod wanted more than that.
    pub throttled_periods: u64,
    /// Processes and threads.
    pub processes: Option<u64>,
}

/// The kernel's limits of the pod `uid`, or `None` where its control group is not here.
pub fn limits(uid: &str) -> Option<Limits> {
    let (cpu, processes) = (find_below(&CPU, uid)?, find_below(&PROCESSES, uid)?);
    let read = |directory: &Path, name: &str| std::fs::read_to_string(directory.join(name)).ok();
    let share = match read(&cpu, "cpu.max") {
        Some(share) => share,
        // Version 1 has the two numbers in two files, and -1 for no limit.
        None => {
            format!("{} {}", read(&cpu, "cpu.cfs_quota_us")?.trim(), read(&cpu, "cpu.cfs_period_us")?.trim())
        }
    };
    let throttled = read(&cpu, "cpu.stat")?;
    let throttled = throttled.lines().find_map(|line| line.strip_prefix("nr_throttled "))?;
    Some(Limits {
        cpu_milli: parse_share(&share),
        throttled_periods: throttled.trim().parse().ok()?,
        processes: read(&processes, "pids.max")?.trim().parse().ok(),
    })
}

fn parse_share(share: &str) -> Option<u64> {
    let (quota, period) = share.trim().split_once(' ')?;
    quota.parse::<u64>().ok()?.checked_mul(1000)?.checked_div(period.parse().ok()?)
}

const CPU: [&str; 3] = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"];
const PROCESSES: [&str; 2] = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
const ACCOUNTING: [&str; 3] = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"];

/// Looks for a directory whose name holds `pod<uid>` below the CPU accounting hierarchy.
fn find(uid: &str) -> Option<PathBuf> {
    find_below(&ACCOUNTING, uid)
}

fn find_below(roots: &[&str], uid: &str) -> Option<PathBuf> {
    let needles = [format!("pod{uid}"), format!("pod{}", uid.replace('-', "_"))];
    roots.iter().find_map(|root| search(Path::new(root), &needles, 5))
}

fn search(directory: &Path, needles: &[String], depth: u8) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    let mut children = Vec::new();
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if needles.iter().any(|needle| name.contains(needle.as_str())) {
            return Some(entry.path());
        }
        children.push(entry.path());
    }
    let depth = depth.checked_sub(1)?;
    children.iter().find_map(|child| search(child, needles, depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_two_counts_microseconds() {
        assert_eq!(parse_cpu_stat("usage_usec 1500\nuser_usec 900\n"), Some(1_500_000));
        assert_eq!(parse_cpu_stat("nr_periods 0\n"), None);
    }

    #[test]
    fn a_share_of_both_versions_is_read() {
        assert_eq!(parse_share("12000 100000\n"), Some(120));
        assert_eq!([parse_share("max 100000"), parse_share("-1 100000"), parse_share("")], [None; 3]);
    }

    #[test]
    fn a_pod_is_found_by_its_uid_with_dashes_or_underscores() {
        let root = tempfile::tempdir().unwrap();
        let pod = root.path().join("kubepods/burstable/pod1b_2c");
        std::fs::create_dir_all(&pod).unwrap();
        let needles = ["pod1b-2c".to_owned(), "pod1b_2c".to_owned()];
        assert_eq!(search(root.path(), &needles, 5), Some(pod));
        assert_eq!(search(root.path(), &["podother".to_owned()], 5), None);
    }
}
