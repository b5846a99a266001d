//! Asks services whether they answer, by the least HTTP that does it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(3);

/// Succeeds if a GET is answered by a status of success; returns the body.
pub(crate) fn get(address: Ipv4Addr, port: u16, path: &str) -> Result<String> {
    let answer = exchange(address, port, &question(address, port, path))?;
    body_of(&answer).map(str::to_owned)
}

/// Succeeds if a GET without credentials is answered by a question for them.
pub(crate) fn get_unauthorized(address: Ipv4Addr, port: u16, path: &str) -> Result<()> {
    let answer = exchange(address, port, &question(address, port, path))?;
    let line = answer.lines().next().unwrap_or_default();
    ensure!(line.split(' ').nth(1) == Some("401"), "the answer is {line}");
    Ok(())
}

/// Calls a JSON-RPC method without parameters and returns its result.
pub(crate) fn call(address: Ipv4Addr, port: u16, method: &str) -> Result<serde_json::Value> {
    let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).to_string();
    let length = body.len();
    let answer = exchange(
        address,
        port,
        &format!(
            "POST / HTTP/1.0\r\nHost: {address}:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )?;
    let mut answer: serde_json::Value =
        serde_json::from_str(body_of(&answer)?).context("the answer is not JSON")?;
    ensure!(answer["error"].is_null(), "{method} failed: {}", answer["error"]);
    Ok(answer["result"].take())
}

/// Succeeds if nobody listens there.
pub(crate) fn ensure_free(address: Ipv4Addr, port: u16, who: &str) -> Result<()> {
    std::net::TcpListener::bind((address, port))
        .map(drop)
        .with_context(|| format!("{who} needs {address}:{port}, which another program holds"))
}

fn question(address: Ipv4Addr, port: u16, path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: {address}:{port}\r\n\r\n")
}

fn exchange(address: Ipv4Addr, port: u16, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((address, port)), PATIENCE)
        .with_context(|| format!("{address}:{port} does not answer"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn body_of(answer: &str) -> Result<&str> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.split(' ').nth(1);
    ensure!(
        status.is_some_and(|status| status.starts_with('2')),
        "the answer is {}: {body}",
        head.lines().next().unwrap_or_default()
    );
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_has_a_body() {
        assert_eq!(body_of("HTTP/1.0 200 OK\r\nA: b\r\n\r\nok").unwrap(), "ok");
        assert_eq!(body_of("HTTP/1.0 204 No Content\r\n\r\n").unwrap(), "");
        let error = body_of("HTTP/1.0 503 Busy\r\nA: b\r\n\r\nnot yet").unwrap_err().to_string();
        assert_eq!(error, "the answer is HTTP/1.0 503 Busy: not yet");
    }
}
