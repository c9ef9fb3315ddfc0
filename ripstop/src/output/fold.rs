//! Lines that are no wider than a terminal.

use std::{io::IsTerminal, os::fd::AsFd};

use super::visible;

/// What begins a colour, and what ends all.
const ESCAPE: char = '\x1b';
const RESET: &str = "\x1b[0m";
/// How much further to the right a line goes on.
const HANGING: usize = 2;

/// `text` with no line wider than that, but for words that are: it goes on below, further to the right.
pub(super) fn within(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if visible(line) <= width {
            out.push_str(line);
            out.push_str(end);
            continue;
        }
        let own = line.len() - line.trim_start_matches(' ').len();
        let further = (own + HANGING).min(width / 2);
        let widths = [width.saturating_sub(own), width.saturating_sub(further)];
        for (at, part) in fold(line.trim_start_matches(' '), widths, &[' ']).iter().enumerate() {
            let (indent, glue) = if at == 0 { (own, "") } else { (further, "\n") };
            out.push_str(glue);
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(part);
        }
        out.push_str(end);
    }
    out
}

/// `text` in lines of at most `width`, each ending behind one of `signs`; what has none stays whole. Colours go on in the
/// next line.
pub(super) fn folded(text: &str, width: usize, signs: &[char]) -> Vec<String> {
    fold(text, [width; 2], signs)
}

/// The same; the first line may be of another width.
fn fold(text: &str, [first, others]: [usize; 2], signs: &[char]) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut taken) = (String::new(), 0);
    for piece in text.split_inclusive(signs) {
        let width = if lines.is_empty() { first } else { others };
        let is_full = taken > 0 && taken + visible(piece.trim_end()) > width;
        if is_full {
            lines.push(std::mem::take(&mut line));
            taken = 0;
        }
        let piece = if taken == 0 && !lines.is_empty() { piece.trim_start() } else { piece };
        taken += visible(piece);
        line.push_str(piece);
    }
    lines.push(line);
    let mut style = String::new();
    for line in &mut lines {
        let begun = style.clone();
        for code in codes(line) {
            if code == RESET { style.clear() } else { style.push_str(code) }
        }
        let ended = if style.is_empty() { "" } else { RESET };
        *line = format!("{begun}{}{ended}", line.trim_end());
    }
    lines
}

/// How wide the widest part of `text` is that has none of `signs` inside.
pub(super) fn widest_piece(text: &str, signs: &[char]) -> usize {
    text.split_inclusive(signs).map(|piece| visible(piece.trim_end())).max().unwrap_or(0)
}

/// The colours that `text` begins and ends.
fn codes(text: &str) -> Vec<&str> {
    let begins = text.match_indices(ESCAPE).map(|(at, _)| &text[at..]);
    begins.filter_map(|rest| rest.find('m').map(|end| &rest[..=end])).collect()
}

/// The columns of a terminal; nothing: it is none.
pub(super) fn columns<T: IsTerminal + AsFd>(out: &T) -> Option<usize> {
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(out))?.ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_goes_on_below_further_to_the_right() {
        let text = "a line that is too wide\n    and a hint below it\n\n  short\n";
        assert_eq!(within(text, None), text);
        assert_eq!(within(text, Some(80)), text);
        let narrow = "a line that is\n  too wide\n    and a hint\n      below it\n\n  short\n";
        assert_eq!(within(text, Some(15)), narrow);
        assert_eq!(within("an/address/that/is/too/wide of it", Some(10)), "an/address/that/is/too/wide\n  of it");
    }

    #[test]
    fn colours_go_on_in_the_next_line() {
        let text = "\x1b[2ma dim hint\x1b[0m of it";
        assert_eq!(within(text, Some(8)), "\x1b[2ma dim\x1b[0m\n  \x1b[2mhint\x1b[0m\n  of it");
    }
}
