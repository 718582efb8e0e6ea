//! Grants of both vendors, as their servers write them.

use super::*;
use crate::mysql::facts::ServerFacts;

fn on(name: &str) -> Scope {
    Scope::Database(name.into())
}

fn privileges(lines: &[&str]) -> Privileges {
    Privileges::parse("back@up@localhost", lines)
}

#[test]
fn rights_hold_where_they_were_granted() {
    let p = privileges(&[
        "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `u`@`localhost` IDENTIFIED BY PASSWORD '*ON `x`.* TO'",
        "GRANT SELECT, LOCK TABLES, SHOW VIEW ON `d`.* TO `u`@`localhost` WITH GRANT OPTION",
        r"GRANT TRIGGER ON `pra\_%`.* TO `u`@`localhost`",
        "GRANT EVENT ON `a_c`.* TO `u`@`localhost`",
        "GRANT SELECT ON `mysql`.`proc` TO `u`@`localhost`",
        "GRANT EXECUTE ON PROCEDURE `d`.`p` TO `u`@`localhost`",
        "GRANT SELECT (`a`), INSERT (`a`, `ON`), UPDATE ON `e`.`t` TO `r1`",
        "GRANT ALL PRIVILEGES ON `we``ird, ON *.*`.* TO `r1`",
    ]);
    assert!(p.holds("RELOAD", &Scope::Server) && p.holds("RELOAD", &on("any")));
    assert!(p.holds("REPLICATION CLIENT", &Scope::Server));
    assert!(p.holds("SHOW VIEW", &on("d")) && !p.holds("SHOW VIEW", &on("dd")));
    assert!(!p.holds("SELECT", &Scope::Server) && !p.holds("VIEW", &on("d")));
    assert!(p.holds("TRIGGER", &on("pra_x")) && p.holds("TRIGGER", &on("pra_")));
    assert!(!p.holds("TRIGGER", &on("prax")) && !p.holds("TRIGGER", &on("x")));
    assert!(p.holds("EVENT", &on("abc")) && !p.holds("EVENT", &on("abbc")));
    let proc = Scope::Table("mysql".into(), "proc".into());
    assert!(p.holds("SELECT", &proc) && !p.holds("SELECT", &on("mysql")));
    assert!(!p.holds("EXECUTE", &on("d")), "one routine is not the database");
    let table = Scope::Table("e".into(), "t".into());
    assert!(!p.holds("SELECT", &table) && !p.holds("INSERT", &table), "columns are not the table");
    assert!(p.holds("UPDATE", &table));
    assert!(p.holds("DROP", &on("we`ird, ON *.*")) && !p.holds("DROP", &on("x")));
    assert_eq!(p.account, Account { user: "back@up".into(), host: "localhost".into() });
}

#[test]
fn lines_about_roles_proxies_and_nonsense_grant_nothing() {
    let p = privileges(&[
        "GRANT `r1` TO `u`@`localhost`",
        "GRANT `SELECT ON *.* TO`@`%`,`r2`@`%` TO `u`@`localhost`",
        "GRANT PROXY ON ``@`%` TO `root`@`localhost` WITH GRANT OPTION",
        "SET DEFAULT ROLE `r1` FOR `u`@`localhost`",
        "GRANT SELECT ON `unfinished",
        "GRANT SELECT (`a` ON *.* TO `x`",
        "SELECT ON *.*",
        "",
    ]);
    for privilege in ["SELECT", "PROXY", "USAGE"] {
        assert!(!p.holds(privilege, &Scope::Server) && !p.holds(privilege, &on("unfinished")));
    }
}

#[test]
fn mysql_lists_new_rights_apart_and_takes_some_back() {
    let p = privileges(&[
        "GRANT SELECT, RELOAD, SHOW VIEW, EVENT, TRIGGER ON *.* TO `u`@`%`",
        "GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `u`@`%`",
        "REVOKE SELECT ON `mysql`.* FROM `u`@`%`",
    ]);
    assert!(p.holds("SHOW_ROUTINE", &Scope::Server) && p.holds("BACKUP_ADMIN", &Scope::Server));
    assert!(p.holds("SELECT", &on("d")) && !p.holds("SELECT", &on("mysql")));
    assert!(!p.holds("SELECT", &Scope::Server), "everything but one is not everything");
    assert!(p.holds("TRIGGER", &on("mysql")));
    let facts = ServerFacts::for_version("8.0.36", &[("log_bin", "ON")]);
    let dump = Purpose::Dump(DumpNeeds { has_plain_tables: true, users: false });
    let found = missing(&p, &facts, &dump, &["d".into()]);
    let names: Vec<&str> = found.iter().map(|m| m.privilege).collect();
    assert_eq!(names, ["LOCK TABLES", "REPLICATION CLIENT", "REPLICATION SLAVE", "PROCESS"]);
    assert!(refusal(&found, &p.account, "server").is_none());
}

#[test]
fn what_is_missing_is_named_with_the_statement_that_grants_it() {
    let p = privileges(&["GRANT USAGE ON *.* TO `u`@`h`", r"GRANT SELECT, EVENT ON `my\_db`.* TO `u`@`h`"]);
    let facts = ServerFacts::for_version("10.11.19-MariaDB", &[]);
    let dump = Purpose::Dump(DumpNeeds::default());
    let found = missing(&p, &facts, &dump, &["my_db".into()]);
    let grants: Vec<&str> = found.iter().map(|m| m.grant.as_str()).collect();
    assert_eq!(
        grants,
        [
            r"GRANT SHOW VIEW ON `my\_db`.* TO `back@up`@`localhost`",
            r"GRANT TRIGGER ON `my\_db`.* TO `back@up`@`localhost`",
            "GRANT SELECT ON `mysql`.`proc` TO `back@up`@`localhost`",
            "GRANT RELOAD ON *.* TO `back@up`@`localhost`",
            "GRANT PROCESS ON *.* TO `back@up`@`localhost`",
        ]
    );
    assert_eq!(statements(&found, &p.account).len(), 3, "rights of one scope share a statement");
    let refusal = refusal(&found, &p.account, "server").expect("a refusal");
    assert_eq!(refusal.count, 4, "PROCESS is only useful");
    assert!(refusal.error.message().contains("TRIGGER on `my\\_db`.*"), "{}", refusal.error.message());
    assert!(missing(&p, &facts, &dump, &[]).iter().any(|m| m.grant.starts_with("GRANT EVENT ON *.*")));
}

#[test]
fn a_drill_needs_its_prefix_only() {
    let facts = ServerFacts::for_version("10.11.19-MariaDB", &[]);
    let drill = Purpose::Drill("coffer_drill_".into());
    let nobody = missing(&privileges(&[]), &facts, &drill, &[]);
    assert!(
        nobody.iter().any(|m| m.grant == r"GRANT CREATE ON `coffer\_drill\_%`.* TO `back@up`@`localhost`")
    );
    let p = privileges(&[r"GRANT ALL PRIVILEGES ON `coffer\_drill\_%`.* TO `u`@`h`"]);
    let found = missing(&p, &facts, &drill, &[]);
    assert!(found.iter().all(|m| m.need == Need::Useful), "{found:?}");
}
