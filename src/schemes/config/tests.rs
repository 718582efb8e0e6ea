//! A configuration and what may be wrong with one.

use super::*;

const WHOLE: &str = r#"
version = 1

[practice]
name = "Bright Smiles"
time-zone = "America/Denver"

[server.main]
socket = "/run/mysqld/mysqld.sock"
user = "coffer"

[container.night]
path = "/srv/backup/night.coffer"
password-file = "/etc/coffer/night.password"
max-size = "50G"

[container.night.keep]
policy = "practice"
daily = 14
monthly = 0

[container.offsite]
path = "/mnt/offsite/night.coffer"
mount = "/mnt/offsite"
max-size = "1T"
key-file = "/etc/coffer/offsite.key"

[scheme.nightly]
source = "all"
databases = ["opendental"]
attachments = ["images=/srv/OpenDentImages"]
to = "night"
days = "mon-fri"
times = ["12:30", "22:00"]
verify-share = 5
drill-every = "90d"
copy = [{ to = "offsite" }, { rotation = "week" }]
before = [{ command = "true", timeout = "30s" }]

[notify.office]
kind = "email"
host = "mail.example.org"
from = "coffer@example.org"
to = ["office@example.org"]
on = ["failure", "digest"]
"#;

#[test]
fn a_whole_configuration_is_read() {
    let config = Config::parse(WHOLE, "coffer.toml").expect("good");
    let scheme = config.scheme("nightly").expect("there");
    assert_eq!((scheme.times[1], scheme.days), (Clock(22 * 60), Some(Days(0b1_1111))));
    assert_eq!((scheme.retries, scheme.read_back, scheme.enabled), (2, true, true));
    let night = config.container("night").expect("there");
    let policy = night.keep.as_ref().expect("given").policy(Some("America/Denver")).expect("good");
    let monthly = policy.rules.iter().find(|rule| rule.every == crate::retention::Period::Month);
    assert_eq!(monthly.map(|rule| rule.count), Some(crate::retention::EVERY));
    assert_eq!(policy.calendar.time_zone, "America/Denver");
    let error = config.scheme("nigthly").expect_err("none");
    assert!(error.kind() == Kind::NotFound && error.remedy().is_some_and(|hint| hint.contains("nightly")));
}

/// A mistake: what is replaced, by what, where it is shown (column, and lines further down), and the
/// exact words.
type Mistake = (&'static str, &'static str, (usize, usize), &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    ("source = \"all\"", "sorce = \"all\"", (1, 0), "unknown key `sorce`", "did you mean `source`?"),
    (
        "to = \"night\"",
        "to = \"nigth\"",
        (6, 0),
        "there is no container `nigth`",
        "did you mean `night`? there are: night, offsite",
    ),
    (
        "times = [\"12:30\", \"22:00\"]",
        "times = \"12:30\"",
        (9, 0),
        "text where a list is wanted",
        "write it between brackets: [\"…\"]",
    ),
    (
        "verify-share = 5",
        "retries = -1",
        (11, 0),
        "-1 is no number that can stand here",
        "write a whole number from 0 on",
    ),
    (
        "drill-every = \"90d\"",
        "read-back = \"no\"",
        (13, 0),
        "text where true or false is wanted",
        "write true or false, without quotes",
    ),
    (
        "copy = [{ to = \"offsite\" }, { rotation = \"week\" }]",
        "copy = [\"offsite\"]",
        (9, 0),
        "text where a section is wanted",
        "write { key = … }, or a section of its own: [NAME]",
    ),
    ("\"22:00\"", "\"25:00\"", (9, 0), "`25:00` is no time of day", "write 22:30 or 7:05"),
    ("\"12:30\"", "\"22:00\"", (9, 0), "scheme `nightly`: a time stands there twice", ""),
    (
        "mon-fri",
        "mon-fry",
        (8, 0),
        "`mon-fry` names no days of the week",
        "write days and ranges of days: mon-fri, or mon,tue,thu",
    ),
    ("verify-share = 5", "verify-share = 105", (16, 0), "105 is no share of a hundred", "write 0 to 100"),
    (
        "America/Denver",
        "America/Dever",
        (13, 0),
        "there is no time zone `America/Dever`",
        "write a name such as Europe/Berlin or America/Denver",
    ),
    ("version = 1", "version = 2", (11, 0), "configuration of version 2", "this program knows version 1"),
    ("kind = \"email\"", "kind = \"ntfy\"", (8, 0), "notify `office`: `host` means nothing for its kind", ""),
    ("kind = \"email\"", "kind = \"emial\"", (8, 0), "unknown word `emial`", "did you mean `email`?"),
    (
        "source = \"all\"",
        "source = \"database\"",
        (10, 0),
        "scheme `nightly`: it saves the database only, and attachments are named",
        "write source = \"all\"",
    ),
    (
        "copy = [{ to = \"offsite\" }",
        "copy = [{ to = \"night\" }",
        (16, 0),
        "scheme `nightly` copies `night` to itself",
        "",
    ),
    ("\"digest\"", "\"digests\"", (18, 0), "unknown word `digests`", "did you mean `digest`?"),
    (
        "user = \"coffer\"",
        "password = \"x\"",
        (1, 0),
        "a secret never stands here: `password`",
        "write it into a file of its own that only its owner can read, and name that: \
         password-file, password-command, credential",
    ),
    (
        "password-file = \"/etc/coffer/night.password\"\n",
        "",
        (1, usize::MAX - 2 + 1),
        "container `night`: nothing says what opens it",
        "give password-file, password-command, key-file or credential; or encryption = false",
    ),
    (
        "path = \"/mnt/offsite/night",
        "path = \"/mnt/other/night",
        (8, 0),
        "container `offsite`: its path is not below its mount `/mnt/offsite`",
        "",
    ),
    (
        "key-file = \"/etc",
        "key-file = \"etc",
        (12, 0),
        "key-file `etc/coffer/offsite.key` does not begin with /",
        "write the whole path: what runs by itself has no folder that it is in",
    ),
    (
        "[scheme.nightly]",
        "[scheme.\"night ly\"]",
        (1, 0),
        "scheme `night ly`: is no name",
        "names have up to 64 letters of a to z, digits, - and _",
    ),
    (
        "images=/srv/OpenDentImages",
        "images=OpenDentImages",
        (16, 0),
        "scheme `nightly`: `images=OpenDentImages` is no folder",
        "write /path or LABEL=/path",
    ),
    (
        "[\"images=/srv/OpenDentImages\"]",
        "[\"/a/x\", \"x=/b\"]",
        (24, 0),
        "scheme `nightly`: two folders are called `x`",
        "give one a name: LABEL=/path",
    ),
    (
        "days = \"mon-fri\"",
        "calendar = \"0 22 * * *\"",
        (12, 0),
        "scheme `nightly`: calendar, and days or times, exclude each other",
        "keep one of them",
    ),
    (
        "times = [\"12:30\", \"22:00\"]",
        "",
        (8, usize::MAX - 1 + 1),
        "scheme `nightly`: it has days and no times",
        "write times = [\"22:00\"]",
    ),
    (
        "drill-every = \"90d\"",
        "profile = \"opendental\"",
        (11, 0),
        "there is no profile `opendental`",
        "did you mean `open-dental`?",
    ),
    (
        "drill-every = \"90d\"",
        "profile = \"own.toml\"",
        (11, 0),
        "there is no profile `own.toml`",
        "built in are open-dental, macpractice; anything else is the whole path of a TOML file",
    ),
    (
        "drill-every = \"90d\"",
        "drill-every = \"0d\"",
        (15, 0),
        "scheme `nightly`: a time of nothing",
        "leave the key out to do without; or write 30d",
    ),
    ("command = \"true\"", "command = \" \"", (10, 0), "scheme `nightly`: a command is empty", ""),
    (
        "\"office@example.org\"",
        "\"office\"",
        (7, 0),
        "notify `office`: `office` is no e-mail address",
        "write office@example.org",
    ),
    (
        "socket = \"/run/mysqld/mysqld.sock\"",
        "socket = \"/x\"\nport = 3306",
        (10, 0),
        "server `main`: a socket and a host or port exclude each other",
        "",
    ),
    (
        "databases = [\"opendental\"]",
        "databases = [\"a\", \"a\"]",
        (19, 0),
        "scheme `nightly`: `a` is named twice",
        "",
    ),
    ("to = \"night\"\n", "", (1, usize::MAX - 4 + 1), "`to` is missing", "write to = … in this section"),
];

#[test]
fn a_mistake_is_shown_with_its_place_and_what_is_allowed() {
    let mut differing = Vec::new();
    for (old, new, (column, below), words, hint) in MISTAKES {
        assert!(WHOLE.contains(old), "{old}");
        let line = WHOLE.split(old).next().expect("before").matches('\n').count() + 1;
        let line = line.wrapping_add(*below);
        let error = Config::parse(&WHOLE.replacen(old, new, 1), "coffer.toml").expect_err(new);
        assert_eq!(error.kind(), Kind::Usage);
        let told = format!("{error} / {}", error.remedy().unwrap_or_default());
        let expected = format!("coffer.toml, line {line}, column {column}: {words} / {hint}");
        if told != expected {
            differing.push(format!("{new}\n  expected {expected}\n  found    {told}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn calendars_are_those_that_come() {
    let days = "days = \"mon-fri\"\ntimes = [\"12:30\", \"22:00\"]";
    let parse =
        |calendar: &str| Config::parse(&WHOLE.replace(days, &format!("calendar = \"{calendar}\"")), "c");
    for good in ["30 22 * * mon-fri", "0 3 1 * *", "@daily", "0 22 * * 5#L"] {
        parse(good).expect(good);
    }
    for bad in ["22:00", "0 25 * * *", "* * *", "0 0 22 * * *", "0 0 31 2 *", ""] {
        let error = parse(bad).expect_err(bad);
        let message = error.message();
        assert!(
            message.starts_with("c, line ") && message.contains("is no cron expression"),
            "{bad}: {message}"
        );
    }
}

#[test]
fn no_error_repeats_a_secret() {
    for secret in ["password = \"hunter2\"", "token = \"hunter2\"", "user-password = \"hunter2\""] {
        for section in
            ["[practice]", "[server.main]", "[container.night]", "[scheme.nightly]", "[notify.office]"]
        {
            let text = WHOLE.replace(section, &format!("{section}\n{secret}"));
            let error = Config::parse(&text, "c").expect_err(section);
            let told = format!("{error}{}{error:?}", error.remedy().unwrap_or_default());
            assert!(told.contains("secret never stands here") && !told.contains("hunter2"), "{told}");
        }
    }
    let url = "[notify.x]\nkind = \"webhook\"\nurl = \"https://me:hunter2@example.org/\"\n";
    let error = Config::parse(&format!("{WHOLE}{url}"), "c").expect_err("a password in an address");
    assert!(
        !format!("{error:?}").contains("hunter2") && error.remedy().is_some_and(|h| h.contains("url-file"))
    );
}

#[test]
fn the_example_is_a_configuration_with_every_key() {
    let config = Config::parse(EXAMPLE, "example.toml").expect("good");
    assert_eq!(config.scheme.len(), 3);
    // The parser names all keys of a section when it meets one that it does not know.
    for section in [
        "[practice]",
        "[server.x]",
        "[container.x]",
        "[container.x.keep]",
        "[scheme.x]",
        "[notify.x]",
        "[status]",
        "[[scheme.x.before]]",
        "[[scheme.x.copy]]",
        "",
    ] {
        let text = format!("version = 1\n{section}\nnothing-of-that-kind = 1\n");
        let message = toml::from_str::<Config>(&text).expect_err(section).message().to_owned();
        let keys: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        assert!(!keys.is_empty(), "{section}: {message}");
        for key in keys {
            let is_there =
                [format!("\n{key} = "), format!("\n[{key}"), format!(".{key}]"), format!("{{ {key} = ")];
            assert!(is_there.iter().any(|written| EXAMPLE.contains(written)), "{section}: {key}");
        }
    }
}

#[test]
fn the_usual_place_is_that_of_who_runs_it() {
    let path = |set: &[(&str, &str)], is_root| {
        let find = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        usual_path(find, is_root)
    };
    assert_eq!(path(&[("COFFER_CONFIG", "/x"), ("HOME", "/h")], true), Some("/x".into()));
    assert_eq!(path(&[("HOME", "/h")], true), Some("/etc/coffer/coffer.toml".into()));
    assert_eq!(path(&[("HOME", "/h")], false), Some("/h/.config/coffer/coffer.toml".into()));
    assert_eq!(path(&[], false), None);
}
