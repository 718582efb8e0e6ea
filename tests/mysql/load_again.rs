//! Restores that are run again: behind a kill between two databases, behind one in the last step, and
//! where what was broken off is not what is wanted now. None of them costs what people wrote since.

use crate::load_odd::{ODD, assert_equal, load};
use crate::proxy::{Cut, Proxy, Side};
use crate::server::{Server, mariadbs_own, told};
use crate::snapshot::Snapshot;
use coffer::entry::database::{ObjectRecord, TableRecord};
use coffer::error::{Kind, Result};
use coffer::mysql::load::{
    Collations, DatabaseEntries, LoadOptions, LoadReport, RowChange, RowFilter, Unfinished, apply, plan,
};
use coffer::progress::Progress;
use std::time::{Duration, Instant};

/// Three databases whose views stand on each other in a ring.
const RING: &str = "CREATE DATABASE one; CREATE DATABASE two; CREATE DATABASE three;
    CREATE TABLE one.t (a INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO one.t VALUES (1),(2);
    CREATE TABLE two.t (a INT PRIMARY KEY, CONSTRAINT k FOREIGN KEY (a) REFERENCES three.t (a)) ENGINE=InnoDB;
    CREATE TABLE three.t (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO three.t VALUES (1);
    INSERT INTO two.t VALUES (1);
    CREATE VIEW two.v AS SELECT a FROM one.t; CREATE VIEW three.v AS SELECT t.a FROM two.t JOIN two.v USING (a);
    CREATE VIEW one.v AS SELECT a FROM three.v; CREATE VIEW one.a AS SELECT a FROM one.v;
    CREATE TRIGGER three.tr AFTER INSERT ON three.t FOR EACH ROW DELETE FROM one.t WHERE a = 9;";
const NAMES: [&str; 3] = ["one", "two", "three"];
const AWAY: &str = "SET foreign_key_checks=0; DROP DATABASE IF EXISTS one; DROP DATABASE IF EXISTS two; DROP DATABASE IF EXISTS three";

fn ring(server: &Server) -> Snapshot {
    server.client(
        "",
        &RING
            .replace("; CREATE TABLE two", ";\n CREATE TABLE two")
            .replace("CREATE TABLE one.t", "SET foreign_key_checks=0; CREATE TABLE one.t"),
    );
    Snapshot::of(&mut server.connect(), &NAMES)
}

fn one_thread() -> LoadOptions<'static> {
    LoadOptions { threads: 1, ..LoadOptions::default() }
}

#[track_caller]
fn assert_ring(snapshot: &Snapshot, server: &Server) {
    for name in NAMES {
        let now = Snapshot::of(&mut server.connect(), &[name]);
        let before = snapshot.source.databases.iter().filter(|database| database.record.name == name);
        let told = |database: &DatabaseEntries| {
            let table = |t: &TableRecord| format!("{} {} {:?}", t.create, t.rows, t.checksum);
            let object =
                |o: &ObjectRecord| format!("{:?} {} {:?} {:?}", o.kind, o.name, o.statements, o.environment);
            let tables = database.tables.iter().map(table);
            tables.chain(database.objects.iter().map(object)).collect::<Vec<_>>()
        };
        assert_eq!(
            before.map(told).collect::<Vec<_>>(),
            now.source.databases.iter().map(told).collect::<Vec<_>>()
        );
    }
    assert_eq!(server.client("", "SELECT * FROM one.a"), "1\n");
    assert!(server.sql("SHOW DATABASES LIKE '%restoring'").is_empty(), "nothing is left");
}

#[test]
fn databases_whose_views_stand_on_each_other_in_a_ring_come_back() {
    let server = Server::start(&["--local-infile=1"]);
    let snapshot = ring(&server);
    server.client("", AWAY);
    load(&snapshot, &server, &one_thread());
    assert_ring(&snapshot, &server);
}

/// Packets that a client sends for a restore, from the first behind the plan.
fn packets(server: &Server, snapshot: &Snapshot, options: &LoadOptions) -> std::ops::Range<u64> {
    let proxy = Proxy::start(&server.options(), None);
    let ready = plan(&snapshot.source, &proxy.options(), options).expect("plan");
    let before = proxy.packets(Side::Client);
    apply(&ready, snapshot, &Progress::default()).unwrap_or_else(|e| panic!("{}", told(&e)));
    before..proxy.packets(Side::Client)
}

/// A restore that is cut off behind so many packets; whether it was.
fn cut_off(server: &Server, snapshot: &Snapshot, options: &LoadOptions, after: u64) -> bool {
    let proxy = Proxy::start(&server.options(), Some(Cut { side: Side::Client, after, everything: true }));
    let ready = plan(&snapshot.source, &proxy.options(), options).expect("before the cut");
    apply(&ready, snapshot, &Progress::default()).is_err()
}

#[track_caller]
fn go_on(server: &Server, snapshot: &Snapshot, options: &LoadOptions, what: &str) -> LoadReport {
    let again = plan(&snapshot.source, &server.options(), options).expect("a look");
    assert_eq!(again.obstacles, Vec::new(), "{what}");
    apply(&again, snapshot, &Progress::default()).unwrap_or_else(|e| panic!("{what}: again: {}", told(&e)))
}

fn journals(server: &Server) -> usize {
    server.sql("SHOW DATABASES LIKE '%restoring'").len()
}

#[test]
fn several_databases_go_on_behind_those_that_are_done() {
    let server = Server::start(&["--local-infile=1"]);
    let snapshot = ring(&server);
    server.client("", AWAY);
    let packets = packets(&server, &snapshot, &one_thread());
    let (mut between, mut behind, mut compared) = (0, 0, 0);
    // The last packets, in which the journals go, one by one.
    let close = packets.end.saturating_sub(120);
    let points = (packets.start..close).step_by(13).chain((close..packets.end).step_by(5));
    for after in points {
        server.client("", AWAY);
        if !cut_off(&server, &snapshot, &one_thread(), after) {
            break;
        }
        let again = plan(&snapshot.source, &server.options(), &one_thread()).expect("a look");
        if journals(&server) == 0 && !again.obstacles.is_empty() {
            assert_ring(&snapshot, &server);
            break;
        }
        between += usize::from(again.parts.iter().any(|part| part.unfinished == Unfinished::Nothing));
        behind += usize::from(again.parts.iter().any(|part| part.unfinished == Unfinished::Stands));
        let report = go_on(&server, &snapshot, &one_thread(), &format!("packet {after}"));
        assert_eq!(report.not_made, Vec::<String>::new(), "packet {after}");
        assert_eq!(report.differing, Vec::<String>::new(), "packet {after}");
        assert!(report.tables().all(|table| table.is_compared), "packet {after}");
        assert_eq!((report.tables().count(), report.rows()), (3, 4), "packet {after}");
        compared += report.tables().filter(|table| table.is_earlier).count();
        assert_ring(&snapshot, &server);
    }
    assert!(between >= 3, "{between} cuts before the last database");
    assert!(behind >= 2 && compared >= 6, "{behind} cuts between two journals, {compared} compared again");
}

/// A cut once the restore has begun with the last of its databases.
fn cut_behind_the_first(server: &Server, snapshot: &Snapshot, options: &LoadOptions) {
    let proxy = Proxy::start(&server.options(), None);
    let ready = plan(&snapshot.source, &proxy.options(), options).expect("plan");
    let last = ready.parts.last().expect("three parts").target.clone();
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| apply(&ready, snapshot, &Progress::default()));
        while server.sql(&format!("SHOW DATABASES LIKE '{last}__restoring'")).is_empty() {
            assert!(!loading.is_finished(), "it was too fast");
        }
        proxy.cut_now();
        loading.join().expect("thread").expect_err("a cut");
    });
}

#[test]
fn a_restore_that_was_stopped_goes_on_behind_what_stands() {
    let server = Server::start(&["--local-infile=1"]);
    let mut snapshot = ring(&server);
    server.client("", AWAY);
    let progress = std::sync::Arc::new(Progress::default());
    let ready = plan(&snapshot.source, &server.options(), &one_thread()).expect("plan");
    let last = ready.parts.last().expect("three parts").tables[0].create.clone();
    drop(ready);
    let stopping = std::sync::Arc::clone(&progress);
    snapshot.before = Some(Box::new(move |table| {
        if table.create == last {
            stopping.interrupt();
        }
    }));
    let ready = plan(&snapshot.source, &server.options(), &one_thread()).expect("plan");
    let error = apply(&ready, &snapshot, &progress).expect_err("stopped");
    assert_eq!(error.kind(), Kind::Interrupted, "{}", told(&error));
    assert!(error.remedy().is_some_and(|hint| hint.contains("goes on behind them")), "{}", told(&error));
    drop(ready);
    snapshot.before = None;
    let report = go_on(&server, &snapshot, &one_thread(), "stopped");
    assert_eq!(report.tables().filter(|table| table.is_earlier).count(), 2);
    assert_ring(&snapshot, &server);
}

#[test]
fn what_somebody_wrote_into_a_finished_database_is_told_and_stays() {
    let server = Server::start(&["--local-infile=1"]);
    let snapshot = ring(&server);
    server.client("", AWAY);
    cut_behind_the_first(&server, &snapshot, &one_thread());
    let first =
        plan(&snapshot.source, &server.options(), &one_thread()).expect("a look").parts[0].target.clone();
    server.client("", &format!("SET foreign_key_checks=0; INSERT INTO {first}.t VALUES (77)"));
    let report = go_on(&server, &snapshot, &one_thread(), "written to");
    assert!(report.is_partial());
    assert_eq!(report.differing.len(), 1, "{:?}", report.differing);
    assert!(report.differing[0].contains(&format!("table `{first}`.`t` has ")), "{:?}", report.differing);
    let of = |name: &str| report.databases.iter().find(|d| d.target == name).expect("told").tables[0].clone();
    assert!(of(&first).is_earlier && !of(&first).is_compared);
    for name in NAMES.into_iter().filter(|name| *name != first) {
        assert!(of(name).is_compared, "{name}");
    }
    let others: u64 = report.tables().filter(|table| table.is_compared).map(|table| table.rows).sum();
    assert_eq!(report.rows(), others);
    assert_eq!(server.client("", &format!("SELECT COUNT(*) FROM {first}.t WHERE a=77")), "1\n");
    assert_eq!(journals(&server), 0);
}

#[test]
fn what_could_not_be_made_is_named_by_the_run_that_goes_on() {
    if mariadbs_own("a sequence") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE odd; USE odd; CREATE SEQUENCE s; CREATE TABLE t (a INT PRIMARY KEY DEFAULT NEXTVAL(odd.s));
         INSERT INTO t VALUES (5);",
    );
    let mut snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    for object in &mut snapshot.source.databases[0].objects {
        object.statements = vec![b"CREATE SEQUENCE s OF NOTHING".to_vec()];
    }
    server.client("", "DROP DATABASE odd");
    let packets = packets(&server, &snapshot, &one_thread());
    let mut resumed = 0;
    for after in packets.step_by(7) {
        server.client("", "DROP DATABASE IF EXISTS odd");
        if !cut_off(&server, &snapshot, &one_thread(), after) || journals(&server) == 0 && resumed > 0 {
            break;
        }
        let report = go_on(&server, &snapshot, &one_thread(), &format!("packet {after}"));
        resumed += usize::from(report.databases[0].is_resumed);
        let names = |word: &str| report.not_made.iter().any(|sentence| sentence.contains(word));
        assert!(names("sequence `odd`.`s`") && names("default"), "packet {after}: {:?}", report.not_made);
        assert_eq!(server.client("odd", "SELECT a FROM t"), "5\n");
    }
    assert!(resumed >= 2, "{resumed} cuts behind the journal");
}

#[test]
fn users_have_all_their_grants_wherever_a_restore_was_cut_off() {
    const USERS: [&str; 2] = ["'clerk'@'%'", "'nurse'@'localhost'"];
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE one; CREATE TABLE one.t (a INT); CREATE TABLE one.u (a INT);
         CREATE USER clerk, nurse@localhost; GRANT SELECT, PROCESS ON *.* TO clerk; GRANT INSERT ON one.* TO clerk;
         GRANT DELETE ON one.t TO clerk; GRANT UPDATE ON one.t TO nurse@localhost; GRANT INSERT ON one.u TO nurse@localhost;",
    );
    let grants = || USERS.map(|user| server.client("", &format!("SHOW GRANTS FOR {user}")));
    let before = grants();
    let snapshot = Snapshot::of(&mut server.connect(), &["one"]).with_users(&mut server.connect());
    let options = LoadOptions { users: true, ..one_thread() };
    const GONE: &str = "DROP DATABASE IF EXISTS one; DROP USER IF EXISTS clerk, nurse@localhost";
    server.client("", GONE);
    let packets = packets(&server, &snapshot, &options);
    assert_eq!(grants(), before);
    let mut partly = 0;
    for after in packets.clone().step_by(11).chain(packets.end.saturating_sub(60)..packets.end) {
        server.client("", GONE);
        if !cut_off(&server, &snapshot, &options, after) || journals(&server) == 0 && partly > 0 {
            continue;
        }
        partly += usize::from(
            server.sql("SELECT 1 FROM mysql.db WHERE User='clerk'").len() == 1 && grants() != before,
        );
        go_on(&server, &snapshot, &options, &format!("packet {after}"));
        assert_eq!(grants(), before, "packet {after}");
    }
    assert!(partly >= 1, "no cut between two grants");
}

/// A filter of this name, which leaves everything as it is.
struct Named(&'static str);

impl RowFilter for Named {
    fn identity(&self) -> String {
        self.0.into()
    }

    fn table<'a>(
        &'a self,
        _: &str,
        _: &'a TableRecord,
        _: &mut dyn Collations,
    ) -> Result<Option<RowChange<'a>>> {
        Ok(None)
    }
}

#[test]
fn what_another_filter_left_is_not_taken_for_this_ones() {
    let server = Server::start(&["--local-infile=1"]);
    let snapshot = ring(&server);
    let (first, second) = (Named("first"), Named("second"));
    let options = |filter| LoadOptions { filter: Some(filter), ..one_thread() };
    server.client("", AWAY);
    snapshot.break_after("t", 0);
    let ready = plan(&snapshot.source, &server.options(), &options(&first)).expect("plan");
    let error = apply(&ready, &snapshot, &Progress::default()).expect_err("no rows");
    assert_eq!(error.kind(), Kind::Damaged, "{}", told(&error));
    snapshot.broken.lock().unwrap().clear();
    cut_behind_the_first(&server, &snapshot, &options(&first));
    let other = plan(&snapshot.source, &server.options(), &options(&second)).expect("a look");
    assert!(other.obstacles.iter().any(|o| o.sentence.contains("already exists")), "{:?}", other.obstacles);
    let same = plan(&snapshot.source, &server.options(), &options(&first)).expect("a look");
    assert_eq!(same.obstacles, Vec::new());
    apply(&same, &snapshot, &Progress::default()).unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_ring(&snapshot, &server);
}

#[test]
fn a_marker_without_its_journal_is_an_old_restores() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client(
        "",
        "DROP DATABASE odd; CREATE DATABASE odd__restoring; CREATE TABLE odd__restoring.`coffer: switch` (a INT)",
    );
    load(&snapshot, &server, &one_thread());
    assert_equal(&snapshot, &server, "odd");
    assert!(server.sql("SHOW DATABASES LIKE '%restoring'").is_empty());
}

/// What the restore replaces: its trigger has the restore wait for a lock before it takes anything away.
const LIVE: &str = "DROP DATABASE IF EXISTS odd; CREATE DATABASE odd; USE odd;
    CREATE TABLE log (a INT) ENGINE=MyISAM; CREATE TABLE no_key (z INT); INSERT INTO log VALUES (5);
    CREATE TRIGGER before_log BEFORE INSERT ON log FOR EACH ROW SET NEW.a = NEW.a + 1;
    CREATE VIEW lately AS SELECT a FROM log;";

/// A restore that replaces `odd`, killed while it waited for a table that somebody reads.
fn killed_before_the_switch(server: &Server, snapshot: &Snapshot) {
    let options = LoadOptions { replace: true, ..one_thread() };
    let proxy = Proxy::start(&server.options(), None);
    let ready = plan(&snapshot.source, &proxy.options(), &options).expect("plan");
    let mut reader = server.connect();
    reader.execute("LOCK TABLES odd.log READ").expect("lock");
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| apply(&ready, snapshot, &Progress::default()));
        let began = Instant::now();
        let marker = "SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME='coffer: switch'";
        while server.sql(marker).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60) && !loading.is_finished());
        }
        std::thread::sleep(Duration::from_millis(300));
        proxy.cut_now();
        loading.join().expect("thread").expect_err("a cut");
    });
    reader.execute("UNLOCK TABLES").expect("unlock");
}

#[test]
fn what_is_loaded_already_needs_no_room() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let mut snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client("", LIVE);
    killed_before_the_switch(&server, &snapshot);
    let options = LoadOptions { replace: true, ..one_thread() };
    let planned = plan(&snapshot.source, &server.options(), &options).expect("a look");
    // Another order of sizes would be another restore.
    let largest = planned.parts[0].tables[0].name.clone();
    snapshot.table(&largest).server_bytes = 1 << 60;
    let other = LoadOptions { rename_to: Some("other".into()), ..options.clone() };
    let full = plan(&snapshot.source, &server.options(), &other).expect("a look");
    assert!(full.obstacles.iter().any(|o| o.kind == Kind::Full), "{:?}", full.obstacles);
    go_on(&server, &snapshot, &options, "without room");
    assert_equal(&snapshot, &server, "odd");
}

/// What a server loses that dies: MyISAM syncs nothing.
#[test]
fn rows_that_the_server_lost_before_the_switch_are_loaded_anew() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    for loss in ["DELETE FROM parts LIMIT 1", "UPDATE no_key SET a = 5 WHERE a IS NULL"] {
        server.client("", LIVE);
        killed_before_the_switch(&server, &snapshot);
        server.client("odd__restoring", loss);
        let options = LoadOptions { replace: true, ..one_thread() };
        let report = go_on(&server, &snapshot, &options, loss);
        assert!(report.notes.iter().any(|note| note.contains("loaded anew")), "{:?}", report.notes);
        assert!(report.tables().all(|table| table.is_compared), "{loss}");
        assert_equal(&snapshot, &server, "odd");
    }
}

#[test]
fn a_switch_that_replaced_nothing_is_given_up_for_another_wish() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client("", LIVE);
    killed_before_the_switch(&server, &snapshot);
    server.client("odd", "DROP TRIGGER IF EXISTS before_log; INSERT INTO log VALUES (6)");
    let unasked = plan(&snapshot.source, &server.options(), &one_thread()).expect("a look");
    assert!(unasked.obstacles.iter().any(|o| o.sentence.contains("already exists")), "nobody said --replace");
    let table = LoadOptions { tables: vec![("odd".into(), "no_key".into())], replace: true, ..one_thread() };
    let report = load(&snapshot, &server, &table);
    assert!(report.notes.iter().any(|note| note.contains("was given up")), "{:?}", report.notes);
    assert_eq!(server.client("odd", "INSERT INTO log VALUES (7); SELECT a FROM log"), "5\n6\n8\n");
    assert_eq!(server.client("odd", "SELECT COUNT(*) FROM no_key; SELECT COUNT(*) FROM lately"), "3\n3\n");
    assert!(server.sql("SHOW DATABASES LIKE 'odd\\_\\_%'").is_empty());
    // What is wanted still goes on.
    server.client("", LIVE);
    killed_before_the_switch(&server, &snapshot);
    load(&snapshot, &server, &LoadOptions { replace: true, ..one_thread() });
    assert_equal(&snapshot, &server, "odd");
}

#[test]
fn a_server_that_folds_names_finds_the_database_by_the_name_it_was_given() {
    let source = Server::start(&["--local-infile=1"]);
    source.client(
        "",
        "CREATE DATABASE OpenDental; USE OpenDental; CREATE TABLE Parent (id INT PRIMARY KEY) ENGINE=InnoDB;
         CREATE TABLE Child (id INT PRIMARY KEY, p INT, CONSTRAINT fk_new FOREIGN KEY (p) REFERENCES Parent (id));
         INSERT INTO Parent VALUES (1); INSERT INTO Child VALUES (1,1); CREATE VIEW v AS SELECT 1 AS x;
         CREATE TRIGGER T1 BEFORE INSERT ON Child FOR EACH ROW SET NEW.p = 1;",
    );
    let snapshot = Snapshot::of(&mut source.connect(), &["OpenDental"]);
    let server = Server::start(&["--local-infile=1", "--lower-case-table-names=1"]);
    server.client(
        "",
        "CREATE DATABASE opendental; USE opendental; CREATE TABLE parent (id INT PRIMARY KEY, x INT) ENGINE=InnoDB;
         CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT fk_old FOREIGN KEY (p) REFERENCES parent (id));
         CREATE TRIGGER told BEFORE INSERT ON child FOR EACH ROW SET NEW.p = 2; CREATE VIEW vold AS SELECT 1 AS x;
         CREATE PROCEDURE pold() SELECT 1;",
    );
    let report = load(&snapshot, &server, &LoadOptions { replace: true, ..one_thread() });
    assert!(report.notes.iter().all(|note| !note.contains("not restored")), "{:?}", report.notes);
    let names = |sql: &str| server.client("opendental", sql);
    assert_eq!(
        names("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='opendental'"),
        "T1\n"
    );
    assert_eq!(
        names("SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA='opendental'"),
        "v\n"
    );
    assert_eq!(
        names("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='opendental'"),
        "0\n"
    );
    let keys = "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA='opendental'";
    assert_eq!(names(keys), "fk_new\n");
}
