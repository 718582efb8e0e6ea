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

/// The error for [`WHOLE`] with `old` replaced by `new`.
fn refused(old: &str, new: &str) -> String {
    assert!(WHOLE.contains(old), "{old}");
    let error = Config::parse(&WHOLE.replace(old, new), "coffer.toml").expect_err(new);
    assert_eq!(error.kind(), Kind::Usage);
    format!("{error}; {}", error.remedy().unwrap_or_default())
}

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

#[test]
fn a_mistake_is_shown_with_its_place_and_what_is_allowed() {
    let cases = [
        ("source = \"all\"", "sorce = \"all\"", "column 1", "unknown field `sorce`"),
        ("to = \"night\"", "to = \"nigth\"", "column 6", "there are: night, offsite"),
        ("\"22:00\"", "\"25:00\"", "column 9", "write 22:30"),
        ("mon-fri", "mon-fry", "column 8", "mon-fri"),
        ("verify-share = 5", "verify-share = 105", "", "0 to 100"),
        ("America/Denver", "America/Dever", "column 13", "Europe/Berlin"),
        ("50G", "50X", "", "50X"),
        ("version = 1", "version = 2", "column 11", "version 1"),
        ("kind = \"email\"", "kind = \"ntfy\"", "column 8", "`host` means nothing"),
        ("source = \"all\"", "source = \"database\"", "column 10", "attachments are named"),
        ("copy = [{ to = \"offsite\" }", "copy = [{ to = \"night\" }", "", "to itself"),
        ("\"digest\"", "\"digests\"", "", "`digest`"),
    ];
    for (old, new, column, allowed) in cases {
        let text = refused(old, new);
        let line = WHOLE.split(old).next().expect("before").matches('\n').count() + 1;
        assert!(text.starts_with(&format!("coffer.toml, line {line}, {column}")), "{new}: {text}");
        assert!(text.contains(allowed), "{new}: {text}");
    }
    assert!(refused("password-file = \"/etc/coffer/night.password\"\n", "").contains("what opens it"));
    assert!(refused("/mnt/offsite/night", "/mnt/other/night").contains("not below its mount"));
    assert!(refused("[scheme.nightly]", "[scheme.\"night ly\"]").contains("no name"));
    assert!(refused("policy = \"practice\"", "policy = \"dentist\"").contains("practice"));
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
