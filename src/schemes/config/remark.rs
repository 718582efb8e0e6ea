//! What is no error in a configuration and yet should be known. It promises to name schemes and
//! containers by their names, and what to do about each.

use super::week;
use super::{Config, Scheme};
use std::collections::BTreeSet;

/// How long a run is taken to last, in minutes.
const USUAL_MINUTES: u32 = 30;

/// Something that should be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// A stable word for it.
    pub code: &'static str,
    /// The scheme that it is about, if it is about one.
    pub scheme: Option<String>,
    /// What it is, and what to do.
    pub message: String,
}

/// All of them.
pub fn remarks(config: &Config) -> Vec<Remark> {
    let mut found: Vec<Remark> = config.scheme.iter().flat_map(|(name, one)| of_scheme(name, one)).collect();
    found.extend(overlaps(config));
    let mut add = |code, message: String| found.push(Remark { code, scheme: None, message });
    if config.scheme.is_empty() {
        add("no-scheme", "there is no scheme: nothing is saved by itself; coffer scheme add NAME".into());
    }
    if config.notify.is_empty() && !config.scheme.is_empty() {
        add("nobody-told", "nobody is told when a backup fails: write a section [notify.NAME]".into());
    }
    let used = used(config);
    for name in config.container.keys().filter(|name| !used.contains(name.as_str())) {
        add("unused", format!("container `{name}` is used by no scheme"));
    }
    found
}

fn used(config: &Config) -> BTreeSet<&str> {
    config.scheme.values().flat_map(written).collect()
}

/// The containers that a scheme writes to.
fn written(scheme: &Scheme) -> impl Iterator<Item = &str> {
    let copies = scheme.copy.iter().filter_map(|copying| copying.to.as_ref());
    std::iter::once(&scheme.to).chain(copies).map(|name| name.get_ref().as_str())
}

fn of_scheme(name: &str, scheme: &Scheme) -> Vec<Remark> {
    let mut found = Vec::new();
    let mut add = |code, message: String| {
        found.push(Remark {
            code,
            scheme: Some(name.into()),
            message: format!("scheme `{name}`: {message}"),
        });
    };
    if !scheme.enabled {
        add("disabled", format!("is switched off; coffer scheme enable {name}"));
        return found;
    }
    if scheme.times.is_empty() && scheme.calendar.is_none() {
        add("by-hand", format!("has no times: it runs only when somebody says coffer scheme run {name}"));
    }
    if scheme.restart_server.is_some() {
        add(
            "restart-server",
            "restarts the database server after the backup: who works then is thrown out".into(),
        );
    }
    if scheme.verify_every.is_none() && scheme.verify_share.is_none_or(|share| share.0 == 0.0) {
        add(
            "no-verify",
            "older data is never verified: write verify-share = 5, or verify-every = \"30d\"".into(),
        );
    }
    if scheme.drill_every.is_none() {
        add("no-drill", "no drill ever proves that it restores: write drill-every = \"90d\"".into());
    }
    found
}

/// Schemes that begin while another that writes to the same container is likely to run.
fn overlaps(config: &Config) -> Vec<Remark> {
    let enabled: Vec<(&String, &Scheme, Vec<u32>)> = config
        .scheme
        .iter()
        .filter(|(_, scheme)| scheme.enabled)
        .map(|(name, scheme)| (name, scheme, week::starts(scheme)))
        .collect();
    let mut found = Vec::new();
    for (at, (name, scheme, starts)) in enabled.iter().enumerate() {
        for (other, other_scheme, other_starts) in &enabled[at + 1..] {
            let own: BTreeSet<&str> = written(scheme).collect();
            let Some(shared) = written(other_scheme).find(|container| own.contains(container)) else {
                continue;
            };
            let Some((first, second)) = meeting(starts, other_starts) else { continue };
            let (first, second) = (week::words(first), week::words(second));
            let message = format!(
                "schemes `{name}` ({first}) and `{other}` ({second}) both write to container `{shared}`: \
                 one waits for the other; set them further apart"
            );
            found.push(Remark { code: "overlap", scheme: Some((*name).clone()), message });
        }
    }
    found
}

/// The first pair of starts that are near.
fn meeting(a: &[u32], b: &[u32]) -> Option<(u32, u32)> {
    a.iter().find_map(|&start| {
        let from = b.partition_point(|&other| other + USUAL_MINUTES <= start);
        b.get(from).filter(|&&other| other < start + USUAL_MINUTES).map(|&other| (start, other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(a: &str, b: &str) -> Config {
        let text = format!(
            "version = 1\n[container.c]\npath = \"/c\"\nencryption = false\nmax-size = \"1G\"\n\
             [scheme.a]\nsource = \"attachments\"\nattachments = [\"/x\"]\nto = \"c\"\n{a}\n\
             [scheme.b]\nsource = \"attachments\"\nattachments = [\"/x\"]\nto = \"c\"\n{b}\n"
        );
        Config::parse(&text, "test").expect("good")
    }

    #[test]
    fn schemes_that_meet_are_told() {
        let overlap = |a: &str, b: &str| {
            let found = config(a, b).remarks();
            found.into_iter().find(|remark| remark.code == "overlap").map(|remark| remark.message)
        };
        let nightly = "days = \"mon-fri\"\ntimes = [\"22:00\"]";
        let told = overlap(nightly, "days = \"fri\"\ntimes = [\"7:00\", \"22:20\"]").expect("they meet");
        assert!(told.contains("Fri 22:00") && told.contains("Fri 22:20"), "{told}");
        assert!(overlap(nightly, "calendar = \"45 21 * * 3\"").is_some());
        assert!(overlap("calendar = \"0 22 1 * *\"", "calendar = \"*/20 * * * *\"").is_some());
        for apart in [
            "days = \"sat\"\ntimes = [\"22:00\"]",
            "days = \"fri\"\ntimes = [\"22:30\"]",
            "calendar = \"0 23 * * *\"",
            "times = [\"22:00\"]\nenabled = false",
            "",
        ] {
            assert_eq!(overlap(nightly, apart), None, "{apart}");
        }
    }

    #[test]
    fn what_is_missing_is_told_once() {
        let codes = |config: &Config| config.remarks().iter().map(|r| r.code).collect::<Vec<_>>();
        let found = codes(&config("", "enabled = false"));
        assert_eq!(found, ["by-hand", "no-verify", "no-drill", "disabled", "nobody-told"]);
        let full = "times = [\"22:00\"]\nverify-share = 5\ndrill-every = \"90d\"";
        let other = "times = [\"12:00\"]\nverify-every = \"30d\"\ndrill-every = \"90d\"\nrestart-server = { command = \"true\" }";
        assert_eq!(codes(&config(full, other)), ["restart-server", "nobody-told"]);
    }
}
