//! Telling a story in sentences, each with what is expected and what was seen.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{BAD, BOLD, DIM, GOOD, paint, print};

/// Lines of a file that are shown at most.
const SHOWN: usize = 24;

/// Sentences told, and how many did not hold.
#[derive(Debug)]
pub struct Story {
    started: Instant,
    chapters: usize,
    sentences: usize,
    failed: Vec<String>,
}

impl Story {
    /// A story without sentences.
    pub fn new() -> Self {
        Self { started: Instant::now(), chapters: 0, sentences: 0, failed: Vec::new() }
    }

    /// Begins a chapter.
    pub fn chapter(&mut self, number: usize, title: &str) {
        self.chapters += 1;
        print(&format!("\n{}\n", paint(BOLD, &format!("{number}. {title}"))));
    }

    /// Shows a command that the reader could type.
    pub fn command(line: &str) {
        print(&format!("   {}\n", paint(DIM, &format!("$ {line}"))));
    }

    /// Shows a file that the reader could write; its first comment says what it is for.
    pub fn file(name: &str, text: &str) {
        let what = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
        Self::command(&format!("cat > {name} <<'EOF'    # {what}"));
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let shown = if lines.len() > SHOWN { SHOWN - 1 } else { lines.len() };
        for line in &lines[..shown] {
            Self::aside(line);
        }
        if shown < lines.len() {
            Self::aside(&format!("… {} more lines", lines.len() - shown));
        }
        Self::aside("EOF");
    }

    /// Something worth knowing that is not judged.
    pub fn aside(line: &str) {
        print(&format!("   {}\n", paint(DIM, line)));
    }

    /// One sentence: what is expected, what was seen, and whether it held.
    pub fn sentence(&mut self, expected: &str, seen: &str, held: bool) {
        self.sentences += 1;
        let mark = if held { paint(GOOD, "✓") } else { paint(BAD, "✗") };
        print(&format!("   {mark} {expected}\n     {}\n", paint(DIM, &format!("seen: {seen}"))));
        if !held {
            self.failed.push(expected.to_owned());
        }
    }

    /// A sentence about something that may go wrong as a whole.
    pub fn attempt(&mut self, expected: &str, seen: Result<(String, bool)>) {
        match seen {
            Ok((seen, held)) => self.sentence(expected, &seen, held),
            Err(error) => self.sentence(expected, &format!("{error:#}"), false),
        }
    }

    /// The end: whether every sentence held.
    pub fn end(self) -> bool {
        let took = self.started.elapsed().as_secs();
        if self.failed.is_empty() {
            let plural = if self.chapters == 1 { "" } else { "s" };
            let all = if self.sentences == 1 {
                "The one sentence".to_owned()
            } else {
                format!("All {} sentences", self.sentences)
            };
            let line = format!("{all} of {} chapter{plural} held, in {took} s.", self.chapters);
            print(&format!("\n{}\n", paint(GOOD, &line)));
            return true;
        }
        let line = format!("{} of {} sentences did not hold:", self.failed.len(), self.sentences);
        print(&format!("\n{}\n", paint(BAD, &line)));
        for sentence in &self.failed {
            print(&format!("   {sentence}\n"));
        }
        false
    }
}

/// A line that shows that something goes on; invisible where the terminal is none.
pub fn progress(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("   {spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
