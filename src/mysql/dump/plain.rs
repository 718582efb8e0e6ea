//! Tables without snapshots (MyISAM, Aria, MEMORY, …) at the instant of a global lock, which is held
//! for as long as recent changes take to read and not for the tables' size. It promises that every
//! table is either proven not to have changed since it was read, or was read, in whole or its end,
//! under the lock.

use super::attempt::{Work, split};
use super::catalog::Catalog;
use super::fence::{Fate, Fence};
use super::first::{First, Left};
use super::lock::Keeper;
use super::moment::{self, Moment};
use super::queue::{held, on_all};
use super::rows::Watch;
use super::session::Session;
use super::status::{self, Status};
use super::step::{Step, Stop};
use super::table::{Name, Table};
use super::taking::{Draft, Taken};
use crate::error::{Error, Kind};
use crate::mysql::connection::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Times that the lock is given back because too much had changed.
const LOCKS: u32 = 4;
/// Times the foretold hold of the lock after which it is given back although not everything is read.
const OVERRUN: f64 = 2.5;
/// A share of the aim below which a table is not worth a fence.
const FENCE_SHARE: u32 = 8;

/// Tables without snapshots on their way.
pub struct Plain<'w, 'a, 's> {
    work: &'w Work<'a, 's>,
    firsts: BTreeMap<Name, First<'s>>,
    /// Tables that the server says are broken.
    broken: BTreeSet<Name>,
    fence: Option<Fence>,
    /// Whether a fence was tried; one that fell is not put up again.
    had_fence: bool,
    /// Whether the server counts changed rows.
    counts: bool,
    others: Vec<Connection>,
    stall: Duration,
}

/// What was taken.
pub struct Plainly<'s> {
    /// The definitions that the tables were read by.
    pub catalog: Catalog,
    /// The instant.
    pub moment: Moment,
    /// The tables.
    pub tables: Vec<Taken<'s>>,
    /// Names of those that were read, in whole or their end, under the lock.
    pub under_lock: Vec<String>,
}

/// Takes all tables without snapshots; the readers have snapshots of the same instant afterwards.
pub fn take<'s>(
    work: &Work<'_, 's>,
    session: &mut Session,
    keeper: &mut Keeper,
    readers: &mut [Connection],
) -> Step<Plainly<'s>> {
    let mut plain = Plain {
        work,
        firsts: BTreeMap::new(),
        broken: BTreeSet::new(),
        fence: None,
        had_fence: false,
        counts: session.facts.is_on("userstat"),
        others: session.readers(work.plan.threads)?,
        stall: Duration::ZERO,
    };
    for attempt in 1..=LOCKS {
        let catalog = plain.approach(session)?;
        let taken = plain.under_lock(session, keeper, readers, attempt == LOCKS)?;
        keeper.stall = keeper.stall.max(plain.stall);
        if let Some((moment, drafts, under_lock)) = taken {
            // Only now: whatever the sink takes its time for, nobody waits for it any more.
            let tables = on_all(&mut plain.others, drafts, work.watch, |conn, draft| {
                work.note_documents(conn, &draft.table)?;
                Ok(draft.end(work.watch)?)
            })?;
            return Ok(Plainly { catalog, moment, tables, under_lock });
        }
    }
    Err(Error::new(Kind::Database, "the tables without snapshots never stood still").into())
}

impl<'s> Plain<'_, '_, 's> {
    /// Reads what is new or changed, round by round, until what is left to read under the lock is
    /// little or gets no less.
    fn approach(&mut self, session: &mut Session) -> Step<Catalog> {
        let limits = &self.work.plan.limits;
        let mut previous = Duration::MAX;
        let mut round = 0;
        loop {
            let catalog = Catalog::read(session, self.work.plan)?;
            let tables = split(catalog.tables()).0;
            self.forget_others(&tables);
            let now = self.statuses(session, &tables)?;
            let changed = self.changed(tables, &now);
            let (is_whole, predicted) = self.predicted(&changed);
            let is_little = is_whole && predicted <= limits.aim;
            // No less than last time, and nothing new to try.
            let is_stuck = is_whole && self.had_fence && predicted > previous.mul_f64(0.7);
            if is_little || is_stuck || round >= limits.rounds && is_whole {
                return Ok(catalog);
            }
            let fenced = if is_whole { self.put_fence(session, &changed, &now)? } else { BTreeSet::new() };
            let now = if fenced.is_empty() { now } else { self.statuses(session, &changed)? };
            self.read_first(changed, &now, &fenced)?;
            if is_whole {
                (previous, round) = (predicted, round + 1);
            }
        }
    }

    fn statuses(&self, session: &mut Session, tables: &[Table]) -> Step<BTreeMap<Name, Status>> {
        let databases: BTreeSet<String> = tables.iter().map(|table| table.database.clone()).collect();
        let databases: Vec<String> = databases.into_iter().collect();
        let mut statuses = status::read(&mut session.control, &databases, self.counts)?;
        if session.facts.is_on("myisam_use_mmap") {
            // Files change in memory, their times later.
            statuses.values_mut().for_each(Status::distrust);
        }
        Ok(statuses)
    }

    /// Gives up what is no more, or is no longer defined as it was.
    fn forget_others(&mut self, tables: &[Table]) {
        let prints: BTreeMap<Name, _> = tables.iter().map(|t| (t.key(), t.fingerprint)).collect();
        self.firsts.retain(|name, first| prints.get(name) == Some(&first.draft.table.fingerprint));
    }

    /// The tables that would have to be read in whole if the lock were held now.
    fn changed(&self, mut tables: Vec<Table>, now: &BTreeMap<Name, Status>) -> Vec<Table> {
        tables.retain(|table| {
            let name = table.key();
            !self.broken.contains(&name) && self.left(&name, now) == Left::All
        });
        tables
    }

    fn left(&self, name: &Name, now: &BTreeMap<Name, Status>) -> Left {
        let Some(first) = self.firsts.get(name) else { return Left::All };
        match first.is_fenced && !self.fence.as_ref().is_some_and(Fence::stands) {
            true => Left::All,
            false => first.left(now.get(name)),
        }
    }

    /// How long reading these tables takes, going by last time; `false`: some were never read.
    fn predicted(&self, tables: &[Table]) -> (bool, Duration) {
        let took = tables.iter().map(|table| self.firsts.get(&table.key()).map(|first| first.took));
        let known: Vec<Duration> = took.flatten().collect();
        let threads = u32::try_from(self.others.len()).unwrap_or(1).max(1);
        let longest = known.iter().max().copied().unwrap_or_default();
        (known.len() == tables.len(), longest.max(known.iter().sum::<Duration>() / threads))
    }

    /// Puts a fence around the growing tables among `changed` that take long to read.
    fn put_fence(
        &mut self,
        session: &mut Session,
        changed: &[Table],
        now: &BTreeMap<Name, Status>,
    ) -> Step<BTreeSet<Name>> {
        let least = self.work.plan.limits.aim / FENCE_SHARE;
        let is_worth = |table: &&Table| {
            let name = table.key();
            table.can_grow()
                && self
                    .firsts
                    .get(&name)
                    .is_some_and(|first| first.took >= least && first.has_grown(now.get(&name)))
                && now.get(&name).is_some_and(Status::takes_rows_while_read)
        };
        let tables: Vec<Table> = changed.iter().filter(is_worth).cloned().collect();
        if std::mem::replace(&mut self.had_fence, true) || tables.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.fence = Fence::put(session.connect()?, session.connect()?, &tables)?;
        match self.fence {
            Some(_) => Ok(tables.iter().map(Table::key).collect()),
            None => Ok(BTreeSet::new()),
        }
    }

    fn read_first(
        &mut self,
        tables: Vec<Table>,
        now: &BTreeMap<Name, Status>,
        fenced: &BTreeSet<Name>,
    ) -> Step<()> {
        let work = self.work;
        let broken = std::sync::Mutex::new(BTreeSet::new());
        for table in &tables {
            self.firsts.remove(&table.key());
        }
        let firsts = on_all(&mut self.others, tables, work.watch, |conn, table| {
            let _one = table.is_heavy().then(|| held(&work.heavy));
            let name = table.key();
            let before = now.get(&name).cloned().unwrap_or_default();
            match First::read(work, conn, table.clone(), before) {
                Ok(mut first) => {
                    first.is_fenced = fenced.contains(&name);
                    Ok(Some((name, first)))
                }
                Err(stop) => work.give_up_broken(conn, &table, stop).map(|()| {
                    held(&broken).insert(name);
                    None
                }),
            }
        })?;
        self.firsts.extend(firsts.into_iter().flatten());
        self.broken.extend(std::mem::take(&mut *held(&broken)));
        Ok(())
    }

    /// Reads under the lock what is left; `None`: the lock was given back, because too much is.
    #[allow(clippy::type_complexity)]
    fn under_lock(
        &mut self,
        session: &mut Session,
        keeper: &mut Keeper,
        readers: &mut [Connection],
        is_last: bool,
    ) -> Step<Option<(Moment, Vec<Draft<'s>>, Vec<String>)>> {
        let limits = &self.work.plan.limits;
        let mut lock = keeper.lock(limits, &mut session.control, self.work.watch)?;
        moment::snapshots(readers)?;
        let moment = moment::locked(lock.conn(), &session.facts)?;
        let fate = self.fence.take().map_or_else(Fate::default, Fence::take_away);
        self.stall = self.stall.max(fate.stall);
        for first in self.firsts.values_mut() {
            first.is_fenced &= fate.stood;
        }
        let tables: Vec<Table> = self.firsts.values().map(|first| first.draft.table.clone()).collect();
        let now = self.statuses(session, &tables)?;
        let whole: Vec<Table> = tables
            .into_iter()
            .filter(|t| self.firsts[&t.key()].left(now.get(&t.key())) == Left::All)
            .collect();
        let predicted = self.predicted(&whole).1;
        if predicted > limits.hold && !is_last {
            lock.release()?;
            for reader in readers {
                reader.execute("ROLLBACK")?;
            }
            self.had_fence = false;
            return Ok(None);
        }
        self.accept(predicted, &whole)?;
        let most = if predicted > limits.hold { limits.most_hold } else { limits.hold.mul_f64(OVERRUN) };
        let watch = self.work.watch.at_most(most);
        let read = self.read_left(&now, &watch);
        moment::keep_definitions(lock.conn(), &session.facts)?;
        lock.release()?;
        if read.is_err() && watch.is_over() {
            let names: Vec<String> = whole.iter().map(Table::name).collect();
            return Err(Stop::Overran(names.join(", ")));
        }
        let (drafts, names) = read?;
        Ok(Some((moment, drafts, names)))
    }

    /// Says beforehand what will take long, or refuses it.
    fn accept(&self, predicted: Duration, whole: &[Table]) -> Step<()> {
        let limits = &self.work.plan.limits;
        let names: Vec<String> = whole.iter().map(Table::name).collect();
        let names = names.join(", ");
        if predicted > limits.most_hold {
            let message = format!(
                "{names}: always in change; writers would wait {} s for the dump",
                predicted.as_secs()
            );
            return Err(Error::new(Kind::Database, message)
                .hint("switch userstat on, convert the tables to InnoDB, or accept an instant of its own for each table (--accept-per-table)")
                .into());
        }
        if predicted > limits.hold {
            let seconds = predicted.as_secs();
            self.work.note(format!("{names}: read under the lock, writers waited about {seconds} s"), false);
        }
        Ok(())
    }

    fn read_left(
        &mut self,
        now: &BTreeMap<Name, Status>,
        watch: &Watch,
    ) -> Step<(Vec<Draft<'s>>, Vec<String>)> {
        let work = self.work;
        let mut jobs: Vec<(Left, First<'s>, u64)> = Vec::new();
        for (name, first) in std::mem::take(&mut self.firsts) {
            let status = now.get(&name);
            jobs.push((first.left(status), first, status.and_then(|s| s.rows).unwrap_or(0)));
        }
        jobs.sort_by_key(|(_, first, _)| std::cmp::Reverse(first.took));
        let done = on_all(&mut self.others, jobs, watch, |conn, (left, mut first, rows)| {
            if left == Left::Nothing {
                return Ok((None, Some(first.draft)));
            }
            let name = Some(first.draft.table.name());
            if left == Left::End && first.read_end(conn, rows, watch)? {
                return Ok((name, Some(first.draft)));
            }
            let _one = first.draft.table.is_heavy().then(|| held(&work.heavy));
            let mut draft = Draft::begin(first.draft.table, work)?;
            draft.out.hold();
            match draft.read(conn, watch) {
                Ok(()) => Ok((name, Some(draft))),
                Err(stop) => work.give_up_broken(conn, &draft.table, stop).map(|()| (name, None)),
            }
        })?;
        let names = done.iter().filter_map(|(name, _)| name.clone()).collect();
        Ok((done.into_iter().filter_map(|(_, draft)| draft).collect(), names))
    }
}
