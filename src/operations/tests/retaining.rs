//! Pins, policies and what they keep, in a container that is backed up into.

use super::super::{pins, prune, retain, session, settings};
use super::*;
use crate::container::Access;
use crate::ids::SnapshotId;
use crate::retention::{Period, Policy, Reason, Rule, Selection};

struct Nights {
    disk: SimulatedDisk,
    session: Session,
    folder: tempfile::TempDir,
}

impl Nights {
    /// A container with `count` nights, the last one now.
    fn new(count: i64) -> Nights {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("img")).expect("a folder");
        let disk = SimulatedDisk::new();
        let mut nights = Nights { session: new_session(&disk), disk, folder };
        (1..=count).for_each(|night| _ = nights.night(night - count));
        nights
    }

    /// One more night, `day` days from now, with 100 kB of its own.
    fn night(&mut self, day: i64) -> SnapshotId {
        let path = self.folder.path().join("img").join("x");
        std::fs::write(path, noise(day.unsigned_abs(), 100_000)).expect("written");
        run(&mut self.session, plan(self.folder.path(), day * 86_400)).record.id
    }

    fn catalog(&self) -> Catalog {
        Catalog::read(&self.session.store).expect("a catalog")
    }

    fn ids(&self) -> Vec<SnapshotId> {
        self.catalog().snapshots.iter().map(|s| s.id).collect()
    }

    fn set_policy(&mut self, policy: Option<Policy>) -> Result<()> {
        let change = |settings: &mut crate::chunk_store::Settings| settings.retention = policy;
        settings::change(&mut self.session, SystemClock.now(), pool(1)?, change)
    }

    /// Opens the container anew, as another process would.
    fn reopen(&mut self) {
        let again = session::open_storage(Arc::new(self.disk.clone()), &[], Access::Write, "test");
        self.session = again.expect("opens");
    }
}

fn daily(count: u32) -> Policy {
    let mut policy = Policy { rules: vec![Rule { every: Period::Day, count }], ..Policy::default() };
    policy.calendar.time_zone = "UTC".into();
    policy
}

#[test]
fn pins_and_policy_outlive_backups_and_other_changes() {
    let mut nights = Nights::new(2);
    let (first, time) = (nights.ids()[0], SystemClock.now());
    let mut catalog = nights.catalog();
    assert_eq!(pins::pin(&mut catalog, &[first], "audit", time).expect("pinned"), [first]);
    pins::commit(&mut nights.session, &catalog, time, pool(1).expect("a pool")).expect("committed");
    nights.set_policy(Some(daily(3))).expect("set");
    nights.night(0);
    let change = |settings: &mut crate::chunk_store::Settings| settings.max_bytes = Some(1 << 30);
    settings::change(&mut nights.session, time, pool(1).expect("a pool"), change).expect("set");
    nights.reopen();
    let pin = nights.catalog().pin(&first).cloned().expect("still pinned");
    assert_eq!((pin.reason.as_str(), pin.time), ("audit", time));
    assert_eq!(nights.session.store.contents().settings.retention, Some(daily(3)));
    // What changes nothing commits nothing.
    let generation = nights.session.store.container().state().root.generation;
    nights.set_policy(Some(daily(3))).expect("set");
    assert_eq!(nights.session.store.container().state().root.generation, generation);
    assert!(nights.set_policy(Some(daily(0))).is_err());
}

#[test]
fn what_is_pinned_or_missing_is_not_removed() {
    let mut nights = Nights::new(3);
    let (ids, time) = (nights.ids(), SystemClock.now());
    let mut catalog = nights.catalog();
    pins::pin(&mut catalog, &ids[..1], "", time).expect("pinned");
    pins::commit(&mut nights.session, &catalog, time, pool(1).expect("a pool")).expect("committed");
    let progress = Progress::default();
    let refused = prune::plan(&nights.session.store, &ids[..2], &prune::PruneOptions::default(), &progress)
        .expect_err("pinned");
    assert_eq!(refused.kind(), Kind::Usage);
    assert_eq!(retain::drop_named(&catalog, &ids[..1]).expect_err("pinned").kind(), Kind::Usage);
    let unknown = SnapshotId([7; 16]);
    assert_eq!(retain::drop_named(&catalog, &[unknown]).expect_err("none").kind(), Kind::NotFound);
    assert!(pins::pin(&mut catalog, &[unknown], "", time).is_err());
    assert!(pins::pin(&mut catalog, &ids, &"x".repeat(1001), time).is_err());
    assert_eq!(pins::pin(&mut catalog, &ids[..1], "", time).expect("no change"), []);
    assert_eq!(pins::unpin(&mut catalog, &ids), [ids[0]]);
    assert_eq!(catalog.pins, []);
}

#[test]
fn the_containers_own_policy_decides_and_prune_does_what_it_planned() {
    let mut nights = Nights::new(6);
    let (ids, time) = (nights.ids(), SystemClock.now());
    assert_eq!(retain::decide_stored(&nights.session.store, time).expect("decided"), None);
    nights.set_policy(Some(daily(2))).expect("set");
    let decision = retain::decide_stored(&nights.session.store, time).expect("decided").expect("a policy");
    assert_eq!(decision.victims(), ids[..4]);
    let progress = Progress::default();
    let plan = prune::plan(&nights.session.store, &ids[..4], &prune::PruneOptions::default(), &progress)
        .expect("planned");
    assert!(plan.freed_bytes >= 400_000, "{plan:?}");
    let expected = (plan.freed_bytes, plan.file_bytes_before, plan.file_bytes_after);
    let pool = pool(1).expect("a pool");
    let report = prune::apply(&mut nights.session.store, plan, pool, &progress).expect("pruned");
    assert_eq!((report.freed_bytes, report.file_bytes_before, report.file_bytes_after), expected);
    nights.reopen();
    assert_eq!(nights.ids(), ids[4..]);
    for record in &nights.catalog().snapshots {
        restored(&nights.session, record, &nights.folder.path().join(record.id.to_string()));
    }
}

#[test]
fn only_a_sound_full_verification_makes_a_snapshot_verified() {
    let nights = Nights::new(4);
    let (catalog, now) = (nights.catalog(), SystemClock.now());
    let of = |number: usize| catalog.snapshots[number].generation;
    let policy = Policy { protect_verified: 2, ..daily(1) };
    let kept = |entries: &[(Level, u64, u64)]| {
        let entry = |&(level, generation, damaged): &(Level, u64, u64)| LedgerEntry {
            time: now,
            level,
            generation,
            segments: 1,
            damaged,
        };
        let ledger = Ledger { entries: entries.iter().map(entry).collect() };
        let decision =
            retain::decide(&catalog, &ledger, &policy, &Selection::default(), now).expect("decided");
        let is_verified = |j: &retain::Judged| j.verdict.reasons.contains(&Reason::Verified);
        (0..4).filter(|&n| is_verified(&decision.judged[n])).collect::<Vec<_>>()
    };
    assert!(kept(&[]).is_empty());
    assert!(kept(&[(Level::Scrub, of(3), 0), (Level::Full, of(3), 1)]).is_empty());
    assert_eq!(kept(&[(Level::Full, of(2), 0), (Level::Full, of(3), 2)]), [1, 2]);
    assert_eq!(kept(&[(Level::Full, of(2) - 1, 0)]), [0, 1]);
}

#[test]
fn for_a_size_the_oldest_that_nothing_protects_give_way() {
    let mut nights = Nights::new(4);
    let (ids, now) = (nights.ids(), SystemClock.now());
    let mut catalog = nights.catalog();
    pins::pin(&mut catalog, &ids[..1], "", now).expect("pinned");
    pins::commit(&mut nights.session, &catalog, now, pool(1).expect("a pool")).expect("committed");
    let (store, progress) = (&nights.session.store, Progress::default());
    let everything = retain::everything(None);
    let decide = || {
        retain::decide(&catalog, &Ledger::default(), &everything, &Selection::default(), now)
            .expect("decided")
    };
    assert_eq!(decide().victims(), []);
    let enough = store.container().file_bytes();
    let (decision, _) =
        retain::fit(store, decide(), enough, &prune::PruneOptions::default(), &progress).expect("fits");
    assert_eq!(decision.victims(), [], "no more than needed");
    let error =
        retain::fit(store, decide(), 1, &prune::PruneOptions::default(), &progress).expect_err("never fits");
    assert_eq!(error.kind(), Kind::Full);
    assert!(error.message().contains("needs") && error.remedy().is_some_and(|hint| hint.contains("unpin")));
}
