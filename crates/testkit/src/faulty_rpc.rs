//! A node between us and anvil that drops, lies and lags on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use alloy::primitives::Address;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::gate::Gate;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every connection is cut before the request is passed on.
    DropRequests,
    /// Requests of this method are carried out, but the connection is cut before the answer.
    DropAnswersTo(&'static str),
    /// The first so many requests of this method are carried out and cut; later ones pass.
    DropFirstAnswersTo(&'static str, u32),
    /// The node says that it follows another chain.
    ChainId(u64),
    /// The node does not know blocks above this height.
    HeadAt(u64),
    /// The node refuses to look for logs in more than so many blocks at once.
    MaxLogRange(u64),
    /// The node has lost all logs of this contract.
    NoLogsOf(Address),
    /// The node says that the next nonce, with what waits for a block, is this one.
    PendingNonce(u64),
    /// The node refuses every transaction in these words.
    RefuseTransactions(&'static str),
    /// The node answers with bytes that are not JSON.
    Garbage,
    /// The node answers every request with this result.
    Answer(Value),
    /// The node answers every request of this method with this result.
    AnswerTo(&'static str, Value),
    /// A gateway in front of the node answers with this status.
    Status(u16),
}

#[derive(Debug)]
struct State {
    fault: Fault,
    requests: Vec<String>,
}

/// A proxy in front of a node. Dropping it closes it.
#[derive(Debug)]
pub struct FaultyRpc {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl FaultyRpc {
    /// Listens on a free port of loopback and passes requests on to `upstream`, `http://HOST:PORT`.
    pub async fn start(upstream: &str) -> Result<Self> {
        Self::start_behind(upstream, Gate::default()).await
    }

    /// The same, with every request passing through `gate`.
    pub async fn start_behind(upstream: &str, gate: Gate) -> Result<Self> {
        let upstream = upstream.strip_prefix("http://").context("only http is passed on")?.to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State { fault: Fault::None, requests: Vec::new() }));
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, state, gate) = (upstream.clone(), Arc::clone(&shared), gate.clone());
                tokio::spawn(async move {
                    // A cut connection is what this proxy is for.
                    let _cut = serve(client, &upstream, &state, &gate).await;
                });
            }
        });
        Ok(Self { address, state, server })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Goes wrong in this way from now on.
    pub fn set(&self, fault: Fault) {
        lock(&self.state).fault = fault;
    }

    /// How often it was asked for anything.
    pub fn total(&self) -> usize {
        lock(&self.state).requests.len()
    }

    /// How often a method was asked for.
    pub fn count(&self, method: &str) -> usize {
        lock(&self.state).requests.iter().filter(|asked| *asked == method).count()
    }
}

impl Drop for FaultyRpc {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request, then closes.
async fn serve(client: TcpStream, upstream: &str, state: &Mutex<State>, gate: &Gate) -> Result<()> {
    let mut client = BufReader::new(client);
    let body = read_body(&mut client).await?;
    let request: Value = serde_json::from_slice(&body)?;
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    let fault = {
        let mut state = lock(state);
        state.requests.push(method.clone());
        state.fault.clone()
    };
    let number = gate.before(&method).await;
    let id = &request["id"];
    let (status, answer) = match fault {
        Fault::DropRequests => return Ok(()),
        Fault::Garbage => (200, b"<html>not json".to_vec()),
        Fault::Status(status) => (status, b"busy".to_vec()),
        Fault::Answer(result) => (200, to_bytes(id, &result)),
        Fault::AnswerTo(answered, result) if method == answered => (200, to_bytes(id, &result)),
        Fault::ChainId(chain) if method == "eth_chainId" => {
            (200, to_bytes(id, &json!(format!("{chain:#x}"))))
        }
        Fault::PendingNonce(nonce)
            if method == "eth_getTransactionCount" && request["params"][1] == "pending" =>
        {
            (200, to_bytes(id, &json!(format!("{nonce:#x}"))))
        }
        Fault::RefuseTransactions(words) if method == "eth_sendRawTransaction" => {
            (200, error_bytes(id, words))
        }
        Fault::MaxLogRange(most) if method == "eth_getLogs" && log_range(&request) > most => {
            (200, error_bytes(id, "query returned more than 10000 results"))
        }
        Fault::NoLogsOf(contract)
            if method == "eth_getLogs" && request["params"][0]["address"] == json!([contract]) =>
        {
            (200, to_bytes(id, &json!([])))
        }
        Fault::HeadAt(height) if method == "eth_getBlockByNumber" => {
            (200, pass_on(upstream, &below(request.clone(), height)).await?)
        }
        Fault::DropAnswersTo(dropped) if method == dropped => {
            pass_on(upstream, &request).await?;
            return Ok(());
        }
        Fault::DropFirstAnswersTo(dropped, left) if method == dropped && left > 0 => {
            lock(state).fault = Fault::DropFirstAnswersTo(dropped, left - 1);
            pass_on(upstream, &request).await?;
            return Ok(());
        }
        _ => (200, pass_on(upstream, &request).await?),
    };
    gate.after(number).await;
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(&answer).await?;
    Ok(client.shutdown().await?)
}

fn to_bytes(id: &Value, result: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into_bytes()
}

fn error_bytes(id: &Value, message: &str) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32005, "message": message } })
        .to_string()
        .into_bytes()
}

/// The request as a node asks itself that knows no block above `height`.
fn below(mut request: Value, height: u64) -> Value {
    let asked = request["params"][0].as_str().unwrap_or_default().to_owned();
    let number = asked.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    request["params"][0] = match number {
        // A height that no chain reaches stands for a block that is not known.
        Some(number) if number > height => json!("0xffffffffffff"),
        Some(_) => json!(asked),
        None => json!(format!("{height:#x}")),
    };
    request
}

fn log_range(request: &Value) -> u64 {
    let height = |field: &str| {
        let text = request["params"][0][field].as_str().unwrap_or_default();
        text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok())
    };
    match (height("fromBlock"), height("toBlock")) {
        (Some(from), Some(to)) => to.saturating_sub(from) + 1,
        _ => 1,
    }
}

async fn pass_on(upstream: &str, request: &Value) -> Result<Vec<u8>> {
    let body = request.to_string();
    let mut server = BufReader::new(TcpStream::connect(upstream).await?);
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {upstream}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    server.write_all(head.as_bytes()).await?;
    server.write_all(body.as_bytes()).await?;
    read_body(&mut server).await
}

/// The body of an HTTP message of stated length.
async fn read_body(stream: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let (mut length, mut line) = (None, String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            bail!("the connection ended inside the head");
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse::<usize>()?);
        }
    }
    let mut body = vec![0; length.context("no content-length")?];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
