//! Rows in columns.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    BOLD, DIM,
    fold::{folded, widest_piece, within},
    paint, print, terminal_width, visible,
};

/// Between two columns.
const GAP: usize = 3;
/// The same where there is no room.
const SMALL_GAP: usize = 2;
/// The same where there is less.
const LEAST_GAP: usize = 1;
/// Prose is folded to no less than this.
const NARROW: usize = 12;
/// Where a cell may go on in the next line: no value has one of these inside.
const SIGNS: [char; 2] = [' ', ','];
/// What a cell says that says nothing.
const NOTHING: [&str; 3] = ["0", "-", ""];

/// A table whose columns are as wide as their widest cell. On a terminal that is narrower the gaps shrink, columns that
/// say nothing go, prose is folded, and what can be spared goes; where that is not enough, each row is a block of lines. A
/// value is never cut.
#[derive(Debug)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    wide: Wide,
    /// Columns that may be left out where there is no room, the first of them first.
    spare: &'static [&'static str],
    /// How cells of a column are shortened where there is no room.
    short: Option<Short>,
}

/// A column, and a shorter form of its cells.
type Short = (&'static str, fn(&str) -> String);

/// What `-o wide` does for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wide {
    /// The command has no such flag.
    None,
    /// It would show what is left out.
    Offered,
    /// It is given: nothing is left out.
    Asked,
}

// === impl Table ===

impl Table {
    /// A table with these columns.
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new(), wide: Wide::None, spare: &[], short: None }
    }

    /// The same, and what `-o wide` does for it.
    pub fn with(self, wide: Wide) -> Self {
        Self { wide, ..self }
    }

    /// The same, with columns that may be left out where there is no room, the first of them first.
    pub fn sparing(self, spare: &'static [&'static str]) -> Self {
        Self { spare, ..self }
    }

    /// The same, with a column whose cells may be shortened where there is no room.
    pub fn shortening(self, column: &'static str, short: fn(&str) -> String) -> Self {
        Self { short: Some((column, short)), ..self }
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
        let all: Vec<usize> = (0..self.header.len()).collect();
        let wanted = self.wanted(&self.rows, &all);
        let Some(most) = width else { return self.lines(&self.rows, &all, &wanted, GAP) };
        for gap in [GAP, SMALL_GAP] {
            if total(&wanted, gap) <= most {
                return self.lines(&self.rows, &all, &wanted, gap);
            }
        }
        let (telling, mut left_out) = self.what_says_something(&all);
        let note = |left_out: &[String]| within(&self.note(left_out), width);
        let mut rows = self.rows.clone();
        let mut kept = telling.clone();
        if total(&self.wanted(&rows, &kept), SMALL_GAP) > most && self.wide != Wide::Asked {
            self.shorten(&mut rows);
        }
        let whole = left_out.clone();
        let mut spare = self.spare.iter().filter(|_| self.wide != Wide::Asked);
        loop {
            for gap in [SMALL_GAP, LEAST_GAP] {
                if let Some(widths) = self.folded(&rows, &kept, gap, most) {
                    return self.lines(&rows, &kept, &widths, gap) + &note(&left_out);
                }
            }
            let Some(column) = spare.next() else { break };
            let before = kept.len();
            kept.retain(|at| self.header[*at] != *column);
            if kept.len() < before {
                left_out.push((*column).to_owned());
            }
        }
        let below = note(&whole);
        // Blocks are set off by blank lines.
        let between = if below.is_empty() { "" } else { "\n" };
        self.blocks(&self.rows, &telling, most) + between + &below
    }

    /// What each of `columns` gets where all of them together, and the gaps between, get `most`, if that is enough for
    /// their values.
    fn folded(&self, rows: &[Vec<String>], columns: &[usize], gap: usize, most: usize) -> Option<Vec<usize>> {
        let mut widths = self.wanted(rows, columns);
        let least = self.least(rows, columns);
        while total(&widths, gap) > most {
            let foldable = (0..widths.len()).filter(|at| widths[*at] > least[*at]);
            let widest = foldable.max_by_key(|at| widths[*at])?;
            widths[widest] -= 1;
        }
        Some(widths)
    }

    /// A line about what is left out.
    fn note(&self, left_out: &[String]) -> String {
        if left_out.is_empty() {
            return String::new();
        }
        let mut note = format!("left out: {}", left_out.join(", "));
        if self.wide == Wide::Offered {
            note.push_str("; -o wide shows them");
        }
        format!("{}\n", paint(DIM, &note))
    }

    /// The columns that not only say nothing, and what is to be said of the others.
    fn what_says_something(&self, all: &[usize]) -> (Vec<usize>, Vec<String>) {
        let nothing_of = |at: &usize| {
            let first = self.rows.first()?.get(*at)?.as_str();
            let is_same = || self.rows.iter().all(|row| row.get(*at).is_some_and(|cell| cell == first));
            (self.wide != Wide::Asked && *at > 0 && NOTHING.contains(&first) && is_same()).then_some(first)
        };
        let mut gone: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for at in all {
            if let Some(nothing) = nothing_of(at) {
                gone.entry(nothing).or_default().push(self.header[*at]);
            }
        }
        let said = gone.iter().map(|(nothing, columns)| {
            let nothing = if nothing.is_empty() { "empty" } else { nothing };
            format!("{} ({nothing} in all rows)", columns.join(", "))
        });
        let said = said.collect();
        let kept = all.iter().copied().filter(|at| nothing_of(at).is_none()).collect();
        (kept, said)
    }

    fn shorten(&self, rows: &mut [Vec<String>]) {
        let Some((column, short)) = self.short else { return };
        let Some(at) = self.header.iter().position(|cell| *cell == column) else { return };
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(at)) {
            *cell = short(cell);
        }
    }

    /// What each of `columns` gets where there is room.
    fn wanted(&self, rows: &[Vec<String>], columns: &[usize]) -> Vec<usize> {
        columns.iter().map(|at| widest(rows, *at, visible).max(self.header[*at].len())).collect()
    }

    /// What each of `columns` gets at least: room for its values, and for some words of prose.
    fn least(&self, rows: &[Vec<String>], columns: &[usize]) -> Vec<usize> {
        let piece = |text: &str| widest_piece(text, &SIGNS);
        let least = |at: &usize| {
            let some = widest(rows, *at, visible).min(NARROW);
            widest(rows, *at, piece).max(piece(self.header[*at])).max(some)
        };
        columns.iter().map(least).collect()
    }

    /// Rows below each other, each in as many lines as its cells need.
    fn lines(&self, rows: &[Vec<String>], columns: &[usize], widths: &[usize], gap: usize) -> String {
        let header: Vec<String> = self.header.iter().map(|cell| paint(BOLD, cell)).collect();
        let mut out = String::new();
        for row in std::iter::once(&header).chain(rows) {
            let cells = columns.iter().filter_map(|column| row.get(*column)).zip(widths);
            let cells: Vec<Vec<String>> = cells.map(|(cell, width)| cell_lines(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or_default();
            for at in 0..height {
                let mut line = String::new();
                for (cell, width) in cells.iter().zip(widths) {
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

    /// Each row as lines of a name and a value.
    fn blocks(&self, rows: &[Vec<String>], columns: &[usize], most: usize) -> String {
        let names = columns.iter().map(|column| self.header[*column].len()).max().unwrap_or(0);
        let room = most.saturating_sub(names + SMALL_GAP).max(1);
        let mut out = String::new();
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            for column in columns {
                let Some(cell) = row.get(*column).filter(|cell| !cell.is_empty()) else { continue };
                for (at, line) in cell_lines(cell, room).iter().enumerate() {
                    let name = if at == 0 { self.header[*column] } else { "" };
                    let pad = names + SMALL_GAP - name.len();
                    let _ = writeln!(out, "{}{:pad$}{line}", paint(BOLD, name), "");
                }
            }
        }
        out
    }
}

// === impl Wide ===

impl Wide {
    /// Of a command that has the flag.
    pub fn of(is_given: bool) -> Self {
        if is_given { Self::Asked } else { Self::Offered }
    }
}

/// The widest cell of a column, as `of` tells.
fn widest(rows: &[Vec<String>], at: usize, of: impl Fn(&str) -> usize) -> usize {
    rows.iter().filter_map(|row| row.get(at)).map(|cell| of(cell)).max().unwrap_or(0)
}

fn total(widths: &[usize], gap: usize) -> usize {
    widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
}

fn cell_lines(cell: &str, width: usize) -> Vec<String> {
    if visible(cell) <= width { vec![cell.to_owned()] } else { folded(cell, width, &SIGNS) }
}

#[cfg(test)]
mod tests {
    use super::{super::GOOD, *};

    fn lines(table: &Table, width: Option<usize>) -> Vec<String> {
        table.render(width).lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["A", "LONGER"]);
        table.row(vec!["wide cell".into(), "1".into()]);
        table.row(vec![format!("{GOOD}x{GOOD:#}"), "2".into()]);
        let lines = lines(&table, None);
        assert!(lines[1].starts_with("wide cell   1"));
        assert_eq!(visible(&lines[2]), visible(&lines[1]));
    }

    #[test]
    fn gaps_shrink_first_then_prose_is_folded() {
        let mut table = Table::new(&["NAME", "DECIDED BY", "PLAIN"]);
        table.row(vec!["web".into(), "istio.io/dataplane-mode=ambient (namespace)".into(), "1".into()]);
        assert_eq!(lines(&table, Some(100)), lines(&table, None));
        assert!(lines(&table, Some(57))[1].starts_with("web   istio.io/dataplane-mode=ambient (namespace)  1"));
        let narrow = lines(&table, Some(44));
        assert_eq!(narrow[1..], ["web   istio.io/dataplane-mode=ambient  1", "      (namespace)"]);
    }

    #[test]
    fn what_says_nothing_goes_and_is_named() {
        let mut table = Table::new(&["NAME", "RESTARTS", "DRAINING", "REASON"]).with(Wide::Offered);
        table.row(vec!["web".into(), "0".into(), "0".into(), String::new()]);
        table.row(vec!["cart".into(), "0".into(), "0".into(), String::new()]);
        let note = "left out: REASON (empty in all rows), RESTARTS, DRAINING (0 in all rows); -o wide shows them";
        let narrow = lines(&table, Some(20));
        assert_eq!(narrow[..3], ["NAME", "web", "cart"]);
        assert_eq!(narrow[3..].join("").split_whitespace().collect::<Vec<_>>().concat(), note.replace(' ', ""));
        assert_eq!(lines(&table, None)[0], "NAME   RESTARTS   DRAINING   REASON");
        table.row(vec!["bank".into(), "1".into(), "0".into(), String::new()]);
        assert_eq!(lines(&table, Some(20))[1], "web   0");
        let asked = table.with(Wide::Asked);
        assert!(asked.render(Some(20)).contains("DRAINING") && !asked.render(Some(20)).contains("left out"));
    }

    #[test]
    fn what_can_be_spared_goes_before_rows_become_blocks() {
        let mut table = Table::new(&["NAME", "HOST", "READY"]).with(Wide::Offered).sparing(&["HOST"]);
        table.row(vec!["web".into(), "web.shop.svc.cluster.local".into(), "1/1".into()]);
        let narrow = ["NAME  READY", "web   1/1", "left out: HOST; -o wide shows", "  them"];
        assert_eq!(lines(&table, Some(30)), narrow);
        assert!(table.with(Wide::Asked).render(Some(30)).contains("web.shop.svc.cluster.local"));
    }

    #[test]
    fn headings_are_folded_and_gaps_shrink_to_one_before_columns_are_spared() {
        let mut table = Table::new(&["NAME", "HOST", "PID (INSIDE)"]).with(Wide::Offered).sparing(&["HOST"]);
        table.row(vec!["web".into(), "web.shop.svc.cluster.local".into(), "17".into()]);
        let narrow = [
            "NAME  HOST                        PID",
            "                                  (INSIDE)",
            "web   web.shop.svc.cluster.local  17",
        ];
        assert_eq!(lines(&table, Some(42)), narrow);
        assert_eq!(lines(&table, Some(40))[2], "web  web.shop.svc.cluster.local 17");
        assert_eq!(lines(&table, Some(34))[..2], ["NAME  PID (INSIDE)", "web   17"]);
    }

    #[test]
    fn values_are_never_cut_but_rows_become_blocks() {
        let mut table = Table::new(&["NAME", "IDENTITY", "USED BY"]);
        let identity = "spiffe://cluster.local/ns/shop/sa/web";
        table.row(vec!["web".into(), identity.into(), "1 workload of many that there are".into()]);
        table.row(vec!["bank".into(), identity.into(), String::new()]);
        let narrow = lines(&table, Some(30));
        let expected = [
            "NAME      web",
            &format!("IDENTITY  {identity}"),
            "USED BY   1 workload of many",
            "          that there are",
            "",
            "NAME      bank",
            &format!("IDENTITY  {identity}"),
        ];
        assert_eq!(narrow, expected);
    }
}
