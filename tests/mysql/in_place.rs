//! Tables of MyISAM and Aria as they stand in their files: read so where that is the order of their key,
//! found out where it is not, and the same rows either way.

use crate::kept::{plan, take};
use crate::server::Server;

/// Rows of 8 KiB: tables of 22 MB, which are read in two pieces.
const TABLES: &str = "CREATE DATABASE shop; USE shop;
CREATE TABLE rising (id BIGINT PRIMARY KEY, v TEXT) ENGINE=MyISAM;
INSERT INTO rising SELECT seq, REPEAT(LEFT(SHA2(seq, 256), 32), 256) FROM mysql.seq_1_to_2800;
CREATE TABLE below LIKE rising; INSERT INTO below SELECT id - 4000, v FROM rising;
CREATE TABLE page LIKE rising; /*M! ALTER TABLE page ENGINE=Aria*/; INSERT INTO page SELECT * FROM rising;
CREATE TABLE wide (id BIGINT UNSIGNED PRIMARY KEY, v TEXT) ENGINE=MyISAM;
INSERT INTO wide SELECT CAST(9223372036854774807 AS UNSIGNED) + seq, v FROM rising JOIN mysql.seq_1_to_2800 ON seq = id ORDER BY seq;
CREATE TABLE early LIKE rising; INSERT INTO early SELECT * FROM rising;
DELETE FROM early WHERE id = 3; INSERT INTO early VALUES (9000, REPEAT('x', 8000));
CREATE TABLE late LIKE rising; INSERT INTO late SELECT * FROM rising;
DELETE FROM late WHERE id = 2700; INSERT INTO late VALUES (9001, REPEAT('y', 8000));
CREATE TABLE falling LIKE rising; INSERT INTO falling SELECT * FROM rising ORDER BY id DESC;
CREATE TABLE gaps LIKE rising; INSERT INTO gaps SELECT * FROM rising; DELETE FROM gaps WHERE id % 3 = 0;
CREATE TABLE words (id VARCHAR(9) PRIMARY KEY, v TEXT) ENGINE=MyISAM; INSERT INTO words SELECT id, v FROM rising LIMIT 20;
CREATE TABLE one (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO one VALUES (7);
CREATE TABLE none (id INT PRIMARY KEY) ENGINE=MyISAM;
CREATE TABLE covered (id INT PRIMARY KEY, v INT, KEY (v, id)) ENGINE=MyISAM; INSERT INTO covered VALUES (1, 9), (2, 8), (3, 7);";

#[test]
fn what_stands_in_the_order_of_its_key_is_read_as_it_stands() {
    let server = Server::start(&["--log-output=TABLE"]);
    server.client("", TABLES);
    server.sql("SET GLOBAL general_log=1");
    let (kept, _) = take(&plan(server.options(), &["shop"])).expect("dump");
    server.sql("SET GLOBAL general_log=0");
    let asked = |table: &str, words: &str| {
        let sql = format!(
            "SELECT COUNT(*) FROM mysql.general_log WHERE command_type='Execute' AND argument LIKE '%FROM `shop`.`{table}`{words}%'"
        );
        server.value(&sql).expect("a count").parse::<u64>().expect("a number")
    };
    for table in ["rising", "below", "page", "wide", "gaps", "one", "covered"] {
        assert!(asked(table, " USE INDEX ()") > 0, "{table}: read as it stands");
        assert_eq!(asked(table, " FORCE INDEX"), 0, "{table}: not by its key");
    }
    assert!(asked("rising", " USE INDEX ()").is_multiple_of(2), "in two pieces");
    for (table, pieces) in [("early", 1), ("late", 2), ("falling", 1)] {
        let tried = asked(table, " USE INDEX ()");
        assert!(tried > 0 && tried.is_multiple_of(pieces), "{table}: tried");
        assert!(asked(table, " FORCE INDEX") > 0, "{table}: read by its key");
    }
    assert_eq!(asked("words", " USE INDEX ()"), 0, "letters have an order of their own");
    let names: Vec<String> = kept.tables.lock().expect("tables").keys().cloned().collect();
    assert_eq!(names.len(), 12);
    for path in names {
        let table = path.rsplit('/').next().expect("a name");
        let rows = server.sql(&format!("SELECT * FROM shop.{table} ORDER BY id"));
        let wanted: Vec<Vec<Option<String>>> =
            rows.iter().map(|row| vec![row.text(0), row.text(1)]).collect();
        let text = |cell: Option<&Option<Vec<u8>>>| {
            cell.and_then(Option::as_ref).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let got: Vec<Vec<Option<String>>> =
            kept.rows(&path).iter().map(|row| vec![text(row.first()), text(row.get(1))]).collect();
        assert!(got == wanted, "{table}: {} rows for {}", got.len(), wanted.len());
    }
}
