//! Values of tens of MB, there and back, with the binary: in seconds, and in little memory.

use crate::server::Server;
use crate::trial::program;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// What a process may need at its peak while values of 64 MB pass through it.
const MOST_KIB: u64 = 256 << 10;

/// Three rows of 64 MB each in two tables, one without snapshots, and short ones between them; a table
/// without a key is beside them.
const BIG: &str = "
CREATE DATABASE big; USE big;
CREATE TABLE i (id INT PRIMARY KEY, c LONGBLOB, t LONGTEXT CHARACTER SET utf8mb4, n VARCHAR(20), KEY (n)) ENGINE=InnoDB;
CREATE TABLE m (k VARCHAR(20) CHARACTER SET latin1, id INT, c LONGTEXT CHARACTER SET ucs2, t LONGBLOB NOT NULL, PRIMARY KEY (k,id)) ENGINE=MyISAM;
CREATE TABLE keyless (c LONGBLOB) ENGINE=InnoDB;
INSERT INTO i VALUES (1,'a',NULL,'x'),(3,'c','d','y'),(6,NULL,'','z');
INSERT INTO i SELECT seq, REPEAT(CONCAT(RANDOM_BYTES(1021),'\\t\\n\\\\'),65537), 'short', 'long' FROM mysql.seq_1_to_4 WHERE seq IN (2,4);
INSERT INTO i VALUES (5, 'short', REPEAT('\u{1f9b7} tooth\\n',5600000), 'text');
INSERT INTO m VALUES ('b\\'',1,'a',''),('b\\'',3,'c',''),('z',1,NULL,'d');
INSERT INTO m SELECT 'b\\'', seq, 'short', REPEAT(CONCAT(RANDOM_BYTES(1021),'\\t\\n\\\\'),65537) FROM mysql.seq_1_to_4 WHERE seq IN (2,4);
INSERT INTO m VALUES ('y', 5, REPEAT('\u{e9}tage\\t',5600000), 'text');
INSERT INTO keyless SELECT REPEAT(RANDOM_BYTES(1024), 3000) FROM mysql.seq_1_to_3;
";

/// Runs the binary to its end; its peak of memory in KiB.
#[track_caller]
fn coffer(folder: &Path, server: &Server, arguments: &str) -> u64 {
    let mut child = program(folder, server, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("coffer starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // What it says is short: it does not wait for a reader.
        if let Some(ended) = child.try_wait().expect("state") {
            let mut said = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().expect("stderr"), &mut said)
                .expect("text");
            assert!(ended.success(), "coffer {arguments}\n{said}");
            return peak;
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn sums(server: &Server, database: &str) -> String {
    server.client(
        database,
        "SELECT id, CRC32(c), CRC32(t), n FROM i ORDER BY id; SELECT k, id, CRC32(c), CRC32(t), LENGTH(c) FROM m ORDER BY k, id; \
         SELECT SUM(CRC32(c)) FROM keyless",
    )
}

#[test]
fn long_values_go_there_and_back_in_seconds_and_in_little_memory() {
    let server = Server::start(&["--local-infile=1", "--max-allowed-packet=256M"]);
    server.client("", BIG);
    let expected = sums(&server, "big");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    let run = |arguments: &str| {
        let peak = coffer(path, &server, arguments);
        assert!(peak > 0 && peak < MOST_KIB, "coffer {arguments}: {} MiB", peak >> 10);
    };
    run("init c --no-encryption");
    run("backup c --database big");
    run("restore c latest --to-server --as by_file");
    assert_eq!(sums(&server, "by_file"), expected);
    server.sql("DROP DATABASE by_file");
    server.sql("SET GLOBAL local_infile=0");
    run("restore c latest --to-server --as by_insert");
    assert_eq!(sums(&server, "by_insert"), expected);
    server.sql("DROP DATABASE by_insert");
    run("restore c latest --to out");
    // Every row is read, counted and summed up once more.
    run("verify c --level full");
}
