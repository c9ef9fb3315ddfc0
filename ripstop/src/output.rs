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

/// Between two columns of a table.
const GAP: usize = 3;
/// Columns of a table that has to be narrower are no narrower than this.
const NARROW: usize = 12;

/// A table whose columns are as wide as their widest cell, or, on a terminal that is narrower, folded.
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

    /// Takes a column out, if all its cells say `nothing`.
    pub fn drop_if_all(&mut self, column: &str, nothing: &str) {
        let Some(at) = self.header.iter().position(|cell| *cell == column) else { return };
        if self.rows.iter().all(|row| row.get(at).is_none_or(|cell| cell == nothing)) {
            self.header.remove(at);
            for row in &mut self.rows {
                row.remove(at);
            }
        }
    }

    /// Changes the cells of a column.
    pub fn change(&mut self, column: &str, change: impl Fn(&str) -> String) {
        let Some(at) = self.header.iter().position(|cell| *cell == column) else { return };
        for cell in self.rows.iter_mut().filter_map(|row| row.get_mut(at)) {
            *cell = change(cell);
        }
    }

    /// How wide it is where there is room.
    pub fn width(&self) -> usize {
        let widths = self.widths(None, GAP);
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// Prints it, or `empty` if it has no rows.
    pub fn print(&self, empty: &str) {
        if self.rows.is_empty() {
            print(&format!("{empty}\n"));
        } else {
            print(&self.render(terminal_width()));
        }
    }

    /// It as text, if it can be no wider than that.
    pub fn render(&self, width: Option<usize>) -> String {
        let gap = if width.is_some_and(|width| self.width() > width) { GAP - 1 } else { GAP };
        let widths = self.widths(width, gap);
        let header: Vec<String> = self.header.iter().map(|cell| paint(BOLD, cell)).collect();
        let mut out = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells: Vec<Vec<String>> = row.iter().zip(&widths).map(|(cell, width)| folded(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or_default();
            for at in 0..height {
                let mut line = String::new();
                for (cell, width) in cells.iter().zip(&widths) {
                    let part = cell.get(at).map_or("", String::as_str);
                    let pad = width.saturating_sub(visible(part)) + gap;
                    let _ = write!(line, "{part}{:pad$}", "");
                }
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        out
    }

    /// What each column gets: as much as it wants, but for the widest where there is less.
    fn widths(&self, most: Option<usize>, gap: usize) -> Vec<usize> {
        let wanted = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell));
            cells.chain([self.header[column].len()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.header.len()).map(wanted).collect();
        let Some(most) = most else { return widths };
        let least: Vec<usize> = self.header.iter().map(|cell| cell.len().max(NARROW)).collect();
        while widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1) > most {
            let foldable = (0..widths.len()).filter(|column| widths[*column] > least[*column]);
            let Some(widest) = foldable.max_by_key(|column| widths[*column]) else { break };
            widths[widest] -= 1;
        }
        widths
    }
}

/// The columns of the terminal; nothing: standard output is none.
pub fn terminal_width() -> Option<usize> {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out))?.ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A cell in lines of `width`, cut behind a sign where there is one. One with colours stays as it is.
fn folded(cell: &str, width: usize) -> Vec<String> {
    if visible(cell) <= width || cell.contains('\x1b') || width == 0 {
        return vec![cell.to_owned()];
    }
    let mut lines = Vec::new();
    let mut rest: Vec<char> = cell.chars().collect();
    while rest.len() > width {
        let sign = rest[..width].iter().rposition(|c| matches!(c, ' ' | ',' | '/' | '=' | '|' | '.' | '-' | ':'));
        let cut = sign.map(|at| at + 1).filter(|cut| *cut > width / 2).unwrap_or(width);
        lines.push(rest.drain(..cut).collect::<String>().trim_end().to_owned());
    }
    lines.push(rest.into_iter().collect());
    lines
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
        let text = table.render(None);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("wide cell   1"));
        assert_eq!(visible(lines[2]), visible(lines[1]));
    }

    #[test]
    fn what_is_too_wide_is_folded_in_its_column() {
        let mut table = Table::new(&["NAME", "DECIDED BY", "PLAIN"]);
        table.row(vec!["web".into(), "istio.io/dataplane-mode=ambient (namespace)".into(), "0".into()]);
        let lines = |width| table.render(width).lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(Some(100)), lines(None));
        let narrow = lines(Some(40));
        assert_eq!(narrow[1..], ["web   istio.io/dataplane-mode=     0", "      ambient (namespace)"]);
        assert!(narrow.iter().all(|line| visible(line) <= 40), "{narrow:?}");
        assert!(lines(Some(3)).len() > 2, "no less than the columns need");
    }
}
