//! A picture of the figures that matter most: bars, as SVG that needs nothing else.

use super::{Line, figure, none};
use crate::{
    rate::{Rate, Shown},
    rounds::Samples,
    row::{Better, Row},
    way::Way,
};

/// Size of the picture and its parts, in pixels.
const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
/// Where bars begin, and the room behind the longest of them for its figure.
const BARS: f64 = 160.0;
const BEHIND: f64 = 150.0;
/// Heights: of the picture's title, of a panel's title, of a bar and the gap below, of the last line.
const HEAD: f64 = 64.0;
const PANEL: f64 = 34.0;
const BAR: f64 = 14.0;
const STEP: f64 = 21.0;
const FOOT: f64 = 40.0;

/// What is shown.
const PANELS: [Row; 3] = [Row::RequestCpu, Row::Paced(Rate::Published, Shown::P50OverDirect), Row::Throughput];

/// Colours for light and dark surroundings, with a ground of its own, so that it is readable on either.
const STYLE: &str = "\
text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.panel { font-weight: 600 }
.quiet { fill: #59636e }
.ours { font-weight: 600 }
.ground { fill: #ffffff }
.bar { fill: #afb8c1 }
.bar-ours { fill: #0969da }
.spread { stroke: #59636e; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .ground { fill: #0d1117 }
  .bar { fill: #484f58 }
  .bar-ours { fill: #4493f8 }
  .spread { stroke: #9198a1 }
}
";

/// The picture of `ways`, in their order; `machine` and `date` are told below the title.
pub(super) fn svg(samples: &Samples, ways: &[Way], machine: &str, date: &str) -> String {
    let mut chart = Chart { body: String::new(), y: HEAD };
    for row in PANELS {
        chart.panel(&Line::of(row, samples), ways);
    }
    chart.text(
        MARGIN,
        chart.y + FOOT / 2.0,
        "quiet",
        "Medians; lines are the least and the greatest of all rounds. Ripstop in blue.",
    );
    let height = chart.y + FOOT;
    let machine = escaped(machine);
    let (title, middle) = ("Ripstop beside others", MARGIN + 30.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">{title}: CPU, latency and requests/s of a pair of \
         proxies</title>\n<style>\n{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"{}\">{title}</text>\n\
         <text class=\"quiet\" x=\"{MARGIN}\" y=\"{middle}\">{date}, {machine}</text>\n{}</svg>\n",
        MARGIN + 10.0,
        chart.body
    )
}

/// What is drawn from top to bottom.
struct Chart {
    body: String,
    y: f64,
}

// === impl Chart ===

impl Chart {
    /// A title, and a bar for each way; nothing where nothing was measured.
    fn panel(&mut self, line: &Line, ways: &[Way]) {
        let most = line.spreads.values().map(|spread| spread.most).fold(0.0, f64::max);
        if line.spreads.is_empty() {
            return;
        }
        let better = match line.row.better() {
            Better::Less => "less is better",
            Better::More => "more is better",
        };
        self.text(MARGIN, self.y + PANEL - 14.0, "panel", &format!("{} ({better})", line.row.title()));
        self.y += PANEL;
        let place = |value: f64| BARS + if most > 0.0 { value.max(0.0) / most * (WIDTH - BARS - BEHIND) } else { 0.0 };
        for way in ways {
            let (text, bar) = if way.is_mesh() { ("ours", "bar bar-ours") } else { ("", "bar") };
            let base = self.y + BAR - 3.0;
            self.text(MARGIN, base, text, way.title());
            let spread = line.spreads.get(way);
            if let Some(spread) = spread {
                let (y, width) = (self.y, place(spread.median) - BARS);
                self.put(&format!(
                    "<rect class=\"{bar}\" x=\"{BARS}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>"
                ));
                let (from, to, middle) = (place(spread.least), place(spread.most), y + BAR / 2.0);
                self.put(&format!(
                    "<line class=\"spread\" x1=\"{from:.1}\" y1=\"{middle:.1}\" x2=\"{to:.1}\" y2=\"{middle:.1}\"/>"
                ));
            }
            let end = spread.map_or(BARS, |spread| place(spread.most)) + 8.0;
            self.text(end, base, text, &spread.map_or_else(none, |spread| figure(spread.median)));
            self.y += STEP;
        }
    }

    fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.put(&format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text)));
    }

    fn put(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }
}

/// For the text of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
