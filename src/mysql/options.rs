//! Which server, and who asks.

use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// How to reach a server and who to be there.
#[derive(Clone, Default)]
pub struct ServerOptions {
    /// A socket of this machine; goes before host and port.
    pub socket: Option<PathBuf>,
    /// Name or address of the host.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Name of the user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Zeroizing<String>>,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// How long the server may say nothing before it counts as dead; `None`: for ever.
    pub silence: Option<Duration>,
}

/// Encryption of a TCP connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// To another machine the connection is encrypted and the server's certificate checked; on this
    /// machine it is not.
    #[default]
    Automatic,
    /// Never.
    Off,
    /// Always; the certificate is not checked.
    Unchecked,
    /// Always; the certificate must be signed by this authority (a file in PEM form), or by a public
    /// one.
    Checked(Option<PathBuf>),
}

impl ServerOptions {
    /// The server's name in messages.
    pub fn name(&self) -> String {
        match (&self.socket, &self.host) {
            (Some(socket), _) => format!("server at {}", socket.display()),
            (None, host) => {
                format!("server {}:{}", host.as_deref().unwrap_or("localhost"), self.port.unwrap_or(3306))
            }
        }
    }
}

impl std::fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password stays out of every log.
        write!(f, "{} as {}", self.name(), self.user.as_deref().unwrap_or("the default user"))
    }
}
