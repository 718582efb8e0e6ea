//! Dump files on trial: restored, compared, and loaded into the private server by its own client, as
//! the practice would. It promises to say what was only compared and not loaded.

use super::report::DumpTrial;
use super::{Drill, Place, millis, without_values};
use crate::attachments::restore::RestoreOptions;
use crate::entry::{EntryKind, EntryPath};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::operations::restore::{self, RestorePlan};
use crate::operations::scratch::{Folder, ScratchServer, find};
use crate::operations::select::{Selection, Side};
use crate::snapshot::ManifestReader;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How the files of packers begin.
const PACKED: [&[u8]; 5] =
    [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", &[0xfd, b'7', b'z'], b"PK\x03\x04"];

impl Drill<'_> {
    /// Tries all dump files in `folder`.
    pub fn dumps(&mut self, place: Option<&Place>, folder: &Folder) -> Result<()> {
        let mut paths = Vec::new();
        for entry in ManifestReader::new(self.store, &self.record.manifest)? {
            // What cannot be read is named by the trial of the attachments.
            let Ok(entry) = entry else { break };
            if matches!(entry.kind, EntryKind::Dump(_)) {
                paths.push(entry.path);
            }
        }
        for (number, path) in paths.into_iter().enumerate() {
            self.progress.check()?;
            self.dump(place, folder, path, number)?;
        }
        Ok(())
    }

    fn dump(&mut self, place: Option<&Place>, folder: &Folder, path: EntryPath, number: usize) -> Result<()> {
        let mut trial = DumpTrial { dump: path.to_string(), ..DumpTrial::default() };
        let target = folder.path().join(format!("dump-{number}"));
        let plan = RestorePlan {
            selection: Selection { only: Some(Side::Database), paths: vec![path.clone()] },
            target: target.clone(),
            options: RestoreOptions::default(),
            compare: true,
            sync: false,
        };
        let began = Instant::now();
        let report = restore::restore(self.store, self.record, &plan, self.pool, self.progress)?;
        trial.bytes = report.restored_bytes;
        self.phase(format!("{path} restored and compared"), began.elapsed(), trial.bytes);
        let is_whole =
            report.damaged.is_empty() && report.wrong_contents.is_empty() && report.problems.is_empty();
        let file = target.join(Path::new(std::ffi::OsStr::from_bytes(&path.0)));
        match place {
            _ if !is_whole => trial.failure = "it could not be restored as it was".into(),
            Some(Place::Scratch(server)) => self.load(server, &file, number, &mut trial)?,
            _ if !self.plan.has_databases => trial.not_loaded = "as asked for".into(),
            _ => trial.not_loaded = "there is no private server to load it into".into(),
        }
        // The next dump needs the space.
        let _ = std::fs::remove_dir_all(&target);
        if !trial.failure.is_empty() {
            self.report.differences.push(format!("{path}: {}", trial.failure));
        }
        if !trial.not_loaded.is_empty() {
            let told = format!("{path}: compared, but not loaded: {}", trial.not_loaded);
            match self.plan.has_databases {
                true => self.report.not_proven.push(told),
                false => self.report.notes.push(told),
            }
        }
        self.report.dumps.push(trial);
        Ok(())
    }

    fn load(
        &mut self,
        server: &ScratchServer,
        file: &Path,
        number: usize,
        trial: &mut DumpTrial,
    ) -> Result<()> {
        if is_packed(file)? {
            trial.not_loaded = "it is packed".into();
            return Ok(());
        }
        let Some(client) = find("mariadb").or_else(|| find("mysql")) else {
            trial.not_loaded = "this machine has no mariadb client".into();
            return Ok(());
        };
        let mut conn = Connection::open(&server.options())?;
        let before = tables(&mut conn)?;
        let database = format!("coffer_drill_dump_{number}");
        conn.execute(&format!("CREATE DATABASE {database}"))?;
        let began = Instant::now();
        let said = self.feed(&client, server, &database, file)?;
        trial.ms = millis(began.elapsed());
        self.phase(format!("{} loaded", trial.dump), began.elapsed(), trial.bytes);
        if let Some(said) = said {
            trial.failure = format!("the client stopped: {}", without_values(&said));
            return Ok(());
        }
        trial.tables = tables(&mut conn)?.saturating_sub(before);
        if trial.tables == 0 {
            trial.failure = "it loads without an error, and makes no table".into();
        }
        Ok(())
    }

    /// Gives the file to the client; what it said if it failed.
    fn feed(
        &self,
        client: &Path,
        server: &ScratchServer,
        database: &str,
        file: &Path,
    ) -> Result<Option<String>> {
        let failed = |cause| Error::io(Kind::Database, format!("{}: cannot be run", client.display()), cause);
        let input =
            File::open(file).map_err(|c| Error::io(Kind::Destination, file.display().to_string(), c))?;
        let said = server.folder().join("client");
        let errors = File::create(&said).map_err(failed)?;
        let socket = server.folder().join("sock");
        let mut child = Command::new(client)
            .args(["--no-defaults", "--user=root", "--batch", "--binary-mode", "--max-allowed-packet=1G"])
            .args([format!("--socket={}", socket.display()), format!("--database={database}")])
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                let words = std::fs::read(&said).unwrap_or_default();
                let words = String::from_utf8_lossy(&words);
                let line = words.lines().find(|line| line.contains("ERROR")).unwrap_or("it says nothing");
                return Ok((!status.success()).then(|| line.to_owned()));
            }
            if let Err(error) = self.progress.check() {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_packed(file: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let read = File::open(file).and_then(|file| file.take(8).read_to_end(&mut start));
    read.map_err(|cause| Error::io(Kind::Destination, file.display().to_string(), cause))?;
    Ok(PACKED.iter().any(|magic| start.starts_with(magic)))
}

fn tables(conn: &mut Connection) -> Result<u64> {
    let count = conn.value(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE <> 'VIEW' AND TABLE_SCHEMA NOT IN \
         ('mysql','sys','information_schema','performance_schema')",
    )?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}
