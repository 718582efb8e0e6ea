//! The fixed sentences that people are told, by the stable word for what happened. It promises that
//! nothing of an error's own text gets into a notice: that may name a file, and so a patient.

/// What is said of a stable word: what happened, what it means, what to do.
pub struct Words {
    /// For the title: `the disk is full`.
    pub happened: &'static str,
    /// What it means.
    pub means: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Each stable word, and what is said of it.
const TABLE: &[(&str, Words)] = &[
    (
        "not-mounted",
        Words {
            happened: "the backup disk is not connected",
            means: "Nothing was written, so that nothing went to the wrong disk.",
            remedy: "Connect the disk; the backup is tried again, or run it with: coffer scheme run",
        },
    ),
    (
        "full",
        Words {
            happened: "there is no space left",
            means: "The new backup was not kept; all earlier ones are intact.",
            remedy: "Make room on the disk, raise the maximum size, or keep fewer snapshots (coffer prune).",
        },
    ),
    (
        "destination",
        Words {
            happened: "the backup disk cannot be reached or refuses to work",
            means: "The new backup was not kept.",
            remedy: "Look at the disk and its cable; then run: coffer verify",
        },
    ),
    (
        "poisoned",
        Words {
            happened: "the backup disk failed while it was written",
            means: "The new backup was not kept; what was committed before is intact as far as the disk is.",
            remedy: "Look at the disk: it may be dying. Then run: coffer verify",
        },
    ),
    (
        "database",
        Words {
            happened: "the database server cannot be reached or refuses",
            means: "The database was not saved.",
            remedy: "Look whether the server runs and its password is still the same: coffer doctor",
        },
    ),
    (
        "no-database",
        Words {
            happened: "a database that should be saved is not on the server any more",
            means: "Nothing was saved. It may have been renamed or dropped.",
            remedy: "See what there is with: coffer doctor. Then name it: coffer scheme edit",
        },
    ),
    (
        "source",
        Words {
            happened: "something that should be saved cannot be read",
            means: "The new backup was not kept.",
            remedy: "Run the scheme by hand to see what it is: coffer scheme run",
        },
    ),
    (
        "wrong-key",
        Words {
            happened: "the password or key does not open the backup",
            means: "Nothing was saved. Somebody may have changed the password or its file.",
            remedy: "Compare with: coffer key list; then put the right password file in its place.",
        },
    ),
    (
        "not-encrypted",
        Words {
            happened: "the backup file is not encrypted as it was",
            means: "Somebody may have put another file in its place. Nothing was saved.",
            remedy: "Do not use this file; restore it from a copy.",
        },
    ),
    (
        "rollback",
        Words {
            happened: "the backup file is older than it should be",
            means: "Somebody put an older state, or another copy, in its place. Nothing was saved.",
            remedy: "Put the right file in its place; if this one is to be used: coffer repair --adopt",
        },
    ),
    (
        "not-a-container",
        Words {
            happened: "the backup file is no backup file any more",
            means: "It was replaced or destroyed. Nothing was saved.",
            remedy: "Restore the file from a copy, and find out what wrote to it.",
        },
    ),
    (
        "future-version",
        Words {
            happened: "the backup file was written by a newer version of Coffer",
            means: "Nothing was saved.",
            remedy: "Update Coffer on this machine.",
        },
    ),
    (
        "damaged",
        Words {
            happened: "damage was found in the backup",
            means: "A part of what was saved may be lost.",
            remedy: "Run coffer verify to see what it touches, then coffer repair; keep the file.",
        },
    ),
    (
        "not-found",
        Words {
            happened: "the backup file is not there",
            means: "Nothing was saved.",
            remedy: "Look whether the disk is connected and the file was not moved.",
        },
    ),
    (
        "busy",
        Words {
            happened: "another program was writing to the backup for too long",
            means: "Nothing was saved.",
            remedy: "Wait until it has ended, then run: coffer scheme run",
        },
    ),
    (
        "interrupted",
        Words {
            happened: "it was stopped",
            means: "What was not finished was not kept; earlier backups are intact.",
            remedy: "It is tried again; or run it with: coffer scheme run",
        },
    ),
    (
        "hook-failed",
        Words {
            happened: "a command of the practice's own failed",
            means: "What was to be done before the backup was not done.",
            remedy: "Run the command by hand and look at what it says.",
        },
    ),
    (
        "hook-killed",
        Words {
            happened: "a command of the practice's own was ended from outside",
            means: "What was to be done before the backup was not done.",
            remedy: "Look whether the machine was short of memory; then run: coffer scheme run",
        },
    ),
    (
        "hook-timeout",
        Words {
            happened: "a command of the practice's own took longer than it may",
            means: "It was ended. What was to be done before the backup was not done.",
            remedy: "Look what held it, or raise its `timeout`; then run: coffer scheme run",
        },
    ),
    (
        "usage",
        Words {
            happened: "the configuration makes no sense to the program",
            means: "Nothing was saved.",
            remedy: "Run the scheme by hand to see why: coffer scheme run",
        },
    ),
];

/// What is said where nothing better is known.
const UNKNOWN: Words = Words {
    happened: "it failed",
    means: "The new backup was not kept; earlier ones are intact.",
    remedy: "Run it by hand to see why: coffer scheme run",
};

/// What is said of the stable word `code`.
pub fn words(code: &str) -> &'static Words {
    TABLE.iter().find(|(known, _)| *known == code).map_or(&UNKNOWN, |(_, words)| words)
}

/// `code` if it is a stable word of this program, else `failed`: what else stands there is not told.
pub fn known(code: &str) -> &'static str {
    TABLE.iter().find(|(known, _)| *known == code).map_or("failed", |(known, _)| known)
}

/// The stable words of warnings; others are counted as `other`.
const WARNINGS: &[&str] = &[
    "affected",
    "as-it-is",
    "container",
    "damaged",
    "differs",
    "lost",
    "missing-attachment",
    "not-carried",
    "not-made",
    "not-proven",
    "not-restored",
    "note",
    "obstacle",
    "option-file",
    "profile",
    "restore",
    "rollback",
    "secret",
    "shrunk",
    "state",
    "unreadable",
];

/// The stable word of a warning.
pub fn warning(code: &str) -> &'static str {
    WARNINGS.iter().find(|known| **known == code).copied().unwrap_or("other")
}
