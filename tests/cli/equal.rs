//! Equal input gives equal bytes: the number of threads leaves no trace in the file.

use crate::program::{Place, Random, bash, done};

#[test]
fn any_number_of_threads_writes_the_same_file() {
    let place = Place::new();
    let place = place.path();
    let mut random = Random(7);
    std::fs::create_dir(place.join("folder")).expect("a folder");
    for number in 0..40 {
        let size = random.below(400_000) as usize;
        std::fs::write(place.join(format!("folder/{number}")), random.bytes(size)).expect("a file");
    }
    bash(place, "seq 600000 > 1.sql; { seq 300000; echo x; seq 300001 600000; } > 2.sql");
    done(place, "init base --new-key-file k --at 2026-01-31T18:00:00Z");
    let sum = |threads: u32| {
        bash(place, "cp base c");
        for night in [1, 2] {
            let line = format!(
                "COFFER_STATE_DIR=$PWD/state-{threads} coffer backup c --key-file k --dump {night}.sql --attachments folder --read-all --host here \
                 --at 2026-02-0{night}T20:00:00Z --threads {threads}"
            );
            bash(place, &line);
        }
        bash(place, "sha256sum < c")
    };
    let sums: Vec<String> = [1, 2, 3, 8].map(sum).into();
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
}
