//! Where the way to a server comes from: arguments, environment, option files, and what is usual. It
//! promises that a nearer source wins over a farther one, and that a server named by one is never
//! replaced by the socket of another.

use super::option_file;
use super::options::{ServerOptions, Tls};
use crate::error::Result;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where Debian and others put the socket.
const SOCKETS: [&str; 5] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/run/mariadb/mariadb.sock",
    "/tmp/mysql.sock",
];

/// What one source says.
#[derive(Clone, Default)]
pub struct Layer {
    /// A socket.
    pub socket: Option<PathBuf>,
    /// A host.
    pub host: Option<String>,
    /// A port.
    pub port: Option<u16>,
    /// Whether a port without a host means this machine's port; in an option file it does not.
    pub port_is_the_way: bool,
    /// A user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Zeroizing<String>>,
    /// How the connection is encrypted.
    pub tls: Option<Tls>,
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password stays out of every log.
        write!(f, "{:?} {:?} {:?} {:?}", self.socket, self.host, self.port, self.user)
    }
}

/// The way that `layers` name, the nearest first. Where none names a socket or host it is the socket
/// that `usual_socket` finds, else this machine's port.
pub fn resolve(layers: &[Layer], usual_socket: impl FnOnce() -> Option<PathBuf>) -> ServerOptions {
    let mut options = ServerOptions::default();
    if let Some(layer) = layers.iter().find(|layer| layer.socket.is_some() || layer.host.is_some()) {
        options.socket = layer.socket.clone();
        options.host = layer.host.clone().filter(|_| layer.socket.is_none());
    } else if !layers.iter().any(|layer| layer.port.is_some() && layer.port_is_the_way) {
        options.socket = usual_socket();
    }
    options.port = layers.iter().find_map(|layer| layer.port).filter(|_| options.socket.is_none());
    options.user = layers.iter().find_map(|layer| layer.user.clone());
    // A password belongs to the user it was written with.
    let is_of_user = |layer: &&Layer| layer.user.is_none() || layer.user == options.user;
    options.password = layers.iter().filter(is_of_user).find_map(|layer| layer.password.clone());
    options.tls = layers.iter().find_map(|layer| layer.tls.clone()).unwrap_or_default();
    options
}

/// The socket of a server that runs on this machine, where it usually is.
pub fn usual_socket() -> Option<PathBuf> {
    SOCKETS.iter().map(PathBuf::from).find(|path| path.exists())
}

/// The layers of the option files that clients usually read, the nearest first, and warnings. One that
/// is missing or unreadable is passed over, one that is wrong is warned about.
pub fn usual_files(home: Option<&Path>) -> (Vec<Layer>, Vec<String>) {
    let own = home.map(|home| home.join(".my.cnf"));
    let files = own.into_iter().chain(["/etc/mysql/my.cnf".into(), "/etc/my.cnf".into()]);
    let (mut layers, mut warnings) = (Vec::new(), Vec::new());
    for path in files.filter(|path| std::fs::File::open(path).is_ok()) {
        match option_file::read(&path) {
            Ok(found) => {
                layers.push(found.layer);
                warnings.extend(found.warnings);
            }
            Err(error) => warnings.push(format!("{error}; it is ignored")),
        }
    }
    (layers, warnings)
}

/// The layer of an option file that was named, and warnings.
///
/// Errors: [`crate::error::Kind::Usage`].
pub fn named_file(path: &Path) -> Result<(Layer, Vec<String>)> {
    let found = option_file::read(path)?;
    Ok((found.layer, found.warnings))
}

/// The name under which this process runs, for servers that know users by it (`unix_socket`).
pub fn login_name() -> Option<String> {
    let number = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id == number).then(|| name.to_owned())
    };
    users.lines().find_map(of).or_else(|| std::env::var("USER").ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(path: &str) -> Layer {
        Layer { socket: Some(path.into()), ..Layer::default() }
    }

    fn secret(user: Option<&str>, password: &str) -> Layer {
        Layer { user: user.map(Into::into), password: Some(password.to_owned().into()), ..Layer::default() }
    }

    #[test]
    fn the_nearest_source_that_names_a_server_decides() {
        let host = Layer { host: Some("db".into()), ..Layer::default() };
        let file = Layer { port: Some(3307), ..socket("/file") };
        let found = resolve(&[host.clone(), file.clone()], || None);
        assert_eq!((found.socket, found.host.as_deref(), found.port), (None, Some("db"), Some(3307)));
        let found = resolve(&[socket("/near"), host], || None);
        assert_eq!((found.socket, found.host), (Some("/near".into()), None));
        let found = resolve(&[Layer::default(), file], || Some("/usual".into()));
        assert_eq!((found.socket, found.port), (Some("/file".into()), None));
    }

    #[test]
    fn without_a_server_it_is_the_usual_socket_unless_a_port_was_asked_for() {
        let usual = || Some(PathBuf::from("/usual"));
        let asked = Layer { port: Some(3307), port_is_the_way: true, ..Layer::default() };
        let written = Layer { port: Some(3306), ..Layer::default() };
        assert_eq!(resolve(&[], usual).socket, usual());
        assert_eq!(resolve(std::slice::from_ref(&written), usual).socket, usual());
        let found = resolve(&[asked, written], usual);
        assert_eq!((found.socket, found.port), (None, Some(3307)));
    }

    #[test]
    fn a_password_goes_with_its_user() {
        let password = |layers: &[Layer]| {
            let found = resolve(layers, || None);
            (found.user, found.password.map(|password| password.to_string()))
        };
        let given = |user: &str| Layer { user: Some(user.into()), ..Layer::default() };
        let is = |user: &str, password: Option<&str>| (Some(user.to_owned()), password.map(str::to_owned));
        assert_eq!(password(&[given("a"), secret(Some("root"), "x")]), is("a", None));
        assert_eq!(password(&[given("root"), secret(Some("root"), "x")]), is("root", Some("x")));
        assert_eq!(password(&[given("a"), secret(None, "x")]), is("a", Some("x")));
        assert_eq!(password(&[secret(None, "near"), secret(Some("b"), "far")]), is("b", Some("near")));
    }
}
