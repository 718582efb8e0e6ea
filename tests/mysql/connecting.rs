//! Reaching a server, being refused by one, and telling two apart.

use crate::server::{Make, Server, mariadbs_own, told};
use coffer::error::{Error, Kind};
use coffer::mysql::connection::{Connection, code_of};
use coffer::mysql::facts::{ServerFacts, Vendor};
use coffer::mysql::opener::Opener;
use coffer::mysql::options::{ServerOptions, Tls};
use coffer::mysql::sources::login_name;
use std::path::Path;
use std::process::Command;

fn refused(options: &ServerOptions) -> Error {
    let error = Connection::open(options).err().expect("no connection");
    assert_eq!(error.kind(), Kind::Database);
    assert!(error.remedy().is_some(), "{error}");
    error
}

#[track_caller]
fn says(error: &Error, words: &str) {
    assert!(told(error).contains(words), "{}", told(error));
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut server = Server::start_tcp(&[]);
    server.client("", "CREATE USER u@localhost IDENTIFIED BY 'right'; CREATE USER far@'10.9.9.9';");
    assert!(Connection::open(&server.options_as("u", "right")).is_ok());
    let error = refused(&server.options_as("u", "wrong"));
    assert_eq!(code_of(&error), Some(1045));
    says(&error, "refuses user `u` with this password");
    assert!(!told(&error).contains("wrong"), "no password in a message: {}", told(&error));
    says(&refused(&server.options_as("u", "")), "with no password");
    let at_port = |port| ServerOptions { port, ..server.tcp_options() };
    says(&refused(&at_port(Some(1))), "nobody listens");
    let unknown = ServerOptions { host: Some("no-such-host.invalid".into()), ..server.tcp_options() };
    says(&refused(&unknown), "no such host");
    let nowhere = ServerOptions { socket: Some("/nonexistent/sock".into()), ..server.options() };
    says(&refused(&nowhere), "no such socket");
    let options = server.options();
    server.kill9();
    says(&refused(&options), "nobody listens");
}

#[test]
fn a_user_of_the_machine_needs_no_password() {
    if mariadbs_own("IDENTIFIED VIA unix_socket") {
        return;
    }
    let server = Server::start(&["--plugin-load-add=auth_ed25519"]);
    let name = login_name().expect("a name");
    assert_eq!(name, crate::server::user());
    server.client(
        "",
        &format!(
            "CREATE OR REPLACE USER {name}@localhost IDENTIFIED VIA unix_socket;
             CREATE USER modern@localhost IDENTIFIED VIA ed25519 USING PASSWORD('x');
             GRANT ALL PRIVILEGES ON *.* TO {name}@localhost WITH GRANT OPTION;"
        ),
    );
    let mut connection = Connection::open(&server.options_as(&name, "")).expect("by socket");
    let who = connection.value("SELECT CURRENT_USER()").expect("answer");
    assert_eq!(who, Some(format!("{name}@localhost")));
    if let Err(error) = Connection::open(&server.options_as("modern", "x")) {
        says(&error, "in a way that is not known here");
    }
}

#[test]
fn two_servers_are_told_apart_even_with_equal_names_and_ids() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    let folder = tempfile::tempdir().expect("folder");
    let door = folder.path().join("sock");
    std::os::unix::fs::symlink(first.socket(), &door).expect("link");
    let options = ServerOptions { socket: Some(door.clone()), ..first.options() };
    let (opener, _connection) = Opener::new(options).expect("the first");
    assert_eq!(opener.open_many(3).expect("the same server").len(), 3);
    std::fs::remove_file(&door).expect("removed");
    std::os::unix::fs::symlink(second.socket(), &door).expect("link");
    let error = opener.open().err().expect("another server");
    assert_eq!(error.kind(), Kind::Database);
    says(&error, "lead to different servers");
}

#[test]
fn facts_are_what_the_server_says() {
    let is_mysql = Make::asked().is_mysql();
    let more: &[&str] = if is_mysql { &[] } else { &["--userstat=1"] };
    let options = [&["--log-bin", "--binlog-format=ROW", "--local-infile=1"], more].concat();
    let server = Server::start(&options);
    let facts = ServerFacts::read(&mut server.connect()).expect("facts");
    assert_eq!(facts.vendor, if is_mysql { Vendor::MySql } else { Vendor::MariaDb });
    assert!(facts.version >= if is_mysql { (8, 0, 0) } else { (10, 4, 0) }, "{:?}", facts.version);
    assert!(facts.is_on("log_bin") && facts.is_on("local_infile") && facts.is_on("userstat") != is_mysql);
    assert!(facts.has_full_row_log());
    assert_eq!(facts.number("max_allowed_packet"), Some(64 << 20));
    let own = if is_mysql { ("blackhole", "utf8mb4_0900_ai_ci") } else { ("aria", "utf8mb4_uca1400_ai_ci") };
    for engine in ["innodb", "myisam", own.0, "memory", "csv"] {
        assert!(facts.engines.contains(engine), "{engine}");
    }
    for collation in ["utf8mb4_general_ci", "latin1_swedish_ci", own.1] {
        assert!(facts.collations.contains(collation), "{collation}");
    }
    let filtered = Server::start(&["--log-bin", "--binlog-format=ROW", "--binlog-ignore-db=shop"]);
    let facts = ServerFacts::read(&mut filtered.connect()).expect("facts");
    assert_eq!(facts.log_filter.as_ref().map(|filter| filter.not.as_str()), Some("shop"));
    assert!(!facts.has_full_row_log() && !facts.log_is_unfiltered());
    filtered.client("", "CREATE USER u@localhost");
    let mut unknowing = Connection::open(&filtered.options_as("u", "")).expect("u");
    let facts = ServerFacts::read(&mut unknowing).expect("facts without rights");
    assert!(facts.is_on("log_bin") && facts.log_filter.is_none());
}

#[test]
fn encryption_is_checked_unless_told_otherwise() {
    let folder = tempfile::tempdir().expect("folder");
    certificates(folder.path());
    let at = |name: &str| folder.path().join(name);
    let options = ["ca", "cert", "key"].map(|n| format!("--ssl-{n}={}", at(&format!("{n}.pem")).display()));
    let server = Server::start_tcp(&options.each_ref().map(String::as_str));
    let with = |tls| ServerOptions { tls, ..server.tcp_options() };
    let cipher = |tls| {
        let mut connection = Connection::open(&with(tls)).expect("connection");
        connection.rows("SHOW STATUS LIKE 'Ssl_cipher'").expect("status")[0].text(1).expect("cipher")
    };
    assert_eq!(cipher(Tls::Off), "");
    assert_eq!(cipher(Tls::Automatic), "", "on this machine");
    assert_ne!(cipher(Tls::Unchecked), "");
    assert_ne!(cipher(Tls::Checked(Some(at("ca.pem")))), "");
    says(&refused(&with(Tls::Checked(None))), "encrypted connection did not come about");
    let error = refused(&with(Tls::Checked(Some(at("other.pem")))));
    assert!(error.remedy().is_some_and(|hint| hint.contains("signed by")), "{}", told(&error));
    let off = if Make::asked().is_mysql() { "--tls-version=" } else { "--skip-ssl" };
    let plain = Server::start_tcp(&[off]);
    let options = ServerOptions { tls: Tls::Unchecked, ..plain.tcp_options() };
    says(&refused(&options), "does not encrypt");
}

/// An authority, another one, and a certificate of the first for this machine.
fn certificates(folder: &Path) {
    let script = "
        for ca in ca other; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca \
                -keyout $ca-key.pem -out $ca.pem
        done
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=127.0.0.1 -keyout key.pem -out req.pem
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n' > ext
        openssl x509 -req -in req.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile ext -out cert.pem
        chmod a+r *.pem";
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_user_of_the_plugin_ed25519_gets_in() {
    if mariadbs_own("the plugin ed25519") {
        return;
    }
    let server = Server::start(&["--plugin-load-add=auth_ed25519"]);
    let plugin = "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME='ed25519'";
    // A server without it says so at its start, and goes on.
    if server.value(plugin).as_deref() == Some("0") {
        assert!(server.log().contains("auth_ed25519"), "{}", server.log());
        return;
    }
    server.sql("CREATE USER ed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('a secret')");
    let mut conn =
        Connection::open(&server.options_as("ed", "a secret")).unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(conn.value("SELECT CURRENT_USER()").expect("asked").as_deref(), Some("ed@localhost"));
    let error = Connection::open(&server.options_as("ed", "another")).err().expect("refused");
    assert!(error.message().contains("refuses user `ed`"), "{}", told(&error));
}
