//! The live database of the golden container: a server, a database, tables and a view, and the lines
//! that they restore to.

use coffer::chunk_store::{ChunkStore, Writing};
use coffer::crypto::ObjectKind;
use coffer::entry::database::{
    ColumnForm, ColumnRecord, Consistency, DatabaseRecord, LogPosition, ObjectRecord, SERVER_PATH,
    SchemaObject, ServerRecord, Setting, TableRecord, database_path, object_path, table_path,
};
use coffer::entry::{ChunkRef, Content, Entry, EntryKind, EntryPath, Metadata};
use coffer::error::Result;
use coffer::rows::{
    ChunkSink, OutlineLine, OutlineWriter, RowReader, RowSummary, RowWriter, StoredGroup, diff,
};
use coffer::snapshot::{ChunkRefs, ListWriter};

type Rows = Vec<Vec<Option<Vec<u8>>>>;

fn text(text: impl Into<String>) -> Option<Vec<u8>> {
    Some(text.into().into_bytes())
}

/// Patients: short rows, NULL, and one value of every form.
fn patients() -> Rows {
    let row = |n: u32| {
        let hash = blake3::hash(&n.to_le_bytes());
        vec![
            text((n * 3).to_string()),
            (!n.is_multiple_of(11)).then(|| format!("N\u{e9}e {}", n % 89).into_bytes()),
            text(format!("{}e-1", n)),
            text(format!("19{:02}-00-00", n % 100)),
            text((n % 4).to_string()),
            Some(hash.as_bytes()[..8].to_vec()),
        ]
    };
    (0..2500).map(row).collect()
}

/// Scans: values that stand in chunks of their own.
fn scans() -> Rows {
    let row = |n: u32| {
        let mut bytes = vec![0; [0, 8191, 8192, 300_000, 700_000][n as usize]];
        blake3::Hasher::new().update(&[n as u8, 7]).finalize_xof().fill(&mut bytes);
        vec![text(n.to_string()), Some(bytes)]
    };
    (0..5).map(row).collect()
}

/// Visits: a table whose rows were changed since; two of them with large values, numbers in every shape.
fn visits(is_after: bool) -> Rows {
    let row = |n: u32| {
        let note = match n {
            70 => vec![n as u8; 9000],
            80 if is_after => vec![n as u8; 8200],
            _ => format!("visit {n}").into_bytes(),
        };
        let fee = if is_after && n % 500 == 7 { n * 3 + 1 } else { n * 3 };
        vec![
            text((n * 2 + 1).to_string()),
            (!n.is_multiple_of(5)).then(|| format!("{}.{:02}", fee / 100, fee % 100).into_bytes()),
            text(format!("20{:02}-{:02}-{:02}", n % 30, n % 13, n % 32)),
            text(format!(
                "2024-02-{:02} {:02}:{:02}:{:02}.{:03}",
                n % 29,
                n % 24,
                n % 60,
                n * 7 % 60,
                n % 1000
            )),
            text(format!("{}", i64::from(n) * 1_000_003 - 700_000_000)),
            Some(note),
        ]
    };
    (0..2000).filter(|n| !(is_after && *n == 1500)).map(row).collect()
}

fn visit_columns() -> Vec<ColumnRecord> {
    vec![
        column("VisitNum", "bigint(20)", ColumnForm::Number, ""),
        column("Fee", "decimal(10,2)", ColumnForm::Number, ""),
        column("Day", "date", ColumnForm::Temporal, ""),
        column("Began", "datetime(3)", ColumnForm::Temporal, ""),
        column("Balance", "bigint(20)", ColumnForm::Number, ""),
        column("Note", "mediumtext", ColumnForm::Text, "utf8mb4"),
    ]
}

fn column(name: &str, column_type: &str, form: ColumnForm, character_set: &str) -> ColumnRecord {
    ColumnRecord {
        name: name.into(),
        column_type: column_type.into(),
        form,
        character_set: character_set.into(),
    }
}

fn patient_columns() -> Vec<ColumnRecord> {
    vec![
        column("PatNum", "bigint(20)", ColumnForm::Number, ""),
        column("LName", "varchar(100)", ColumnForm::Text, "utf8mb4"),
        column("Balance", "double", ColumnForm::Float, ""),
        column("Birthdate", "date", ColumnForm::Temporal, ""),
        column("Gender", "enum('','f','m')", ColumnForm::Member, "utf8mb4"),
        column("Hash", "binary(8)", ColumnForm::Bytes, ""),
    ]
}

/// The groups of a table: each its values' chunks, its own, and the hash that it ends with.
#[derive(Default)]
struct Groups(Vec<Vec<u8>>, Vec<(Vec<Vec<u8>>, Vec<u8>, u64)>);

impl ChunkSink for Groups {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.0.push(parts.concat());
        Ok(())
    }

    fn group(&mut self, group: &[u8], end: u64) -> Result<()> {
        self.1.push((std::mem::take(&mut self.0), group.to_vec(), end));
        Ok(())
    }
}

fn groups(columns: usize, rows: &Rows, key: &[u8; 32]) -> Result<(Groups, RowSummary)> {
    let mut out = Groups::default();
    let mut writer = RowWriter::new(columns, &[0], key);
    for row in rows {
        row.iter().try_for_each(|cell| writer.cell(cell.as_deref(), &mut out))?;
        writer.end_row(&mut out)?;
    }
    let summary = writer.finish(&mut out)?;
    Ok((out, summary))
}

/// A table; with `base`, as patches of the groups of those rows where that can be, and with an outline.
fn table(
    name: &str,
    columns: Vec<ColumnRecord>,
    rows: &Rows,
    base: Option<&Rows>,
    key: &[u8; 32],
    writing: &mut Writing,
) -> Result<Entry> {
    let (Groups(_, new), summary) = groups(columns.len(), rows, key)?;
    let old = base.map(|rows| groups(columns.len(), rows, key)).transpose()?.map_or(vec![], |old| old.0.1);
    let mut put = |chunk: &Vec<u8>| writing.put_batch(ObjectKind::Database, &[chunk]).map(|refs| refs[0]);
    let (mut refs, mut outline, mut lines) = (Vec::new(), OutlineWriter::default(), Vec::new());
    for (number, (values, group, end)) in new.iter().enumerate() {
        let mut hasher = blake3::Hasher::new();
        for chunk in values.iter().chain([group]) {
            hasher.update(&(chunk.len() as u32).to_le_bytes()).update(chunk);
        }
        let names: Vec<ChunkRef> = values.iter().map(&mut put).collect::<Result<_>>()?;
        let mut line = OutlineLine { digest: *hasher.finalize().as_bytes(), end: *end, patch: 0, base: 0 };
        let start = refs.len();
        if let Some((old_values, old_group, _)) = old.get(number) {
            let old_names: Vec<ChunkRef> = old_values.iter().map(&mut put).collect::<Result<_>>()?;
            let stored = StoredGroup { group: old_group, values: &old_names };
            let patch = diff(stored, StoredGroup { group, values: &names }).expect("a patch");
            refs.extend(patch.values.iter().map(|&at| names[at]));
            refs.push(put(&patch.chunk)?);
            line.patch = (refs.len() - start) as u32;
            refs.extend(old_names);
            refs.push(put(old_group)?);
        } else {
            refs.extend(names);
            refs.push(put(group)?);
        }
        line.base = (refs.len() - start) as u32 - line.patch;
        lines.extend(outline.push(&line));
    }
    lines.extend(outline.finish().filter(|_| base.is_some()));
    for line in &lines {
        refs.push(put(line)?);
    }
    let size = refs.iter().map(|chunk| u64::from(chunk.length)).sum();
    let mut list = ListWriter::default();
    refs.into_iter().try_for_each(|chunk| list.push(chunk, writing))?;
    let record = TableRecord {
        name: name.into(),
        create: format!("CREATE TABLE `{name}` (`PatNum` bigint(20) NOT NULL)"),
        engine: "InnoDB".into(),
        columns,
        key: vec![0],
        rows: summary.rows,
        checksum: summary.checksum.to_le_bytes(),
        first_key: summary.first_key,
        last_key: summary.last_key,
        server_bytes: 1 << 20,
        outline: lines.len() as u32,
        content: Content { size, holes: vec![], chunks: list.finish(writing)? },
        ..TableRecord::default()
    };
    Ok(entry(table_path("praxis", name), EntryKind::Table(Box::new(record))))
}

fn entry(path: EntryPath, kind: EntryKind) -> Entry {
    Entry { path, kind, metadata: Metadata::default() }
}

/// The entries of the database, in path order; all stand before `database/praxis.sql`.
pub fn entries(key: &[u8; 32], writing: &mut Writing) -> Result<Vec<Entry>> {
    let setting = |name: &str, value: &str| Setting { name: name.into(), value: value.into() };
    let server = ServerRecord {
        vendor: "MariaDB".into(),
        version: "10.11.6-MariaDB".into(),
        settings: vec![setting("lower_case_table_names", "0")],
        consistency: Consistency::Snapshot,
        position: Some(LogPosition { file: "log.000003".into(), offset: 512, gtid: "0-1-7".into() }),
        stall_us: 1500,
        notes: vec!["table praxis.remote: of engine FEDERATED, its rows stay where they are".into()],
    };
    let database = DatabaseRecord {
        name: "praxis".into(),
        create: "CREATE DATABASE `praxis`".into(),
        character_set: "utf8mb4".into(),
        collation: "utf8mb4_general_ci".into(),
    };
    let view = ObjectRecord {
        kind: SchemaObject::View,
        name: "recall/due".into(),
        statements: vec![b"CREATE VIEW `recall/due` AS SELECT `PatNum` FROM `patient`".to_vec()],
        environment: vec![setting("character_set_client", "utf8mb4")],
        definer: "root@localhost".into(),
        ..ObjectRecord::default()
    };
    let scan_columns = vec![
        column("ScanNum", "int(11)", ColumnForm::Number, ""),
        column("Image", "longblob", ColumnForm::Bytes, ""),
    ];
    let view_path = object_path("praxis", SchemaObject::View, &view.name);
    Ok(vec![
        entry(EntryPath(SERVER_PATH.to_vec()), EntryKind::Server(Box::new(server))),
        entry(database_path("praxis"), EntryKind::Database(Box::new(database))),
        table("patient", patient_columns(), &patients(), None, key, writing)?,
        table("scan", scan_columns, &scans(), None, key, writing)?,
        table("visit", visit_columns(), &visits(true), Some(&visits(false)), key, writing)?,
        entry(view_path, EntryKind::Object(Box::new(view))),
    ])
}

/// What of an entry stands in the listing: of a table the number of rows, the checksum as it is stored,
/// and BLAKE3 over all cells, each as its length and 1 (8 bytes; 0: NULL) and its bytes.
pub fn describe(store: &ChunkStore, kind: &EntryKind) -> Result<String> {
    Ok(match kind {
        EntryKind::Server(s) => format!("server {} {} {}", s.vendor, s.version, s.consistency.word()),
        EntryKind::Database(d) => format!("database {} {}", d.name, d.collation),
        EntryKind::Object(o) => {
            format!("{} {} {}", o.kind.word(), o.name, blake3::hash(&o.statements[0]).to_hex())
        }
        EntryKind::Table(table) => {
            let chunks = ChunkRefs::new(store, &table.content.chunks)?
                .map(|chunk| store.get(ObjectKind::Database, &chunk?));
            let mut reader = RowReader::new(chunks, table.columns.len());
            let (mut rows, mut sum, mut hash) = (0, 0u128, blake3::Hasher::new());
            while let Some(row) = reader.next_row()? {
                for cell in row.cells() {
                    hash.update(&cell.map_or(0, |c| c.len() as u64 + 1).to_le_bytes());
                    hash.update(cell.unwrap_or_default());
                }
                rows += 1;
                sum = sum.wrapping_add(reader.row_hash());
            }
            assert_eq!((rows, sum.to_le_bytes()), (table.rows, table.checksum), "{}", table.name);
            let checksum: String = table.checksum.iter().map(|b| format!("{b:02x}")).collect();
            format!("table {rows} {checksum} {}", hash.finalize().to_hex())
        }
        _ => String::new(),
    })
}
