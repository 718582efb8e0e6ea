//! A proxy before a server that cuts connections at a chosen packet. It promises to count whole
//! packets of the protocol (so not under TLS), over all connections together, and to pass the packet
//! before the cut completely and the one at the cut not at all.

#![allow(dead_code)]

use coffer::mysql::options::ServerOptions;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

/// Who sends the packets that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client: one packet a statement, more for long ones and for loaded data.
    Client,
    /// The server: one packet a row, and some more.
    Server,
}

/// Where to cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Whose packets count.
    pub side: Side,
    /// How many of them pass.
    pub after: u64,
    /// Whether all connections end and none is taken any more; else only the one of that packet ends.
    pub everything: bool,
}

/// The proxy; all its connections end when it is dropped.
pub struct Proxy {
    folder: TempDir,
    options: ServerOptions,
    state: Arc<State>,
}

struct State {
    cut: Option<Cut>,
    from_client: AtomicU64,
    from_server: AtomicU64,
    is_cut: AtomicBool,
    is_closed: AtomicBool,
    streams: Mutex<Vec<(Stream, Stream)>>,
}

impl Proxy {
    /// Stands before the server of `options`, on a socket of its own.
    pub fn start(options: &ServerOptions, cut: Option<Cut>) -> Proxy {
        let folder = tempfile::Builder::new().prefix("coffer-proxy-").tempdir().expect("temporary folder");
        let listener = UnixListener::bind(folder.path().join("sock")).expect("socket");
        let state = Arc::new(State {
            cut,
            from_client: AtomicU64::new(0),
            from_server: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
        });
        let (shared, server) = (Arc::clone(&state), options.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if !shared.is_closed.load(Ordering::SeqCst)
                    && let Some(server) = Stream::to(&server)
                {
                    shared.join(Stream::Unix(client), server);
                }
            }
        });
        Proxy { folder, options: options.clone(), state }
    }

    /// How to reach the server through the proxy.
    pub fn options(&self) -> ServerOptions {
        let socket = Some(self.folder.path().join("sock"));
        ServerOptions { socket, host: None, port: None, ..self.options.clone() }
    }

    /// Packets that one side sent so far.
    pub fn packets(&self, side: Side) -> u64 {
        self.state.counter(side).load(Ordering::SeqCst)
    }

    /// Whether the cut has happened.
    pub fn is_cut(&self) -> bool {
        self.state.is_cut.load(Ordering::SeqCst)
    }

    /// Ends all connections now and takes none any more.
    pub fn cut_now(&self) {
        self.state.close();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.close();
        // Wakes the listener, so that its folder may go.
        let _ = UnixStream::connect(self.folder.path().join("sock"));
    }
}

impl State {
    fn counter(&self, side: Side) -> &AtomicU64 {
        match side {
            Side::Client => &self.from_client,
            Side::Server => &self.from_server,
        }
    }

    /// Passes packets both ways, a thread for each.
    fn join(self: &Arc<State>, client: Stream, server: Stream) {
        let pair = || (client.again(), server.again());
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(pair());
        for (side, (client, server)) in [(Side::Client, pair()), (Side::Server, pair())] {
            let state = Arc::clone(self);
            std::thread::spawn(move || {
                let (from, to) = match side {
                    Side::Client => (&client, &server),
                    Side::Server => (&server, &client),
                };
                while state.pass(side, from, to).is_some() {}
                client.shut();
                server.shut();
            });
        }
    }

    /// Passes one packet; `None`: the connection is over.
    fn pass(&self, side: Side, mut from: &Stream, mut to: &Stream) -> Option<()> {
        let mut head = [0; 4];
        from.read_exact(&mut head).ok()?;
        let mut packet = head.to_vec();
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        packet.resize(4 + length, 0);
        from.read_exact(&mut packet[4..]).ok()?;
        let number = self.counter(side).fetch_add(1, Ordering::SeqCst);
        if let Some(cut) = self.cut
            && cut.side == side
            && number >= cut.after
            && (cut.everything || number == cut.after)
        {
            self.is_cut.store(true, Ordering::SeqCst);
            if cut.everything {
                self.close();
            }
            return None;
        }
        to.write_all(&packet).ok()
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        for (client, server) in self.streams.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            client.shut();
            server.shut();
        }
    }
}

/// A stream of either kind.
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn to(options: &ServerOptions) -> Option<Stream> {
        match &options.socket {
            Some(socket) => UnixStream::connect(socket).ok().map(Stream::Unix),
            None => {
                let host = options.host.as_deref().unwrap_or("127.0.0.1");
                TcpStream::connect((host, options.port.unwrap_or(3306))).ok().map(Stream::Tcp)
            }
        }
    }

    fn again(&self) -> Stream {
        match self {
            Stream::Unix(stream) => Stream::Unix(stream.try_clone().expect("a second handle")),
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone().expect("a second handle")),
        }
    }

    fn shut(&self) {
        let _ = match self {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match *self {
            Stream::Unix(stream) => (&*stream).read(buffer),
            Stream::Tcp(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match *self {
            Stream::Unix(stream) => (&*stream).write(bytes),
            Stream::Tcp(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
