//! Damaged, cut, foreign and future files; full media.

use crate::program::{Place, Random, bash, coffer, command, done, result};
use coffer::container::Access;
use coffer::container::header::copy_bases;
use coffer::container::layout::{HEADER_BYTES, PROLOGUE_VERSION};
use coffer::limits::SECTOR_BYTES;
use coffer::operations::session::open;
use std::path::Path;
use std::time::Duration;

fn prepared() -> Place {
    let place = Place::new();
    bash(place.path(), "mkdir folder; seq 200000 > d.sql");
    let mut random = Random(3);
    for name in ["a", "b", "c"] {
        std::fs::write(place.join("folder").join(name), random.bytes(1_500_000)).expect("a file");
    }
    done(place.path(), "init c --no-encryption --segment-size 1M");
    done(place.path(), "backup c --dump d.sql --attachments folder");
    place
}

/// Where the segments in use begin in the file.
fn segments(path: &Path) -> Vec<usize> {
    let session = open(path, &[], Access::Read, Duration::ZERO).expect("it opens");
    let geometry = session.store.container().base().geometry;
    session.store.live_slots().iter().map(|&slot| geometry.slot_offset(slot) as usize).collect()
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("a container");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("a container");
}

#[test]
fn one_bad_sector_is_named_mended_and_repaired() {
    let place = prepared();
    bash(place.path(), "cp c whole");
    let segment = segments(&place.join("c"))[0];
    change(&place.join("c"), |bytes| bytes[segment + 300_000] ^= 1);
    for level in ["full", "scrub"] {
        let output = coffer(place.path(), &format!("verify c --level {level} --json"));
        let found = result(&output.stdout);
        assert_eq!((output.status.code(), &found["damaged"]), (Some(4), &1.into()), "{level}: {found}");
        assert_eq!((&found["mendable"], &found["affected_count"]), (&1.into(), &0.into()));
    }
    done(place.path(), "restore c latest --to out --compare");
    bash(place.path(), "diff -r folder out/attachments/folder; cmp d.sql out/database/d.sql");
    assert_eq!(coffer(place.path(), "repair c --dry-run").status.code(), Some(4));
    done(place.path(), "repair c");
    done(place.path(), "verify c");
}

#[test]
fn a_lost_segment_is_named_with_the_files_it_held() {
    let place = prepared();
    bash(place.path(), "cp c whole");
    let mut touched = 0;
    for segment in segments(&place.join("whole")) {
        bash(place.path(), "cp whole c; rm -rf out");
        change(&place.join("c"), |bytes| bytes[segment..segment + 900_000].fill(0x55));
        touched += usize::from(loses_what_it_names(&place));
    }
    assert!(touched > 1, "five megabytes lie in several segments");
}

/// Whoever meets damage makes the next backup distrust what the container holds, so that it is whole.
#[test]
fn a_backup_after_damage_was_met_is_whole() {
    let finders = [
        "coffer verify c; coffer verify c --level quick",
        "coffer restore c latest --to out",
        "coffer repair c",
        "coffer export c latest --to small",
        "coffer init d --no-encryption; coffer copy c --to d",
    ];
    let mut lost = 0;
    for finder in finders {
        let place = prepared();
        let at = segments(&place.join("c")).into_iter().find(|&at| {
            bash(place.path(), "cp c tried; rm -rf trial");
            change(&place.join("tried"), |bytes| bytes[at..at + 900_000].fill(0x55));
            // What the search notes is not to help.
            let search =
                "COFFER_STATE_DIR=$PWD/state coffer restore tried latest --to trial --json > said || true";
            bash(place.path(), search);
            let said = std::fs::read(place.join("said")).expect("what it said");
            result(&said)["damaged"].as_u64() > Some(0)
        });
        let at = at.expect("a segment with files");
        change(&place.join("c"), |bytes| bytes[at..at + 900_000].fill(0x55));
        bash(place.path(), &format!("({finder}) > said 2>&1 || true"));
        lost += u32::from(coffer(place.path(), "verify c --level quick").status.code() == Some(0));
        done(place.path(), "backup c --dump d.sql --attachments folder");
        done(place.path(), "restore c latest --to whole --compare");
    }
    assert!(lost > 0, "some damage is of the kind that only reading finds");
}

/// Verifies and restores a damaged container; whether files of the snapshot are lost.
fn loses_what_it_names(place: &Place) -> bool {
    let output = coffer(place.path(), "verify c --json");
    let found = result(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{found}");
    let affected: Vec<&str> =
        found["affected"].as_array().expect("a list").iter().filter_map(|a| a["path"].as_str()).collect();
    if affected.is_empty() {
        // It held what is there twice.
        done(place.path(), "restore c latest --to out --compare");
        return false;
    }
    let output = coffer(place.path(), "restore c latest --to out --json");
    let restored = result(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{restored}");
    assert_eq!(restored["damaged"].as_u64(), Some(affected.len() as u64));
    // What is named is not there; what is not named is whole.
    for (name, original) in [
        ("database/d.sql", "d.sql"),
        ("attachments/folder/a", "folder/a"),
        ("attachments/folder/b", "folder/b"),
        ("attachments/folder/c", "folder/c"),
    ] {
        let copy = std::fs::read(place.join("out").join(name)).ok();
        match affected.contains(&name) {
            true => assert_eq!(copy, None, "{name}"),
            false => assert_eq!(copy, std::fs::read(place.join(original)).ok(), "{name}"),
        }
    }
    true
}

#[test]
fn a_container_of_the_future_is_left_alone() {
    let place = prepared();
    change(&place.join("c"), |bytes| {
        for (_, base) in copy_bases(1 << 20) {
            let sector = &mut bytes[base as usize..base as usize + SECTOR_BYTES];
            sector[PROLOGUE_VERSION] = 9;
            let checked = SECTOR_BYTES - 32;
            let hash = *blake3::hash(&sector[..checked]).as_bytes();
            sector[checked..].copy_from_slice(&hash);
        }
    });
    for line in ["snapshots c", "verify c", "verify c --level scrub", "backup c --dump d.sql", "key list c"] {
        let output = coffer(place.path(), &format!("{line} --json"));
        let found = result(&output.stdout);
        assert_eq!(output.status.code(), Some(15), "{line}: {found}");
        assert_eq!(found["error"]["code"], "future-version");
    }
}

/// Every way in which a medium can be full ends with exit code 14 and changes nothing.
#[test]
fn a_full_medium_loses_nothing() {
    let place = prepared();
    std::fs::write(place.join("folder/big"), Random(4).bytes(60_000_000)).expect("a file");
    let full = |place: &Place, script: &str| {
        let output = command("bash", place.path()).args(["-c", script]).output().expect("bash runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(14), "{script}\n{said}");
        assert!(said.contains("error[full]"), "{said}");
    };
    full(&place, "ulimit -f 32768; coffer backup c --attachments folder");
    full(&place, "ulimit -f 4096; coffer init d --no-encryption; code=$?; test ! -e d || exit 1; exit $code");
    full(&place, "mkdir o; ulimit -f 1000; coffer restore c latest --to o");
    assert_eq!(done(place.path(), "snapshots c").lines().count(), 1);
    done(place.path(), "verify c");
    done(place.path(), "backup c --attachments folder");
    done(place.path(), "set c --max-size 120M");
    std::fs::write(place.join("folder/more"), Random(5).bytes(60_000_000)).expect("a file");
    full(&place, "coffer backup c --attachments folder");
    done(place.path(), "verify c");

    let mounted = "mkdir small; mount -t tmpfs -o size=48m none small";
    let is_mounted =
        command("bash", place.path()).args(["-c", mounted]).status().expect("bash runs").success();
    println!("a small file system could be mounted: {is_mounted}");
    if is_mounted {
        bash(place.path(), "coffer init small/c --no-encryption; coffer backup small/c --dump d.sql");
        full(&place, "coffer backup small/c --attachments folder");
        let whole = coffer(place.path(), "verify small/c").status.code();
        let again = coffer(place.path(), "backup small/c --dump d.sql").status.code();
        full(&place, "coffer restore c latest --to small/out");
        bash(place.path(), "umount small");
        assert_eq!((whole, again), (Some(0), Some(0)));
    }
}

#[test]
fn a_damaged_newest_commit_is_given_up_only_when_told_to() {
    let place = prepared();
    bash(place.path(), "echo more > folder/d");
    done(place.path(), "backup c --dump d.sql --attachments folder");
    let session = open(&place.join("c"), &[], Access::Read, Duration::ZERO).expect("it opens");
    let geometry = session.store.container().base().geometry;
    let roots =
        session.store.container().state().pointer.copies.map(|l| geometry.slot_offset(l.slot) as usize);
    drop(session);
    change(&place.join("c"), |bytes| roots.iter().for_each(|&at| bytes[at..at + (1 << 20)].fill(0x55)));
    let output = coffer(place.path(), "backup c --dump d.sql --attachments folder");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("coffer repair") && said.contains("--adopt"), "{said}");
    assert_ne!(coffer(place.path(), "repair c").status.code(), Some(0), "nothing is given up unasked");
    let output = coffer(place.path(), "repair c --adopt");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    done(place.path(), "verify c");
    assert_eq!(done(place.path(), "snapshots c").lines().count(), 1);
    done(place.path(), "backup c --dump d.sql --attachments folder");
    done(place.path(), "restore c latest --to out --compare");
    bash(place.path(), "diff -r folder out/attachments/folder; cmp d.sql out/database/d.sql");
}

#[test]
fn a_lost_newest_commit_is_given_up_only_when_told_to() {
    let place = prepared();
    bash(place.path(), "cp c before; seq 9 > d.sql");
    done(place.path(), "backup c --dump d.sql");
    // Everything but the superblocks as it was one commit ago: the newest root is gone for good.
    let old = std::fs::read(place.join("before")).expect("a container");
    let data = HEADER_BYTES as usize;
    change(&place.join("c"), |bytes| {
        bytes.truncate(old.len());
        let end = bytes.len();
        bytes[data..].copy_from_slice(&old[data..end]);
    });
    let code = |words: &str| coffer(place.path(), words).status.code();
    for words in ["verify c", "repair c", "backup c --dump d.sql", "restore c latest --to out"] {
        assert_eq!(code(words), Some(4), "{words}");
    }
    done(place.path(), "repair c --adopt");
    done(place.path(), "verify c");
    done(place.path(), "restore c latest --to whole --compare");
    bash(place.path(), "diff -r folder whole/attachments/folder");
    done(place.path(), "backup c --dump d.sql");
}

#[test]
fn reading_everything_stores_anew_what_was_lost() {
    let place = prepared();
    let lost = segments(&place.join("c"))[1];
    change(&place.join("c"), |bytes| bytes[lost..lost + 900_000].fill(0x55));
    assert_eq!(coffer(place.path(), "restore c latest --to out").status.code(), Some(4));
    assert_eq!(coffer(place.path(), "repair c").status.code(), Some(4));
    done(place.path(), "backup c --dump d.sql --attachments folder --read-all");
    for (snapshot, out) in [("latest", "new"), ("latest~1", "old")] {
        done(place.path(), &format!("restore c {snapshot} --to {out} --compare"));
        bash(
            place.path(),
            &format!("diff -r folder {out}/attachments/folder; cmp d.sql {out}/database/d.sql"),
        );
    }
}

#[test]
fn what_is_lost_comes_back_from_a_copy_or_from_the_sources() {
    let place = prepared();
    bash(place.path(), "cp c whole");
    let lost = segments(&place.join("c"))[1];
    change(&place.join("c"), |bytes| bytes[lost..lost + 900_000].fill(0x55));
    bash(place.path(), "cp c damaged");
    let output = coffer(place.path(), "repair c --json");
    let found = result(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{found}");
    assert!(found["lost_chunks"].as_u64() > Some(0) && found["affected_count"].as_u64() > Some(0), "{found}");
    assert_eq!(found["lost"][0]["in"][0]["snapshot"], found["affected"][0]["snapshot"], "{found}");
    for how in ["--from whole", "--from-source"] {
        bash(place.path(), "cp damaged c; rm -rf out");
        let dry = coffer(place.path(), &format!("repair c {how} --adopt --dry-run --json"));
        let would = result(&dry.stdout);
        let output = coffer(place.path(), &format!("repair c {how} --adopt --json"));
        let did = result(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{how}: {did}");
        for field in ["taken_chunks", "segments", "dropped", "beyond", "lost_chunks"] {
            assert_eq!(would[field], did[field], "{how}: {field}");
        }
        done(place.path(), "verify c");
        done(place.path(), "restore c latest --to out --compare");
        bash(place.path(), "diff -r folder out/attachments/folder; cmp d.sql out/database/d.sql");
    }
    assert_eq!(coffer(place.path(), "repair c --from c").status.code(), Some(2));
    assert_eq!(coffer(place.path(), "repair c --from nowhere").status.code(), Some(10));
}
