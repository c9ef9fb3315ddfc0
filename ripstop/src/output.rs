//! What commands print.

use std::io::{IsTerminal, Write as _};

use anstyle::{AnsiColor, Style};

mod fold;
mod table;

pub use table::{Table, Wide};

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

/// The columns of standard output; nothing: it is no terminal.
pub fn terminal_width() -> Option<usize> {
    fold::columns(&std::io::stdout())
}

/// Whether standard output takes colours (`NO_COLOR`, `CLICOLOR_FORCE` and a dumb terminal are honoured).
pub fn coloured() -> bool {
    takes_colours(|key| std::env::var(key).ok(), std::io::stdout().is_terminal())
}

/// By the environment, and whether it is a terminal.
fn takes_colours(variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> bool {
    let is = |key: &str, what: fn(&str) -> bool| variable(key).is_some_and(|value| what(&value));
    let is_forced = is("CLICOLOR_FORCE", |value| value != "0");
    !is("NO_COLOR", |value| !value.is_empty()) && (is_forced || is_terminal && !is("TERM", |value| value == "dumb"))
}

/// `text` in `style`, where colours are taken.
pub fn paint(style: Style, text: &str) -> String {
    if coloured() { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// `text` as the beginning of an error message, where standard error takes colours.
pub fn paint_error(text: &str) -> String {
    let variable = |key: &str| std::env::var(key).ok().filter(|_| key != "CLICOLOR_FORCE");
    let is_coloured = takes_colours(variable, std::io::stderr().is_terminal());
    if is_coloured { format!("{BAD}{text}{BAD:#}") } else { text.to_owned() }
}

/// Writes prose to standard output: on a terminal lines that are too wide go on below, further to the right.
pub fn print_prose(text: &str) {
    print(&wrapped(text));
}

/// The same to standard error.
pub fn tell(text: &str) {
    eprint!("{}", fold::within(text, fold::columns(&std::io::stderr())));
}

/// Prose as standard output takes it.
pub fn wrapped(text: &str) -> String {
    fold::within(text, terminal_width())
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
    fn colours_are_for_terminals_that_have_them() {
        let takes = |variables: &[(&str, &str)], is_terminal| {
            let find =
                |key: &str| variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
            takes_colours(find, is_terminal)
        };
        assert!(takes(&[("TERM", "xterm"), ("NO_COLOR", "")], true));
        assert!(!takes(&[("TERM", "xterm")], false));
        assert!(!takes(&[("TERM", "dumb")], true));
        assert!(!takes(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(takes(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false));
        assert!(!takes(&[("CLICOLOR_FORCE", "0")], false));
    }
}
