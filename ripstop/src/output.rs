//! What commands print.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write as _},
};

use anstyle::{AnsiColor, Style};

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Worth a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Less important.
pub const DIM: Style = Style::new().dimmed();
/// Headings.
pub const BOLD: Style = Style::new().bold();

/// A table whose columns are as wide as their widest cell.
#[derive(Debug)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

// === impl Table ===

impl Table {
    /// A table with these columns.
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it, or `empty` if it has no rows.
    pub fn print(&self, empty: &str) {
        if self.rows.is_empty() {
            print(&format!("{empty}\n"));
        } else {
            print(&self.render());
        }
    }

    /// It as text.
    pub fn render(&self) -> String {
        let columns = self.header.len();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell));
            cells.chain([self.header[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        let header: Vec<String> = self.header.iter().map(|cell| paint(BOLD, cell)).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = widths[column].saturating_sub(visible(cell));
                let _ = write!(line, "{cell}{:pad$}   ", "");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// Whether standard output takes colours (`NO_COLOR` and `CLICOLOR_FORCE` are honoured).
pub fn coloured() -> bool {
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return false;
    }
    std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0") || std::io::stdout().is_terminal()
}

/// `text` in `style`, where colours are taken.
pub fn paint(style: Style, text: &str) -> String {
    if coloured() { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// `text` as the beginning of an error message, where standard error takes colours.
pub fn paint_error(text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !std::io::stderr().is_terminal();
    if plain { text.to_owned() } else { format!("{BAD}{text}{BAD:#}") }
}

/// Writes to standard output; a reader that went away ends the program quietly.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Characters of `text` that take room on a terminal.
fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut inside = false;
    for character in text.chars() {
        match (inside, character) {
            (false, '\x1b') => inside = true,
            (true, 'm') => inside = false,
            (false, _) => count += 1,
            (true, _) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["A", "LONGER"]);
        table.row(vec!["wide cell".into(), "1".into()]);
        table.row(vec![format!("{GOOD}x{GOOD:#}"), "2".into()]);
        let text = table.render();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("wide cell   1"));
        assert_eq!(visible(lines[2]), visible(lines[1]));
    }
}
