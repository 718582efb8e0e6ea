//! Units for the service manager, as text: a daemon, or a timer for each scheme. It promises that a unit
//! may write to the containers, the state and the files that it keeps, and to nothing else, and that
//! every path stands in it so that the service manager reads the same path.

use super::config::{Config, Scheme};
use crate::error::{Error, Kind, Result};
use crate::storage::place;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The line that every unit of ours begins with.
pub const MARK: &str = "# Written by coffer service install; coffer service remove takes it away.";
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// What a unit is written for.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// This program.
    pub program: &'a Path,
    /// The configuration's file.
    pub path: &'a Path,
    /// What it says.
    pub config: &'a Config,
    /// The folder of state.
    pub state: &'a Path,
    /// Who runs it; `None`: root.
    pub user: Option<&'a str>,
    /// Folders of rotation media.
    pub media: Vec<PathBuf>,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The name of its file.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The unit of the daemon.
pub fn daemon(wish: &Wish<'_>) -> Unit {
    let command = format!("{} daemon --config={}", argument(wish.program), argument(wish.path));
    let schemes: Vec<&Scheme> = wish.config.scheme.values().collect();
    let text = [
        MARK,
        "[Unit]",
        "Description=Coffer, the practice's backups",
        "Documentation=man:coffer-daemon(1)",
        "Wants=network-online.target",
        "After=network-online.target local-fs.target mariadb.service mysql.service",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        &format!("ExecStart={command}"),
        "ExecReload=/bin/kill -HUP $MAINPID",
        "KillMode=mixed",
        "TimeoutStopSec=120",
        "WatchdogSec=180",
        "Restart=on-failure",
        "RestartSec=30",
        "RestartPreventExitStatus=2 10 11",
    ]
    .join("\n");
    let install = "\n[Install]\nWantedBy=multi-user.target\n";
    Unit { name: "coffer.service".into(), text: text + "\n" + &limits(wish, &schemes) + install }
}

/// A timer and a service for each scheme that is switched on and has a time.
///
/// Errors: [`Kind::Usage`] for a scheme with a cron expression, which timers cannot say.
pub fn timers(wish: &Wish<'_>) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for (name, scheme) in wish.config.scheme.iter().filter(|(_, scheme)| scheme.enabled) {
        if scheme.calendar.is_some() {
            return Err(Error::new(
                Kind::Usage,
                format!("scheme `{name}` has a cron expression, which no timer can say"),
            )
            .hint("write days and times, or install the daemon: coffer service install"));
        }
        if scheme.times.is_empty() {
            continue;
        }
        let command = format!(
            "{} scheme run {name} --unattended --config={} --no-progress",
            argument(wish.program),
            argument(wish.path)
        );
        let head = [
            MARK,
            "[Unit]",
            &format!("Description=Coffer, scheme {name}"),
            "Documentation=man:coffer-scheme-run(1)",
            "Wants=network-online.target",
            "After=network-online.target local-fs.target mariadb.service mysql.service",
            "",
            "[Service]",
            "Type=oneshot",
            &format!("ExecStart={command}"),
            "KillMode=mixed",
            "TimeoutStartSec=infinity",
            "TimeoutStopSec=120",
        ]
        .join("\n");
        let service = head + "\n" + &limits(wish, &[scheme]);
        units.push(Unit { name: format!("coffer-{name}.service"), text: service });
        units.push(Unit { name: format!("coffer-{name}.timer"), text: timer(wish, name, scheme) });
    }
    match units.is_empty() {
        true => Err(Error::new(Kind::Usage, "no scheme is switched on and has a time")),
        false => Ok(units),
    }
}

fn timer(wish: &Wish<'_>, name: &str, scheme: &Scheme) -> String {
    let zone = wish.config.practice.time_zone.as_ref().map(|zone| format!(" {}", zone.get_ref()));
    let days = scheme.days.map_or(0x7f, |days| days.0) & 0x7f;
    let days: Vec<&str> = (0..7).filter(|day| days >> day & 1 == 1).map(|day| DAYS[day]).collect();
    let days = if days.len() == 7 { String::new() } else { format!("{} ", days.join(",")) };
    let mut lines = vec![
        MARK.to_owned(),
        "[Unit]".into(),
        format!("Description=Times of Coffer's scheme {name}"),
        "".into(),
    ];
    lines.push("[Timer]".into());
    for time in &scheme.times {
        let (hour, minute) = (time.0 / 60, time.0 % 60);
        let zone = zone.as_deref().unwrap_or_default();
        lines.push(format!("OnCalendar={days}*-*-* {hour:02}:{minute:02}:00{zone}"));
    }
    let rest = ["Persistent=true", "AccuracySec=30s", "", "[Install]", "WantedBy=timers.target", ""];
    lines.extend(rest.map(String::from));
    lines.join("\n")
}

/// What the service may do, and nothing else.
fn limits(wish: &Wish<'_>, schemes: &[&Scheme]) -> String {
    let mut lines = Vec::new();
    if schemes.iter().any(|scheme| !scheme.before.is_empty() || !scheme.after.is_empty()) {
        lines.push("# The commands before and after a run have these limits, too.".to_owned());
    }
    let has_drill = schemes.iter().any(|scheme| scheme.drill_every.is_some() && scheme.has_databases());
    match wish.user {
        Some(user) => {
            lines.push(format!("User={user}"));
            lines.push("CapabilityBoundingSet=CAP_DAC_READ_SEARCH".into());
            lines.push("AmbientCapabilities=CAP_DAC_READ_SEARCH".into());
        }
        // A drill of root's starts its private server as another user.
        None if has_drill => {
            lines.push("CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_CHOWN CAP_SETUID CAP_SETGID".into());
        }
        None => lines.push("CapabilityBoundingSet=CAP_DAC_READ_SEARCH".into()),
    }
    lines.push(format!("Environment={}", quoted(&format!("COFFER_STATE_DIR={}", wish.state.display()))));
    lines.extend(FIXED.iter().map(|line| (*line).to_owned()));
    let writable = writable(wish, schemes);
    lines.extend(writable.iter().map(|path| format!("ReadWritePaths=-{}", quoted_path(path))));
    let readable = readable(wish, schemes);
    lines.extend(readable.difference(&writable).map(|path| format!("ReadOnlyPaths=-{}", quoted_path(path))));
    for name in credentials(wish, schemes) {
        lines.push(format!("LoadCredential={name}:/etc/credstore/{name}"));
    }
    lines.join("\n") + "\n"
}

/// What is the same for everybody.
const FIXED: [&str; 24] = [
    "UMask=0077",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "IOSchedulingClass=best-effort",
    "IOSchedulingPriority=6",
    "Nice=5",
];

/// What the service must write, is there, and belongs to somebody else than `user`, the number and group of
/// who runs it: it has no rights over the files of others, not as root either.
pub fn of_others(wish: &Wish<'_>, user: (u32, u32)) -> Vec<PathBuf> {
    let schemes: Vec<&Scheme> = wish.config.scheme.values().filter(|scheme| scheme.enabled).collect();
    let targets = schemes.iter().flat_map(|scheme| {
        scheme.copy.iter().filter_map(|copy| copy.to.as_ref()).chain([&scheme.to]).map(|to| to.get_ref())
    });
    let files = targets.filter_map(|name| Some(wish.config.container.get(name)?.path.clone()));
    let mut paths: BTreeSet<PathBuf> = files.collect();
    paths.extend(writable(wish, &schemes));
    paths.retain(|path| place::may_write(path, user) == Some(false));
    paths.into_iter().collect()
}

fn writable(wish: &Wish<'_>, schemes: &[&Scheme]) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::from([wish.state.to_owned()]);
    let copies = schemes.iter().flat_map(|scheme| scheme.copy.iter().filter_map(|copy| copy.to.as_ref()));
    let names = schemes.iter().map(|scheme| &scheme.to).chain(copies);
    let containers = names.filter_map(|name| wish.config.container.get(name.get_ref()));
    paths.extend(containers.filter_map(|place| Some(place.path.parent()?.to_owned())));
    paths.extend(wish.config.status.prometheus.iter().filter_map(|file| Some(file.parent()?.to_owned())));
    if schemes.iter().any(|scheme| scheme.copy.iter().any(|copy| copy.rotation.is_some())) {
        paths.extend(wish.media.iter().cloned());
    }
    paths
}

fn readable(wish: &Wish<'_>, schemes: &[&Scheme]) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::from([wish.path.to_owned()]);
    for folder in schemes.iter().flat_map(|scheme| &scheme.attachments) {
        let text = folder.get_ref();
        let path =
            text.split_once('=').filter(|(label, _)| !label.contains('/')).map_or(text.as_str(), |(_, p)| p);
        paths.extend(Some(PathBuf::from(path)).filter(|path| path.is_absolute()));
    }
    paths
}

fn credentials(wish: &Wish<'_>, schemes: &[&Scheme]) -> BTreeSet<String> {
    let copies = schemes.iter().flat_map(|scheme| scheme.copy.iter().filter_map(|copy| copy.to.as_ref()));
    let names = schemes.iter().map(|scheme| &scheme.to).chain(copies);
    let containers = names.filter_map(|name| wish.config.container.get(name.get_ref()));
    let of_containers = containers.filter_map(|place| place.credential.clone());
    let of_servers = wish.config.server.values().filter_map(|server| server.credential.clone());
    of_containers.chain(of_servers).collect()
}

/// A value in which the service manager replaces and splits nothing.
fn quoted(text: &str) -> String {
    let text = text.replace('%', "%%");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text,
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn quoted_path(path: &Path) -> String {
    // The hyphen before it must stay outside of the quotes for those that ignore what is missing.
    let text = path.display().to_string();
    match quoted(&text).strip_prefix('"') {
        Some(_) => text.replace('%', "%%").replace(' ', "\\x20"),
        None => quoted(&text),
    }
}

/// A word of a command line.
fn argument(path: &Path) -> String {
    quoted(&path.display().to_string().replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes::config::Config;
    use std::collections::BTreeMap;

    const TEXT: &str = r#"
version = 1
[practice]
time-zone = "America/Denver"
[server.main]
socket = "/run/mysqld.sock"
credential = "db"
[container.night]
path = "/srv/backup/night.coffer"
credential = "night"
[container.offsite]
path = "/mnt/off site/night.coffer"
key-file = "/etc/offsite.key"
[scheme.nightly]
source = "all"
attachments = ["images=/srv/100% images", "/srv/documents"]
to = "night"
days = "mon-fri"
times = ["12:30", "22:00"]
copy = [{ to = "offsite" }]
before = [{ command = "true" }]
[scheme.off]
enabled = false
source = "database"
to = "night"
times = ["1:00"]
[status]
prometheus = "/var/lib/node/coffer.prom"
"#;

    fn wish(config: &Config) -> Wish<'_> {
        let (program, path) = (Path::new("/usr/bin/coffer"), Path::new("/etc/coffer/coffer.toml"));
        Wish { program, path, config, state: Path::new("/var/lib/coffer"), user: None, media: Vec::new() }
    }

    /// Reads a unit strictly: sections, keys and values, and nothing else.
    fn parse(text: &str) -> BTreeMap<String, Vec<String>> {
        let (mut section, mut found) = (String::new(), BTreeMap::<String, Vec<String>>::new());
        assert!(text.starts_with(MARK) && text.ends_with('\n') && !text.contains("\n\n\n"));
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                assert!(["Unit", "Service", "Timer", "Install"].contains(&name), "{line}");
                section = name.to_owned();
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            assert!(
                key.chars().all(|c| c.is_ascii_alphanumeric()) && !value.is_empty() && value.trim() == value
            );
            found.entry(format!("{section}.{key}")).or_default().push(value.to_owned());
        }
        let several = ["ReadWritePaths", "ReadOnlyPaths", "LoadCredential", "OnCalendar"];
        for (key, values) in &found {
            assert!(values.len() == 1 || several.iter().any(|name| key.ends_with(name)), "{key}: {values:?}");
        }
        found
    }

    #[test]
    fn what_belongs_to_others_is_found_before_the_first_night() {
        let folder = tempfile::tempdir().expect("folder");
        let there = std::os::unix::fs::MetadataExt::uid(&folder.path().metadata().expect("there"));
        let text = TEXT.replace("/srv/backup", &folder.path().display().to_string());
        let config = Config::parse(&text, "t").expect("good");
        assert!(of_others(&wish(&config), (there, there)).is_empty());
        assert_eq!(of_others(&wish(&config), (there + 1, u32::MAX)), [folder.path()]);
    }

    #[test]
    fn the_daemon_may_write_where_it_must_and_nowhere_else() {
        let config = Config::parse(TEXT, "t").expect("good");
        let unit = parse(&daemon(&wish(&config)).text);
        let of = |key: &str| unit.get(&format!("Service.{key}")).cloned().unwrap_or_default();
        assert_eq!(of("ExecStart"), ["/usr/bin/coffer daemon --config=/etc/coffer/coffer.toml"]);
        assert_eq!(
            of("ReadWritePaths"),
            ["-/mnt/off\\x20site", "-/srv/backup", "-/var/lib/coffer", "-/var/lib/node"]
        );
        assert_eq!(
            of("ReadOnlyPaths"),
            ["-/etc/coffer/coffer.toml", "-/srv/100%%\\x20images", "-/srv/documents"]
        );
        assert_eq!(of("LoadCredential"), ["db:/etc/credstore/db", "night:/etc/credstore/night"]);
        assert_eq!(
            (of("Type"), of("ProtectSystem"), of("UMask")),
            (one("notify"), one("strict"), one("0077"))
        );
        assert_eq!(of("CapabilityBoundingSet"), ["CAP_DAC_READ_SEARCH"]);
        let own = Wish { user: Some("coffer"), ..wish(&config) };
        let unit = parse(&daemon(&own).text);
        assert_eq!(unit["Service.User"], ["coffer"]);
        assert_eq!(unit["Service.AmbientCapabilities"], ["CAP_DAC_READ_SEARCH"]);
    }

    fn one(word: &str) -> Vec<String> {
        vec![word.to_owned()]
    }

    #[test]
    fn timers_have_the_times_of_the_schemes() {
        let config = Config::parse(TEXT, "t").expect("good");
        let units = timers(&wish(&config)).expect("units");
        let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, ["coffer-nightly.service", "coffer-nightly.timer"]);
        let timer = parse(&units[1].text);
        let expected = ["12:30", "22:00"].map(|t| format!("Mon,Tue,Wed,Thu,Fri *-*-* {t}:00 America/Denver"));
        assert_eq!(timer["Timer.OnCalendar"], expected);
        assert_eq!(timer["Timer.Persistent"], ["true"]);
        let service = parse(&units[0].text);
        let command =
            "/usr/bin/coffer scheme run nightly --unattended --config=/etc/coffer/coffer.toml --no-progress";
        assert_eq!(
            (&service["Service.ExecStart"], &service["Service.Type"]),
            (&one(command), &one("oneshot"))
        );
        let cron =
            TEXT.replace("days = \"mon-fri\"\ntimes = [\"12:30\", \"22:00\"]", "calendar = \"0 22 * * *\"");
        let config = Config::parse(&cron, "t").expect("good");
        assert_eq!(timers(&wish(&config)).expect_err("no timer").kind(), Kind::Usage);
    }

    #[test]
    fn the_service_manager_itself_accepts_them() {
        let Ok(found) = std::process::Command::new("systemd-analyze").arg("--version").output() else {
            return;
        };
        assert!(found.status.success());
        let config = Config::parse(TEXT, "t").expect("good");
        let folder = tempfile::tempdir().expect("folder");
        let wish = Wish { program: Path::new("/bin/true"), ..wish(&config) };
        for unit in timers(&wish).expect("units").into_iter().chain([daemon(&wish)]) {
            let file = folder.path().join(&unit.name);
            // Manual pages are not installed where this is tested.
            let text: String = unit
                .text
                .lines()
                .filter(|l| !l.starts_with("Documentation"))
                .flat_map(|l| [l, "\n"])
                .collect();
            std::fs::write(&file, text).expect("written");
            let output = std::process::Command::new("systemd-analyze")
                .args(["verify", "--man=no"])
                .arg(&file)
                .output();
            let output = output.expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let own: Vec<&str> = said.lines().filter(|line| line.contains("coffer")).collect();
            assert!(own.is_empty(), "{}: {said}", unit.name);
        }
    }
}
