//! What is shown while requests are sent.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ripstop_load::{Length, Plan, Second, Watch};
use rustix::termios::tcgetwinsize;

use super::{chart::chart, duration, short};

/// A bar, and under it the last minutes.
pub struct Live {
    bar: ProgressBar,
    length: Length,
    begin: Option<Instant>,
    requests: u64,
    rates: Vec<Option<f64>>,
    slowest: Vec<Option<f64>>,
}

/// How often the bar is drawn again. It moves once a second.
const TICK: Duration = Duration::from_millis(250);
/// Lines of each graph.
const HEIGHT: usize = 4;
/// What stands left of the columns at most, and to the right nothing.
const MARGIN: usize = 12;

// === impl Live ===

impl Live {
    /// On standard error, if that is a terminal.
    pub fn new(plan: &Plan, quiet: bool) -> Self {
        let total = match plan.length {
            Length::Time(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            Length::Requests(count) => count,
        };
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        // The template is ours; a mistake in it would show at once.
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {bar:24} {percent:>3} %  {msg}") {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.set_message(if plan.warm_up.is_zero() { "connecting" } else { "warming up" });
        bar.enable_steady_tick(TICK);
        Self { bar, length: plan.length, begin: None, requests: 0, rates: Vec::new(), slowest: Vec::new() }
    }

    /// Takes it away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, second: &Second) {
        let columns = tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col)).max(40);
        let width = columns - MARGIN;
        let rate = self.rates.last().copied().flatten().unwrap_or_default();
        let mut message = match second.latency {
            Some(latency) => {
                format!("{}/s   p50 {}   p99 {}", short(rate), duration(latency.p50_us), duration(latency.p99_us))
            }
            None => "nothing was answered".to_owned(),
        };
        if second.bad > 0 {
            let _ = write!(message, "   {} bad", second.bad);
        }
        for (title, values, label) in [
            ("requests a second", &self.rates, &short as &dyn Fn(f64) -> String),
            ("p99", &self.slowest, &duration as &dyn Fn(f64) -> String),
        ] {
            let _ = write!(message, "\n\n  {title}");
            for line in chart(values, width, HEIGHT, label) {
                let _ = write!(message, "\n{line}");
            }
        }
        self.bar.set_message(message);
    }
}

impl Watch for Live {
    fn begins(&mut self) {
        self.begin = Some(Instant::now());
        self.bar.reset_elapsed();
        self.bar.set_message("");
    }

    fn second(&mut self, second: &Second) {
        self.requests += second.requests;
        #[expect(clippy::cast_precision_loss, reason = "it is a graph")]
        self.rates.push(Some(second.requests as f64));
        self.slowest.push(second.latency.map(|latency| latency.p99_us));
        self.bar.set_position(match (self.length, self.begin) {
            (Length::Requests(_), _) => self.requests,
            (Length::Time(_), Some(begin)) => u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            (Length::Time(_), None) => 0,
        });
        self.show(second);
    }
}
