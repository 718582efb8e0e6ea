//! `coffer demo`: the whole story on an invented practice, in a folder of its own: nights of backup,
//! proof, restore, damage. It promises that what it says was checked was checked, byte by byte against
//! the practice's own files, and to fail if anything differs.

mod folder;
mod live;

use super::new_secret::NewSecret;
use super::stats::factor;
use crate::attachments::restore::RestoreOptions;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::cli::server::ServerArgs;
use crate::container::Access;
use crate::crypto::{Credential, KdfCost, NewSlot, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::operations::backup::{self, BackupPlan, BackupReport, Source};
use crate::operations::practice::Practice;
use crate::operations::restore::{self, RestorePlan};
use crate::operations::select::{Selection, Side};
use crate::operations::session::{self, Session};
use crate::operations::{inspect, verify};
use crate::snapshot::{Catalog, Level, SnapshotRecord};
use crate::values::{format_count, format_duration, format_size};
use clap::Args;
use folder::{Folder, differing, read, tree_bytes};
use rayon::ThreadPool;
use serde_json::json;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The practice that everybody sees.
const SEED: u64 = 1;

/// Arguments of `coffer demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Work in this folder, which must not exist, and keep it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Nights to live through
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=365))]
    nights: u32,
    /// Show a live database instead, on the server that is named or a private one
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl Demo {
    /// Shows it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        if context.globals.dry_run {
            let nights = format_count(self.nights.into(), "night");
            return Ok(Outcome::done().summary(format!("{nights} of an invented practice would be shown")));
        }
        let is_named = self.server.is_argument();
        let folder = Folder::create(self.keep.as_deref())?;
        // What stands in the folder goes away again.
        context.progress();
        if self.live || is_named {
            let server = is_named.then(|| self.server.options(context)).transpose()?;
            return live::show(context, &folder, server);
        }
        let mut show = Show::start(context, &folder)?;
        for night in 0..self.nights {
            show.night(night)?;
        }
        show.verify()?;
        show.restore_latest()?;
        show.restore_first_dump()?;
        show.damage()?;
        let outcome = show.sum_up()?;
        if self.keep.is_some() {
            context.output.note(format_args!("everything stands in {}", folder.path().display()));
        }
        Ok(outcome)
    }
}

/// The show as it goes on.
struct Show<'a> {
    context: &'a Context,
    folder: &'a Folder,
    pool: Arc<ThreadPool>,
    practice: Practice,
    key: Credential,
    session: Session,
    first_dump: Vec<u8>,
    /// What a plain copy of every night would take, in bytes.
    copies: u64,
    nights: u64,
    backups: Duration,
}

impl<'a> Show<'a> {
    fn start(context: &'a Context, folder: &'a Folder) -> Result<Show<'a>> {
        let practice = Practice::create(&folder.path().join("practice"), SEED)?;
        let key = NewSecret::key_file(&folder.path().join("practice.key"))?;
        let pool = context.pool()?;
        let credential = key.credential.clone();
        let time = context.time(None);
        let slot = NewSlot {
            credential: Some(credential.clone()),
            label: "demo".into(),
            cost: KdfCost::DEFAULT,
            created: time,
        };
        let path = folder.path().join("practice.coffer");
        let plan = session::Init {
            path,
            segment_bytes: Some(1 << 20),
            parity: session::Parity::Normal,
            max_bytes: None,
            retention: None,
            slot,
            time,
        };
        let session = session::init(&plan, Arc::clone(&pool), &mut SystemEntropy)?;
        key.keep();
        let first_dump = read(&practice.dump())?;
        say(context, "practice", "an invented practice, a new key, and one encrypted file".into());
        Ok(Show {
            context,
            folder,
            pool,
            practice,
            key: credential,
            session,
            first_dump,
            copies: 0,
            nights: 0,
            backups: Duration::ZERO,
        })
    }

    fn say(&self, step: &str, text: String) {
        say(self.context, step, text);
    }

    fn night(&mut self, night: u32) -> Result<()> {
        self.context.progress().check()?;
        let change = self.practice.age(night)?;
        let bytes = tree_bytes(&self.practice.dump())? + tree_bytes(&self.practice.attachments())?;
        let began = Instant::now();
        let report = self.backup()?;
        let took = began.elapsed();
        self.backups += took;
        self.copies += bytes;
        self.nights += 1;
        let counts = &report.record.counts;
        let what = match night {
            0 => format!("{} and the dump", format_count(counts.files, "file")),
            _ => format!(
                "{} added or changed, {} added or changed",
                format_count(change.files_added + change.files_changed, "file"),
                format_count(change.rows_added + change.rows_changed, "row")
            ),
        };
        self.say(
            "night",
            format!(
                "night {}: {} backed up in {}, {} added ({what})",
                night + 1,
                format_size(bytes),
                format_duration(took),
                format_size(counts.added_bytes)
            ),
        );
        Ok(())
    }

    fn backup(&mut self) -> Result<BackupReport> {
        let sources = vec![
            Source::DumpFile { name: b"practice.sql".to_vec(), path: self.practice.dump() },
            Source::Attachments { label: b"images".to_vec(), root: self.practice.attachments() },
        ];
        let plan = BackupPlan {
            read_back: false,
            ..BackupPlan::usual(sources, "demo", session::host_name(), self.context.time(None))
        };
        let progress = self.context.progress();
        let report = backup::backup(&mut self.session.store, plan, Arc::clone(&self.pool), progress)?;
        match report.problems.first() {
            Some(problem) => Err(wrong(&format!("backup: {problem}"))),
            None => Ok(report),
        }
    }

    fn verify(&self) -> Result<()> {
        let began = Instant::now();
        let report = verify::verify(&self.session.store, Level::Full, &self.pool, self.context.progress())?;
        if let Some(damage) = report.damaged.first() {
            return Err(wrong(&format!("verify: {}: {}", damage.object, damage.reason)));
        }
        let chunks = format_count(report.chunks, "chunk");
        let took = format_duration(began.elapsed());
        self.say("verify", format!("verified: {chunks} decrypted and proven in {took}, no damage"));
        Ok(())
    }

    /// Restores `record` with everything that restore itself checks.
    fn restore(
        &self,
        session: &Session,
        record: &SnapshotRecord,
        only: Option<Side>,
        name: &str,
    ) -> Result<PathBuf> {
        let target = self.folder.path().join(name);
        let plan = RestorePlan {
            selection: Selection::new(only, &[])?,
            target: target.clone(),
            options: RestoreOptions::default(),
            compare: true,
            sync: false,
        };
        let report = restore::restore(&session.store, record, &plan, &self.pool, self.context.progress())?;
        let faults = report.damaged.len() + report.differences.len() + report.wrong_contents.len();
        match faults + report.problems.len() {
            0 => Ok(target),
            count => Err(wrong(&format!("{name}: {count} things are not as they were backed up"))),
        }
    }

    fn newest(&self) -> Result<SnapshotRecord> {
        let mut catalog = Catalog::read(&self.session.store)?;
        catalog.snapshots.pop().ok_or_else(|| wrong("the catalog is empty"))
    }

    /// Holds a restored tree against the practice itself, so that no mistake of the program's own
    /// comparison can hide.
    fn check(&self, restored: &Path) -> Result<()> {
        let pairs = [
            (self.practice.attachments(), restored.join("attachments/images")),
            (self.practice.dump(), restored.join("database/practice.sql")),
        ];
        for (original, copy) in pairs {
            if let Some(path) = differing(&original, &copy)? {
                return Err(wrong(&format!("{} differs from the practice's", path.display())));
            }
        }
        Ok(())
    }

    fn restore_latest(&self) -> Result<()> {
        let began = Instant::now();
        let restored = self.restore(&self.session, &self.newest()?, None, "restored")?;
        let took = format_duration(began.elapsed());
        self.check(&restored)?;
        self.say("restore", format!("last night restored in {took}; every byte is that of the practice"));
        Ok(())
    }

    fn restore_first_dump(&self) -> Result<()> {
        let catalog = Catalog::read(&self.session.store)?;
        let first = catalog.snapshots.first().ok_or_else(|| wrong("the catalog is empty"))?;
        let restored = self.restore(&self.session, first, Some(Side::Database), "first night")?;
        if read(&restored.join("database/practice.sql"))? != self.first_dump {
            return Err(wrong("the database of the first night is not what it was"));
        }
        self.say("restore", "the database of the first night restored; every byte is as it was".into());
        Ok(())
    }

    /// Flips one byte of a copy: it must be named, and the restore must be right all the same.
    fn damage(&self) -> Result<()> {
        let container = self.session.store.container();
        let copy = self.folder.path().join("damaged.coffer");
        std::fs::copy(self.folder.path().join("practice.coffer"), &copy)
            .map_err(|c| folder::failed(&copy, c))?;
        let geometry = container.base().geometry;
        let slot = *self.session.store.live_slots().first().ok_or_else(|| wrong("no segment is in use"))?;
        flip(&copy, geometry.slot_offset(slot) + geometry.segment_bytes as u64 / 3)?;
        let damaged = session::open(&copy, std::slice::from_ref(&self.key), Access::Read, Duration::ZERO)?;
        let report = verify::verify(&damaged.store, Level::Full, &self.pool, self.context.progress())?;
        let named = match &report.damaged[..] {
            [damage] if damage.is_mendable && report.affected.is_empty() => damage,
            other => return Err(wrong(&format!("one flipped byte was seen as {} damages", other.len()))),
        };
        let restored = self.restore(&damaged, &self.newest()?, None, "restored from damaged")?;
        self.check(&restored)?;
        self.say(
            "damage",
            format!("one byte of a copy flipped: verify names it ({}: {})", named.object, named.reason),
        );
        self.say("damage", "and the restore from that copy is right, byte by byte".into());
        Ok(())
    }

    fn sum_up(&self) -> Result<Outcome> {
        let numbers = inspect::statistics(&self.session.store)?;
        let nights = format_count(self.nights, "night");
        let (copies, file) = (format_size(self.copies), format_size(numbers.file_bytes));
        self.say(
            "sizes",
            format!(
                "{nights} as plain copies: {copies}; different data: {}; stored: {} (1 byte for {}); the file: {file}",
                format_size(numbers.unique_bytes),
                format_size(numbers.stored_bytes),
                factor(numbers.restored_bytes, numbers.stored_bytes),
            ),
        );
        let summary = format!(
            "all is well: {nights} of a practice, {copies} as plain copies, stand in one encrypted file of {file}, \
             and every restore was right byte by byte"
        );
        Ok(Outcome::done()
            .with("nights", self.nights)
            .with("plain_copies_bytes", self.copies)
            .with("unique_bytes", numbers.unique_bytes)
            .with("stored_bytes", numbers.stored_bytes)
            .with("file_bytes", numbers.file_bytes)
            .with("free_bytes", numbers.free_bytes)
            .with("backup_ms", self.backups.as_millis() as u64)
            .summary(summary))
    }
}

fn say(context: &Context, step: &str, text: String) {
    context.output.item(&text, json!({ "step": step, "text": text }));
}

fn wrong(what: &str) -> Error {
    Error::new(Kind::Failed, format!("demo: {what}"))
        .hint("this is a mistake of the program: please report it")
}

fn flip(path: &Path, offset: u64) -> Result<()> {
    let change = || {
        let file = std::fs::File::options().read(true).write(true).open(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset)?;
        file.write_all_at(&[byte[0] ^ 0x40], offset)
    };
    change().map_err(|cause| folder::failed(path, cause))
}
