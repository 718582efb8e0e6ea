//! Parts of a restore: single tables, users, definers, changed rows, what a server lacks, what a user
//! may not do, and limits.

use crate::load_odd::{ODD, load};
use crate::server::{Make, Server, told};
use crate::snapshot::Snapshot;
use coffer::entry::database::TableRecord;
use coffer::error::{Kind, Result};
use coffer::mysql::connection::Connection;
use coffer::mysql::load::{Collations, Definers, LoadOptions, RowChange, RowFilter, apply, plan};
use coffer::progress::Progress;

fn odd(server: &Server) -> Snapshot {
    server.client("", ODD);
    Snapshot::of(&mut server.connect(), &["odd"])
}

fn table(name: &str) -> Vec<(String, String)> {
    vec![("odd".into(), name.into())]
}

#[test]
fn one_table_takes_the_place_of_one() {
    let is_mysql = Make::asked().is_mysql();
    let server = Server::start(&["--local-infile=1"]);
    let snapshot = odd(&server);
    server.client(
        "odd",
        "SET foreign_key_checks=0; DELETE FROM child; DELETE FROM parent; DELETE FROM texts; INSERT INTO parent VALUES (50,NULL);",
    );
    let options = LoadOptions { tables: table("child"), ..LoadOptions::default() };
    let refused = plan(&snapshot.source, &server.options(), &options).expect("a look");
    assert_eq!(refused.obstacles[0].kind, Kind::Usage, "only with --replace or --as");
    let before = server.sql("SHOW CREATE TABLE odd.parent");
    let report = load(&snapshot, &server, &LoadOptions { replace: true, ..options.clone() });
    assert_eq!(report.not_made, Vec::<String>::new());
    assert_eq!(report.rows(), 2);
    // The ring's other end points to the new table, and nothing else has changed.
    assert_eq!(server.sql("SHOW CREATE TABLE odd.parent"), before);
    assert_eq!(server.value("SELECT SUM(id) FROM odd.parent").as_deref(), Some("50"));
    assert_eq!(server.value("SELECT COUNT(*) FROM odd.texts").as_deref(), Some("0"));
    let triggers = "SELECT GROUP_CONCAT(TRIGGER_NAME ORDER BY ACTION_ORDER) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='odd'";
    assert_eq!(server.value(triggers).as_deref(), Some("first_t,second_t"));
    assert_eq!(
        server
            .value("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='odd'")
            .as_deref(),
        Some(if is_mysql { "3" } else { "4" })
    );
    // Beside it: a database with that table and its sequence alone.
    let beside = LoadOptions {
        tables: table("numbers `1/2 */"),
        rename_to: Some("one".into()),
        ..LoadOptions::default()
    };
    assert_eq!(load(&snapshot, &server, &beside).not_made, Vec::<String>::new());
    assert_eq!(server.sql("SHOW TABLES FROM one").len(), if is_mysql { 1 } else { 2 });
    assert_eq!(
        server.value("SELECT COUNT(*) FROM one.`numbers ``1/2 */` WHERE id = 0").as_deref(),
        Some("1")
    );
    server.client("one", "DROP TABLE `numbers ``1/2 */`");
    let error =
        plan(&snapshot.source, &server.options(), &LoadOptions { tables: table("nothing"), ..options });
    assert_eq!(error.err().map(|e| e.kind()), Some(Kind::NotFound));
}

#[test]
fn definers_users_and_events_as_asked() {
    let server = Server::start(&["--local-infile=1", "--event-scheduler=OFF"]);
    server.client("", "CREATE USER ann@localhost IDENTIFIED BY 'x'; GRANT SELECT ON odd.* TO ann@localhost; CREATE ROLE desk; GRANT desk TO ann@localhost;");
    server.client("", ODD);
    server.client("odd", "CREATE EVENT wild ON SCHEDULE EVERY 1 SECOND DO INSERT INTO no_key VALUES (2,'w')");
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]).with_users(&mut server.connect());
    let fresh = Server::start(&["--local-infile=1", "--event-scheduler=ON"]);
    let options = LoadOptions {
        definers: Definers::Rewrite("root@localhost".into()),
        users: true,
        events: false,
        ..LoadOptions::default()
    };
    let report = load(&snapshot, &fresh, &options);
    assert_eq!((report.not_made, report.users), (Vec::new(), 2));
    assert!(
        fresh.sql("SHOW GRANTS FOR ann@localhost").iter().any(|row| row.text(0).unwrap().contains("`odd`.*"))
    );
    let definers =
        "SELECT GROUP_CONCAT(DISTINCT DEFINER) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='odd'";
    assert_eq!(fresh.value(definers).as_deref(), Some("root@localhost"));
    let running = "SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS='ENABLED'";
    assert_eq!(fresh.value(running).as_deref(), Some("0"));
    assert_eq!(fresh.value("SELECT COUNT(*) FROM odd.no_key").as_deref(), Some("3"));
    let invoker = LoadOptions { definers: Definers::Invoker, replace: true, ..options };
    assert_eq!(load(&snapshot, &fresh, &invoker).not_made, Vec::<String>::new());
    let rights = "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='odd' AND ROUTINE_TYPE IN ('FUNCTION','PROCEDURE') AND SECURITY_TYPE='DEFINER'";
    assert_eq!(fresh.value(rights).as_deref(), Some("0"));
}

/// Writes `changed` into the texts' second column and leaves rows without it out.
struct Changed;

impl RowFilter for Changed {
    fn identity(&self) -> String {
        "changed".into()
    }

    fn table<'a>(
        &'a self,
        _: &str,
        table: &'a TableRecord,
        _: &mut dyn Collations,
    ) -> Result<Option<RowChange<'a>>> {
        Ok((table.name == "texts").then(|| {
            let change: RowChange = Box::new(|cells| {
                let is_kept = cells[1].is_some();
                cells[1] = Some(b"changed".to_vec());
                Ok(is_kept)
            });
            change
        }))
    }
}

#[test]
fn rows_are_changed_on_their_way_and_proven_as_changed() {
    let server = Server::start(&["--local-infile=1"]);
    let snapshot = odd(&server);
    let options =
        LoadOptions { rename_to: Some("test".into()), filter: Some(&Changed), ..LoadOptions::default() };
    let report = load(&snapshot, &server, &options);
    let texts = report.databases[0].tables.iter().find(|t| t.table == "texts").expect("texts");
    assert_eq!(texts.rows, 3);
    assert_eq!(server.client("test", "SELECT DISTINCT l FROM texts"), "changed\n");
    assert_eq!(server.client("odd", "SELECT COUNT(*) FROM texts WHERE l='changed'"), "0\n");
}

#[test]
fn what_the_server_lacks_is_said_before_anything_is_touched() {
    let server = Server::start(&["--local-infile=1"]);
    let mut snapshot = odd(&server);
    server.client("", "CREATE DATABASE odd__restoring; CREATE TABLE odd__restoring.mine (a INT)");
    let record = snapshot.table("heap");
    record.engine = "ROCKSDB".into();
    record.create =
        "CREATE TABLE `heap` (`a` int COLLATE utf8mb9_x_ci COMMENT 'COLLATE y') ENGINE=ROCKSDB CHARSET=utf9"
            .into();
    record.server_bytes = 1 << 60;
    let found = plan(&snapshot.source, &server.options(), &LoadOptions::default()).expect("a look").obstacles;
    let words = [
        "odd__restoring",
        "already exists",
        "engine ROCKSDB",
        "collation utf8mb9_x_ci",
        "character set utf9",
        "are free",
    ];
    for word in words {
        assert!(found.iter().any(|o| o.sentence.contains(word)), "{word}: {found:?}");
    }
    assert_eq!(found.len(), words.len(), "{found:?}");
    assert_eq!(server.sql("SHOW TABLES FROM odd__restoring").len(), 1);
}

#[test]
fn a_user_who_may_not_is_told_the_grant() {
    let server = Server::start(&["--local-infile=1"]);
    let snapshot = odd(&server);
    server.client("", "CREATE USER weak@localhost; GRANT SELECT, INSERT, CREATE ON *.* TO weak@localhost");
    let options = LoadOptions { rename_to: Some("copy".into()), ..LoadOptions::default() };
    let refused = plan(&snapshot.source, &server.options_as("weak", ""), &options).expect("a look");
    let error = refused.ready().expect_err("rights are missing");
    assert_eq!(error.kind(), Kind::Database);
    assert!(
        error.message().contains("TRIGGER") && error.remedy().is_some_and(|h| h.contains("GRANT ")),
        "{}",
        told(&error)
    );
}

#[test]
fn long_rows_go_as_long_as_the_server_lets_them() {
    let server = Server::start(&["--local-infile=1", "--max-allowed-packet=64M"]);
    server.client("", "CREATE DATABASE odd; CREATE TABLE odd.big (id INT PRIMARY KEY, a LONGBLOB, b LONGTEXT) ENGINE=InnoDB;
        INSERT INTO odd.big VALUES (1,REPEAT('a\\t\\\\',4000000),NULL),(2,'',REPEAT('b',3000000))");
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    let small = Server::start(&["--local-infile=1", "--max-allowed-packet=1M"]);
    assert_eq!(load(&snapshot, &small, &LoadOptions::default()).rows(), 2);
    small.sql("SET GLOBAL local_infile=0");
    let other = LoadOptions { rename_to: Some("other".into()), ..LoadOptions::default() };
    let ready = plan(&snapshot.source, &small.options(), &other).expect("plan");
    let error = apply(&ready, &snapshot, &Progress::default()).expect_err("a row is too long");
    assert!(
        error.kind() == Kind::Database && error.message().contains("max_allowed_packet is 1048576"),
        "{}",
        told(&error)
    );
    assert!(
        error.remedy().is_some_and(|hint| hint.contains("max_allowed_packet=16777216")),
        "{:?}",
        error.remedy()
    );
    assert!(small.sql("SHOW DATABASES LIKE 'other%'").is_empty());
    small.sql("SET GLOBAL max_allowed_packet=67108864");
    assert_eq!(load(&snapshot, &small, &other).rows(), 2);
}

/// Triggers went first and were missed for as long as the tables could not be had: rows that people
/// wrote meanwhile never reached an audit table.
#[test]
fn while_a_restore_waits_for_its_tables_their_triggers_work() {
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE tg /*M! COMMENT 'it''s'*/; USE tg; CREATE TABLE p (id INT PRIMARY KEY) ENGINE=InnoDB; \
         CREATE TABLE q (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE audit (n INT) ENGINE=InnoDB; \
         INSERT INTO p VALUES (1);",
    );
    let snapshot = Snapshot::of(&mut server.connect(), &["tg"]);
    server.client(
        "tg",
        "CREATE TRIGGER watch AFTER INSERT ON q FOR EACH ROW INSERT INTO audit VALUES (NEW.id)",
    );
    let mut reader = server.connect();
    reader.execute("USE tg").expect("used");
    reader.execute("BEGIN").expect("begun");
    reader.rows("SELECT * FROM p").expect("read");
    let options = LoadOptions { replace: true, ..LoadOptions::default() };
    std::thread::scope(|scope| {
        let restore = scope.spawn(|| load(&snapshot, &server, &options));
        // The new tables are loaded, and the restore waits for the reader.
        let waits =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'";
        while server.value(waits).as_deref() == Some("0") {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server.client("tg", "INSERT INTO q VALUES (5)");
        assert_eq!(server.value("SELECT n FROM tg.audit").as_deref(), Some("5"));
        reader.execute("COMMIT").expect("ended");
        assert_eq!(restore.join().expect("restored").not_made, Vec::<String>::new());
    });
    assert_eq!(server.value("SELECT COUNT(*) FROM tg.q").as_deref(), Some("0"));
    if Make::asked().is_mysql() {
        return;
    }
    let comment = "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='tg'";
    assert_eq!(server.value(comment).as_deref(), Some("it's"));
}

/// Servers of today call it utf8mb3, list no utf8, and take it: a database of an older one was refused.
#[test]
fn a_database_of_a_server_that_says_utf8_is_taken() {
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE odd CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci; USE odd;
         CREATE TABLE t (a VARCHAR(9) COLLATE utf8mb3_bin PRIMARY KEY, b TEXT) CHARACTER SET utf8mb3; INSERT INTO t VALUES ('\u{20ac}','x');
         CREATE VIEW v AS SELECT a FROM t",
    );
    let mut snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    let database = &mut snapshot.source.databases[0];
    database.record.character_set = "utf8".into();
    database.record.collation = database.record.collation.replace("utf8mb3", "utf8");
    database.tables[0].create = database.tables[0].create.replace("utf8mb3", "utf8");
    let other = Server::start(&["--local-infile=1"]);
    assert_eq!(load(&snapshot, &other, &LoadOptions::default()).not_made, Vec::<String>::new());
    crate::compare::assert_same((&mut server.connect(), "odd"), (&mut other.connect(), "odd"));
}

/// Mroonga takes no table into another database, which a restore does with all: one such table cost the
/// whole database. The server of the tests says no for a trigger that came to the new table meanwhile.
#[test]
fn a_table_that_cannot_be_moved_to_its_place_costs_no_other() {
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE mv; USE mv; CREATE TABLE one (id INT) ENGINE=MyISAM; INSERT INTO one VALUES (1),(2);
         CREATE TABLE both_of (id INT) ENGINE=MRG_MYISAM UNION=(one); CREATE TABLE two (id INT PRIMARY KEY) ENGINE=InnoDB;
         CREATE VIEW v AS SELECT id FROM two",
    );
    let mut snapshot = Snapshot::of(&mut server.connect(), &["mv"]);
    let fresh = Server::start(&["--local-infile=1"]);
    let options = fresh.options();
    snapshot.before = Some(Box::new(move |table| {
        if table.name == "one" {
            let mut conn = Connection::open(&options).expect("a connection");
            conn.execute("USE mv__restoring").expect("the staging database");
            conn.execute("CREATE TRIGGER held BEFORE DELETE ON both_of FOR EACH ROW SET @a=1").expect("made");
        }
    }));
    let report = load(&snapshot, &fresh, &LoadOptions::default());
    assert_eq!(report.not_made.len(), 1, "{:?}", report.not_made);
    assert!(report.not_made[0].contains("table `mv`.`both_of` was loaded"), "{:?}", report.not_made);
    assert_eq!(fresh.client("mv", "SELECT COUNT(*) FROM one; SELECT COUNT(*) FROM v"), "2\n0\n");
    assert_eq!(fresh.client("", "SHOW DATABASES LIKE 'mv%'"), "mv\n");

    // Where a live database would be replaced, it stays as it is.
    let replacing = LoadOptions { replace: true, ..LoadOptions::default() };
    let ready = plan(&snapshot.source, &fresh.options(), &replacing).expect("plan");
    let error = apply(&ready, &snapshot, &Progress::default()).unwrap_err();
    assert!(error.message().contains("database `mv` is as it was"), "{}", told(&error));
    assert_eq!(fresh.client("mv", "SELECT COUNT(*) FROM one; SELECT COUNT(*) FROM v"), "2\n0\n");
}

/// A server without keys makes no table that is to be encrypted: each was lost on a server for a trial.
#[test]
fn encrypted_tables_come_to_a_server_without_keys() {
    if crate::server::mariadbs_own("keys in a file") {
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "1;770A8A65DA156D24EE2A093277530142\n7;770A8A65DA156D24EE2A093277530143\n")
        .expect("keys");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("open");
    let file = format!("--file-key-management-filename={}", keys.display());
    let server = Server::start(&["--local-infile=1", "--plugin-load-add=file_key_management", &file]);
    server.client(
        "",
        "CREATE DATABASE enc; USE enc; CREATE TABLE a (id INT PRIMARY KEY) ENGINE=InnoDB ENCRYPTED=YES;
         CREATE TABLE b (id INT PRIMARY KEY) ENGINE=InnoDB ENCRYPTED=YES ENCRYPTION_KEY_ID=7 COMMENT='ENCRYPTED=YES';
         INSERT INTO a VALUES (1),(2); INSERT INTO b VALUES (3)",
    );
    let snapshot = Snapshot::of(&mut server.connect(), &["enc"]);
    let plain = Server::start(&["--local-infile=1"]);
    let report = load(&snapshot, &plain, &LoadOptions::default());
    assert_eq!(report.not_made, Vec::<String>::new());
    let named = report.notes.iter().filter(|note| note.contains("made without `ENCRYPTED`=")).count();
    assert_eq!(named, 2, "{:?}", report.notes);
    assert_eq!(plain.client("enc", "SELECT SUM(id) FROM a; SELECT SUM(id) FROM b"), "3\n3\n");

    // One that has the keys encrypts them.
    let report = load(&snapshot, &server, &LoadOptions { replace: true, ..LoadOptions::default() });
    assert_eq!((report.not_made, report.notes), (Vec::new(), Vec::new()));
    let encrypted = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='enc' AND CREATE_OPTIONS LIKE '%ENCRYPTED%'";
    assert_eq!(server.value(encrypted).as_deref(), Some("2"));
}

/// The server changes no default of a table while the sequence of another is missing: a table that draws
/// from two came back drawing from the staging database, and took no row.
#[test]
fn tables_that_draw_from_several_sequences_come_back() {
    if crate::server::mariadbs_own("sequences") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE sq; USE sq; CREATE SEQUENCE s1; CREATE SEQUENCE s2 START WITH 50; CREATE SEQUENCE gone;
         CREATE TABLE t (a INT DEFAULT NEXTVAL(s1), b INT NOT NULL DEFAULT (NEXTVAL(s2) + NEXTVAL(s1)) COMMENT 'c', d INT DEFAULT LASTVAL(s2));
         INSERT INTO t VALUES (7,8,9); CREATE TABLE lost (a INT PRIMARY KEY DEFAULT NEXTVAL(gone)) ENGINE=MyISAM;
         INSERT INTO lost VALUES (5); DROP SEQUENCE gone",
    );
    let snapshot = Snapshot::of(&mut server.connect(), &["sq"]);
    let fresh = Server::start(&["--local-infile=1"]);
    let report = load(&snapshot, &fresh, &LoadOptions::default());
    assert_eq!(report.not_made.len(), 1, "{:?}", report.not_made);
    assert!(report.not_made[0].contains("a default of table `sq`.`lost`"), "{:?}", report.not_made);
    let shown = "SHOW CREATE TABLE sq.t";
    assert_eq!(server.sql(shown), fresh.sql(shown));
    let drawn = "INSERT INTO t (a) VALUES (DEFAULT); SELECT a, b, d FROM t ORDER BY a; SELECT a FROM lost";
    assert_eq!(
        server.client("sq", &drawn.replace("; SELECT a FROM lost", "")) + "5\n",
        fresh.client("sq", drawn)
    );
}

#[test]
fn a_table_that_comes_alone_leaves_its_database_the_collation_it_has() {
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE odd COLLATE latin1_german1_ci; CREATE TABLE odd.t (a INT); INSERT INTO odd.t VALUES (1);
         CREATE TRIGGER odd.tr BEFORE INSERT ON odd.t FOR EACH ROW SET NEW.a = 1;",
    );
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client("", "ALTER DATABASE odd COLLATE utf8mb4_bin");
    load(&snapshot, &server, &LoadOptions { tables: table("t"), replace: true, ..LoadOptions::default() });
    let of = |sql: &str| server.value(sql).expect("a collation");
    assert_eq!(
        of("SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='odd'"),
        "utf8mb4_bin"
    );
    assert_eq!(
        of("SELECT DATABASE_COLLATION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='odd'"),
        "latin1_german1_ci"
    );
}
