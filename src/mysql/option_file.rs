//! Option files of MySQL and MariaDB (`my.cnf`): what they say of how clients reach a server. It
//! promises to read them as the servers' own clients do (groups, quotes, escapes, includes, the latest
//! setting wins), to read a bounded amount whatever they include, and to tell of passwords that others
//! can read.

use super::options::Tls;
use super::sources::Layer;
use crate::error::{Error, Kind, Result};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The groups that count.
const GROUPS: [&str; 7] =
    ["client", "client-server", "client-mariadb", "mysqldump", "mariadb-dump", "mariadb-client", "coffer"];
/// How deep includes may stand in each other.
const MAX_DEPTH: u32 = 10;
/// How many files one may include, all in all.
const MAX_FILES: usize = 100;
/// The longest file in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What a file and those it includes say.
#[derive(Debug, Default)]
pub struct Found {
    /// The settings.
    pub layer: Layer,
    /// What the user should change.
    pub warnings: Vec<String>,
    files: usize,
    tls: TlsWords,
}

/// The settings that together say how a connection is encrypted.
#[derive(Debug, Default)]
struct TlsWords {
    ssl: Option<bool>,
    verify: Option<bool>,
    authority: Option<PathBuf>,
}

/// Reads `path`.
///
/// Errors: [`Kind::Usage`] if it cannot be read, anybody may write it, or it is no option file.
pub fn read(path: &Path) -> Result<Found> {
    let mut found = Found::default();
    found.file(path, 0)?;
    found.layer.tls = found.tls.resolved();
    // For the servers' clients, localhost is the socket, and another host makes a socket void.
    match found.layer.host.as_deref() {
        Some("localhost") => found.layer.host = None,
        Some(_) => found.layer.socket = None,
        None => {}
    }
    Ok(found)
}

impl Found {
    fn file(&mut self, path: &Path, depth: u32) -> Result<()> {
        self.files += 1;
        if depth > MAX_DEPTH || self.files > MAX_FILES {
            return Err(wrong(path, "includes too many files"));
        }
        let (text, mode) = text_of(path)?;
        if mode & 0o002 != 0 {
            return Err(wrong(path, "can be written by anybody")
                .hint(format!("chmod o-w {}; the servers' own clients ignore it, too", path.display())));
        }
        let (mut counts, mut has_password) = (false, false);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
            } else if let Some(rest) = line.strip_prefix("!includedir") {
                for file in included(path, Path::new(rest.trim()))? {
                    self.file(&file, depth + 1)?;
                }
            } else if let Some(rest) = line.strip_prefix("!include") {
                self.file(Path::new(rest.trim()), depth + 1)?;
            } else if let Some(rest) = line.strip_prefix('[') {
                let group = rest.split_once(']').map(|(group, _)| group.trim());
                let group = group.ok_or_else(|| wrong(path, &format!("line {}: no ]", number + 1)))?;
                counts = GROUPS.contains(&group);
            } else if counts {
                has_password |= line.starts_with("password");
                self.setting(line).map_err(|what| wrong(path, &format!("line {}: {what}", number + 1)))?;
            }
        }
        if has_password && mode & 0o044 != 0 {
            self.warnings
                .push(format!("{} holds a password and others can read it: chmod 600 {0}", path.display()));
        }
        Ok(())
    }

    fn setting(&mut self, line: &str) -> std::result::Result<(), String> {
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(plain(value))),
            None => (line.split('#').next().unwrap_or(line), None),
        };
        let name = name.trim().replace('_', "-");
        let name = name.strip_prefix("loose-").unwrap_or(&name);
        let text = || value.as_ref().map(|value| value.to_string()).unwrap_or_default();
        let given = || Some(text()).filter(|text| !text.is_empty());
        match name {
            "socket" => self.layer.socket = given().map(PathBuf::from),
            "host" => self.layer.host = given(),
            "port" => {
                let port = text().parse().map_err(|_| format!("`{}` is no port", text()))?;
                self.layer.port = Some(port).filter(|port| *port != 0);
            }
            "user" => self.layer.user = given(),
            "password" => self.layer.password = value.clone(),
            "ssl-ca" => self.tls.authority = given().map(PathBuf::from),
            "ssl" => self.tls.ssl = Some(value.is_none() || is_yes(&text())),
            "skip-ssl" | "disable-ssl" => self.tls.ssl = Some(false),
            "ssl-verify-server-cert" => self.tls.verify = Some(value.is_none() || is_yes(&text())),
            "skip-ssl-verify-server-cert" | "disable-ssl-verify-server-cert" => self.tls.verify = Some(false),
            "ssl-mode" => match text().to_uppercase().as_str() {
                "DISABLED" => self.tls.ssl = Some(false),
                "VERIFY_CA" | "VERIFY_IDENTITY" => (self.tls.ssl, self.tls.verify) = (Some(true), Some(true)),
                "REQUIRED" => (self.tls.ssl, self.tls.verify) = (Some(true), Some(false)),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }
}

impl TlsWords {
    /// `None`: the files say nothing of it.
    fn resolved(&self) -> Option<Tls> {
        match (self.ssl, self.verify, &self.authority) {
            (Some(false), ..) => Some(Tls::Off),
            (_, Some(false), _) => Some(Tls::Unchecked),
            (_, _, Some(authority)) => Some(Tls::Checked(Some(authority.clone()))),
            (_, Some(true), None) => Some(Tls::Checked(None)),
            (Some(true), None, None) => Some(Tls::Unchecked),
            (None, None, None) => None,
        }
    }
}

fn is_yes(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "1" | "on" | "true" | "yes")
}

/// A value without quotes, remark and escapes.
fn plain(value: &str) -> Zeroizing<String> {
    let value = value.trim();
    let quote = value.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let mut out = Zeroizing::new(String::with_capacity(value.len()));
    let mut letters = value.chars().skip(usize::from(quote.is_some())).peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('b') => out.push('\u{8}'),
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('s') => out.push(' '),
                Some(same @ ('\\' | '\'' | '"')) => out.push(same),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            end if Some(end) == quote => return out,
            '#' if quote.is_none() => break,
            other => out.push(other),
        }
    }
    match quote {
        // A quote that never ends is part of the value.
        Some(quote) => Zeroizing::new(format!("{quote}{}", out.as_str())),
        None => Zeroizing::new(out.trim_end().to_owned()),
    }
}

/// A file's text and mode.
fn text_of(path: &Path) -> Result<(Zeroizing<String>, u32)> {
    let failed = |cause| Error::io(Kind::Usage, format!("option file {}", path.display()), cause);
    let file = File::open(path).map_err(failed)?;
    let data = file.metadata().map_err(failed)?;
    if data.file_type().is_char_device() {
        // /dev/null, to say: no option file at all.
        return Ok((Zeroizing::new(String::new()), 0));
    }
    if !data.is_file() || data.size() > MAX_BYTES {
        return Err(wrong(path, "is no file, or far too long for one"));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok((text, data.permissions().mode()))
}

/// The option files of a folder, by name.
fn included(path: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| {
        let what = format!("option file {} includes {}", path.display(), folder.display());
        Error::io(Kind::Usage, what, cause)
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "cnf" || extension == "ini") {
            files.push(file);
        }
        if files.len() > MAX_FILES {
            return Err(wrong(path, "includes too many files"));
        }
    }
    files.sort();
    Ok(files)
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::new(Kind::Usage, format!("option file {} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("mode");
        path
    }

    #[test]
    fn the_latest_setting_of_a_known_group_wins() {
        let folder = tempfile::tempdir().expect("folder");
        let text = "[mysqld]\nport=1\nsocket=/no\n[client]\nport = 3307 # remark\nuser='a''b'\n; remark\n\
                    password = \"p#1\\\\\\s\"\n[mysqldump]\nuser=last\nquick\n[coffer]\nloose-host=db\nssl_ca=/ca.pem\n";
        let found = read(&written(folder.path(), "my.cnf", text, 0o600)).expect("read");
        let layer = &found.layer;
        assert_eq!((layer.port, layer.socket.as_deref()), (Some(3307), None));
        assert_eq!((layer.user.as_deref(), layer.host.as_deref()), (Some("last"), Some("db")));
        assert_eq!(layer.password.as_ref().map(|p| p.as_str()), Some("p#1\\ "));
        assert_eq!(layer.tls, Some(Tls::Checked(Some("/ca.pem".into()))));
        assert!(found.warnings.is_empty());
    }

    #[test]
    fn values_lose_quotes_remarks_and_escapes() {
        let is = |value: &str, expected: &str| assert_eq!(plain(value).as_str(), expected, "{value}");
        is(" a b # c", "a b");
        is("'a # b' # c", "a # b");
        is("\"it's\"", "it's");
        is("a\\tb\\q", "a\tb\\q");
        is("'open", "'open");
        is("", "");
    }

    #[test]
    fn includes_are_followed_and_bounded() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(folder.path().join("d")).expect("folder");
        written(folder.path(), "d/b.cnf", "[client]\nuser=b\n", 0o600);
        written(folder.path(), "d/a.cnf", "[client]\nuser=a\npassword=x\n", 0o644);
        written(folder.path(), "d/c.txt", "[client]\nuser=c\n", 0o600);
        let text = format!("[client]\nuser=first\nhost=h\n!includedir {}\n", at("d"));
        let found = read(&written(folder.path(), "my.cnf", &text, 0o644)).expect("read");
        assert_eq!(found.layer.user.as_deref(), Some("b"));
        assert_eq!(found.warnings.len(), 1, "only the file with the password: {:?}", found.warnings);
        assert!(found.warnings[0].contains("d/a.cnf"));

        written(folder.path(), "loop.cnf", &format!("!include {}\n", at("loop.cnf")), 0o600);
        assert!(read(Path::new(&at("loop.cnf"))).expect_err("loop").message().contains("too many"));
        let twice = format!("!include {0}\n!include {0}\n", at("twice.cnf"));
        written(folder.path(), "twice.cnf", &twice, 0o600);
        assert!(read(Path::new(&at("twice.cnf"))).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let said = |text: &str, mode| {
            let path = written(folder.path(), "x.cnf", text, mode);
            read(&path).expect_err("wrong").message().to_owned()
        };
        assert!(said("[client]\nport=x\n", 0o600).contains("line 2: `x` is no port"));
        assert!(said("[client\n", 0o600).contains("line 1"));
        assert!(said("[client]\n", 0o602).contains("anybody"));
        assert_eq!(read(&folder.path().join("none")).expect_err("none").kind(), Kind::Usage);
        assert!(read(folder.path()).is_err(), "a folder");
        assert!(read(Path::new("/dev/null")).is_ok_and(|found| found.layer.user.is_none()));
    }
}
