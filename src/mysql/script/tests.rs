//! Scripts of odd databases, byte for byte.

use super::*;
use crate::entry::database::{ColumnForm, ColumnRecord};

fn server() -> ServerRecord {
    ServerRecord { vendor: "MariaDB".into(), version: "10.11.19-MariaDB".into(), ..ServerRecord::default() }
}

fn table() -> TableRecord {
    let column = |name: &str, form, set: &str| ColumnRecord {
        name: name.into(),
        form,
        character_set: set.into(),
        ..ColumnRecord::default()
    };
    TableRecord {
        name: "t".into(),
        create: "CREATE TABLE `t` (\n  `a` int\n)".into(),
        engine: "InnoDB".into(),
        columns: vec![column("a", ColumnForm::Number, ""), column("b", ColumnForm::Text, "utf8mb4")],
        ..TableRecord::default()
    }
}

fn written(statement_bytes: usize, rows: &[(&[u8], Option<&[u8]>)]) -> String {
    let mut writer = ScriptWriter::new(
        Vec::new(),
        &server(),
        ScriptOptions { statement_bytes, ..ScriptOptions::default() },
    )
    .expect("head");
    writer.table(&table(), &[]).expect("table");
    for (a, b) in rows {
        writer.row([Some(*a), *b]).expect("row");
    }
    writer.end_table().expect("end");
    String::from_utf8(writer.finish().expect("finish")).expect("UTF-8")
}

#[test]
fn rows_share_statements_up_to_the_limit() {
    let rows: [(&[u8], Option<&[u8]>); 3] = [(b"1", Some(b"it's")), (b"2", None), (b"3", Some(b"\xff"))];
    assert!(written(1 << 20, &rows).contains("VALUES\n(1,'it\\'s'),\n(2,NULL),\n(3,x'ff');\n"));
    let apart = written(1, &rows);
    assert!(
        apart.contains("VALUES\n(1,'it\\'s');\nINSERT INTO `t` (`a`,`b`) VALUES\n(2,NULL);\n"),
        "{apart}"
    );
    // A long row among short ones, and first, goes through whole.
    let between =
        written(60, &[(b"1", Some(b"a")), (b"2", Some(&[b'x'; 99])), (b"3", Some(b"b")), (b"4", None)]);
    let long =
        format!("VALUES\n(1,'a');\nINSERT INTO `t` (`a`,`b`) VALUES\n(2,'{}');\nINSERT", "x".repeat(99));
    assert!(between.contains(&long) && between.contains("(3,'b'),\n(4,NULL);\n"), "{between}");
    assert_eq!(apart.matches("INSERT INTO `t` (`a`,`b`) VALUES").count(), 3);
    assert!(!written(100, &[]).contains("INSERT"));
}

#[test]
fn the_first_line_is_for_every_client() {
    let text = written(100, &[]);
    assert!(
        text.starts_with("-- A database of MariaDB 10.11.19-MariaDB, in UTF-8.\nSET NAMES utf8mb4;\n"),
        "{text}"
    );
}

#[test]
fn a_row_that_does_not_fit_its_table_is_an_error() {
    let mut writer = ScriptWriter::new(Vec::new(), &server(), ScriptOptions::default()).expect("head");
    assert!(writer.row([Some(b"1".as_slice())]).is_err());
    writer.table(&table(), &[]).expect("table");
    assert!(writer.row([Some(b"1".as_slice())]).is_err());
    assert!(writer.row([None, None, None]).is_err());
    assert!(writer.row([None, None]).is_ok());
}

#[test]
fn a_table_that_a_server_may_refuse_stands_at_the_end() {
    let far = |name: &str, engine: &str| TableRecord {
        name: name.into(),
        create: format!("CREATE TABLE `{name}` (\n  `a` int\n) ENGINE={engine}"),
        engine: engine.into(),
        ..TableRecord::default()
    };
    let view = ObjectRecord {
        kind: SchemaObject::View,
        name: "v".into(),
        statements: vec![b"CREATE VIEW `v` AS select `seen`.`a` from `seen`".to_vec()],
        ..ObjectRecord::default()
    };
    let mut writer = ScriptWriter::new(Vec::new(), &server(), ScriptOptions::default()).expect("head");
    writer.before_tables(std::slice::from_ref(&view)).expect("sequences");
    for table in [far("away", "FEDERATED"), far("seen", "SPIDER"), far("both", "MRG_MYISAM"), table()] {
        writer.table(&table, &[]).expect("table");
        writer.end_table().expect("end");
    }
    writer.after_tables(&[view], &[]).expect("view");
    let late = writer.late().to_vec();
    let text = String::from_utf8(writer.finish().expect("finish")).expect("UTF-8");
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
    // A view stands on the second; the third needs nothing from outside.
    assert!(at("`seen`") < at("`both`") && at("`both`") < at("TABLE `t`"), "{text}");
    assert!(at("TABLE `t`") < at("VIEW") && at("VIEW") < at("CREATE TABLE `away`"), "{text}");
    assert_eq!(late.len(), 1);
    assert!(late[0].contains("`away`") && late[0].contains("FEDERATED"), "{late:?}");
}
