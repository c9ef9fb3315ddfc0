use super::*;

#[test]
fn processes_are_found_by_either_name() {
    let rows =
        [json!({"name": "control", "kind": "role"}), json!({"name": "web-0", "namespace": "shop", "process": "web"})];
    let rows: Vec<&Value> = rows.iter().collect();
    for (name, process) in [("web-0", "web"), ("web", "web"), ("cart", "cart")] {
        assert_eq!(declared_name(&rows, name).unwrap(), process);
    }
    assert!(declared_name(&rows, "control").unwrap_err().to_string().contains("in no file"));
    assert!(is_called(rows[1], "web") && is_called(rows[1], "web-0") && !is_called(rows[1], "we"));
    let mut rows = vec![rows[1].clone()];
    let objects = json!([
        {"kind": "Process", "namespace": "shop", "name": "web"},
        {"kind": "Process", "namespace": "shop", "name": "idle"},
    ]);
    add_declared(&mut rows, &objects, &["web".into(), "idle".into()]);
    let states: Vec<_> = rows.iter().map(|row| (text(row, "name"), text(row, "state"))).collect();
    assert_eq!(states, [("web-0", ""), ("idle", "no instance")]);
}

#[test]
fn ports_of_gateways_are_of_the_namespaces_of_their_objects_too() {
    let mut rows = [json!({"gateway": "istio-system/edge", "port": 443}), json!({"gateway": "a/b", "port": 443})];
    let objects = json!([{"gateway": "istio-system/edge", "port": 443, "gateways": ["shop/web"]}]);
    with_objects(&mut rows, &objects);
    for (namespace, expected) in [("istio-system", [true, false]), ("shop", [true, false]), ("a", [false, true])] {
        let found = rows.each_ref().map(|row| is_of_gateway(row, |own| own == namespace));
        assert_eq!(found, expected, "{namespace}");
    }
}

#[test]
fn findings_are_taken_from_a_level_on() {
    let row = |level: &str| json!({ "level": level });
    for (least, expected) in
        [(Level::Error, [true, false, false]), (Level::Warning, [true, true, false]), (Level::Info, [true, true, true])]
    {
        assert_eq!(["error", "warning", "info"].map(|level| least.least().takes(&row(level))), expected);
    }
}
