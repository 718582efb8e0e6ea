//! A restore gives back what was backed up: an odd tree, by the program, into another folder.

use crate::program::{Place, bash, done};

const TREE: &str = r#"
mkdir -p t/"a b"/c t/empty t/.hidden
printf 'r' > t/$'r\xf6ntgen.jpg'; printf 'n' > t/$'line\nend'; printf 'b' > t/'back\slash'; printf e > t/'*[x]?'
printf '' > t/nothing; head -c 100000 /dev/zero > t/zeros
truncate -s 5M t/hole; printf middle | dd of=t/hole bs=1 seek=2000000 conv=notrunc status=none
printf tail > t/tail; truncate -s 3M t/tail
printf one > t/first; ln t/first t/"a b"/second; ln t/first t/zz
ln -s ../nowhere t/dangling; ln -s first t/link; mkfifo t/pipe
chmod 4755 t/first; chmod 000 t/nothing; chmod 1777 t/empty; chmod 0 t/.hidden
touch -d '1969-12-31 23:59:58.123456789 UTC' t/zeros; touch -d '2038-02-01 UTC' t/"a b"/c
touch -h -d '2001-02-03 UTC' t/link
long=$(printf 'n%.0s' $(seq 200)); p=t; for i in 1 2 3 4 5 6 7 8; do p=$p/$long; mkdir "$p"; done; echo deep > "$p/x"
"#;

/// Every name with what `stat` says of it, and the extended attributes.
const LOOK: &str = r#"
cd "$1"
find . -printf '%P\0' | LC_ALL=C sort -z | xargs -0 -I{} stat -c '%n|%F|%a|%u:%g|%s|%y|%h' ./{} | sed 's/|directory|\(.*\)|[0-9]*|\(.*\)|[0-9]*$/|directory|\1|\2/'
getfattr -R -h -d -m - -e hex . 2>/dev/null || true
"#;

fn look(place: &Place, folder: &str) -> String {
    bash(place.path(), &format!("set -- '{folder}'\n{LOOK}"))
}

#[test]
fn odd_things_come_back_as_they_were() {
    let place = Place::new();
    bash(place.path(), TREE);
    let attributes = "setfattr -n user.comment -v hello t/first; setfacl -m u:1234:r t/tail; \
                      setfacl -d -m g:4321:rx t/empty; chown -h 1000:1001 t/link t/tail";
    let has_attributes = std::process::Command::new("bash")
        .args(["-c", attributes])
        .current_dir(place.path())
        .status()
        .is_ok_and(|status| status.success());
    println!("attributes, lists of rights and owners: {has_attributes}");
    done(place.path(), "init c --no-encryption");
    done(place.path(), "backup c --attachments t");
    done(place.path(), "restore c latest --to out --compare");
    bash(
        place.path(),
        "diff <(cd t; find . -type f -exec sha256sum {} + | sort) <(cd out/attachments/t; find . -type f -exec sha256sum {} + | sort)",
    );
    assert_eq!(look(&place, "out/attachments/t"), look(&place, "t"));
    bash(place.path(), "test $(stat -c %b out/attachments/t/hole) -le $(stat -c %b t/hole)");
    bash(place.path(), "test out/attachments/t/first -ef out/attachments/t/zz");
    // Again over itself: nothing to do, and nothing differs.
    done(place.path(), "restore c latest --to out --compare");
    assert_eq!(look(&place, "out/attachments/t"), look(&place, "t"));
    // Every name as `ls` shows it can be given back.
    for shown in done(place.path(), "ls c latest").lines().filter(|line| line.contains("\\x")) {
        let output = crate::program::command(crate::program::COFFER, place.path())
            .args(["restore", "c", "latest", "--to", "part", "--path", shown])
            .output()
            .expect("coffer runs");
        assert_eq!(output.status.code(), Some(0), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
    }
    bash(
        place.path(),
        r"cmp t/$'r\xf6ntgen.jpg' part/attachments/t/$'r\xf6ntgen.jpg'; cmp t/'back\slash' part/attachments/t/'back\slash'",
    );
}
