//! Several connections to one server. It promises that every connection it hands out leads to the
//! server of the first.

use super::connection::Connection;
use super::identity::Identity;
use super::options::ServerOptions;
use crate::error::{Error, Kind, Result};

/// Opens connections to one server.
#[derive(Clone, Debug)]
pub struct Opener {
    options: ServerOptions,
    identity: Identity,
}

impl Opener {
    /// Opens the first connection, which decides which server it is.
    pub fn new(options: ServerOptions) -> Result<(Opener, Connection)> {
        let mut first = Connection::open(&options)?;
        let identity = first.identity()?;
        Ok((Opener { options, identity }, first))
    }

    /// Opens another connection.
    ///
    /// Errors: [`Kind::Database`], also if it leads to another server.
    pub fn open(&self) -> Result<Connection> {
        let mut connection = Connection::open(&self.options)?;
        match self.identity.difference(&connection.identity()?) {
            None => Ok(connection),
            Some(difference) => Err(Error::new(
                Kind::Database,
                format!("{}: two connections lead to different servers: {difference}", self.options.name()),
            )
            .hint("a balancer or failover stands between: name one server by its own address or socket")),
        }
    }

    /// Opens `count` more connections.
    pub fn open_many(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count).map(|_| self.open()).collect()
    }

    /// The server that all connections lead to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How it is reached.
    pub fn options(&self) -> &ServerOptions {
        &self.options
    }
}
