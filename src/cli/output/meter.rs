//! Progress shown: a bar on a terminal; elsewhere a line at the start, at fixed intervals and at the
//! end, so that the mail of a nightly job stays short. A thread reads the counters; the
//! operation that moves them never waits for it.

use super::channel::Channel;
use crate::cli::events::{Body, Standing};
use crate::progress::Progress;
use crate::values::{format_count, format_duration, format_rate, format_size};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(200);
/// No estimate before this much time and share of the work: it would be a guess.
const ESTIMATE_AFTER: Duration = Duration::from_secs(2);

/// Progress being shown; dropping it ends that.
pub struct Meter {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Meter {
    /// Shows nothing.
    pub(super) fn silent() -> Self {
        Meter { running: None }
    }

    /// Shows lines at `interval`, or a bar without one.
    pub(super) fn start(
        channel: Arc<Channel>,
        phase: &str,
        noun: &'static str,
        progress: Arc<Progress>,
        interval: Option<Duration>,
    ) -> Self {
        let watch = Watch { channel, phase: phase.to_owned(), noun, progress, began: Instant::now() };
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
            // `Err(Disconnected)` is the end: the meter was dropped.
            let wait = |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            match interval {
                Some(interval) => watch.tell(interval, wait),
                None => watch.draw(wait),
            }
        });
        // Without a thread to spare there is no progress to see, and nothing else is lost.
        Meter { running: thread.ok().map(|thread| (stop, thread)) }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            _ = thread.join();
        }
    }
}

struct Watch {
    channel: Arc<Channel>,
    phase: String,
    noun: &'static str,
    progress: Arc<Progress>,
    began: Instant,
}

impl Watch {
    fn tell(&self, interval: Duration, wait: impl Fn(Duration) -> bool) {
        self.say("start");
        while wait(interval) {
            self.say("running");
        }
        self.say("end");
    }

    fn say(&self, state: &'static str) {
        let standing = self.standing(state);
        if self.channel.json() {
            self.channel.event(Body::Progress(standing));
        } else {
            self.channel.message(&line(&standing, self.noun));
        }
    }

    fn draw(&self, wait: impl Fn(Duration) -> bool) {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_style(style("{spinner} {wide_msg}"));
        self.channel.set_bar(Some(bar.clone()));
        let mut measured = false;
        loop {
            let standing = self.standing("running");
            if let Some(total) = standing.total_bytes.filter(|_| !measured) {
                bar.set_style(style("{bar:24} {wide_msg}"));
                bar.set_length(total);
                measured = true;
            }
            bar.set_position(standing.bytes);
            bar.set_message(line(&standing, self.noun));
            bar.tick();
            if !wait(REDRAW) {
                break;
            }
        }
        bar.finish_and_clear();
        self.channel.set_bar(None);
    }

    fn standing(&self, state: &'static str) -> Standing {
        let known = |total: u64| (total > 0).then_some(total);
        let progress = &self.progress;
        let elapsed = self.began.elapsed();
        let mut standing = Standing {
            phase: self.phase.clone(),
            state,
            items: progress.items.load(Ordering::Relaxed),
            bytes: progress.bytes.load(Ordering::Relaxed),
            total_items: known(progress.total_items.load(Ordering::Relaxed)),
            total_bytes: known(progress.total_bytes.load(Ordering::Relaxed)),
            elapsed_ms: milliseconds(elapsed),
            left_ms: None,
        };
        if state == "running" && elapsed >= ESTIMATE_AFTER {
            standing.left_ms = left(&standing);
        }
        standing
    }
}

/// A template of this file; nothing in it depends on input.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Estimated milliseconds to the end, from the mean speed so far.
fn left(standing: &Standing) -> Option<u64> {
    let total = standing.total_bytes?;
    let rest = u128::from(total.saturating_sub(standing.bytes));
    let left = (rest * u128::from(standing.elapsed_ms)).checked_div(u128::from(standing.bytes))?;
    u64::try_from(left).ok()
}

/// `reading: 1,204 of 3,000 files, 1.2 of 3.4 GiB, 45.0 MiB/s, 2 min 10 s left`.
fn line(standing: &Standing, noun: &str) -> String {
    let elapsed = Duration::from_millis(standing.elapsed_ms);
    let size = format_size(standing.bytes);
    if standing.state == "start" {
        return format!("{}: started", standing.phase);
    }
    if standing.state == "end" {
        let count = format_count(standing.items, noun);
        return format!("{}: ended, {count}, {size} in {}", standing.phase, format_duration(elapsed));
    }
    let items = match standing.total_items {
        Some(total) => format!("{} of {}", standing.items, format_count(total, noun)),
        None => format_count(standing.items, noun),
    };
    let bytes = match standing.total_bytes {
        Some(total) => format!("{size} of {}", format_size(total)),
        None => size,
    };
    let rate = format_rate(standing.bytes, elapsed.as_secs_f64());
    let left = standing.left_ms.map(Duration::from_millis);
    let left = left.map(|left| format!(", {} left", format_duration(left))).unwrap_or_default();
    format!("{}: {items}, {bytes}, {rate}{left}", standing.phase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_how_far_it_is() {
        let mut standing = Standing {
            phase: "reading".into(),
            state: "running",
            items: 12,
            bytes: 30 << 20,
            elapsed_ms: 10_000,
            ..Standing::default()
        };
        assert_eq!(line(&standing, "file"), "reading: 12 files, 30.0 MiB, 3.0 MiB/s");
        standing.total_items = Some(1200);
        standing.total_bytes = Some(90 << 20);
        standing.left_ms = left(&standing);
        assert_eq!(standing.left_ms, Some(20_000));
        assert_eq!(
            line(&standing, "file"),
            "reading: 12 of 1,200 files, 30.0 MiB of 90.0 MiB, 3.0 MiB/s, 20 s left"
        );
        standing.state = "end";
        assert_eq!(line(&standing, "file"), "reading: ended, 12 files, 30.0 MiB in 10 s");
        standing.bytes = 0;
        assert_eq!(left(&standing), None, "no speed, no estimate");
        standing.bytes = u64::MAX;
        assert_eq!(left(&standing), Some(0), "more than was expected");
    }

    #[test]
    fn templates_are_valid() {
        for template in ["{bar:24} {wide_msg}", "{spinner} {wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
