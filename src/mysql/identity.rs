//! Which server a connection leads to. It promises that two servers are never taken for one: names and
//! ports behind tunnels, balancers and failovers are not enough.

use super::connection::Connection;
use crate::error::Result;

/// What tells a server from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `server_id`: set by administrators, often 1 everywhere.
    pub server_id: String,
    /// `hostname`.
    pub hostname: String,
    /// `port`, as the server sees it.
    pub port: String,
    /// `version`.
    pub version: String,
    /// `server_uuid` (MySQL) or `server_uid` (MariaDB); empty if the server has none.
    pub uid: String,
    /// `datadir`: two servers of one machine may be copies of each other.
    pub datadir: String,
}

impl Identity {
    /// Asks the server.
    pub fn read(connection: &mut Connection) -> Result<Identity> {
        let mut identity = Identity::default();
        let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                   ('server_id','hostname','port','version','server_uuid','server_uid','datadir')";
        for cells in connection.rows(sql)? {
            let value = cells.text(1).unwrap_or_default();
            match cells.text(0).unwrap_or_default().to_lowercase().as_str() {
                "server_id" => identity.server_id = value,
                "hostname" => identity.hostname = value,
                "port" => identity.port = value,
                "version" => identity.version = value,
                "server_uuid" | "server_uid" => identity.uid = value,
                "datadir" => identity.datadir = value,
                _ => {}
            }
        }
        Ok(identity)
    }

    /// What of it differs from `other`, in words; `None`: the same server.
    pub fn difference(&self, other: &Identity) -> Option<String> {
        let pairs = [
            ("server_id", &self.server_id, &other.server_id),
            ("hostname", &self.hostname, &other.hostname),
            ("port", &self.port, &other.port),
            ("version", &self.version, &other.version),
            ("server uid", &self.uid, &other.uid),
            ("datadir", &self.datadir, &other.datadir),
        ];
        let differing = pairs.iter().filter(|(_, own, others)| own != others);
        let told: Vec<String> =
            differing.map(|(name, own, others)| format!("{name} {own} and {others}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named() {
        let one = Identity { server_id: "1".into(), hostname: "a".into(), ..Identity::default() };
        let two = Identity { hostname: "b".into(), ..one.clone() };
        assert_eq!(one.difference(&one), None);
        assert_eq!(one.difference(&two).as_deref(), Some("hostname a and b"));
    }
}
