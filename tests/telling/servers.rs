//! Servers for one test each: they take what they are sent, or misbehave as they are told.

use coffer::schemes::config::Config;
use coffer::schemes::notice::Notice;
use coffer::schemes::notices::of_test;
use coffer::schemes::notify::{Channels, Told};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a server was sent, line by line.
pub type Heard = Arc<Mutex<Vec<String>>>;

/// A server on a port of its own.
pub struct Server {
    /// Its port.
    pub port: u16,
    /// What it was sent.
    pub heard: Heard,
}

impl Server {
    /// One that serves every connection, the first being number 0, with `serve`.
    pub fn start(serve: impl Fn(TcpStream, usize, &Heard) -> std::io::Result<()> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Heard::default();
        let own = Arc::clone(&heard);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let stream = stream.expect("a connection");
                stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
                let _ = serve(stream, number, &own);
            }
        });
        Server { port, heard }
    }

    /// One that accepts and never says a word.
    pub fn silent() -> Server {
        let kept = Mutex::new(Vec::new());
        Server::start(move |stream, _, _| {
            kept.lock().expect("whole").push(stream);
            Ok(())
        })
    }

    /// What it was sent so far.
    pub fn text(&self) -> String {
        self.heard.lock().expect("whole").join("\n")
    }
}

/// A web server that answers request number n with `status(n)`; what it hears is method, path, headers
/// in small letters, and the body.
pub fn web(status: impl Fn(usize) -> u16 + Send + 'static) -> Server {
    Server::start(move |stream, number, heard| {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            heard.lock().expect("whole").push(line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        heard.lock().expect("whole").push(String::from_utf8_lossy(&body).into_owned());
        let answer = format!(
            "HTTP/1.1 {} X\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            status(number)
        );
        reader.get_mut().write_all(answer.as_bytes())
    })
}

/// How a mail server treats its clients.
#[derive(Clone, Default)]
pub struct Manners {
    /// Encrypted by this: offered as STARTTLS, or spoken from the start.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether it is encrypted from the start.
    pub wrapped: bool,
    /// Recipients that hold this word are refused with this code.
    pub refuses: Option<(&'static str, u16)>,
    /// The base64 of `\0user\0password` that it lets in; without it no login is offered.
    pub login: Option<&'static str>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A mail server.
pub fn mail(manners: Manners) -> Server {
    Server::start(move |stream, _, heard| talk(stream, &manners, heard))
}

fn talk(stream: TcpStream, manners: &Manners, heard: &Heard) -> std::io::Result<()> {
    let secured = |stream: TcpStream| -> std::io::Result<Box<dyn Stream>> {
        let config = manners.tls.clone().expect("TLS");
        let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    };
    let plain = stream.try_clone()?;
    let mut stream: BufReader<Box<dyn Stream>> =
        BufReader::new(if manners.wrapped { secured(stream)? } else { Box::new(stream) });
    let mut is_secure = manners.wrapped;
    stream.get_mut().write_all(b"220 sink ESMTP\r\n")?;
    stream.get_mut().flush()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        heard.lock().expect("whole").push(line.clone());
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" => {
                let starttls = if manners.tls.is_some() && !is_secure { "250-STARTTLS\r\n" } else { "" };
                let login = if manners.login.is_some() { "250-AUTH PLAIN\r\n" } else { "" };
                format!("250-sink\r\n{starttls}{login}250 8BITMIME\r\n")
            }
            "STARTTLS" => {
                stream.get_mut().write_all(b"220 go ahead\r\n")?;
                stream = BufReader::new(secured(plain.try_clone()?)?);
                is_secure = true;
                continue;
            }
            "AUTH" if line.split(' ').nth(2) == manners.login => "235 in\r\n".into(),
            "AUTH" => "535 no\r\n".into(),
            "RCPT" => match manners.refuses {
                Some((word, code)) if line.contains(word) => format!("{code} not here\r\n"),
                _ => "250 ok\r\n".into(),
            },
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                stream.get_mut().flush()?;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line)?;
                    if line == ".\r\n" || line.is_empty() {
                        break;
                    }
                    heard.lock().expect("whole").push(line.trim_end().to_owned());
                }
                "250 kept\r\n".into()
            }
            "QUIT" => {
                let _ = stream.get_mut().write_all(b"221 bye\r\n");
                let _ = stream.get_mut().flush();
                return Ok(());
            }
            _ => "250 ok\r\n".into(),
        };
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
}

/// An authority and a certificate of `localhost` that it signed: the authority's file, and the server's
/// configuration.
pub fn certificates(folder: &Path) -> (PathBuf, Arc<ServerConfig>) {
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
        -keyout ca.key -out ca.pem 2> log
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout s.key -out s.csr 2>> log
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > ext
        openssl x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out s.pem 2>> log";
    let made = Command::new("bash").args(["-euc", script]).current_dir(folder).status().expect("bash runs");
    assert!(made.success(), "{}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
    let certificate = CertificateDer::from_pem_file(folder.join("s.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("s.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a server");
    (folder.join("ca.pem"), Arc::new(config))
}

/// A configuration with these `[notify.…]` sections.
pub fn config(sections: &str) -> Config {
    let text = format!("version = 1\n[practice]\nname = \"Zahnärzte Müller\"\n{sections}");
    Config::parse(&text, "coffer.toml").expect(&text)
}

/// A notice to tell.
pub fn notice() -> Notice {
    of_test(Some("Zahnärzte Müller"), "2026-10-01T22:00:00Z")
}

/// Tells [`notice`] by all ways of these sections.
pub fn tell(sections: &str, state: &Path) -> Vec<Told> {
    Channels::of(&config(sections), state).tell_by(&notice(), None)
}

/// Why the only way of these sections failed.
pub fn failure(sections: &str, state: &Path) -> Option<String> {
    let mut told = tell(sections, state);
    assert_eq!(told.len(), 1);
    told.remove(0).failure
}
