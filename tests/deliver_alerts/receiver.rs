//! An HTTP/1.1 receiver that misbehaves on request, and remembers all it was sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How to treat a request.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Answer with this status and these headers.
    Answer(u16, &'static str),
    /// Acknowledge after a while.
    Slow(Duration),
    /// Never answer.
    Hang,
    /// Reset the connection after the request was read.
    Reset,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Instant,
    pub key: String,
    pub acknowledged: bool,
    pub connection: usize,
    pub head: String,
    pub body: Value,
    pub bytes: Vec<u8>,
}

impl Request {
    pub fn device(&self) -> &str {
        self.body["alerts"][0]["labels"]["device"].as_str().unwrap()
    }

    pub fn status(&self) -> &str {
        self.body["status"].as_str().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// `firing leaf1`
    pub fn short(&self) -> String {
        format!("{} {}", self.status(), self.device())
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// For the next requests; after them `usual` holds.
    script: VecDeque<Manner>,
    usual: Manner,
    requests: Vec<Request>,
    connections: usize,
    tasks: Vec<JoinHandle<()>>,
}

impl Receiver {
    pub async fn start(script: impl IntoIterator<Item = Manner>, usual: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Shared {
            script: script.into_iter().collect(),
            usual,
            requests: Vec::new(),
            connections: 0,
            tasks: Vec::new(),
        };
        let receiver = Self { address: listener.local_addr().unwrap(), shared: Arc::new(Mutex::new(shared)) };
        receiver.serve(listener);
        receiver
    }

    pub async fn well() -> Self {
        Self::start([], Manner::Answer(200, "")).await
    }

    fn serve(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = Arc::clone(&shared);
                let mut guard = shared.lock().unwrap();
                guard.connections += 1;
                let connection = guard.connections;
                guard.tasks.push(tokio::spawn(async move {
                    let _ = converse(stream, connection, &own).await;
                }));
            }
        });
        self.shared.lock().unwrap().tasks.push(accepting);
    }

    /// Close everything: the port refuses.
    pub async fn down(&self) {
        let tasks = std::mem::take(&mut self.shared.lock().unwrap().tasks);
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
    }

    /// Open the same port again.
    pub async fn up(&self) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.serve(socket.listen(64).unwrap());
    }

    pub fn usual(&self, manner: Manner) {
        self.shared.lock().unwrap().usual = manner;
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?token=TOKEN", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// What it acknowledged, in order: `firing leaf1`.
    pub fn heard(&self) -> Vec<String> {
        self.requests().iter().filter(|request| request.acknowledged).map(Request::short).collect()
    }
}

async fn converse(stream: TcpStream, connection: usize, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length = header("content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        // Reminders have none: each is another.
        let key = header("idempotency-key").unwrap_or_default();
        let manner = {
            let mut shared = shared.lock().unwrap();
            let manner = shared.script.pop_front().unwrap_or_else(|| shared.usual.clone());
            shared.requests.push(Request {
                at: Instant::now(),
                key,
                acknowledged: matches!(manner, Manner::Answer(200..=299, _) | Manner::Slow(_)),
                connection,
                body: serde_json::from_slice(&body).unwrap(),
                bytes: body,
                head,
            });
            manner
        };
        let (status, headers) = match manner {
            Manner::Answer(status, headers) => (status, headers),
            Manner::Slow(pause) => {
                tokio::time::sleep(pause).await;
                (200, "")
            }
            Manner::Hang => std::future::pending().await,
            Manner::Reset => {
                stream.get_ref().set_zero_linger()?;
                return Ok(());
            }
        };
        let answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\n{headers}\r\nok");
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}
