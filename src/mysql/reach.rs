//! What it means when a server cannot be reached or refuses, and what to do about it.

use super::fault::Fault;
use super::options::{ServerOptions, Tls};
use crate::error::{Error, Kind};
use mysql::DriverError;
use std::io::ErrorKind;

/// The error of a connection that did not come about.
pub fn refused(options: &ServerOptions, cause: mysql::Error) -> Error {
    let name = options.name();
    let (what, hint) = match &cause {
        mysql::Error::MySqlError(error) => by_code(error.code, options),
        mysql::Error::IoError(error) => by_io(error.kind(), &error.to_string(), options),
        mysql::Error::DriverError(DriverError::CouldNotConnect(Some((_, text, kind)))) => {
            by_io(*kind, text, options)
        }
        mysql::Error::DriverError(DriverError::CouldNotConnect(None)) => {
            by_io(ErrorKind::NotFound, "", options)
        }
        mysql::Error::DriverError(DriverError::ConnectTimeout) => by_io(ErrorKind::TimedOut, "", options),
        mysql::Error::DriverError(DriverError::TlsNotSupported) => (
            "does not encrypt connections".to_owned(),
            "let the server have a certificate, or, on a network you trust, --mysql-tls off".to_owned(),
        ),
        mysql::Error::DriverError(DriverError::UnknownAuthPlugin(plugin)) => (
            format!("wants the password in a way that is not known here ({plugin})"),
            "use a user with mysql_native_password, caching_sha2_password or unix_socket; MySQL asks so, too, \
             where it has no such user"
                .to_owned(),
        ),
        mysql::Error::TlsError(_) => tls(options),
        mysql::Error::CodecError(error) if speaks_of_tls(&error.to_string()) => tls(options),
        _ => ("no connection".to_owned(), GENERAL.to_owned()),
    };
    Error::new(Kind::Database, format!("{name}: {what}")).because(Fault(cause)).hint(hint)
}

const GENERAL: &str = "is the server running, and are socket or host, user and password right?";

fn by_code(code: u16, options: &ServerOptions) -> (String, String) {
    let user = options.user.as_deref().unwrap_or("");
    match code {
        1045 | 1698 => {
            let with = if options.password.is_some() { "this password" } else { "no password" };
            let hint = match options.password {
                Some(_) => "is the password right, and may this user come from this machine?",
                None => {
                    "give the password with --mysql-password-file, --mysql-password-command or an \
                         option file (--mysql-defaults-file)"
                }
            };
            (format!("refuses user `{user}` with {with}"), hint.into())
        }
        1040 | 1203 | 1226 => {
            ("has no connection left".into(), "wait, or raise max_connections on the server".into())
        }
        1129 => ("has shut out this machine after errors".into(), "run FLUSH HOSTS on the server".into()),
        1130 => (
            "takes no connections from this machine".into(),
            format!("let an administrator make `{user}` for this machine's address, or use the socket"),
        ),
        _ => ("refuses the connection".into(), GENERAL.into()),
    }
}

fn by_io(kind: ErrorKind, text: &str, options: &ServerOptions) -> (String, String) {
    let what = |what: &str, hint: &str| (what.to_owned(), hint.to_owned());
    let unknown_host = text.contains("lookup") || text.contains("resolve") || text.contains("not known");
    match (kind, &options.socket) {
        (ErrorKind::NotFound, Some(_)) => {
            what("no such socket", "is the server running? SHOW VARIABLES LIKE 'socket' tells its place")
        }
        (ErrorKind::ConnectionRefused, Some(_)) => {
            what("nobody listens", "the server ended without taking its socket away: is it running?")
        }
        (ErrorKind::PermissionDenied, Some(_)) => {
            what("this user may not open the socket", "run as a user who may, or connect by --mysql-host")
        }
        (_, None) if unknown_host => what("no such host", "is the name right, and does the network work?"),
        (ErrorKind::ConnectionRefused, None) => what(
            "nobody listens",
            "is the server running, is the port right, and does it listen there (bind-address, skip-networking)?",
        ),
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => {
            what("does not answer", "is the host right, and does a firewall stand between?")
        }
        (ErrorKind::InvalidData, None) => tls(options),
        _ => what("no connection", GENERAL),
    }
}

/// Errors of the handshake come as errors of reading and writing.
fn speaks_of_tls(text: &str) -> bool {
    let text = text.to_lowercase();
    ["certificate", "alert", "handshake", "tls"].iter().any(|word| text.contains(word))
}

/// The error of a server whose greeting the client library has no answer to.
pub fn not_understood(options: &ServerOptions) -> Error {
    let what = "wants the password in a way that is not known here, or does not speak the protocol";
    Error::new(Kind::Database, format!("{}: {what}", options.name()))
        .hint("use a user with mysql_native_password, caching_sha2_password or unix_socket")
}

fn tls(options: &ServerOptions) -> (String, String) {
    let what = "the encrypted connection did not come about";
    let hint = match &options.tls {
        Tls::Checked(Some(authority)) => format!(
            "is the server's certificate for this name, still valid, and signed by {}?",
            authority.display()
        ),
        _ => "a certificate of the server's own making is checked with --mysql-ca FILE; without checking \
              anything: --mysql-tls unverified"
            .to_owned(),
    };
    (what.to_owned(), hint)
}
