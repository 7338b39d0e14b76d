//! Progress for people: bars where stderr is a terminal, one line a phase where it is not.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bars and notes of one run, on stderr.
pub struct Progress {
    bars: MultiProgress,
    on_terminal: bool,
    quiet: bool,
}

impl Progress {
    /// Progress on stderr; nothing at all when `quiet`.
    pub fn new(quiet: bool) -> Self {
        let on_terminal = std::io::stderr().is_terminal() && !quiet;
        let target = if on_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            on_terminal,
            quiet,
        }
    }

    /// Says something that stays on the screen.
    pub fn say(&self, text: impl AsRef<str>) {
        if self.quiet {
            return;
        }
        if self.on_terminal {
            let _ = self.bars.println(text.as_ref());
        } else {
            eprintln!("{}", text.as_ref());
        }
    }

    /// A bar over a known amount of work.
    pub fn bar(&self, what: &str, total: usize) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "{msg:28} {bar:32} {percent:>3}% {human_pos:>10} of {human_len} {eta:>5}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self
            .bars
            .add(ProgressBar::new(total as u64).with_style(style));
        bar.set_message(what.to_owned());
        bar
    }

    /// A spinner over work of unknown length.
    pub fn spinner(&self, what: &str) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed:>5}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = self.bars.add(ProgressBar::new_spinner().with_style(style));
        bar.set_message(what.to_owned());
        if self.on_terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        bar
    }
}
