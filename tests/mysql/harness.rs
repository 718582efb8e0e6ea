//! The harness itself: what other tests lean on.

use crate::proxy::{Cut, Proxy, Side};
use crate::server::Server;
use coffer::mysql::connection::Connection;
use std::time::Duration;

#[test]
fn a_server_keeps_its_data_over_a_restart_and_a_kill() {
    let mut server = Server::start(&["--log-bin", "--binlog-format=ROW"]);
    server.client(
        "",
        "CREATE DATABASE shop; CREATE TABLE shop.t (a INT) ENGINE=MyISAM; INSERT INTO shop.t VALUES (1),(2);",
    );
    assert_eq!(server.value("SELECT @@log_bin").as_deref(), Some("1"));
    server.restart();
    assert_eq!(server.value("SELECT SUM(a) FROM shop.t").as_deref(), Some("3"));
    server.kill9();
    assert!(Connection::open(&server.options()).is_err());
    server.revive();
    assert_eq!(server.client("shop", "SELECT a FROM t ORDER BY a"), "1\n2\n");
    assert!(server.try_client("", b"SELECT nonsense").is_err_and(|said| said.contains("nonsense")));
}

#[test]
fn two_servers_are_apart_and_one_can_be_stopped() {
    let (first, second) = (Server::start(&[]), Server::start_tcp(&["--server-id=2"]));
    first.sql("CREATE DATABASE only_here");
    assert!(second.sql("SHOW DATABASES LIKE 'only%'").is_empty());
    let mut connection = Connection::open(&second.tcp_options()).expect("by port");
    assert_eq!(connection.value("SELECT @@server_id").expect("id").as_deref(), Some("2"));
    first.stop();
    let options = first.options();
    let waiting = std::thread::spawn(move || Connection::open(&options).is_ok());
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished(), "a stopped server answers nothing");
    first.cont();
    assert!(waiting.join().expect("thread"), "it answers when it goes on");
}

#[test]
fn the_proxy_cuts_at_the_packet() {
    let server = Server::start(&[]);
    let whole = Proxy::start(&server.options(), None);
    let count = "SELECT seq FROM mysql.seq_1_to_1000";
    let mut connection = Connection::open(&whole.options()).expect("through the proxy");
    let before = whole.packets(Side::Server);
    assert_eq!(connection.rows(count).expect("rows").len(), 1000);
    assert!(whole.packets(Side::Server) >= before + 1000);

    let cut = Cut { side: Side::Server, after: before + 500, everything: false };
    let cutting = Proxy::start(&server.options(), Some(cut));
    let mut connection = Connection::open(&cutting.options()).expect("before the cut");
    assert!(!cutting.is_cut());
    assert!(connection.rows(count).is_err() && cutting.is_cut());
    assert!(Connection::open(&cutting.options()).is_ok(), "only that connection ends");
    whole.cut_now();
    assert!(Connection::open(&whole.options()).is_err());
}
