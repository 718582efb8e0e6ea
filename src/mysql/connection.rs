//! One connection to a server. It promises never to reconnect by itself (a new connection is outside
//! every snapshot and lock that the old one held), to speak the same session language on every
//! server, to name the server and what was being done in every error, and to say what to do about a
//! server that cannot be reached or refuses.

use super::fault::Fault;
use super::identifier::quote;
use super::identity::Identity;
use super::options::{ServerOptions, Tls};
use super::reach;
use crate::error::{Error, Kind, Result};
use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, Row, SslOpts, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The longest packet that is taken from a server: what the protocol allows.
const MAX_PACKET_BYTES: usize = 1 << 30;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What sessions need where the server knows it: no end of long statements, and of MySQL sizes and times
/// as they are, and columns that the server itself has added.
const MARIADB: [&str; 1] = ["max_statement_time=0"];
const MYSQL: [&str; 3] = [
    "max_execution_time=0",
    "information_schema_stats_expiry=0",
    "show_gipk_in_create_table_and_information_schema=1",
];
/// `ER_UNKNOWN_SYSTEM_VARIABLE`.
const UNKNOWN_VARIABLE: u16 = 1193;

/// A connection.
pub struct Connection {
    conn: Conn,
    name: String,
    is_mariadb: bool,
    is_local: bool,
}

impl Connection {
    /// Connects and sets what all sessions need: no `sql_mode`, UTC, long timeouts.
    ///
    /// Errors: [`Kind::Database`].
    pub fn open(options: &ServerOptions) -> Result<Connection> {
        let name = options.name();
        // The library panics at ways to log in that it was built without, and the server chooses.
        let conn = catch_unwind(AssertUnwindSafe(|| Conn::new(opts(options))))
            .map_err(|_| reach::not_understood(options))?
            .map_err(|cause| reach::refused(options, cause))?;
        let mut connection = Connection { conn, name, is_mariadb: false, is_local: is_local(options) };
        let version = connection.value("SELECT VERSION()")?.unwrap_or_default();
        connection.is_mariadb = version.contains("MariaDB");
        connection.execute(
            "SET SESSION sql_mode='', time_zone='+00:00', net_write_timeout=86400, net_read_timeout=86400, \
             wait_timeout=86400, lock_wait_timeout=30, character_set_client=utf8mb4, \
             character_set_connection=utf8mb4, character_set_results=utf8mb4",
        )?;
        for setting in if connection.is_mariadb { &MARIADB[..] } else { &MYSQL[..] } {
            match connection.execute(&format!("SET SESSION {setting}")) {
                Err(error) if code_of(&error) != Some(UNKNOWN_VARIABLE) => return Err(error),
                _ => {}
            }
        }
        Ok(connection)
    }

    /// The server's name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number the server gave this connection.
    pub fn id(&self) -> u32 {
        self.conn.connection_id()
    }

    /// Whether the server is a MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.is_mariadb
    }

    /// Whether the server is one of this machine, as far as its name tells.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Makes `database` the current one.
    pub fn enter(&mut self, database: &str) -> Result<()> {
        self.execute(&format!("USE {}", quote(database))).map(drop)
    }

    /// Runs a statement; the rows it changed.
    pub fn execute(&mut self, sql: &str) -> Result<u64> {
        self.conn.query_drop(sql).map_err(|cause| failed(&self.name, sql, cause))?;
        Ok(self.conn.affected_rows())
    }

    /// All rows of an answer that is small.
    pub fn rows(&mut self, sql: &str) -> Result<Vec<Cells>> {
        let rows: Vec<Row> = self.conn.query(sql).map_err(|cause| failed(&self.name, sql, cause))?;
        rows.into_iter().map(|row| Cells::of(row, &self.name)).collect()
    }

    /// The first cell of the first row as text; `None`: no row, or NULL.
    pub fn value(&mut self, sql: &str) -> Result<Option<String>> {
        Ok(self.rows(sql)?.first().and_then(|cells| cells.text(0)))
    }

    /// Which server this is, to compare with that of other connections.
    pub fn identity(&mut self) -> Result<Identity> {
        Identity::read(self)
    }

    /// The connection below, for streams.
    pub fn raw(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// The error of a statement that failed on [`Connection::raw`].
    pub fn failed(&self, sql: &str, cause: mysql::Error) -> Error {
        failed(&self.name, sql, cause)
    }
}

/// The cells of one row of a small answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells(pub Vec<Option<Vec<u8>>>);

impl Cells {
    fn of(row: Row, name: &str) -> Result<Cells> {
        let cell = |value| match value {
            Value::NULL => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(Error::new(Kind::Database, format!("{name}: answers in another protocol"))),
        };
        row.unwrap().into_iter().map(cell).collect::<Result<_>>().map(Cells)
    }

    /// A cell's bytes; `None`: NULL, or no such cell.
    pub fn bytes(&self, number: usize) -> Option<&[u8]> {
        self.0.get(number).and_then(|cell| cell.as_deref())
    }

    /// A cell as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, number: usize) -> Option<String> {
        self.bytes(number).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// A cell as a number; `None`: NULL or no number.
    pub fn number(&self, number: usize) -> Option<u64> {
        self.bytes(number).and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok())
    }
}

/// The server's number for an error, where `error` came from one.
pub fn code_of(error: &Error) -> Option<u16> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<Fault>()?.code()
}

fn is_local(options: &ServerOptions) -> bool {
    let host = options.host.as_deref().unwrap_or("localhost");
    options.socket.is_some() || matches!(host, "localhost" | "127.0.0.1" | "::1")
}

fn opts(options: &ServerOptions) -> Opts {
    let socket = options.socket.as_ref().map(|path| path.display().to_string());
    let host = options.host.clone().unwrap_or_else(|| "localhost".into());
    let is_local = is_local(options);
    let tls = match &options.tls {
        Tls::Off => None,
        // What goes through a socket leaves the machine nowhere.
        _ if socket.is_some() => None,
        Tls::Automatic if is_local => None,
        Tls::Automatic | Tls::Checked(None) => Some(SslOpts::default()),
        Tls::Checked(Some(authority)) => {
            Some(SslOpts::default().with_root_cert_path(Some(authority.clone())))
        }
        Tls::Unchecked => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
    };
    OptsBuilder::new()
        .socket(socket)
        .ip_or_hostname(Some(host))
        .tcp_port(options.port.unwrap_or(3306))
        .user(options.user.clone())
        .pass(options.password.as_ref().map(|password| password.to_string()))
        // It would move to another server's socket behind a tunnel.
        .prefer_socket(false)
        .max_allowed_packet(Some(MAX_PACKET_BYTES))
        .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
        .read_timeout(options.silence)
        .write_timeout(options.silence)
        .stmt_cache_size(0)
        .ssl_opts(tls)
        .into()
}

fn failed(name: &str, sql: &str, cause: mysql::Error) -> Error {
    let mut shown: String = sql.chars().take(160).collect();
    if shown.len() < sql.len() {
        shown.push('\u{2026}');
    }
    Error::new(Kind::Database, format!("{name}: `{shown}` failed")).because(Fault(cause))
}
