//! What is found of good and bad dumps, however their bytes come.

use super::{Finding, Judge};
use crate::attachments::problem::ProblemKind as K;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// `-- MySQL dump 10.13\n-- Dump completed\n`, and nothing, as `xz` and `bzip2` pack them.
const XZ: &str = "fd377a585a000004e6d6b4460200210116000000742fe5a30100252d2d204d7953514c2064756d702031302e31330a2d2d2044756d7020636f6d706c657465640a0000000c822fba0db2267400013e26ab2b4eb31fb6f37d010000000004595a";
const XZ_EMPTY: &str = "fd377a585a000004e6d6b446000000001cdf44211fb6f37d010000000004595a";
const BZIP2: &str = "425a6839314159265359e0020cae0000055f80001040036800040628000e06c620200031468c81a34c8d089927a8f247a8cd4f6a7312a4784252676744f0e0264ea6010a1669a1b177245385090e0020cae0";
const BZIP2_EMPTY: &str = "425a683917724538509000000000";

/// What is found, the same in pieces of any size.
fn found(dump: &[u8]) -> Finding {
    let pieces = |size| {
        let mut judge = Judge::default();
        dump.chunks(size).for_each(|piece| judge.see(piece));
        judge.end()
    };
    let whole = pieces(1 << 20);
    for size in [1, 7, 100, 4096] {
        assert_eq!(pieces(size), whole, "in pieces of {size}");
    }
    whole
}

/// A dump as mysqldump writes it, of about 60 kB.
fn dump() -> Vec<u8> {
    let mut text =
        b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib\n--\n".to_vec();
    for row in 0_u64..1500 {
        let noise = blake3::hash(&row.to_le_bytes());
        writeln!(text, "INSERT INTO `t` VALUES ({row},'{}');", &noise.to_hex()[..20]).expect("memory");
    }
    text.extend_from_slice(b"\n-- Dump completed on 2026-01-01 20:00:00\n");
    text
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).expect("memory");
    packed.finish().expect("memory")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(text, 1).expect("memory")
}

fn wide(text: &[u8], big: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.iter().map(|byte| u16::from(*byte)));
    units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |place| u8::from_str_radix(&hex[place..place + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(digit).collect()
}

const fn problem(what: K) -> Finding {
    Finding::Problem(what)
}

fn is_no_dump(dump: &[u8]) -> bool {
    matches!(found(dump), Finding::NoDump(_))
}

#[test]
fn good_dumps_and_those_nobody_knows_are_left_in_peace() {
    let whole = dump();
    let joined = [&whole[..], &whole].concat();
    let binary = [b"XBSTCK01\x00\x00".as_slice(), &[0; 5000], b"end"].concat();
    for good in [&whole, &joined, &binary, &b"CREATE TABLE t (a INT);".to_vec(), &b"x".to_vec()] {
        assert_eq!(found(good), Finding::Nothing);
        assert_eq!(found(&gzip(good)), Finding::Nothing);
        assert_eq!(found(&zstd(good)), Finding::Nothing);
        assert_eq!(found(&[gzip(good), gzip(b"\n"), vec![0; 1024]].concat()), Finding::Nothing);
        assert_eq!(found(&[zstd(good), zstd(b"\n")].concat()), Finding::Nothing);
    }
    assert_eq!(found(&wide(&whole, false)), Finding::Nothing);
    assert_eq!(found(&wide(&whole, true)), Finding::Nothing);
    assert_eq!(found(&gzip(&[&b"a\n"[..], &vec![b'x'; 3 << 20]].concat())), Finding::Nothing);
}

#[test]
fn a_dump_that_lacks_its_last_line_is_cut_off_in_every_form() {
    let whole = dump();
    let cut = &whole[..whole.len() - 60];
    for cut in [cut.to_vec(), gzip(cut), zstd(cut), wide(cut, false), wide(cut, true)] {
        assert_eq!(found(&cut), problem(K::CutOff));
    }
    let wide = wide(&whole, false);
    assert_eq!(found(&wide[..wide.len() - 1]), problem(K::CutOff));
    let joined = [cut, b"\n", &whole[..]].concat();
    assert_eq!(found(&joined), problem(K::CutOffWithin));
    assert_eq!(found(&gzip(&joined)), problem(K::CutOffWithin));
    assert_eq!(found(&[gzip(&whole), gzip(cut)].concat()), problem(K::CutOff));
}

#[test]
fn a_packing_that_ends_early_is_cut_off_wherever() {
    for packed in [gzip(&dump()), zstd(&dump())] {
        let long = packed.len();
        for length in [long - 1, long - 4, long - 8, long - 9, long / 2, 3000] {
            assert_eq!(found(&packed[..length]), problem(K::PackingCutOff), "{length} of {long}");
        }
        assert_eq!(found(&[&packed[..], &packed[..long - 5]].concat()), problem(K::PackingCutOff));
    }
    for packed in [bytes(XZ), bytes(BZIP2)] {
        assert_eq!(found(&packed), Finding::Nothing);
        for length in 10..packed.len() {
            assert_eq!(found(&packed[..length]), problem(K::PackingCutOff), "{length}");
        }
    }
    assert_eq!(found(&[bytes(XZ), vec![0; 8]].concat()), Finding::Nothing, "padding");
}

#[test]
fn a_packing_that_does_not_unpack_is_damaged() {
    let mut packed = gzip(&dump());
    let long = packed.len();
    packed[long - 6] ^= 1;
    assert_eq!(found(&packed), problem(K::PackingDamaged), "checksum");
    packed[long - 6] ^= 1;
    packed[long / 2..long / 2 + 600].fill(0);
    assert_eq!(found(&packed), problem(K::PackingDamaged));
    let mut packed = zstd(&dump());
    packed[4..40].fill(0xff);
    assert_eq!(found(&packed), problem(K::PackingDamaged));
}

#[test]
fn a_hole_of_zeros_in_a_text_is_found_wherever() {
    for (start, length) in [(0, 512), (20_000, 512), (19_999, 513), (30_001, 9000), (59_000, 700)] {
        let mut torn = dump();
        torn[start..start + length].fill(0);
        assert_eq!(found(&torn), problem(K::Torn), "{length} at {start}");
        assert_eq!(found(&gzip(&torn)), problem(K::Torn), "{length} at {start}");
        let mut dotted = dump();
        dotted[start + 100..start + 611].fill(0);
        assert_eq!(found(&dotted), Finding::Nothing, "511 zeros");
    }
}

#[test]
fn nothing_blanks_and_messages_are_no_dump() {
    let none = [
        b"".as_slice(),
        b"\n",
        b" \r\n\t \n",
        b"\0\0\0\0\0\0\0\0\0",
        b"mysqldump: Got error: 1045: \"Access denied for user\" when trying to connect\n",
        b"mysqldump: [Warning] Using a password is unsafe.\r\nmysqldump: Got error: 2002\r\n",
        b"/usr/bin/mariadb-dump: Got error: 2002: \"Can't connect\"",
        b"bash: line 1: mysqldump: command not found\n",
        b"sh: 1: mysqldump: not found\n",
    ];
    for none in none {
        assert!(is_no_dump(none), "{}", String::from_utf8_lossy(none));
        assert!(is_no_dump(&gzip(none)));
        assert!(is_no_dump(&zstd(none)));
        assert!(is_no_dump(&wide(none, false)));
    }
    assert!(is_no_dump(&bytes(XZ_EMPTY)) && is_no_dump(&bytes(BZIP2_EMPTY)));
    let warned = [b"mysqldump: [Warning] Using a password\n".as_slice(), &dump()].concat();
    assert_eq!(found(&warned), Finding::Nothing);
}
