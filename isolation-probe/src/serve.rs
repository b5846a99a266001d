//! Something that answers, or only listens: a neighbour, a mail server, a metadata service, a name server. Whoever connects is greeted.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

const GREETING: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserved";
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers on every address until the process ends.
///
/// # Errors
/// When an address cannot be listened on.
pub fn serve(tcp: &[SocketAddr], udp: &[SocketAddr], sink: &[SocketAddr]) -> anyhow::Result<()> {
    let mut listeners = Vec::new();
    for address in tcp {
        let listener =
            TcpListener::bind(address).with_context(|| format!("failed to listen on TCP {address}"))?;
        listeners.push(thread::spawn(move || greet(&listener)));
    }
    for address in udp {
        let socket =
            UdpSocket::bind(address).with_context(|| format!("failed to listen on UDP {address}"))?;
        listeners.push(thread::spawn(move || answer(&socket)));
    }
    for address in sink {
        let listener =
            TcpListener::bind(address).with_context(|| format!("failed to listen on TCP {address}"))?;
        listeners.push(thread::spawn(move || swallow(&listener)));
    }
    println!("serving");
    for listener in listeners {
        listener.join().map_err(|_| anyhow::anyhow!("a listener ended"))?;
    }
    Ok(())
}

fn greet(listener: &TcpListener) {
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { continue };
        thread::spawn(move || {
            // Whoever only connects gets nothing more; that they could is what they came for.
            let mut request = [0; 1024];
            if connection.set_read_timeout(Some(PATIENCE)).is_ok() && connection.read(&mut request).is_ok() {
                drop(connection.write_all(GREETING));
            }
        });
    }
}

/// Reads whatever comes, until the other side ends it.
fn swallow(listener: &TcpListener) {
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { continue };
        thread::spawn(move || drop(std::io::copy(&mut connection, &mut std::io::sink())));
    }
}

/// Sends each question back as an answer without records, which is what an open name server is for a tunnel.
fn answer(socket: &UdpSocket) {
    let mut buffer = [0; 1500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(message) = buffer.get_mut(..length) {
            if let Some(flags) = message.get_mut(2) {
                *flags |= 0x80;
            }
            drop(socket.send_to(message, from));
        }
    }
}
