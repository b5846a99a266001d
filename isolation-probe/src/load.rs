//! Loads that end a container or a pod where its limits hold, so that only somebody outside can tell the outcome.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

/// The last line of a load that nothing stopped.
pub const UNSTOPPED: &str = "nothing stopped the load";
const BLOCK: usize = 1 << 20;
/// Between the blocks of a log that has grown already.
const PACE: Duration = Duration::from_millis(500);

/// Row 20: takes memory until it has `bytes` of it, and keeps it.
///
/// # Errors
/// Never; the kernel ends the process where the limit holds.
pub fn memory(bytes: usize) -> anyhow::Result<()> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    println!("taking {bytes} bytes of memory");
    while held.len() * BLOCK < bytes {
        // Ones, because zeroed memory is not given out before it is written to.
        held.push(std::hint::black_box(vec![1; BLOCK]));
    }
    println!("{UNSTOPPED}");
    stay()
}

/// Row 21: writes a file of `bytes`, and keeps it.
///
/// # Errors
/// When the file system refuses, which also holds the row.
pub fn fill(path: &Path, bytes: usize) -> anyhow::Result<()> {
    println!("writing {bytes} bytes");
    let mut file = File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
    let block = vec![0x4c; BLOCK];
    for _ in 0..bytes.div_ceil(BLOCK) {
        file.write_all(&block).context("failed to write")?;
    }
    file.sync_all().context("failed to write")?;
    println!("{UNSTOPPED}");
    stay()
}

/// Row 23: writes lines until there are `bytes` of them, and goes on slowly: the kubelet keeps the newest file that it
/// has put aside whole, so a log is cut only while it grows.
///
/// # Errors
/// When nobody takes the lines any more.
pub fn flood(bytes: usize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    lines(&mut out, bytes)?;
    // Said again and again, because the line would go with the log that is cut.
    loop {
        writeln!(out, "{UNSTOPPED}").context("failed to write a line")?;
        thread::sleep(PACE);
        lines(&mut out, BLOCK)?;
    }
}

fn lines(out: &mut impl io::Write, bytes: usize) -> anyhow::Result<()> {
    let line = [b'y'; 255];
    for _ in 0..bytes.div_ceil(line.len() + 1) {
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).context("failed to write a line")?;
    }
    Ok(())
}

/// Whoever judges looks at a pod that runs.
pub(crate) fn stay() -> anyhow::Result<()> {
    loop {
        thread::park();
    }
}
