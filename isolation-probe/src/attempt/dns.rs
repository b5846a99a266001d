//! Questions to name servers, written and read by hand: no library of a libc, which would ask for itself.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::observation::{Observation, Outcome};
use crate::targets::Targets;

const PATIENCE: Duration = Duration::from_millis(1500);
/// A name server under load may lose a question or two.
const TRIES: usize = 5;
const HEADER: usize = 12;
const ADDRESS: u16 = 1;
const POINTER: u16 = 12;

/// What a name server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Records(u16),
    /// The code of an answer without records: 0 for no data, 3 for no such name, 5 for refused.
    Nothing(u8),
}

/// Row 18: names and addresses of others, asked of the lease's own name server.
pub fn names_of_others(targets: &Targets) -> Vec<Observation> {
    if targets.foreign_names.is_empty() && targets.foreign_addresses.is_empty() {
        return vec![Observation::new(18, "DNS", Outcome::NotTried, "no name was given")];
    }
    let Some(resolver) = targets.resolver.or_else(own_resolver) else {
        return vec![Observation::new(18, "DNS", Outcome::ControlFailed, "the pod was given no name server")];
    };
    let mut seen = Vec::new();
    for name in &targets.own_names {
        let answer = ask(resolver, name, ADDRESS);
        seen.push(Observation::control(18, format!("A {name}"), told(answer)));
    }
    for name in &targets.foreign_names {
        let answer = ask(resolver, name, ADDRESS);
        seen.push(Observation::attempt(18, format!("A {name}"), told(answer)));
    }
    for address in &targets.foreign_addresses {
        let answer = ask(resolver, &reverse(*address), POINTER);
        seen.push(Observation::attempt(18, format!("PTR {address}"), told(answer)));
    }
    seen
}

/// Row 19: name servers that are not the lease's own.
pub fn open_resolvers(targets: &Targets) -> Vec<Observation> {
    if targets.open_resolvers.is_empty() {
        return vec![Observation::new(19, "DNS", Outcome::NotTried, "no name server was given")];
    }
    let ask_each = targets.open_resolvers.iter().flat_map(|server| {
        // Any answer at all is a way out for data, and so is a connection.
        let asked = ask(*server, "example.org", ADDRESS).map(|answer| format!("answered: {answer:?}"));
        let connected = TcpStream::connect_timeout(server, PATIENCE);
        let connected = connected.map(|_| "connected".to_owned()).map_err(|error| error.to_string());
        [
            Observation::attempt(19, format!("UDP {server}"), asked),
            Observation::attempt(19, format!("TCP {server}"), connected),
        ]
    });
    ask_each.collect()
}

/// The first name server of the pod.
fn own_resolver() -> Option<SocketAddr> {
    first_resolver(&std::fs::read_to_string("/etc/resolv.conf").ok()?)
}

fn first_resolver(configuration: &str) -> Option<SocketAddr> {
    let server = configuration.lines().find_map(|line| line.strip_prefix("nameserver"))?;
    Some(SocketAddr::new(server.trim().parse().ok()?, 53))
}

fn told(answer: Result<Answer, String>) -> Result<String, String> {
    match answer? {
        Answer::Records(count) => Ok(format!("{count} records")),
        Answer::Nothing(3) => Err("no such name".to_owned()),
        Answer::Nothing(5) => Err("refused".to_owned()),
        Answer::Nothing(code) => Err(format!("nothing, code {code}")),
    }
}

fn reverse(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

fn ask(server: SocketAddr, name: &str, kind: u16) -> Result<Answer, String> {
    let question = question(name, kind)?;
    let text = |error: std::io::Error| error.to_string();
    let mut reason = "no answer".to_owned();
    for _ in 0..TRIES {
        let socket = UdpSocket::bind("0.0.0.0:0").map_err(text)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(text)?;
        if let Err(error) = socket.connect(server).and_then(|()| socket.send(&question)) {
            reason = error.to_string();
            continue;
        }
        let mut buffer = [0; 1500];
        match socket.recv(&mut buffer) {
            Ok(length) => return read(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

fn question(name: &str, kind: u16) -> Result<Vec<u8>, String> {
    // One question, recursion desired. The socket is connected and new, so a fixed number is no weakness.
    let mut message = vec![0x4c, 0x48, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        match u8::try_from(label.len()) {
            Ok(length @ 1..=63) => message.push(length),
            _ => return Err(format!("{name} is no name")),
        }
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    Ok(message)
}

fn read(message: &[u8]) -> Result<Answer, String> {
    match message.get(..HEADER) {
        Some([_, _, _, flags, _, _, high, low, ..]) => Ok(match u16::from_be_bytes([*high, *low]) {
            0 => Answer::Nothing(flags & 0x0f),
            count => Answer::Records(count),
        }),
        _ => Err("an answer that is too short".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Verdict, verdict};

    #[test]
    fn a_question_is_written_as_the_standard_says() {
        assert_eq!(
            question("a.bc", POINTER).unwrap(),
            [0x4c, 0x48, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 2, b'b', b'c', 0, 0, 12, 0, 1]
        );
        assert_eq!(question("a..b", ADDRESS), Err("a..b is no name".to_owned()));
        assert_eq!(reverse(Ipv4Addr::new(10, 2, 3, 4)), "4.3.2.10.in-addr.arpa");
    }

    #[test]
    fn the_pods_own_name_server_is_the_first_one() {
        let configuration = "search a.b\nnameserver 10.0.0.10\nnameserver 10.0.0.11\n";
        assert_eq!(first_resolver(configuration), Some("10.0.0.10:53".parse().unwrap()));
        assert_eq!(first_resolver("search a.b\n"), None);
    }

    #[test]
    fn an_answer_with_records_is_told_from_one_without() {
        assert_eq!(read(&[0, 0, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]), Ok(Answer::Records(2)));
        assert_eq!(read(&[0, 0, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]), Ok(Answer::Nothing(3)));
        assert_eq!(read(&[0, 0]), Err("an answer that is too short".to_owned()));
    }

    #[test]
    fn a_server_that_answers_everything_opens_both_rows() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            for _ in 0..3 {
                let mut buffer = [0; 512];
                let (length, from) = server.recv_from(&mut buffer).unwrap();
                buffer[2] |= 0x80;
                buffer[7] = 1;
                server.send_to(&buffer[..length], from).unwrap();
            }
        });
        let targets = Targets {
            resolver: Some(address),
            own_names: vec!["own.example".to_owned()],
            foreign_names: vec!["foreign.example".to_owned()],
            open_resolvers: vec![address],
            ..Targets::default()
        };
        assert_eq!(verdict(&names_of_others(&targets)).verdict, Verdict::Open);
        assert_eq!(verdict(&open_resolvers(&targets)).verdict, Verdict::Open);
        serving.join().unwrap();
    }
}
