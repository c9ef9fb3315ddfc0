//! Whatever the text, reading and editing it ends well.

use proptest::prelude::*;
use ripstop_api::{Kind, Level, ObjectId, edit, parse_file};

#[path = "arbitrary/objects.rs"]
mod objects;

/// Pieces that, put together, are often almost a document.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("apiVersion: v1\n".to_owned()),
        Just("apiVersion: security.istio.io/v1\n".to_owned()),
        Just("apiVersion: ripstop.dev/v1alpha1\n".to_owned()),
        Just("kind: Namespace\n".to_owned()),
        Just("kind: Service\n".to_owned()),
        Just("kind: Process\n".to_owned()),
        Just("kind: PeerAuthentication\n".to_owned()),
        Just("kind: List\nitems:\n- ".to_owned()),
        Just("metadata:\n  name: a\n".to_owned()),
        Just("metadata: {name: a, labels: {b: c}}\n".to_owned()),
        Just("spec:\n  ports:\n  - port: 80\n".to_owned()),
        Just("spec:\n  mtls:\n    mode: STRICT\n".to_owned()),
        Just("spec: {command: [a], readinessProbe: {}}\n".to_owned()),
        Just("---\n".to_owned()),
        Just("...\n".to_owned()),
        Just("%TAG ! x\n".to_owned()),
        Just("  labels: &a {x: y}\n".to_owned()),
        Just("  annotations: *a\n".to_owned()),
        Just("  <<: *a\n".to_owned()),
        "[ -~\n\t\r]{0,12}",
        "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}".to_owned()),
        "[\\[\\]{}:,\"0-9a-z\\\\ \n]{0,8}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Ways to write the metadata of a namespace.
fn metadata() -> impl Strategy<Value = String> {
    let pairs = prop::collection::btree_map("[a-z]{1,3}", "v[a-z]{0,2}|\"[0-9]{1,2}\"|'t''t'|\"q\\\\\"q\"", 0..4);
    (pairs, 0..6usize, "( # [a-z]{0,5})?", prop::bool::ANY).prop_map(|(pairs, style, comment, first)| {
        let flow = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ");
        let block = |indent: &str| {
            let lines = pairs.iter().map(|(key, value)| format!("{indent}{key}: {value}{comment}\n"));
            lines.collect::<Vec<_>>().concat()
        };
        let map = match style {
            0 => format!("  annotations:{comment}\n{}", block("    ")),
            1 => format!("  annotations: {{{flow}}}{comment}\n"),
            2 => String::new(),
            3 => format!("  annotations:{comment}\n    # above\n{}    # below\n", block("       ")),
            4 => format!("  annotations: ~{comment}\n"),
            _ => return format!("metadata: {{name: shop, annotations: {{{flow}}}}}{comment}"),
        };
        if first {
            format!("metadata:\n{map}  name: shop{comment}")
        } else {
            format!("metadata:\n  name: shop{comment}\n{map}")
        }
    })
}

/// Reads `object` between two namespaces, which must survive whatever it is.
fn read_between(object: &serde_json::Value) -> Result<(), TestCaseError> {
    // With a `spec`, so that a fragment after it cannot be meant to be its own.
    let neighbour = |name: &str| {
        format!(r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{name}"}}, "spec": {{}}}}"#)
    };
    let (before, after) = (neighbour("before"), neighbour("after"));
    let flow = objects::flow(object);
    for (file, text) in [
        ("a.json", format!("{before}\n{flow}{after}\n")),
        ("a.yaml", format!("{before}\n---\n{flow}---\n{after}\n")),
        ("a.yaml", format!("{before}\n---\n{}---\n{after}\n", objects::block(object))),
    ] {
        let parsed = parse_file(file, &text);
        let ids: Vec<_> = parsed.objects.iter().map(|object| object.id.to_string()).collect();
        for neighbour in ["Namespace/before", "Namespace/after"] {
            prop_assert!(ids.iter().any(|id| id == neighbour), "{neighbour} is lost: {:?}\n{text}", parsed.findings);
        }
        let errors: Vec<_> = parsed.findings.iter().filter(|finding| finding.level == Level::Error).collect();
        let failed = !parsed.broken.is_empty() || parsed.unreadable;
        prop_assert!(!failed || !errors.is_empty(), "{text}");
        // Of two objects of one name the first counts, and both have the finding.
        let repeated = errors.iter().any(|error| error.code == "RS122");
        for id in parsed.objects.iter().map(|object| &object.id).filter(|_| !repeated) {
            let refused = parsed.broken.contains(id) || errors.iter().any(|error| error.object.as_ref() == Some(id));
            prop_assert!(!refused, "{id} has an error and is read: {errors:?}\n{text}");
        }
        let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        for finding in &parsed.findings {
            prop_assert!((1..=lines).contains(&finding.position.line), "{finding} in {text}");
            prop_assert!(!finding.message.is_empty() && !finding.message.ends_with('.'), "{finding}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_to_its_end(text in "\\PC{0,80}|[ -~\n\t\r]{0,120}") {
        let _ = parse_file("a.yaml", &text);
        let _ = parse_file("a.json", &text);
    }

    #[test]
    fn almost_documents_give_objects_or_findings(text in pieces()) {
        let parsed = parse_file("a.yaml", &text);
        let lines = u32::try_from(text.split(['\n', '\r']).count()).unwrap_or(u32::MAX);
        for finding in &parsed.findings {
            prop_assert!((1..=lines + 1).contains(&finding.position.line), "{finding} in {text:?}");
        }
        let failed = !parsed.broken.is_empty() || parsed.unreadable;
        prop_assert!(!failed || parsed.findings.iter().any(|finding| finding.level == Level::Error), "{text:?}");
        for object in &parsed.objects {
            prop_assert!(!parsed.findings.iter().any(|finding| {
                finding.level == Level::Error && finding.object.as_ref() == Some(&object.id) && finding.code != "RS122"
            }) || parsed.findings.iter().any(|finding| finding.code == "RS122") , "{text:?}");
        }
    }

    #[test]
    fn almost_json_is_read_to_its_end(text in json()) {
        let _ = parse_file("a.json", &text);
        let _ = parse_file("a.yaml", &text);
    }

    #[test]
    fn objects_with_anything_wrong_lose_no_neighbour(object in objects::changed()) {
        read_between(&object)?;
    }

    #[test]
    fn trees_of_any_fields_lose_no_neighbour(object in objects::tree()) {
        read_between(&object)?;
    }

    #[test]
    fn edits_read_back(
        metadata in metadata(),
        key in "[a-z]{1,3}",
        value in prop::option::of("\\PC{0,8}|true|[0-9]{1,3}"),
        windows in prop::bool::ANY,
    ) {
        let line_break = if windows { "\r\n" } else { "\n" };
        let text = format!("# top\napiVersion: v1\nkind: Namespace\n{metadata}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: other}}\n");
        let text = text.replace("\n\n", "\n").replace('\n', line_break);
        let id = ObjectId { kind: Kind::Namespace, namespace: String::new(), name: "shop".into() };
        let before = parse_file("a.yaml", &text);
        prop_assert_eq!(&before.findings, &[], "{}", text);
        let edited = edit::set_metadata(&text, &id, &[], &[(key.clone(), value.clone())]);
        let edited = edited.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let after = parse_file("a.yaml", &edited);
        prop_assert_eq!(&after.findings, &[], "{}", edited);
        let had_value = before.objects[0].meta.annotations.contains_key(&key);
        let mut expected = before.objects[0].meta.clone();
        let removes = value.is_none();
        match value {
            Some(value) => expected.annotations.insert(key, value),
            None => expected.annotations.remove(&key),
        };
        prop_assert_eq!(&after.objects[0].meta, &expected, "{}", edited);
        prop_assert_eq!(&after.objects[1].meta, &before.objects[1].meta);
        let lost = usize::from(had_value && removes);
        prop_assert!(edited.matches('#').count() + lost >= text.matches('#').count(), "a comment is lost:\n{text}\n{edited}");
    }

    #[test]
    fn edits_of_anything_fail_or_read_back(text in pieces(), json in json()) {
        let id = ObjectId { kind: Kind::Namespace, namespace: String::new(), name: "a".into() };
        for text in [text, json] {
            if let Ok(edited) = edit::set_metadata(&text, &id, &[("k".into(), Some("1".into()))], &[]) {
                let again = edit::set_metadata(&edited, &id, &[("k".into(), Some("1".into()))], &[]);
                prop_assert_eq!(again.as_ref(), Ok(&edited));
            }
        }
    }
}
