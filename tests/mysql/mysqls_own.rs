//! What only a MySQL has, or does in its own way: accounts, ways to log in, generated keys, tablespaces,
//! names in lower case, GTIDs. On a MariaDB each says aloud that it is not run.

use crate::compare::assert_same;
use crate::server::{Make, Server, mysqls_own, told};
use crate::trial::exits;
use coffer::mysql::connection::Connection;
use coffer::mysql::options::{ServerOptions, Tls};

fn backed_up(server: &Server) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    exits(folder.path(), server, "init c --no-encryption", 0);
    folder
}

const ACCOUNTS: &str = r#"
CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT PRIMARY KEY, b INT); INSERT INTO t VALUES (1,2); CREATE PROCEDURE p() SELECT 1;
CREATE DATABASE secret; CREATE TABLE secret.t (a INT);
CREATE ROLE reader, `z writes`@'10.%', above; GRANT SELECT ON shop.* TO reader; GRANT INSERT, UPDATE (b) ON shop.t TO `z writes`@'10.%';
GRANT reader TO above WITH ADMIN OPTION; GRANT BACKUP_ADMIN, SHOW_ROUTINE ON *.* TO above WITH GRANT OPTION;
CREATE USER `a'b``"c`@`%` IDENTIFIED BY 'it''s "x" \\' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 5 MAX_USER_CONNECTIONS 2
  PASSWORD EXPIRE INTERVAL 90 DAY PASSWORD HISTORY 4 PASSWORD REUSE INTERVAL 30 DAY PASSWORD REQUIRE CURRENT OPTIONAL
  FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2 ATTRIBUTE '{"who": "it''s \u00e9"}';
GRANT reader, `z writes`@'10.%' TO `a'b``"c`@`%`; SET DEFAULT ROLE reader, `z writes`@'10.%' TO `a'b``"c`@`%`;
GRANT EXECUTE ON PROCEDURE shop.p TO `a'b``"c`@`%`; GRANT SELECT (a) ON shop.t TO `a'b``"c`@`%` WITH GRANT OPTION;
CREATE USER aa@localhost IDENTIFIED BY 'x' DEFAULT ROLE above PASSWORD EXPIRE ACCOUNT LOCK COMMENT 'one';
GRANT above TO aa@localhost; GRANT SELECT, INSERT ON *.* TO aa@localhost; REVOKE SELECT ON secret.* FROM aa@localhost;
CREATE USER cert@localhost REQUIRE SUBJECT '/CN=it' AND ISSUER '/CN=ca' AND CIPHER 'X';
CREATE USER old@localhost IDENTIFIED BY 'first'; ALTER USER old@localhost IDENTIFIED BY 'second' RETAIN CURRENT PASSWORD;
CREATE USER ''@localhost; CREATE USER `100%`@`1.2.3.0/255.255.255.0` IDENTIFIED BY 'x' PASSWORD EXPIRE NEVER;
GRANT PROXY ON aa@localhost TO old@localhost; GRANT ALL ON `sh\_op%`.* TO old@localhost;
GRANT APPLICATION_PASSWORD_ADMIN, SYSTEM_USER, XA_RECOVER_ADMIN ON *.* TO old@localhost;
"#;

/// What makes each account of the server that is not its own, and what it may do.
fn accounts(server: &Server) -> Vec<String> {
    let mut conn = server.connect();
    conn.execute("SET SESSION print_identified_with_as_hex=1").expect("set");
    let all = "SELECT CONCAT('`', REPLACE(User,'`','``'), '`@`', Host, '`') FROM mysql.user WHERE User NOT LIKE 'mysql.%' ORDER BY 1";
    let mut said = Vec::new();
    for account in conn.rows(all).expect("accounts").iter().filter_map(|row| row.text(0)) {
        for sql in [format!("SHOW CREATE USER {account}"), format!("SHOW GRANTS FOR {account}")] {
            let rows = conn.rows(&sql).unwrap_or_else(|error| panic!("{}", told(&error)));
            said.extend(rows.iter().filter_map(|row| row.text(0)));
        }
    }
    said
}

#[test]
fn accounts_with_everything_come_back_by_both_ways() {
    if mysqls_own("accounts of MySQL") {
        return;
    }
    let options = ["--partial-revokes=1", "--local-infile=1"];
    let (server, second, third) = (Server::start(&options), Server::start(&options), Server::start(&options));
    server.client("", ACCOUNTS);
    let folder = backed_up(&server);
    let path = folder.path();
    exits(path, &server, "backup c --all-databases --users", 0);
    let run = exits(path, &second, "restore c latest --to-server --users", 0);
    assert!(!run.said.contains("mysql.sys"), "{}", run.said);
    assert_eq!(accounts(&second), accounts(&server));
    assert!(Connection::open(&second.options_as("old", "second")).is_ok());
    // Once more: those that are there stay.
    let run = exits(path, &second, "restore c latest --to-server --users --replace --yes", 0);
    assert!(run.said.contains("grants on single routines of `shop`"), "{}", run.said);
    let mut expected = accounts(&server);
    expected.retain(|said| !said.starts_with("GRANT EXECUTE ON PROCEDURE"));
    assert_eq!(accounts(&second), expected);
    exits(path, &server, "restore c latest --to out", 0);
    for file in ["shop", "secret", "@server.users"] {
        let sql = std::fs::read(path.join(format!("out/database/{file}.sql"))).expect("file");
        third.try_client("", &sql).unwrap_or_else(|said| panic!("{file}: {said}"));
    }
    assert_eq!(accounts(&third), accounts(&server));
}

#[test]
fn passwords_of_caching_sha2_work_over_every_way() {
    if mysqls_own("caching_sha2_password") {
        return;
    }
    let server = Server::start_tcp(&[]);
    server.client("", "CREATE USER plain@'%' IDENTIFIED BY 'secret'; CREATE USER tls@'%' IDENTIFIED BY 'secret'; CREATE USER sock@localhost IDENTIFIED BY 'secret';");
    // None of them is in the server's cache yet: each logs in in full.
    let by_port = |user: &str, tls: Tls| ServerOptions {
        user: Some(user.into()),
        password: Some("secret".to_owned().into()),
        tls,
        ..server.tcp_options()
    };
    let opens = |options: &ServerOptions| {
        let mut conn = Connection::open(options).unwrap_or_else(|error| panic!("{}", told(&error)));
        conn.value("SELECT CURRENT_USER()").expect("asked").expect("somebody")
    };
    assert_eq!(opens(&server.options_as("sock", "secret")), "sock@localhost");
    assert_eq!(opens(&by_port("tls", Tls::Unchecked)), "tls@%");
    assert_eq!(opens(&by_port("plain", Tls::Off)), "plain@%");
    let authority = Some(server.data().join("ca.pem"));
    assert_eq!(
        opens(&ServerOptions { tls: Tls::Unchecked, ..by_port("plain", Tls::Checked(authority)) }),
        "plain@%"
    );
    let wrong = ServerOptions { password: Some("wrong".to_owned().into()), ..by_port("tls", Tls::Off) };
    let error = Connection::open(&wrong).err().expect("refused");
    assert!(error.to_string().contains("refuses user `tls` with this password"), "{}", told(&error));
    assert_eq!(opens(&server.options_as("sock", "secret")), "sock@localhost");
}

#[test]
fn what_the_server_adds_and_hides_is_carried() {
    if mysqls_own("generated primary keys") {
        return;
    }
    // Keys that the server makes by itself, and hides from whoever asks.
    let options = [
        "--sql-generate-invisible-primary-key=1",
        "--show-gipk-in-create-table-and-information-schema=0",
        "--local-infile=1",
        "--sql-require-primary-key=0",
    ];
    let server = Server::start(&options);
    server.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE t (a INT, b VARCHAR(9)); INSERT INTO t (my_row_id,a) VALUES (9,1),(4,1),(7,NULL);
         CREATE TABLE m (a INT) ENGINE=MyISAM; INSERT INTO m VALUES (1),(1); ANALYZE TABLE t UPDATE HISTOGRAM ON a;",
    );
    let folder = backed_up(&server);
    let path = folder.path();
    let run = exits(path, &server, "backup c --database d", 0);
    assert!(
        run.said.contains("histograms of `d` are not carried") && run.said.contains("`t` ON `a`"),
        "{}",
        run.said
    );
    for options in [&options[..], &["--local-infile=0"], &["--local-infile=1", "--sql-require-primary-key=1"]]
    {
        let other = Server::start(options);
        exits(path, &other, "restore c latest --to-server", 0);
        assert_same((&mut server.connect(), "d"), (&mut other.connect(), "d"));
        let rows = "SELECT GROUP_CONCAT(my_row_id ORDER BY 1) FROM t";
        assert_eq!(other.client("d", rows), "4,7,9\n");
    }
}

#[test]
fn tablespaces_and_encryption_that_are_not_there_cost_no_table() {
    if mysqls_own("general tablespaces") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        "CREATE TABLESPACE `t s` ADD DATAFILE 'ts.ibd'; CREATE DATABASE d; USE d;
         CREATE TABLE t (a INT PRIMARY KEY) TABLESPACE `t s`; INSERT INTO t VALUES (1),(2);
         CREATE TABLE s (a INT PRIMARY KEY) TABLESPACE innodb_system; INSERT INTO s VALUES (3);",
    );
    let folder = backed_up(&server);
    let path = folder.path();
    exits(path, &server, "backup c --database d", 0);
    // In a file, the table does without it first.
    let run = exits(path, &server, "restore c latest --to out", 0);
    assert!(run.said.contains("table `t` stands in the tablespace `t s`"), "{}", run.said);
    let sql = std::fs::read(path.join("out/database/d.sql")).expect("file");
    let third = Server::start(&[]);
    assert!(third.try_client("", &sql).is_err(), "what it does not have is refused");
    assert_eq!(third.client("d", "SELECT SUM(a) FROM t UNION ALL SELECT a FROM s"), "3\n3\n");
    third.client("", "DROP DATABASE d; CREATE TABLESPACE `t s` ADD DATAFILE 'ts.ibd'");
    third.client("", std::str::from_utf8(&sql).expect("text"));
    assert_same((&mut server.connect(), "d"), (&mut third.connect(), "d"));
    let other = Server::start(&["--local-infile=1"]);
    let run = exits(path, &other, "restore c latest --to-server", 0);
    assert!(run.said.contains("made without TABLESPACE `t s`"), "{}", run.said);
    assert_eq!(other.client("d", "SELECT SUM(a) FROM t UNION ALL SELECT a FROM s"), "3\n3\n");
    other.client("", "DROP DATABASE d; CREATE TABLESPACE `t s` ADD DATAFILE 'ts.ibd'");
    exits(path, &other, "restore c latest --to-server", 0);
    assert_same((&mut server.connect(), "d"), (&mut other.connect(), "d"));
}

#[test]
fn names_in_lower_case_and_keys_between_databases_come_back() {
    if mysqls_own("lower_case_table_names of MySQL") {
        return;
    }
    let options = ["--lower-case-table-names=1", "--local-infile=1"];
    let server = Server::start(&options);
    server.client(
        "",
        "CREATE DATABASE Alpha; CREATE DATABASE Beta; CREATE TABLE Beta.Parent (Id INT PRIMARY KEY); INSERT INTO beta.parent VALUES (1);
         CREATE TABLE Alpha.Child (A INT, CONSTRAINT Up FOREIGN KEY (A) REFERENCES Beta.Parent (Id)); INSERT INTO Alpha.Child VALUES (1);
         CREATE TRIGGER Alpha.Tr BEFORE INSERT ON Alpha.Child FOR EACH ROW SET NEW.A=NEW.A; CREATE VIEW Alpha.V AS SELECT * FROM Beta.PARENT;",
    );
    let folder = backed_up(&server);
    let path = folder.path();
    exits(path, &server, "backup c --all-databases", 0);
    let other = Server::start(&options);
    for words in ["restore c latest --to-server", "restore c latest --to-server --replace --yes"] {
        exits(path, &other, words, 0);
        for name in ["alpha", "beta"] {
            assert_same((&mut server.connect(), name), (&mut other.connect(), name));
        }
    }
    let sensitive = Server::start(&["--local-infile=1"]);
    exits(path, &sensitive, "restore c latest --to-server", 0);
    assert_eq!(sensitive.client("alpha", "SELECT * FROM v"), "1\n");
}

#[test]
fn a_drill_needs_no_mariadb_and_no_folder_for_files() {
    if mysqls_own("mysqld as the private server") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    server.client("", "CREATE DATABASE d; CREATE TABLE d.t (a VARCHAR(9) COLLATE utf8mb4_0900_as_cs PRIMARY KEY, j JSON); INSERT INTO d.t VALUES ('x','[1]')");
    let folder = backed_up(&server);
    let path = folder.path();
    exits(path, &server, "backup c --database d", 0);
    let run = exits(path, &server, "drill c --report drill.html", 0);
    assert_eq!(run.result["verdict"].as_str(), Some("proven"), "{}", run.said);
    assert!(run.result["server_version"].as_str().is_some_and(|v| !v.contains("MariaDB")), "{}", run.said);
}

const OF_MYSQL: &str = "
CREATE DATABASE pl CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; USE pl;
CREATE TABLE j (id INT PRIMARY KEY, KEY f ((id+1)));
CREATE TABLE g (id INT PRIMARY KEY, h INT INVISIBLE DEFAULT 5, c INT CHECK (c>0) NOT ENFORCED, d INT DEFAULT (1+2));
INSERT INTO g (id,c) VALUES (1,-1);
CREATE TABLE k (id INT PRIMARY KEY, j JSON, t TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP); INSERT INTO k VALUES (1,'{\"a\": 1.5}',NULL);
CREATE TABLE v (id INT PRIMARY KEY, v VECTOR(3)); CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1; CREATE VIEW w AS SELECT id FROM k;
CREATE DATABASE new; CREATE TABLE new.t (a VARCHAR(9));";

const OF_MARIADB: &str = "
CREATE DATABASE mr CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; USE mr;
CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, t TIMESTAMP NOT NULL DEFAULT current_timestamp(), e ENUM('','a')); INSERT INTO a VALUES (1,'2020-01-01','a');
CREATE TABLE m (id INT PRIMARY KEY, j JSON) ENGINE=MyISAM; INSERT INTO m VALUES (1,'{}');
CREATE TABLE sv (a INT) WITH SYSTEM VERSIONING; CREATE SEQUENCE s; CREATE TABLE un (u UUID); CREATE TABLE c (v VARCHAR(99) COMPRESSED);
CREATE VIEW w AS SELECT id FROM a; CREATE PROCEDURE p() SELECT 1; CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET NEW.e='a';";

#[test]
fn between_vendors_what_does_not_go_is_named_before() {
    if mysqls_own("a way from MySQL to MariaDB and back") {
        return;
    }
    let (mysql, mariadb) =
        (Server::start(&["--local-infile=1"]), Server::start_of(Make::MariaDb, &["--local-infile=1"]));
    mysql.client("", OF_MYSQL);
    mariadb.client("", OF_MARIADB);
    let folder = backed_up(&mysql);
    let path = folder.path();
    exits(path, &mysql, "backup c --all-databases", 0);
    let run = exits(path, &mariadb, "restore c latest --to-server --database new", 13);
    assert!(
        run.said.contains("lacks the collation utf8mb4_0900_ai_ci")
            && run.said.contains("nothing was touched")
    );
    let plan = exits(path, &mariadb, "restore c latest --to-server --database pl --dry-run", 0);
    for word in [
        "`j` cannot be made: MariaDB has no keys on expressions",
        "`v` cannot be made: MariaDB has no vector",
        "INVISIBLE, NOT ENFORCED",
        "utf8mb4_0900_ai_ci, under which objects",
    ] {
        assert!(plan.said.contains(word), "{word}: {}", plan.said);
    }
    assert!(mariadb.sql("SHOW DATABASES LIKE 'pl%'").is_empty());
    exits(path, &mariadb, "restore c latest --to-server --database pl", 3);
    assert_eq!(
        mariadb.client("pl", "SELECT id, h, c, d FROM g; SELECT * FROM k; SELECT f(), id FROM w"),
        "1\t5\t-1\t3\n1\t{\"a\": 1.5}\tNULL\n1\t1\n"
    );

    let folder = backed_up(&mariadb);
    let path = folder.path();
    exits(path, &mariadb, "backup c --database mr", 0);
    let plan = exits(path, &mysql, "restore c latest --to-server --dry-run", 0);
    for word in [
        "`sv` cannot be made: MySQL has no WITH SYSTEM VERSIONING",
        "sequence `mr`.`s` cannot be made",
        "`un` cannot be made: MySQL has no uuid",
        "COMPRESSED",
    ] {
        assert!(plan.said.contains(word), "{word}: {}", plan.said);
    }
    exits(path, &mysql, "restore c latest --to-server", 3);
    assert_eq!(
        mysql.client("mr", "SELECT * FROM a; SELECT * FROM m; SELECT id FROM w; SHOW TABLES"),
        "1\t2020-01-01 00:00:00\ta\n1\t{}\n1\na\nc\nm\nw\n"
    );
}

/// Objects of root, a system user, and of somebody who is gone were not made by a user who had every
/// right that was named.
#[test]
fn what_the_doctor_grants_is_enough_for_a_backup_and_for_a_restore() {
    if mysqls_own("rights of MySQL alone") {
        return;
    }
    // Without trust in those who make functions, as by default.
    let server = Server::start(&["--local-infile=1", "--log-bin-trust-function-creators=0"]);
    server.client(
        "",
        &crate::load_odd::ODD
            .replace("CREATE FUNCTION f1(x INT) RETURNS INT", "CREATE FUNCTION f1(x INT) RETURNS INT NO SQL"),
    );
    server.client("", "CREATE USER b@localhost, r@localhost");
    let folder = backed_up(&server);
    let path = folder.path();
    for (user, more) in [("b", "--database odd"), ("r", "--database odd --restore")] {
        let run = exits(path, &server, &format!("doctor {more} --mysql-user {user}"), 13);
        let events = run.said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let statements: Vec<String> =
            events.filter_map(|event| event["item"]["statement"].as_str().map(str::to_owned)).collect();
        assert!(!statements.is_empty(), "{}", run.said);
        for statement in statements {
            // The copy has another name.
            server.client("", &statement.replace("`odd`.*", "*.*"));
        }
    }
    exits(path, &server, "backup c --database odd --mysql-user b", 0);
    let run = exits(path, &server, "restore c latest --to-server --as copy --mysql-user r", 0);
    assert!(!run.said.contains("not-made"), "{}", run.said);
    let mut conn = server.connect();
    assert_same((&mut conn, "odd"), (&mut server.connect(), "copy"));
    // What no right gives is named before, and how it is had.
    server.client("odd", "SET GLOBAL log_bin_trust_function_creators=1; CREATE FUNCTION undeclared() RETURNS INT RETURN 4; SET GLOBAL log_bin_trust_function_creators=0");
    exits(path, &server, "backup c --database odd --mysql-user b", 0);
    let run = exits(path, &server, "restore c latest --to-server --as other --dry-run", 0);
    assert!(
        run.said.contains("log_bin_trust_function_creators=1 lets it make: `odd`.`undeclared`\""),
        "{}",
        run.said
    );
    exits(path, &server, "restore c latest --to-server --as other", 3);
    server.client("", "SET GLOBAL log_bin_trust_function_creators=1");
    exits(path, &server, "restore c latest --to-server --as other --replace --yes", 0);
}
