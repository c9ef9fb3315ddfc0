//! What there is, as tables.

use std::fmt::Write as _;

use serde_json::Value;

use crate::output::{BAD, DIM, GOOD, Table, WARN, Wide, paint, print_prose};

/// Everything that runs, and whether it is in the mesh.
pub fn workloads(rows: &[Value], wide: bool) {
    instances(rows, Wide::of(wide)).print("No workloads here.");
    for row in rows {
        let reason = text(&row["mesh"], "reason");
        if !reason.is_empty() && row["running"] != false {
            let name = format!("{}/{}", text(row, "namespace"), text(row, "name"));
            let word = Meshed::of(row).shown();
            print_prose(&format!("{word} {name}: {reason}\n"));
        }
    }
}

/// Workloads as a table, unprinted.
pub fn instances(rows: &[Value], wide: Wide) -> Table {
    let is_wide = wide == Wide::Asked;
    let mut header = vec!["NAMESPACE", "NAME", "NODE", "ADDRESS", "READY", "RESTARTS", "MESHED", "DECIDED BY", "PLAIN"];
    header.push("DRAINING");
    if is_wide {
        header.extend(["PROXY", "SERVICE ACCOUNT", "WAYPOINT", "GROUP", "PID (INSIDE)", "UID"]);
    }
    let short = |cell: &str| cell.replace("istio.io/", "").replace(" (namespace)", " (ns)");
    let mut table = Table::new(&header).with(wide).sparing(&["DECIDED BY"]).shortening("DECIDED BY", short);
    for row in rows {
        let mesh = &row["mesh"];
        let addresses = row["addresses"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shown = if is_wide { addresses } else { &addresses[..addresses.len().min(1)] };
        let shown: Vec<&str> = shown.iter().filter_map(Value::as_str).collect();
        let ready = match (row["running"].as_bool(), row["ready"].as_bool()) {
            (Some(true), _) if row["quarantine"].is_object() => paint(WARN, "quarantine"),
            (_, Some(true)) => paint(GOOD, "yes"),
            (Some(false), _) => down(text(row, "state")),
            _ => paint(WARN, "no"),
        };
        let mut cells = vec![
            text(row, "namespace").into(),
            text(row, "name").into(),
            text(row, "node").into(),
            shown.join(","),
            ready,
            number(&row["restarts"]),
            Meshed::of(row).shown(),
            decided_by(mesh),
            number(&mesh["plain"]),
            number(&mesh["draining"]),
        ];
        if is_wide {
            let [account, group, uid] = ["service_account", "group", "uid"].map(|key| text(row, key).to_owned());
            cells.extend([text(mesh, "proxy").to_owned(), account, waypoint(row), group, number(&row["pid"]), uid]);
        }
        table.row(cells);
    }
    table
}

/// What became of a workload that does not run.
fn down(state: &str) -> String {
    match state {
        "" => paint(BAD, "stopped"),
        "exited(0)" | "pending" => paint(WARN, state),
        state => paint(BAD, state),
    }
}

/// Gives workloads the state that the supervisor knows them in.
pub fn with_states(workloads: &mut [Value], processes: &Value) {
    for row in workloads {
        let is_it = |process: &&Value| ["namespace", "name"].iter().all(|key| process[*key] == row[*key]);
        let process = processes.as_array().into_iter().flatten().find(is_it);
        row["state"] = process.map_or(Value::Null, |process| process["state"].clone());
    }
}

/// Ports of gateways, and where they are on this machine.
pub fn gateways(rows: &[Value], wide: Wide) {
    let mut header = vec!["GATEWAY", "PORT", "PROTOCOL", "ON THIS MACHINE"];
    if wide == Wide::Asked {
        header.push("GATEWAYS");
    }
    let mut table = Table::new(&header).with(wide);
    for row in rows {
        let place = match text(row, "url") {
            "" => paint(WARN, text(row, "error")),
            url => paint(GOOD, url),
        };
        let mut cells = vec![text(row, "gateway").into(), number(&row["port"]), text(row, "protocol").into(), place];
        if wide == Wide::Asked {
            let objects = row["gateways"].as_array().into_iter().flatten().filter_map(Value::as_str);
            cells.push(objects.collect::<Vec<_>>().join(", "));
        }
        table.row(cells);
    }
    table.print("Nothing listens: no Gateway is declared that a gateway serves.");
}

/// Whether a workload is in the mesh now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meshed {
    NotRunning,
    No,
    Joining,
    Pending,
    Yes,
    /// Captured, and nobody serves what is captured.
    Down,
    Native,
    Gateway,
    Waypoint,
    Leaving,
}

// === impl Meshed ===

impl Meshed {
    fn of(row: &Value) -> Self {
        let mesh = &row["mesh"];
        let enrolled = mesh["enrolled"] == true;
        match text(mesh, "state") {
            _ if row["running"] == false => Self::NotRunning,
            "NATIVE" => Self::Native,
            "GATEWAY" => Self::Gateway,
            "WAYPOINT" => Self::Waypoint,
            // Also before the agent has heard of it.
            "CAPTURED" if !enrolled => Self::Leaving,
            "CAPTURED" if text(mesh, "reason").is_empty() => Self::Yes,
            "CAPTURED" => Self::Down,
            "DRAINING" => Self::Leaving,
            "PENDING" => Self::Pending,
            _ if enrolled => Self::Joining,
            _ => Self::No,
        }
    }

    /// In one word.
    fn shown(self) -> String {
        match self {
            Self::NotRunning => "-".into(),
            Self::No => "no".into(),
            Self::Joining => paint(WARN, "joining"),
            Self::Pending => paint(WARN, "PENDING"),
            Self::Yes => paint(GOOD, "yes"),
            Self::Down => paint(BAD, "DOWN"),
            Self::Native => paint(GOOD, "native"),
            Self::Gateway => paint(GOOD, "gateway"),
            Self::Waypoint => paint(GOOD, "waypoint"),
            Self::Leaving => paint(WARN, "leaving"),
        }
    }
}

fn decided_by(mesh: &Value) -> String {
    match (text(mesh, "key"), text(mesh, "level")) {
        ("", _) => paint(DIM, "-"),
        (key, level) => format!("{key} ({level})"),
    }
}

/// Services, their addresses and endpoints.
pub fn services(rows: &[Value], wide: bool) {
    let table = Table::new(&["NAMESPACE", "NAME", "ADDRESS", "PORTS", "READY", "WAYPOINT", "HOST"]);
    let mut table = table.with(Wide::of(wide)).sparing(&["HOST"]);
    for row in rows {
        let ports = row["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ports: Vec<String> = ports
            .iter()
            .map(|port| match port {
                Value::Object(_) => format!("{} {}", number(&port["port"]), text(port, "name")).trim().to_owned(),
                other => number(other),
            })
            .collect();
        let (ready, all) = (row["ready"].as_u64().unwrap_or(0), row["endpoints"].as_u64().unwrap_or(0));
        let style = if ready == 0 { WARN } else { GOOD };
        table.row(vec![
            text(row, "namespace").into(),
            text(row, "name").into(),
            row["vip"].as_str().filter(|vip| !vip.is_empty()).unwrap_or("headless").into(),
            ports.join(", "),
            paint(style, &format!("{ready}/{all}")),
            waypoint(row),
            text(row, "hostname").into(),
        ]);
    }
    table.drop_if_all("WAYPOINT", "");
    table.print("No services here.");
}

/// The waypoint that callers of a service or workload go through: its name, with its namespace if that is another.
fn waypoint(row: &Value) -> String {
    let waypoint = &row["waypoint"];
    match (text(waypoint, "namespace"), text(waypoint, "name")) {
        (namespace, name) if namespace == text(row, "namespace") => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}").trim_matches('/').to_owned(),
    }
}

/// The mesh's own processes and the workloads.
pub fn processes(rows: &[Value], wide: bool) {
    let mut header = vec!["NAME", "KIND", "NODE", "PID (INSIDE)", "STATE", "RESTARTS"];
    if wide {
        header.push("LOG");
    }
    let mut table = Table::new(&header).with(Wide::of(wide));
    for row in rows {
        let name = match text(row, "namespace") {
            "" => text(row, "name").to_owned(),
            namespace => format!("{namespace}/{}", text(row, "name")),
        };
        let mut cells = vec![
            name,
            text(row, "kind").into(),
            text(row, "node").into(),
            row["pid"].as_u64().map_or_else(|| "-".into(), |pid| pid.to_string()),
            text(row, "state").into(),
            number(&row["restarts"]),
        ];
        if wide {
            cells.push(text(row, "log").into());
        }
        table.row(cells);
    }
    table.print("Nothing runs.");
    for row in rows.iter().filter(|row| !text(row, "error").is_empty()) {
        let parts = ["namespace", "name"].map(|key| text(row, key));
        let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        print_prose(&format!("{} {name}: {}\n", paint(BAD, "not started"), text(row, "error")));
    }
}

/// What is wrong.
pub fn findings(rows: &[Value]) {
    if rows.is_empty() {
        print_prose("Nothing is wrong with the configuration.\n");
    }
    for row in rows {
        print_prose(&finding(row));
    }
}

/// One finding as a line, with its hint below.
pub fn finding(row: &Value) -> String {
    let style = match text(row, "level") {
        "error" => BAD,
        "warning" => WARN,
        _ => DIM,
    };
    let place = format!("{}:{}:{}", text(row, "file"), number(&row["line"]), number(&row["column"]));
    let path = text(row, "path");
    let path = if path.is_empty() { String::new() } else { format!(" {path}") };
    let object = match text(row, "object") {
        "" => String::new(),
        object => format!(" {object}"),
    };
    let level = paint(style, &format!("{} {}", text(row, "level"), text(row, "code")));
    let mut line = format!("{place}: {level}{object}{path}: {}\n", text(row, "message"));
    if !text(row, "hint").is_empty() {
        let _ = writeln!(line, "    {}", paint(DIM, text(row, "hint")));
    }
    line
}

/// A string field, empty if it is missing.
pub fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or("")
}

fn number(value: &Value) -> String {
    match value {
        Value::Null => "0".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_in_quarantine_is_not_ready_for_anything() {
        let row = |quarantine: Value| json!({"running": true, "ready": true, "quarantine": quarantine, "mesh": {}});
        let shown = |row: Value| instances(&[row], Wide::Offered).render(None);
        assert!(shown(row(json!({"rule": "r", "peers": []}))).contains("quarantine"));
        assert!(!shown(row(Value::Null)).contains("quarantine"));
    }

    #[test]
    fn what_does_not_run_is_shown_in_its_state() {
        let mut rows =
            ["a", "b", "c"].map(|name| json!({"namespace": "s", "name": name, "running": false, "mesh": {}}));
        let processes = json!([
            {"namespace": "s", "name": "a", "state": "backoff"},
            {"namespace": "s", "name": "b", "state": "exited(1)"},
            {"namespace": "t", "name": "c", "state": "running"},
        ]);
        with_states(&mut rows, &processes);
        let shown = instances(&rows, Wide::Offered).render(None);
        for (line, word) in shown.lines().skip(1).zip(["backoff", "exited(1)", "stopped"]) {
            assert!(line.contains(word), "{line}");
        }
    }

    #[test]
    fn what_is_meshed_is_what_is_true() {
        let table = [
            (true, true, "CAPTURED", "", Meshed::Yes),
            (true, true, "CAPTURED", "no proxy", Meshed::Down),
            (true, false, "CAPTURED", "", Meshed::Leaving),
            (true, false, "DRAINING", "", Meshed::Leaving),
            (true, true, "DRAINING", "", Meshed::Leaving),
            (true, true, "PENDING", "no proxy", Meshed::Pending),
            (true, true, "NONE", "", Meshed::Joining),
            (true, false, "NONE", "", Meshed::No),
            (true, true, "NATIVE", "", Meshed::Native),
            (true, false, "GATEWAY", "", Meshed::Gateway),
            (true, false, "WAYPOINT", "", Meshed::Waypoint),
            (false, true, "CAPTURED", "", Meshed::NotRunning),
            (false, false, "NONE", "", Meshed::NotRunning),
        ];
        for (running, enrolled, state, reason, expected) in table {
            let row = json!({"running": running, "mesh": {"enrolled": enrolled, "state": state, "reason": reason}});
            assert_eq!(Meshed::of(&row), expected, "{row}");
        }
    }
}
