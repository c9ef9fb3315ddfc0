use super::documents;

#[track_caller]
fn assert_documents(text: &str, expected: &[(&str, u32)]) {
    let chunks = documents(text);
    let seen: Vec<_> = chunks.iter().map(|chunk| (chunk.text, chunk.line)).collect();
    assert_eq!(seen, expected);
    for chunk in chunks {
        assert_eq!(&text[chunk.start..chunk.start + chunk.text.len()], chunk.text);
    }
}

#[test]
fn marks_cut_and_blank_documents_are_left_out() {
    assert_documents("a\n---\nb\n", &[("a\n", 1), ("---\nb\n", 2)]);
    assert_documents("---\n# c\n---\nb", &[("---\nb", 3)]);
    assert_documents("--- a\n---\tb\n", &[("--- a\n", 1), ("---\tb\n", 2)]);
    assert_documents("a\n... # end\nb\n", &[("a\n", 1), ("b\n", 3)]);
}

#[test]
fn what_only_looks_like_a_mark_does_not_cut() {
    assert_documents("----\n ---\n---a\n... b\n", &[("----\n ---\n---a\n... b\n", 1)]);
}

#[test]
fn directives_belong_to_the_document_below() {
    assert_documents("%YAML 1.2\n---\na\n---\nb\n", &[("%YAML 1.2\n---\na\n", 1), ("---\nb\n", 4)]);
    assert_documents("a\n...\n# c\n%TAG ! !x\n---\nb", &[("a\n", 1), ("# c\n%TAG ! !x\n---\nb", 3)]);
}

#[test]
fn every_line_break_counts() {
    assert_documents("a\r\n---\r\nb\r\n", &[("a\r\n", 1), ("---\r\nb\r\n", 2)]);
    assert_documents("# c\ra\r---\rb", &[("# c\ra\r", 1), ("---\rb", 3)]);
    assert_documents("\u{feff}a\n", &[("a\n", 1)]);
}
