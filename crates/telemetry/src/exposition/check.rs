//! A strict reader of the text format, for tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A sample: its name, and its labels in order.
pub(crate) type Sample = (String, Vec<(String, String)>);

/// Samples and their values.
pub(crate) type Samples = HashMap<Sample, f64>;

/// Reads an exposition and checks what Prometheus would not take: names, escapes, double samples and
/// labels, families that are not in one piece, and histograms that do not add up.
pub(crate) fn read(text: &str) -> Result<Samples, String> {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let mut kinds = BTreeMap::new();
    let mut family = String::new();
    if !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    for line in text.lines() {
        let bad = |what: &str| Err(format!("{what}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let Some((name, _)) = rest.split_once(' ') else { return bad("help without text") };
            if !is_name(name) || !families.insert(name.to_owned()) {
                return bad("bad or second family");
            }
            name.clone_into(&mut family);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else { return bad("type without kind") };
            if name != family || !["counter", "gauge", "histogram"].contains(&kind) {
                return bad("type of another family");
            }
            if kind == "counter" && !name.ends_with("_total") {
                return bad("counter without _total");
            }
            kinds.insert(family.clone(), kind.to_owned());
        } else {
            let (sample, value) = sample(line).map_err(|what| format!("{what}: {line}"))?;
            let own = match kinds.get(&family).map(String::as_str) {
                Some("histogram") => {
                    ["_bucket", "_sum", "_count"].iter().any(|suffix| sample.0 == format!("{family}{suffix}"))
                }
                Some(_) => sample.0 == family,
                None => false,
            };
            if !own {
                return bad("sample of another family");
            }
            if samples.insert(sample, value).is_some() {
                return bad("second sample");
            }
        }
    }
    for (name, _) in kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        histogram(name, &samples)?;
    }
    Ok(samples)
}

fn histogram(name: &str, samples: &Samples) -> Result<(), String> {
    type Buckets = Vec<(f64, f64)>;
    let mut series: HashMap<Vec<(String, String)>, Buckets> = HashMap::new();
    for ((_, labels), value) in samples.iter().filter(|((found, _), _)| *found == format!("{name}_bucket")) {
        let mut labels = labels.clone();
        let le = labels.iter().position(|(label, _)| label == "le").ok_or("a bucket without le")?;
        let (_, bound) = labels.remove(le);
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| "a bound")? };
        series.entry(labels).or_default().push((bound, *value));
    }
    for (labels, mut buckets) in series {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        if buckets.windows(2).any(|pair| pair[0].1 > pair[1].1) {
            return Err(format!("{name} is not cumulative"));
        }
        let last = buckets.last().copied();
        let count = samples.get(&(format!("{name}_count"), labels.clone())).copied();
        if last.is_none_or(|(bound, _)| bound.is_finite()) || last.map(|(_, value)| value) != count {
            return Err(format!("{name} has no +Inf, or it is not the count"));
        }
        if !samples.contains_key(&(format!("{name}_sum"), labels)) {
            return Err(format!("{name} has no sum"));
        }
    }
    Ok(())
}

fn sample(line: &str) -> Result<(Sample, f64), String> {
    let (head, value) = line.rsplit_once(' ').ok_or("no value")?;
    let value: f64 = value.parse().map_err(|_| "not a number")?;
    let (name, mut rest) = match head.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').ok_or("labels do not end")?),
        None => (head, ""),
    };
    if !is_name(name) {
        return Err("bad name".into());
    }
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"").ok_or("no value of a label")?;
        if !is_name(label) || label.contains(':') || labels.iter().any(|(other, _)| other == label) {
            return Err(format!("bad or second label {label}"));
        }
        let mut text = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next().ok_or("a label does not end")? {
                (index, '"') => break index + 1,
                (_, '\\') => text.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, c @ ('\\' | '"'))) => c,
                    _ => return Err("bad escape".into()),
                }),
                (_, c) => text.push(c),
            }
        };
        labels.push((label.to_owned(), text));
        rest = &quoted[end..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').filter(|rest| !rest.is_empty()).ok_or("labels without comma")?;
        }
    }
    labels.sort();
    Ok(((name.to_owned(), labels), value))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}
