//! `coffer doctor` on live servers.

use crate::server::{Make, Server};
use std::process::{Command, Output};

/// Runs the doctor as `user`, with JSON, away from this machine's own option files.
fn doctor(server: &Server, user: &str, arguments: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_coffer"))
        .args(["--json", "doctor", "--mysql-user", user, "--mysql-defaults-file", "/dev/null"])
        .arg("--mysql-socket")
        .arg(server.socket())
        .args(arguments.split_whitespace())
        .env("HOME", "/nonexistent")
        .output()
        .expect("coffer");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word} in\n{text}");
    }
}

#[test]
fn a_server_in_order_is_said_to_be() {
    let is_mysql = Make::asked().is_mysql();
    let server = Server::start(&["--log-bin", "--binlog-format=ROW", "--local-infile=1"]);
    server.client("", "CREATE DATABASE shop; CREATE TABLE shop.t (a INT PRIMARY KEY) ENGINE=InnoDB;");
    let (code, out, said) = doctor(&server, "root", "--database shop");
    assert_eq!(code, 0, "{out}{said}");
    let mariadb = [r#""consistency":"binlog-snapshot""#, r#""stall_ms":0"#, r#""vendor":"MariaDB""#];
    let mysql = [r#""consistency":"backup-lock""#, r#""vendor":"MySQL""#];
    has(&out, if is_mysql { &mysql } else { &mariadb });
    has(&out, &[r#""missing":0"#, r#""innodb":{"bytes""#]);
    server.client("", "CREATE TABLE shop.m (a INT PRIMARY KEY) ENGINE=MyISAM;");
    let (code, out, said) = doctor(&server, "root", "--all-databases --restore --users");
    assert_eq!(code, 0, "{out}{said}");
    has(&out, &[r#""consistency":"read-ahead""#, r#""way":"binlog""#, r#""way":"read-local""#]);
}

#[test]
fn missing_rights_are_an_error_with_the_statement_and_the_statement_helps() {
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE DATABASE shop; CREATE TABLE shop.t (a INT) ENGINE=InnoDB; CREATE USER u@localhost;
         GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON *.* TO u@localhost;",
    );
    let (code, out, _) = doctor(&server, "u", "--database shop");
    assert_eq!(code, 13, "{out}");
    has(&out, &["RELOAD", "GRANT RELOAD ON *.* TO `u`@`localhost`", r#""code":"database""#, "PROCESS"]);
    server.client("", "GRANT RELOAD ON *.* TO u@localhost; REVOKE TRIGGER ON *.* FROM u@localhost");
    let (code, out, _) = doctor(&server, "u", "--database shop");
    assert_eq!(code, 13);
    has(&out, &["GRANT TRIGGER ON `shop`.* TO `u`@`localhost`"]);
    server.client("", "GRANT TRIGGER ON `shop`.* TO `u`@`localhost`");
    let (code, out, _) = doctor(&server, "u", "--database shop");
    assert_eq!(code, 3, "only PROCESS is missing: {out}");
    assert_eq!(doctor(&server, "u", "--database shop --restore").0, 13);
    server.client("", "CREATE USER nobody@localhost");
    let (code, out, _) = doctor(&server, "nobody", "--database shop");
    assert_eq!(code, 13, "a database that may not be seen is no unknown one: {out}");
    has(&out, &["GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop`.*"]);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut server = Server::start(&["--myisam-use-mmap=1", "--local-infile=1"]);
    let (code, out, _) = doctor(&server, "root", "--database shop");
    assert_eq!(code, 2, "{out}");
    has(&out, &["no database `shop`"]);
    assert_eq!(doctor(&server, "root", "").0, 0);
    server.client("", "CREATE DATABASE shop; CREATE TABLE shop.t (a INT) ENGINE=MyISAM;");
    let (code, out, _) = doctor(&server, "root", "");
    assert_eq!(code, 13, "{out}");
    has(&out, &["myisam_use_mmap"]);
    server.kill9();
    let (code, out, _) = doctor(&server, "root", "");
    assert_eq!(code, 13);
    has(&out, &["nobody listens", r#""status":"failed""#]);
}

#[test]
fn a_row_too_long_for_the_restore_and_a_hot_table_are_told() {
    // A log, which a MySQL keeps by default, would let the dump follow the table.
    let options =
        ["--max-allowed-packet=2M", "--local-infile=0", "--concurrent-insert=NEVER", "--skip-log-bin"];
    let server = Server::start(&options);
    server.client(
        "",
        "CREATE DATABASE shop; CREATE TABLE shop.scan (a INT PRIMARY KEY, x LONGBLOB, y LONGBLOB) ENGINE=InnoDB;
         INSERT INTO shop.scan VALUES (1, REPEAT('x', 1000000), REPEAT('y', 900000)), (2, NULL, 'z');
         CREATE TABLE shop.log (a INT PRIMARY KEY AUTO_INCREMENT, t CHAR(255)) ENGINE=MyISAM CHARSET=latin1;
         INSERT INTO shop.log SELECT seq, 'x' FROM mysql.seq_1_to_150000;",
    );
    let (code, out, said) = doctor(&server, "root", "--database shop");
    assert_eq!(code, 3, "{out}{said}");
    has(&out, &[r#""longest_row_bytes":1900000"#, r#""code":"packet""#, "max_allowed_packet=5242880"]);
    has(&out, &[r#""code":"local-infile""#, r#""code":"stall""#, "log", r#""local_infile":false"#]);
}
