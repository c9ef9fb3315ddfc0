use super::*;

fn samples() -> Samples {
    let mut samples = Samples::new();
    for (index, way) in Way::ALL.into_iter().enumerate() {
        let figure = f64::from(u32::try_from(index).unwrap()) * 10.0;
        samples.insert((Row::Throughput, way), vec![figure, figure + 2.0, figure + 4.0]);
        if way != Way::Direct {
            samples.insert((Row::RequestCpu, way), vec![figure]);
        }
    }
    samples.insert((Row::Paced(Rate::Published, Shown::P50OverDirect), Way::Mesh), vec![-5.0]);
    samples
}

fn drawn() -> String {
    svg(&samples(), &Way::ALL, "2 CPUs (A & B <C>)", "2026-11-20")
}

/// Panics unless every tag is closed in order, every attribute is quoted and no character stands where it may not.
fn assert_well_formed(text: &str) {
    let mut open = Vec::new();
    let mut parts = text.split('<');
    assert_eq!(parts.next().unwrap().trim(), "", "text before the first element");
    for part in parts {
        let (tag, behind) = part.split_once('>').unwrap_or_else(|| panic!("no end of <{part}"));
        assert!(!behind.contains('>') && !tag.contains('&'), "{part}");
        let mut references = behind.split('&');
        references.next();
        for reference in references {
            let known = ["amp;", "lt;", "gt;"].iter().any(|name| reference.starts_with(name));
            assert!(known, "&{reference}");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()));
            assert!(!open.is_empty() || behind.trim().is_empty(), "text behind the last element");
            continue;
        }
        let (inner, is_empty) = tag.strip_suffix('/').map_or((tag, false), |inner| (inner, true));
        let (name, attributes) = inner.split_once(' ').unwrap_or((inner, ""));
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase()), "{name:?}");
        let pieces: Vec<&str> = attributes.split('"').collect();
        assert!(pieces.len() % 2 == 1 && pieces.last().unwrap().is_empty(), "{attributes}");
        let mut names: Vec<&str> =
            pieces.iter().step_by(2).map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
        assert!(names.iter().all(|name| name.ends_with('=') && !name.contains(' ')), "{attributes}");
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "an attribute twice: {attributes}");
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn it_is_well_formed() {
    assert_well_formed(&drawn());
    assert_well_formed(&svg(&Samples::new(), &[], "", ""));
}

#[test]
fn it_names_every_way_the_machine_and_the_date() {
    let text = drawn();
    for way in Way::ALL {
        assert_eq!(text.matches(&format!(">{}</text>", way.title())).count(), 3, "{way}");
    }
    assert!(text.contains("2026-11-20, 2 CPUs (A &amp; B &lt;C&gt;)"), "{text}");
}

#[test]
fn no_bar_leaves_the_picture_and_figures_stand_behind_them() {
    let text = drawn();
    let widths = text.lines().filter(|line| line.starts_with("<rect class=\"bar"));
    let widths: Vec<f64> =
        widths.map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()).collect();
    assert_eq!(widths.len(), Way::ALL.len() + (Way::ALL.len() - 1) + 1);
    assert!(widths.iter().all(|width| (0.0..=WIDTH - BARS - BEHIND).contains(width)), "{widths:?}");
    assert!(text.contains(">72.0</text>") && text.contains(">-5.00</text>") && text.contains(">–</text>"), "{text}");
}

#[test]
fn what_was_not_measured_has_no_panel() {
    let mut samples = samples();
    samples.retain(|(row, _), _| *row == Row::Throughput);
    let text = svg(&samples, &Way::ALL, "", "");
    assert!(text.contains(&Row::Throughput.title()) && !text.contains(&Row::RequestCpu.title()), "{text}");
}
