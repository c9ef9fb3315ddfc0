//! Columns of block characters.

/// Heights of a column within one line, from nothing to all of it.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Where there is no value.
const NOTHING: char = '·';

/// Draws `values`, a column each, from 0 to their largest, in `height` lines with the axis of `label`ed ends; the latest
/// values where there are more than `width` columns.
pub fn chart(values: &[Option<f64>], width: usize, height: usize, label: impl Fn(f64) -> String) -> Vec<String> {
    let shown = &values[values.len().saturating_sub(width)..];
    let largest = shown.iter().flatten().copied().fold(0.0, f64::max);
    let (top, bottom) = (label(largest), label(0.0));
    let margin = top.chars().count().max(bottom.chars().count());
    (0..height)
        .map(|line| {
            let axis = match line {
                0 => &*top,
                _ if line + 1 == height => &*bottom,
                _ => "",
            };
            let above = height - 1 - line;
            let column = |value: &Option<f64>| match value {
                Some(value) => block(*value, largest, above, height),
                None if above == 0 => NOTHING,
                None => BLOCKS[0],
            };
            let columns: String = shown.iter().map(column).collect();
            format!("{axis:>margin$} ┤{columns}")
        })
        .collect()
}

/// What a column shows on the line `above` the lowest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a few lines of eighths"
)]
fn block(value: f64, largest: f64, above: usize, height: usize) -> char {
    if largest <= 0.0 {
        return BLOCKS[0];
    }
    let eighths = (value / largest * height as f64 * 8.0).round() as usize;
    // Something is never shown as nothing.
    let eighths = if value > 0.0 { eighths.max(1) } else { 0 };
    BLOCKS[eighths.saturating_sub(above * 8).min(8)]
}
