//! Live databases through a container and out again, without a server: a dumper that reads from
//! memory stands in its place.

use super::*;
use crate::entry::database::{
    ColumnForm, ColumnRecord, DatabaseRecord, ObjectRecord, SERVER_PATH, SchemaObject, ServerRecord,
    TableRecord, database_path, object_path, table_path,
};
use crate::entry::{Entry, EntryPath, Metadata};
use crate::error::Error;
use crate::mysql::stream::DumpSink;
use crate::operations::backup::Dumper;
use crate::operations::databases::{Databases, StoredRows, check_rows};
use crate::operations::profile::{Profile, listed};
use crate::rows::RowWriter;
use crate::snapshot::{SourceKind, SourceRecord};
use std::time::Duration;

/// A database `shop` with patients and documents; `visits` is what the night added.
#[derive(Debug)]
struct Shop {
    visits: u32,
    fails: bool,
    /// In night *n* others of the rows are not what they were.
    night: u32,
}

fn entry(path: EntryPath, kind: EntryKind) -> Entry {
    Entry { path, kind, metadata: Metadata::default() }
}

fn column(name: &str, form: ColumnForm) -> ColumnRecord {
    ColumnRecord { name: name.into(), column_type: "text".into(), form, character_set: "utf8mb4".into() }
}

impl Shop {
    fn table(
        &self,
        name: &str,
        sink: &dyn DumpSink,
        key: &[u8; 32],
        rows: impl Iterator<Item = Vec<Option<Vec<u8>>>>,
    ) -> Result<()> {
        let mut stream = sink.table(&table_path("shop", name))?;
        let mut writer = RowWriter::new(2, &[0], key);
        for row in rows {
            for cell in &row {
                writer.cell(cell.as_deref(), &mut *stream)?;
            }
            writer.end_row(&mut *stream)?;
        }
        let summary = writer.finish(&mut *stream)?;
        let table = TableRecord {
            name: name.into(),
            create: format!("CREATE TABLE `{name}` (`Num` int, `FileName` text)"),
            columns: vec![column("Num", ColumnForm::Number), column("FileName", ColumnForm::Text)],
            key: vec![0],
            rows: summary.rows,
            checksum: summary.checksum.to_le_bytes(),
            ..TableRecord::default()
        };
        stream.finish(entry(table_path("shop", name), EntryKind::Table(Box::new(table))))
    }
}

impl Dumper for Shop {
    fn records(&self) -> Vec<SourceRecord> {
        vec![SourceRecord { kind: SourceKind::Database, name: b"shop".to_vec(), origin: Vec::new() }]
    }

    fn dump(&self, key: [u8; 32], sink: &dyn DumpSink, _: &Progress) -> Result<Duration> {
        let server = ServerRecord { vendor: "MariaDB".into(), ..ServerRecord::default() };
        sink.entry(entry(EntryPath(SERVER_PATH.to_vec()), EntryKind::Server(Box::new(server))))?;
        let database = DatabaseRecord {
            name: "shop".into(),
            create: "CREATE DATABASE `shop`".into(),
            ..DatabaseRecord::default()
        };
        let number = |n: u32| Some(n.to_string().into_bytes());
        let text = |n: u32| match n % 1009 {
            rest if rest < self.night => noise(u64::from(n + 7), 24),
            500 => noise(n.into(), 20_000),
            _ => noise(n.into(), 30),
        };
        let patient = |n: u32| vec![number(n), (!n.is_multiple_of(7)).then(|| text(n))];
        self.table("patient", sink, &key, (0..self.visits).map(patient))?;
        let large = |n: u32| vec![number(n), Some(format!("{}", n % 6).into_bytes())];
        self.table("document", sink, &key, (0..8).map(large))?;
        if self.fails {
            return Err(Error::new(Kind::Database, "server: gone away"));
        }
        let view = ObjectRecord {
            kind: SchemaObject::View,
            name: "all/of it".into(),
            statements: vec![b"CREATE VIEW `all/of it` AS SELECT 1".to_vec()],
            ..ObjectRecord::default()
        };
        let path = object_path("shop", SchemaObject::View, &view.name);
        sink.entry(entry(path, EntryKind::Object(Box::new(view))))?;
        // Entries come in the order they are done, which is none.
        sink.entry(entry(database_path("shop"), EntryKind::Database(Box::new(database))))?;
        Ok(Duration::from_millis(7))
    }
}

fn with_shop(folder: &Path, ahead: i64, visits: u32) -> BackupPlan {
    let mut plan = plan(folder, ahead);
    plan.sources.push(Source::Databases(Arc::new(Shop { visits, fails: false, night: 0 })));
    plan
}

#[test]
fn a_live_database_is_kept_beside_dumps_and_files_and_comes_back_as_a_script() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let report = run(&mut session, with_shop(folder.path(), 1, 5000));
    assert_eq!(report.stall, Some(Duration::from_millis(7)));
    assert_eq!(report.record.counts.dumps, 4, "a dump, two tables and a view");
    let out = tempfile::tempdir().expect("a folder");
    restored(&session, &report.record, out.path());
    let script = std::fs::read(out.path().join("database/shop.sql")).expect("a script");
    let script = String::from_utf8(script).expect("text");
    assert!(script.contains("CREATE TABLE `patient`") && script.contains("VIEW `all/of it`"), "{script}");
    assert!(script.contains("INSERT INTO `patient`"), "{script}");
    assert!(out.path().join("database/d.sql").exists() && out.path().join("attachments/img/3").exists());
    let databases = Databases::read(&session.store, &report.record, &Selection::default()).expect("read");
    let rows = StoredRows::new(&session.store, pool(1).expect("a pool"));
    let tables = &databases.databases["shop"].tables;
    assert_eq!(tables.iter().map(|t| t.rows).collect::<Vec<_>>(), [8, 5000]);
    for table in tables {
        check_rows(&rows, table, &Progress::default()).expect("as backed up");
        let other = TableRecord { checksum: [1; 16], ..table.clone() };
        assert_eq!(check_rows(&rows, &other, &Progress::default()).unwrap_err().kind(), Kind::Damaged);
    }
}

#[test]
fn a_dump_and_a_live_database_of_one_name_both_come_back() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let mut plan = with_shop(folder.path(), 1, 50);
    let dump = folder.path().join("shop.sql");
    std::fs::write(&dump, b"the dump").expect("written");
    plan.sources.push(Source::DumpFile { name: b"shop.sql".to_vec(), path: dump });
    let report = run(&mut session, plan);
    let out = tempfile::tempdir().expect("a folder");
    restored(&session, &report.record, out.path());
    let read = |name: &str| std::fs::read(out.path().join("database").join(name)).expect("a file");
    assert_eq!(read("shop.sql"), b"the dump");
    assert!(read("shop.live.sql").windows(12).any(|words| words == b"CREATE TABLE"));
}

#[test]
fn a_night_adds_its_rows_and_little_more() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let first = run(&mut session, with_shop(folder.path(), 1, 5000)).record.counts;
    let second = run(&mut session, with_shop(folder.path(), 100, 5010)).record.counts;
    assert!(first.new_bytes > 150_000, "{first:?}");
    assert!(second.new_bytes < first.new_bytes / 4, "{second:?}");
}

/// A backup of the shop in a night; the rows of all snapshots are checked, chunks counted by first byte.
fn night(session: &mut Session, folder: &Path, night: u32, read_all: bool) -> (u64, [usize; 4]) {
    let mut plan = plan(folder, i64::from(night) + 1 + i64::from(read_all));
    plan.read_all = read_all;
    plan.sources.push(Source::Databases(Arc::new(Shop { visits: 20_000, fails: false, night })));
    let added = run(session, plan).record.counts.new_bytes;
    let rows = StoredRows::new(&session.store, pool(1).expect("a pool"));
    let mut count = [0; 4];
    for record in Catalog::read(&session.store).expect("a catalog").snapshots {
        let all = Databases::read(&session.store, &record, &Selection::default()).expect("read");
        count = [0; 4];
        for table in &all.databases["shop"].tables {
            check_rows(&rows, table, &Progress::default()).expect("as backed up");
            for chunk in crate::mysql::stream::RowSource::chunks(&rows, table).expect("chunks") {
                count[usize::from(chunk.expect("a chunk")[0])] += 1;
            }
        }
    }
    (added, count)
}

#[test]
fn nights_of_edits_are_patches_and_what_is_lost_is_stored_anew() {
    let (folder, disk) = (practice(), SimulatedDisk::new());
    let mut session = new_session(&disk);
    let (first, count) = night(&mut session, folder.path(), 0, false);
    assert!(count[0] > 10 && count[1] > 5 && count[2] == 0 && count[3] == 2, "{count:?}");
    let (second, patched) = night(&mut session, folder.path(), 1, false);
    assert!(patched[2] + 2 >= count[1] && patched[1] == count[1], "{patched:?} of {count:?}");
    assert!(second < first / 50, "{second} of {first}");
    let (third, again) = night(&mut session, folder.path(), 2, false);
    assert!(third < first / 40 && again[2] == patched[2], "{third} of {first}, {again:?}");
    let (same, proven) = night(&mut session, folder.path(), 2, true);
    assert!(same < 4096 && proven == again, "{same}");
    // The groups that the patches are of are lost.
    let geometry = session.store.container().base().geometry;
    for slot in session.store.live_slots() {
        disk.corrupt(geometry.slot_offset(slot) + 8 * 4096, 60 * 4096, |b| {
            b.iter_mut().for_each(|b| *b ^= 9)
        });
    }
    let mut plan = plan(folder.path(), 9);
    plan.read_all = true;
    plan.sources.push(Source::Databases(Arc::new(Shop { visits: 20_000, fails: false, night: 2 })));
    let record = run(&mut session, plan).record;
    let rows = StoredRows::new(&session.store, pool(1).expect("a pool"));
    let all = Databases::read(&session.store, &record, &Selection::default()).expect("read");
    for table in &all.databases["shop"].tables {
        check_rows(&rows, table, &Progress::default()).expect("stored anew");
    }
    assert!(record.counts.new_bytes > first / 20, "{record:?}");
}

#[test]
fn a_dump_that_fails_commits_nothing() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let mut plan = plan(folder.path(), 1);
    plan.sources.push(Source::Databases(Arc::new(Shop { visits: 10, fails: true, night: 0 })));
    let failed = backup(&mut session.store, plan, pool(1).expect("a pool"), &Progress::default());
    assert_eq!(failed.unwrap_err().kind(), Kind::Database);
    assert!(Catalog::read(&session.store).expect("a catalog").snapshots.is_empty());
}

#[test]
fn one_table_is_restored_with_its_database() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let record = run(&mut session, with_shop(folder.path(), 1, 50)).record;
    let selection = Selection::new(None, &[table_path("shop", "document").0]).expect("a path");
    let databases = Databases::read(&session.store, &record, &selection).expect("read");
    let shop = &databases.databases["shop"];
    assert!(shop.tables.len() == 1 && shop.objects.is_empty() && databases.server.is_some());
    assert_eq!(shop.record.create, "CREATE DATABASE `shop`");
}

#[test]
fn attachments_that_the_database_lists_and_nobody_has_are_named() {
    let folder = practice();
    std::fs::remove_file(folder.path().join("img/4")).expect("there");
    let mut session = new_session(&SimulatedDisk::new());
    let record = run(&mut session, with_shop(folder.path(), 1, 50)).record;
    let compare = |profile: &str| {
        let profile = Profile::parse(profile, "own").expect("a profile");
        let pool = pool(1).expect("a pool");
        listed::compare(&session.store, &record, &profile, &pool, &Progress::default())
    };
    let found = compare("name='x'\n[[attachments]]\ntable='Document'\ncolumn='filename'").expect("compared");
    assert_eq!((found.listed, found.missing), (6, vec!["Document.filename: 4".to_owned()]));
    let unknown = compare("name='x'\n[[attachments]]\ntable='document'\ncolumn='Path'");
    assert_eq!(unknown.unwrap_err().kind(), Kind::Usage);
}
