//! An HTTP/1.1 database that misbehaves on request, and remembers what it took.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::GzDecoder;

/// How to treat a request.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Take it.
    Well,
    /// Answer with this status and these headers.
    Answer(u16, &'static str),
    /// Take it after a while.
    Slow(Duration),
    /// Close the connection after the request was read.
    Reset,
    /// Refuse a body with a line that holds this; take others.
    Picky(&'static str),
    /// Refuse a body of more lines.
    Small(usize),
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<VecDeque<Manner>>,
    usual: Mutex<Manner>,
    lines: Mutex<Vec<String>>,
    heads: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl Receiver {
    pub fn start(script: impl IntoIterator<Item = Manner>, usual: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(script.into_iter().collect()),
            usual: Mutex::new(usual),
            lines: Mutex::default(),
            heads: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let receiver = Self { address: listener.local_addr().unwrap(), shared };
        let shared = Arc::clone(&receiver.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(converse(stream, &shared)));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn usual(&self, manner: Manner) {
        *self.shared.usual.lock().unwrap() = manner;
    }

    /// The lines of every body that it took.
    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    /// The heads of all requests.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if Arc::strong_count(&self.shared) <= 2 {
            self.shared.ended.store(true, Ordering::Relaxed);
            let _ = TcpStream::connect(self.address);
        }
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(|text| text.trim().to_owned())
            })
            .unwrap()
            .parse()
            .unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut text = String::new();
        GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
        shared.heads.lock().unwrap().push(head);
        let manner = shared.script.lock().unwrap().pop_front();
        let manner = manner.unwrap_or_else(|| shared.usual.lock().unwrap().clone());
        let (status, headers) = match manner {
            Manner::Well => (204, ""),
            Manner::Answer(status, headers) => (status, headers),
            Manner::Slow(pause) => {
                std::thread::sleep(pause);
                (204, "")
            }
            Manner::Reset => return Ok(()),
            Manner::Picky(bad) => (if text.contains(bad) { 400 } else { 204 }, ""),
            Manner::Small(most) => (if text.lines().count() > most { 413 } else { 204 }, ""),
        };
        if status == 204 {
            shared.lines.lock().unwrap().extend(text.lines().map(str::to_owned));
        }
        let length = if status == 204 { "" } else { "Content-Length: 5\r\n" };
        let words = if status == 204 { "" } else { "T0KEN" };
        write!(writer, "HTTP/1.1 {status} Whatever\r\n{length}{headers}\r\n{words}")?;
    }
}
