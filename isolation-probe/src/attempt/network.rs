//! Connections: to what must not answer, beside one to what must.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::thread;
use std::time::Duration;

use crate::observation::{Observation, Outcome};
use crate::targets::Targets;

/// A packet filter that drops says nothing, so silence is waited for this long.
const PATIENCE: Duration = Duration::from_millis(1500);
/// What has to answer may be behind a busy machine.
const PATIENCE_WITH_CONTROLS: Duration = Duration::from_secs(20);
/// Connections at a time.
const AT_ONCE: usize = 32;

/// Tries addresses of which none may answer; a pod of the same lease must, else silence says nothing.
pub fn closed(row: u8, addresses: &[SocketAddr], targets: &Targets) -> Vec<Observation> {
    if addresses.is_empty() {
        return vec![Observation::new(row, "TCP", Outcome::NotTried, "no address was given")];
    }
    let mut seen = attempts(row, addresses);
    if let Some(sibling) = &targets.sibling {
        let answered = must_answer(|| connect_by_name(sibling));
        seen.push(Observation::control(row, format!("TCP {sibling} of the same lease"), answered));
    }
    seen
}

/// Row 27: ports of mail, beside another port of a public address that must answer.
pub fn mail(targets: &Targets) -> Vec<Observation> {
    if targets.mail.is_empty() {
        return vec![Observation::new(27, "TCP", Outcome::NotTried, "no address was given")];
    }
    let mut seen = attempts(27, &targets.mail);
    if let Some(public) = targets.public {
        seen.push(Observation::control(
            27,
            format!("TCP {public}, public"),
            must_answer(|| connect(public, PATIENCE)),
        ));
    }
    seen
}

fn attempts(row: u8, addresses: &[SocketAddr]) -> Vec<Observation> {
    let mut seen = Vec::new();
    for some in addresses.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let tries: Vec<_> =
                some.iter().map(|address| (address, scope.spawn(|| connect(*address, PATIENCE)))).collect();
            for (address, attempt) in tries {
                let tried = format!("TCP {address}");
                seen.push(match attempt.join() {
                    Ok(result) => Observation::attempt(row, tried, result),
                    Err(_) => Observation::new(row, tried, Outcome::ControlFailed, "the attempt ended early"),
                });
            }
        });
    }
    seen
}

/// Tries again until it answers or the time is over.
fn must_answer(connect: impl Fn() -> Result<String, String>) -> Result<String, String> {
    let begun = std::time::Instant::now();
    loop {
        match connect() {
            Ok(seen) => return Ok(seen),
            Err(reason) if begun.elapsed() > PATIENCE_WITH_CONTROLS => return Err(reason),
            // A refusal comes at once; one turn of the scheduler is enough between two tries.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn connect_by_name(name: &str) -> Result<String, String> {
    let mut addresses = name.to_socket_addrs().map_err(|error| error.to_string())?;
    let address = addresses.next().ok_or_else(|| "the name has no address".to_owned())?;
    connect(address, PATIENCE)
}

fn connect(address: SocketAddr, patience: Duration) -> Result<String, String> {
    match TcpStream::connect_timeout(&address, patience) {
        Ok(_) => Ok("connected".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err("no answer".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::verdict::{Verdict, verdict};

    #[test]
    fn a_port_that_answers_opens_the_row_and_a_silent_sibling_takes_the_meaning_away() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed_port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let with_sibling = Targets { sibling: Some(open.to_string()), ..Targets::default() };
        assert_eq!(verdict(&closed(7, &[closed_port, open], &with_sibling)).verdict, Verdict::Open);
        assert_eq!(verdict(&closed(7, &[closed_port], &with_sibling)).verdict, Verdict::Held);
        assert_eq!(verdict(&closed(7, &[], &with_sibling)).verdict, Verdict::NotApplicable);
    }
}
