//! What the service manager is told: that the daemon is ready, alive, rereading or stopping. It promises
//! to be silent where there is no service manager, and that a message that cannot be sent stops nothing.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Service {
    way: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Service {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> Service {
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let is_meant = text("WATCHDOG_PID").is_none_or(|id| id.parse() == Ok(std::process::id()));
        let micros = text("WATCHDOG_USEC").and_then(|micros| micros.parse::<u64>().ok());
        let watchdog = micros.filter(|micros| is_meant && *micros > 0).map(Duration::from_micros);
        let way = variable("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.as_bytes() {
                [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
                _ => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that does not listen for a while must not keep backups from their times.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        Service { way, watchdog }
    }

    /// How often it must hear that the daemon is alive.
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    fn try_send(&self, message: &str) -> bool {
        let Some((socket, address)) = &self.way else { return true };
        let sent = socket.send_to_addr(message.as_bytes(), address);
        !sent.is_err_and(|cause| cause.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// What must be heard: while the manager's queue is full it is tried again, for two seconds.
    fn send(&self, message: &str) {
        for _ in 0..200 {
            if self.try_send(message) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// It works; `status` is a line for people.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}\nMAINPID={}", std::process::id()));
    }

    /// It rereads its configuration; [`Service::ready`] follows.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// It is alive.
    pub fn alive(&self, status: &str) {
        let watchdog = if self.watchdog.is_some() { "WATCHDOG=1\n" } else { "" };
        self.try_send(&format!("{watchdog}STATUS={status}"));
    }

    /// It stops.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_hears_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("notify");
        let hear = |socket: &UnixDatagram| {
            let mut bytes = [0; 200];
            let length = socket.recv(&mut bytes).expect("a message");
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        let name = format!("@coffer-test-{}", std::process::id());
        let hidden = SocketAddr::from_abstract_name(&name.as_bytes()[1..]).expect("a name");
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).expect("bound")),
            (name.clone().into(), UnixDatagram::bind_addr(&hidden).expect("bound")),
        ];
        for (address, socket) in sockets {
            let service = Service::find(|variable| match variable {
                "NOTIFY_SOCKET" => Some(address.clone()),
                "WATCHDOG_USEC" => Some("4000000".into()),
                _ => None,
            });
            assert_eq!(service.beat(), Some(Duration::from_secs(2)));
            service.ready("1 scheme");
            assert!(hear(&socket).starts_with("READY=1\nSTATUS=1 scheme\n"));
            service.alive("idle");
            assert_eq!(hear(&socket), "WATCHDOG=1\nSTATUS=idle");
            service.reloading();
            assert!(hear(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
            service.stopping();
            assert!(hear(&socket).starts_with("STOPPING=1"));
        }
        let silent = Service::find(|_| None);
        silent.ready("nobody hears");
        assert_eq!(silent.beat(), None);
    }
}
