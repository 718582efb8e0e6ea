//! What is read of a database besides its good objects: what is hidden, broken or moved, users, and
//! the fingerprints that guard a dump.

use crate::server::{Make, Server, mariadbs_own, told};
use coffer::entry::database::{ColumnForm, SchemaObject};
use coffer::error::Kind;
use coffer::mysql::connection::Connection;
use coffer::mysql::schema::{
    Schema, SchemaOptions, definitions_fingerprint, list_databases, make_object, read_database, read_users,
    table_fingerprint,
};

#[track_caller]
fn read(conn: &mut Connection, options: &SchemaOptions) -> Schema {
    read_database(conn, "shop", options).unwrap_or_else(|error| panic!("{}", told(&error)))
}

#[test]
fn a_hidden_body_is_a_loss_and_no_empty_text() {
    let server = Server::start(&[]);
    server.client(
        "",
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT); CREATE PROCEDURE p() SELECT 1; CREATE VIEW v AS SELECT a FROM t;
         CREATE USER half; GRANT SELECT, EXECUTE ON shop.* TO half;",
    );
    let mut conn =
        Connection::open(&server.options_as("half", "")).unwrap_or_else(|e| panic!("{}", told(&e)));
    let schema = read(&mut conn, &SchemaOptions::default());
    assert_eq!(schema.tables.len(), 1);
    assert!(schema.objects.is_empty(), "{:?}", schema.objects);
    let lost = |word: &str| schema.losses.iter().any(|loss| loss.starts_with(word));
    assert!(lost("procedure `shop`.`p`") && lost("view `shop`.`v`"), "{:?}", schema.losses);
}

#[test]
fn names_are_compared_letter_by_letter_and_filters_hold() {
    let server = Server::start(&[]);
    server.client(
        "",
        "CREATE DATABASE shop; CREATE DATABASE SHOP; USE shop; CREATE TABLE t (a INT); CREATE TABLE T (b INT);
         CREATE TABLE skipped (a INT); CREATE TRIGGER x BEFORE INSERT ON skipped FOR EACH ROW SET @x=1;
         CREATE TRIGGER y BEFORE INSERT ON t FOR EACH ROW SET @x=(SELECT COUNT(*) FROM shop.skipped);
         CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1; CREATE PROCEDURE p() SELECT 1; USE SHOP; CREATE TABLE other (a INT);",
    );
    let mut conn = server.connect();
    assert_eq!(list_databases(&mut conn).expect("list"), ["SHOP", "shop"]);
    let options = SchemaOptions { wants: &|name| name != "skipped", routines: false, events: false };
    let schema = read(&mut conn, &options);
    let names: Vec<&str> = schema.tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["T", "t"]);
    let objects: Vec<(SchemaObject, &str)> =
        schema.objects.iter().map(|o| (o.kind, o.name.as_str())).collect();
    assert_eq!(objects, [(SchemaObject::Trigger, "y")]);
    assert!(schema.notes.iter().any(|n| n.contains("`y` names its database")), "{:?}", schema.notes);
    let missing = read_database(&mut conn, "Shop", &options).expect_err("no such database");
    assert_eq!(missing.kind(), Kind::NotFound);
}

#[test]
fn keys_columns_and_what_is_not_carried_are_told() {
    if mariadbs_own("system versioning") {
        return;
    }
    let server = Server::start(&[]);
    server.client(
        "",
        "CREATE DATABASE shop; USE shop;
         CREATE TABLE a (x INT, y INT AS (x+1), k INT NOT NULL, t TEXT, UNIQUE (k), UNIQUE two (x), PRIMARY KEY (t(5), k));
         CREATE TABLE h (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
         CREATE TABLE trx (id INT, s BIGINT UNSIGNED AS ROW START, e BIGINT UNSIGNED AS ROW END, PERIOD FOR SYSTEM_TIME (s,e)) WITH SYSTEM VERSIONING;
         CREATE TABLE m1 (a INT) ENGINE=MyISAM; CREATE TABLE m (a INT) ENGINE=MERGE UNION=(m1);
         CREATE TABLE broken (a INT) ENGINE=MyISAM; FLUSH TABLES;",
    );
    std::fs::remove_file(server.data().join("shop/broken.MYI")).expect("its index");
    let schema = read(&mut server.connect(), &SchemaOptions::default());
    let table = |name: &str| schema.tables.iter().find(|t| t.name == name).expect("table");
    let names = |name: &str| table(name).columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names("a"), ["x", "k", "t"]);
    assert_eq!(table("a").key, [1]);
    assert_eq!(names("h"), ["id", "row_start", "row_end"]);
    assert_eq!((table("h").key.clone(), table("h").has_history), (vec![0, 2], true));
    assert_eq!(table("h").columns[2].form, ColumnForm::Temporal);
    assert!(!table("trx").has_history && names("trx") == ["id"]);
    assert!(names("m").is_empty() && table("m").create.contains("UNION=(`m1`)"));
    let noted = |word: &str| schema.notes.iter().any(|note| note.contains(word));
    assert!(
        noted("`m` is a MRG_MyISAM table") && noted("`trx` keeps its past by transaction"),
        "{:?}",
        schema.notes
    );
    assert!(schema.losses.len() == 1 && schema.losses[0].contains("`broken`"), "{:?}", schema.losses);
}

#[test]
fn fingerprints_change_with_definitions_and_not_with_rows() {
    let server = Server::start(&[]);
    server.client("", "CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY); CREATE TABLE u (a INT);");
    let mut conn = server.connect();
    let mut all = || definitions_fingerprint(&mut conn, "shop").expect("fingerprints");
    let first = all();
    assert_eq!(first.len(), 2);
    server.client("shop", "INSERT INTO t VALUES (),(),()");
    assert_eq!(all(), first);
    server.client("shop", "ALTER TABLE t ADD COLUMN b INT DEFAULT 1, ALGORITHM=INSTANT");
    let second = all();
    assert!(second["t"] != first["t"] && second["u"] == first["u"]);
    let one = |table| table_fingerprint(&mut server.connect(), "shop", table).expect("fingerprint");
    assert_eq!(one("t"), second.get("t").copied());
    assert_eq!(one("nothing"), None);
}

#[test]
fn users_and_roles_come_back() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    first.client(
        "",
        "CREATE DATABASE shop; CREATE ROLE r; CREATE USER 'a''b'@'%' IDENTIFIED BY 'secret' WITH MAX_QUERIES_PER_HOUR 5;
         GRANT SELECT ON shop.* TO r; GRANT r TO 'a''b'@'%' WITH ADMIN OPTION; SET DEFAULT ROLE r /*M! FOR*/ /*!80000 TO*/ 'a''b'@'%';
         GRANT INSERT ON shop.* TO 'a''b'@'%' WITH GRANT OPTION;",
    );
    let users = read_users(&mut first.connect()).unwrap_or_else(|e| panic!("{}", told(&e)));
    let names: Vec<&str> = users.iter().map(|u| u.name.as_str()).collect();
    let role = if Make::asked().is_mysql() { "'r'@'%'" } else { "r" };
    assert!(names.contains(&role) && names.contains(&"'a''b'@'%'"), "{names:?}");
    let mut conn = second.connect();
    for user in users.iter().filter(|u| [role, "'a''b'@'%'"].contains(&u.name.as_str())) {
        make_object(&mut conn, &Default::default(), user).unwrap_or_else(|e| panic!("{}", told(&e)));
    }
    for sql in ["SHOW CREATE USER 'a''b'@'%'", "SHOW GRANTS FOR 'a''b'@'%'", "SHOW GRANTS FOR r"] {
        assert_eq!(first.sql(sql), second.sql(sql), "{sql}");
    }
}

/// The server takes a MEMORY table that was emptied for one that was made at that time: a practice that
/// empties one every second let no backup end.
#[test]
fn a_memory_table_that_was_emptied_is_the_one_that_it_was() {
    let server = Server::start(&[]);
    server.client("", "CREATE DATABASE shop; CREATE TABLE shop.h (a INT) ENGINE=MEMORY");
    let print = || table_fingerprint(&mut server.connect(), "shop", "h").expect("fingerprint");
    let before = print();
    server.client("shop", "DO SLEEP(1.1); INSERT INTO h VALUES (1); TRUNCATE h");
    assert_eq!(before, print());
    server.client("shop", "ALTER TABLE h ADD b INT");
    assert_ne!(before, print());
}
