use super::*;

fn lines(unit: Unit, values: &[u64]) -> Vec<String> {
    let histogram = Histogram::default();
    for value in values {
        histogram.observe(*value, unit);
    }
    let mut totals = HistogramTotals::default();
    totals.add(&histogram);
    let mut out = String::new();
    totals.render("m", "a=\"b\"", unit, &mut out);
    out.lines().map(str::to_owned).collect()
}

#[test]
fn a_bound_belongs_to_its_bucket() {
    let found = lines(Unit::Duration, &[500, 501, 1_000, 3_600_000_000, 3_600_000_001]);
    assert_eq!(found[0], "m_bucket{a=\"b\",le=\"0.5\"} 1");
    assert_eq!(found[1], "m_bucket{a=\"b\",le=\"1\"} 3");
    assert_eq!(found[17], "m_bucket{a=\"b\",le=\"1800000\"} 3");
    assert_eq!(found[18], "m_bucket{a=\"b\",le=\"3600000\"} 4");
    assert_eq!(found[19], "m_bucket{a=\"b\",le=\"+Inf\"} 5");
    assert_eq!(found[20], "m_sum{a=\"b\"} 7200002.002");
    assert_eq!(found[21], "m_count{a=\"b\"} 5");
    assert_eq!(found.len(), 22);
}

#[test]
fn bytes_are_whole() {
    let found = lines(Unit::Bytes, &[0, 1, 2, 3_600_000, 3_600_001]);
    assert_eq!(found[0], "m_bucket{a=\"b\",le=\"0.5\"} 1");
    assert_eq!(found[1], "m_bucket{a=\"b\",le=\"1\"} 2");
    assert_eq!(found[2], "m_bucket{a=\"b\",le=\"5\"} 3");
    assert_eq!(found[18], "m_bucket{a=\"b\",le=\"3600000\"} 4");
    assert_eq!(found[20], "m_sum{a=\"b\"} 7200004");
}

#[test]
fn the_bounds_of_both_units_are_the_printed_ones() {
    for (index, printed) in BOUNDS.iter().enumerate() {
        let (whole, tenths) = printed.split_once('.').unwrap_or((printed, "0"));
        let whole: u64 = whole.parse().unwrap();
        let tenths: u64 = tenths.parse().unwrap();
        assert_eq!(Unit::Duration.bounds()[index], whole * 1000 + tenths * 100);
        assert_eq!(Unit::Bytes.bounds()[index], whole);
    }
}

#[test]
fn without_labels_there_is_no_comma() {
    let mut out = String::new();
    HistogramTotals::default().render("m", "", Unit::Bytes, &mut out);
    assert!(out.starts_with("m_bucket{le=\"0.5\"} 0\n"), "{out}");
    assert!(out.ends_with("m_sum{} 0\nm_count{} 0\n"), "{out}");
}
