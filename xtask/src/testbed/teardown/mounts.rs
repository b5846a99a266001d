//! Reads the table of mounts.

use std::path::{Path, PathBuf};

/// The mount points at or below a directory, deepest first, from the text of `/proc/self/mountinfo`.
pub(super) fn below(table: &str, directory: &Path) -> Vec<PathBuf> {
    let points =
        table.lines().filter_map(|line| line.split(' ').nth(4)).map(|point| PathBuf::from(unescape(point)));
    let mut points: Vec<PathBuf> = points.filter(|point| point.starts_with(directory)).collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    points
}

/// Undoes the octal escapes by which the kernel writes spaces, tabs, line ends and backslashes.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_the_directory_come_deepest_first_and_others_not_at_all() {
        let table = "1 0 8:1 / / rw - ext4 /dev/a rw\n\
                     2 1 0:2 / /state/pods/a rw shared:1 - tmpfs tmpfs rw\n\
                     3 1 0:3 / /state/pods/a/deep\\040er/b rw - overlay overlay rw\n\
                     4 1 0:4 / /state-control-plane/x rw - tmpfs tmpfs rw\n";
        let expected = ["/state/pods/a/deep er/b", "/state/pods/a"].map(PathBuf::from);
        assert_eq!(below(table, Path::new("/state")), expected);
    }
}
