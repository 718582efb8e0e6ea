//! What the client library says of a failure, in plain words. It promises that no message shows how
//! the program is built inside.

use std::fmt;

/// An error of the client library, or one that it got from the server.
#[derive(Debug)]
pub struct Fault(pub mysql::Error);

impl Fault {
    /// The server's number for it, if it came from there.
    pub fn code(&self) -> Option<u16> {
        match &self.0 {
            mysql::Error::MySqlError(error) => Some(error.code),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            mysql::Error::MySqlError(error) => write!(f, "{} (error {})", error.message, error.code),
            mysql::Error::DriverError(mysql::DriverError::CouldNotConnect(Some((_, text, _)))) => {
                f.write_str(text)
            }
            mysql::Error::IoError(error) => error.fmt(f),
            mysql::Error::CodecError(error) => error.fmt(f),
            mysql::Error::DriverError(error) => error.fmt(f),
            mysql::Error::UrlError(error) => error.fmt(f),
            mysql::Error::TlsError(error) => error.fmt(f),
            mysql::Error::FromValueError(_) | mysql::Error::FromRowError(_) => {
                f.write_str("the server sends a value of another kind than was asked for")
            }
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_plain() {
        let refused =
            mysql::MySqlError { state: "42S02".into(), message: "No such table".into(), code: 1146 };
        let fault = Fault(mysql::Error::MySqlError(refused));
        assert_eq!((fault.to_string().as_str(), fault.code()), ("No such table (error 1146)", Some(1146)));
        let broken = std::io::Error::other("broken pipe");
        assert_eq!(Fault(mysql::Error::IoError(broken)).to_string(), "broken pipe");
    }
}
