//! The commands of runs, word by word.

use super::*;
use crate::values::parse_time;

const TEXT: &str = r#"
version = 1
[practice]
time-zone = "America/Denver"
[server.main]
socket = "/run/mysqld.sock"
user = "coffer"
credential = "db"
[container.night]
path = "/srv/night.coffer"
credential = "night"
max-size = "50G"
keep = { policy = "practice", daily = 14 }
[container.offsite]
path = "/mnt/night.coffer"
key-file = "/etc/offsite.key"
max-size = "1M"
keep.daily = 3
[container.open]
path = "/mnt/open.coffer"
encryption = false
[scheme.nightly]
source = "all"
databases = ["opendental"]
attachments = ["images=/srv/images"]
to = "night"
times = ["22:00"]
level = 9
verify-share = 2.5
restart-server = { command = "systemctl restart mariadb" }
copy = [{ to = "offsite" }, { rotation = "week" }, { to = "open" }]
before = [{ command = "true" }]
[scheme.pictures]
source = "attachments"
attachments = ["/srv/images"]
to = "open"
read-back = false
keep = { last = 3, within = "30d" }
"#;

fn lines(name: &str, wants: Wants) -> Vec<String> {
    let config = Config::parse(TEXT, "t").expect("good");
    let at = Some(parse_time("2026-11-22T22:00:00Z").expect("time"));
    let place = Place { state: Path::new("/state"), credentials: Some(Path::new("/cred")), at };
    let plan = plan(&config, name, wants, place).expect("a plan");
    let settings = plan.settings.map(|words| words::line(&words)).into_iter();
    let expected = "set /mnt/night.coffer --key-file=/etc/offsite.key --max-size=1048576 --keep-";
    let of_copies = plan.copy_settings.values().map(|words| words::line(words));
    let count = of_copies.inspect(|line| assert!(line.starts_with(expected), "{line}")).count();
    assert_eq!(count, usize::from(name == "nightly"));
    let step = |step: &Step| match &step.work {
        Work::Command(words) => words::line(words),
        Work::Hook(hook) => hook.command.clone(),
    };
    plan.before.iter().map(step).chain(settings).chain(plan.steps.iter().map(step)).collect()
}

#[test]
fn a_scheme_is_a_chain_of_commands() {
    let policy = "--keep-daily=14 --keep-business-daily=10 --keep-monthly=36 --keep-quarterly=28 \
                  --keep-fiscal-year=all --protect-verified=0 --min-age=0s --fiscal-year-end=12 \
                  --business-days=mon,tue,wed,thu,fri --time-zone=America/Denver";
    let found = lines("nightly", Wants::default());
    let mut words: Vec<&str> = found[1].split(' ').skip(4).collect();
    let mut expected: Vec<&str> = policy.split(' ').collect();
    words.sort();
    expected.sort();
    assert_eq!(words, expected);
    let night = "/srv/night.coffer --password-file=/cred/night";
    assert_eq!(found[0], "true");
    assert!(found[1].starts_with(&format!("set {night} --max-size=53687091200 ")));
    assert_eq!(
        found[2..],
        [
            format!(
                "backup {night} --database=opendental --mysql-socket=/run/mysqld.sock --mysql-user=coffer \
                 --mysql-password-file=/cred/db --attachments=images=/srv/images --level=9 --read-back \
                 --tag=scheme=nightly --at=2026-11-22T22:00:00Z"
            ),
            "systemctl restart mariadb".into(),
            format!("verify {night} --share=2.5"),
            format!("prune {night}"),
            format!(
                "copy {night} --at=2026-11-22T22:00:00Z latest --to=/mnt/night.coffer --to-key-file=/etc/offsite.key"
            ),
            "prune /mnt/night.coffer --key-file=/etc/offsite.key".into(),
            format!("copy {night} --at=2026-11-22T22:00:00Z --rotation=week"),
            format!("copy {night} --at=2026-11-22T22:00:00Z --to=/mnt/open.coffer --to-no-encryption"),
        ]
    );
    let found = lines("nightly", Wants { full_verification: true, drill: true });
    assert_eq!(
        (&found[4], &found[10]),
        (&format!("verify {night}"), &format!("drill {night} --report=/state/reports"))
    );
}

#[test]
fn what_a_scheme_keeps_is_judged_among_its_own() {
    let found = lines("pictures", Wants { drill: true, ..Wants::default() });
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(!found[0].contains("--read-back") && found[0].contains("--attachments=/srv/images"));
    let start = "prune /mnt/open.coffer --tag=scheme=pictures --keep-last=3 --keep-within=2592000s ";
    assert!(found[1].starts_with(start), "{}", found[1]);
    assert!(found[2].ends_with("--no-database"));
}

#[test]
fn a_credential_needs_a_service() {
    let config = Config::parse(TEXT, "t").expect("good");
    let place = Place { state: Path::new("/state"), credentials: None, at: None };
    let error = plan(&config, "nightly", Wants::default(), place).expect_err("no folder");
    assert_eq!(error.kind(), Kind::WrongKey);
}
