//! The processes of a command: those of its group, and those that left it (`setsid`), also after the
//! death of whoever started them. It promises to find each that descends from the command or carries its
//! mark, to mistake no other process for one of them, and to tell which of them would not end.

use crate::crypto::{Entropy, SystemEntropy};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The variable that whatever a command starts inherits.
const MARK: &str = "COFFER_TASK";
/// How often processes that were killed are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The marks of the commands that are looked after at this time, as they stand among variables.
static MARKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn marks() -> MutexGuard<'static, Vec<String>> {
    MARKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the processes of one command have in common, before there are any.
pub struct Mark(String);

impl Mark {
    /// A mark that no other command has, in the environment of `command`.
    pub fn put(command: &mut Command) -> std::io::Result<Mark> {
        let mut bytes = [0; 12];
        SystemEntropy.fill(&mut bytes).map_err(std::io::Error::other)?;
        let mark = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        command.env(MARK, &mark);
        Ok(Mark(mark))
    }

    /// The processes of `child`, which bears the mark.
    pub fn of(self, child: &Child) -> Family {
        let root = child.id() as i32;
        let entry = format!("{MARK}={}", self.0);
        marks().push(entry.clone());
        let mut family = Family { entries: vec![entry], known: BTreeMap::new() };
        family.known.extend(Process::read(root).map(|process| (root, process.since)));
        family
    }
}

/// The processes of a command.
pub struct Family {
    /// Its mark as it stands among the variables of a process.
    entries: Vec<String>,
    /// When each that was found so far began, by its id: an id may come again.
    known: BTreeMap<i32, u64>,
}

/// What the system tells of a process.
struct Process {
    parent: i32,
    group: i32,
    /// When it began, in ticks since the machine did.
    since: u64,
    is_dead: bool,
    name: String,
}

impl Process {
    fn read(id: i32) -> Option<Process> {
        let text = std::fs::read(format!("/proc/{id}/stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The name may hold anything, brackets, too.
        let (head, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Process {
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            since: fields.get(19)?.parse().ok()?,
            is_dead: matches!(*fields.first()?, "Z" | "X"),
            name: head.split_once('(').map_or("?", |(_, name)| name).to_owned(),
        })
    }

    /// All that there are.
    fn all() -> BTreeMap<i32, Process> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten();
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.filter_map(|id| Some((id, Process::read(id)?))).collect()
    }
}

impl Family {
    /// All that this process started, and what carries the mark of a command that somebody looks after.
    pub fn own() -> Family {
        let own = std::process::id();
        let mut family = Family { entries: marks().clone(), known: BTreeMap::new() };
        let children = Process::all().into_iter().filter(|(_, process)| process.parent == own as i32);
        family.known.extend(children.map(|(id, process)| (id, process.since)));
        family
    }

    /// Sends `signal` to each.
    pub fn signal(&mut self, signal: Signal) {
        for (id, _) in self.find() {
            // It may have ended in this instant.
            let _ = Pid::from_raw(id).map(|id| kill_process(id, signal));
        }
    }

    /// Whether none of them runs any more.
    pub fn is_gone(&mut self) -> bool {
        self.find().is_empty()
    }

    /// Kills whoever is left; those that are there nevertheless after `patience`, by name and id.
    pub fn end(&mut self, patience: Duration) -> Vec<String> {
        let began = Instant::now();
        loop {
            let left = self.find();
            if left.is_empty() || began.elapsed() >= patience {
                return left.into_iter().map(|(id, name)| format!("{name} ({id})")).collect();
            }
            self.signal(Signal::KILL);
            std::thread::sleep(LOOK);
        }
    }

    /// Those that run, by id, with their names.
    fn find(&mut self) -> Vec<(i32, String)> {
        let all = Process::all();
        self.known.retain(|id, since| all.get(id).is_some_and(|process| process.since == *since));
        for (id, process) in &all {
            if !self.known.contains_key(id) && self.is_marked(*id) {
                self.known.insert(*id, process.since);
            }
        }
        loop {
            let kin = |process: &Process| {
                self.known.contains_key(&process.parent) || self.known.contains_key(&process.group)
            };
            let more = all.iter().filter(|(id, process)| !self.known.contains_key(id) && kin(process));
            let more: Vec<(i32, u64)> = more.map(|(id, process)| (*id, process.since)).collect();
            if more.is_empty() {
                break;
            }
            self.known.extend(more);
        }
        let living = |id: &i32| Some((*id, all.get(id).filter(|process| !process.is_dead)?.name.clone()));
        self.known.keys().filter_map(living).collect()
    }

    /// Whether it inherited the mark. The variables of somebody else's process cannot be read.
    fn is_marked(&self, id: i32) -> bool {
        let variables = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|entry| self.entries.iter().any(|own| own.as_bytes() == entry))
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        marks().retain(|mark| !self.entries.contains(mark));
    }
}
