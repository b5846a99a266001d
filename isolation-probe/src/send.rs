//! Row 27: sends as fast as it goes, so that somebody outside can compare the speed with the limit.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::load;

/// Network plug-ins let about half a gigabyte pass before their limit begins (containerd asks for 2^32 - 1 bits).
const BEFORE: u64 = 640_000_000;
/// How long the speed is measured after that.
const MEASURED: Duration = Duration::from_secs(5);
const BLOCK: usize = 1 << 18;

/// Sends until the speed is known, says it in the last line, and waits to be ended.
///
/// # Errors
/// When the other side does not take it.
pub fn send(to: SocketAddr) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(to).with_context(|| format!("failed to reach {to}"))?;
    let block = vec![0x4c; BLOCK];
    let mut send = |enough: &mut dyn FnMut(u64) -> bool| -> anyhow::Result<u64> {
        let mut sent = 0;
        while !enough(sent) {
            connection.write_all(&block).context("failed to send")?;
            sent += BLOCK as u64;
        }
        Ok(sent)
    };
    println!("sending {BEFORE} bytes first");
    send(&mut |sent| sent >= BEFORE)?;
    let begun = Instant::now();
    let sent = send(&mut |_| begun.elapsed() >= MEASURED)?;
    println!("{}", told(sent, begun.elapsed()));
    load::stay()
}

/// The words around the number in the last line.
const WORDS: (&str, &str) = ("sent at ", " bits per second");

fn told(bytes: u64, elapsed: Duration) -> String {
    let bits = u128::from(bytes) * 8 * 1000 / elapsed.as_millis().max(1);
    format!("{}{bits}{}", WORDS.0, WORDS.1)
}

/// The speed that a last line tells, bits per second.
pub fn speed(line: &str) -> Option<u64> {
    line.strip_prefix(WORDS.0)?.strip_suffix(WORDS.1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_read_back_from_the_last_line() {
        assert_eq!(speed(&told(62_500_000, Duration::from_secs(5))), Some(100_000_000));
        assert_eq!(speed("sending 640000000 bytes first"), None);
    }
}
