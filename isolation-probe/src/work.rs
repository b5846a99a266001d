//! Work whose amount somebody outside can measure: processor time, and bytes.

use std::hint::black_box;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::load;

/// The last line when the work is done.
pub const WORKED: &str = "the work is done";
/// The share of the processor that is asked for is kept in each of these.
const PERIOD: Duration = Duration::from_millis(100);
const BLOCK: usize = 1 << 16;

/// When to work, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Shift {
    /// Wait for so long first.
    pub after: Duration,
    /// Then work for so long; until the end of the process if left out.
    pub length: Option<Duration>,
}

/// Takes so many hundredths of a processor for a shift, and waits to be ended.
///
/// # Errors
/// Never.
pub fn spin(percent: u32, shift: Shift) -> anyhow::Result<()> {
    thread::sleep(shift.after);
    println!("working");
    let begun = Instant::now();
    let busy = PERIOD / 100 * percent.min(100);
    while shift.length.is_none_or(|length| begun.elapsed() < length) {
        let period = Instant::now();
        let mut value = 1_u64;
        while period.elapsed() < busy {
            for _ in 0..1000 {
                value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
        thread::sleep(PERIOD.saturating_sub(period.elapsed()));
    }
    println!("{WORKED}");
    load::stay()
}

/// Sends so many bytes after a while, and waits to be ended.
///
/// # Errors
/// When the other side does not take them.
pub fn transfer(to: &str, bytes: u64, after: Duration) -> anyhow::Result<()> {
    thread::sleep(after);
    let mut connection = TcpStream::connect(to).with_context(|| format!("failed to reach {to}"))?;
    let block = vec![0x4c; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
        connection.write_all(&block[..length]).context("failed to send")?;
        left -= length as u64;
    }
    println!("{WORKED}");
    load::stay()
}
