//! Rights taken away one at a time: each is named before anything goes missing without a word.

use crate::server::Server;
use coffer::mysql::connection::Connection;
use coffer::mysql::facts::ServerFacts;
use coffer::mysql::privileges::{DumpNeeds, Missing, Need, Privileges, Purpose, missing, statements};

const SCHEMA: &str = "CREATE DATABASE prac_tice; USE prac_tice;
    CREATE TABLE t (a INT PRIMARY KEY, b INT) ENGINE=MyISAM;
    CREATE VIEW v AS SELECT * FROM t;
    DELIMITER //
    CREATE PROCEDURE p() SELECT 1//
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.b=1//
    CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1//
    /*M! SET sql_mode=ORACLE*/ /*!80000 DO 0*/ //
    CREATE /*M! PACKAGE pk AS PROCEDURE x(); END*/ /*!80000 PROCEDURE q() SELECT 1*/ //
    CREATE /*M! PACKAGE BODY pk AS PROCEDURE x() AS BEGIN SELECT 1; END; END*/ /*!80000 PROCEDURE r() SELECT 1*/ //
    DELIMITER ;";

const FOR_DUMP: Purpose = Purpose::Dump(DumpNeeds { has_plain_tables: true, users: false });

fn lacking(server: &Server, purpose: &Purpose, databases: &[String]) -> Vec<Missing> {
    let mut connection = Connection::open(&server.options_as("u", "")).expect("connection of u");
    let privileges = Privileges::read(&mut connection).expect("privileges");
    let facts = ServerFacts::read(&mut connection).expect("facts");
    missing(&privileges, &facts, purpose, databases)
}

/// Whether everything of the schema shows to the user, with its definition.
fn sees_everything(server: &Server) -> bool {
    let mut connection = Connection::open(&server.options_as("u", "")).expect("connection of u");
    let mut counts = |sql: &str| connection.rows(sql).map_or(0, |rows| rows.len());
    let filled = "ROUTINE_SCHEMA='prac_tice' AND ROUTINE_DEFINITION IS NOT NULL";
    counts("SHOW CREATE VIEW prac_tice.v") == 1
        && counts("SHOW TRIGGERS FROM prac_tice") == 1
        && counts("SELECT * FROM information_schema.EVENTS WHERE EVENT_SCHEMA='prac_tice'") == 1
        && counts(&format!("SELECT * FROM information_schema.ROUTINES WHERE {filled}")) == 3
        && counts("SHOW TABLES FROM prac_tice") == 2
        && counts("SELECT COUNT(*) FROM prac_tice.t") == 1
        && connection.execute("FLUSH TABLES WITH READ LOCK").is_ok()
}

#[test]
fn every_right_that_is_missing_is_named_and_its_statement_grants_it() {
    let server = Server::start(&["--log-bin"]);
    server.client("", SCHEMA);
    server.client("", "CREATE USER u@localhost");
    let database = ["prac_tice".to_owned()];
    let all = lacking(&server, &FOR_DUMP, &database);
    assert!(all.iter().filter(|m| m.need == Need::Required).count() >= 6, "{all:?}");
    for grant in all.iter().map(|missing| &missing.grant) {
        server.client("", grant);
    }
    assert_eq!(lacking(&server, &FOR_DUMP, &database), [], "the statements grant what is missing");
    assert!(sees_everything(&server), "what is asked for is enough");
    for one in &all {
        let revoke = one.grant.replace("GRANT ", "REVOKE ").replace(" TO ", " FROM ");
        server.client("", &revoke);
        let named = lacking(&server, &FOR_DUMP, &database);
        assert_eq!(named.len(), 1, "{}: {named:?}", one.privilege);
        assert_eq!((named[0].privilege, &named[0].scope), (one.privilege, &one.scope));
        if one.need == Need::Required {
            assert!(!sees_everything(&server), "{} is not required", one.privilege);
        }
        server.client("", &one.grant);
    }
}

#[test]
fn rights_of_active_roles_count_and_those_of_others_do_not() {
    let server = Server::start(&[]);
    server.client("", SCHEMA);
    server.client(
        "",
        r"CREATE USER u@localhost; CREATE ROLE inner_role; CREATE ROLE outer_role;
          GRANT inner_role TO outer_role; GRANT outer_role TO u@localhost;
          GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON `prac\_%`.* TO inner_role;
          GRANT RELOAD, PROCESS ON *.* TO outer_role; GRANT SELECT ON mysql.* TO outer_role;
          GRANT /*M! PROCESS*/ /*!80000 SHOW_ROUTINE, BACKUP_ADMIN, REPLICATION CLIENT, REPLICATION SLAVE*/ ON *.* TO outer_role",
    );
    let database = ["prac_tice".to_owned()];
    assert!(lacking(&server, &FOR_DUMP, &database).len() >= 6);
    server.client("", "SET DEFAULT ROLE outer_role /*M! FOR*/ /*!80000 TO*/ u@localhost");
    assert_eq!(lacking(&server, &FOR_DUMP, &database), []);
    assert!(sees_everything(&server));
    assert!(!lacking(&server, &FOR_DUMP, &[]).is_empty(), "all databases need rights everywhere");
    server.client("", "GRANT ALL PRIVILEGES ON *.* TO u@localhost");
    assert_eq!(lacking(&server, &FOR_DUMP, &[]), []);
    assert_eq!(lacking(&server, &Purpose::Load, &[]), []);
}

#[test]
fn users_show_with_the_rights_that_are_asked_for() {
    let server = Server::start(&[]);
    server.client("", "CREATE USER u@localhost, other@localhost");
    let needs = Purpose::Dump(DumpNeeds { has_plain_tables: false, users: true });
    let found = lacking(&server, &needs, &["mysql".to_owned()]);
    let shows = |server: &Server| {
        let mut connection = Connection::open(&server.options_as("u", "")).expect("connection of u");
        connection.rows("SELECT User, Host FROM mysql.user").is_ok()
            && connection.rows("SHOW CREATE USER other@localhost").is_ok()
            && connection.rows("SHOW GRANTS FOR other@localhost").is_ok()
    };
    assert!(!shows(&server));
    found.iter().for_each(|missing| drop(server.client("", &missing.grant)));
    assert!(shows(&server));
}

#[test]
fn names_with_anything_in_them_are_granted_exactly() {
    let server = Server::start(&[]);
    server.client(
        "",
        "CREATE DATABASE `we``ird_%\\'x`; CREATE DATABASE `we``irdA%\\'x`; CREATE USER u@localhost;",
    );
    let names = |name: &str| [name.to_owned()];
    let (meant, twin) = (names("we`ird_%\\'x"), names("we`irdA%\\'x"));
    let found = lacking(&server, &Purpose::Load, &meant);
    let account = coffer::mysql::privileges::Account::parse("u@localhost");
    statements(&found, &account).iter().for_each(|statement| drop(server.client("", statement)));
    assert_eq!(lacking(&server, &Purpose::Load, &meant), []);
    assert!(!lacking(&server, &Purpose::Load, &twin).is_empty());
    let mut connection = Connection::open(&server.options_as("u", "")).expect("connection of u");
    assert!(connection.execute("CREATE TABLE `we``ird_%\\'x`.t (a INT)").is_ok());
    assert!(connection.execute("CREATE TABLE `we``irdA%\\'x`.t (a INT)").is_err());
}
