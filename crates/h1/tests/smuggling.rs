//! Tables of what attackers send, with the exact verdict on each.

mod rows;

use std::collections::BTreeSet;

use rows::{REQUESTS, Verdict, requests, responses, responses::ROWS as RESPONSES};

#[test]
fn every_request_gets_its_verdict() {
    let mut wrong = Vec::new();
    for (table, rows) in REQUESTS {
        for row in rows {
            let verdict = requests(row.raw, &[]).to_string();
            if verdict != row.verdict {
                wrong.push(format!("{table}\t{}\t{verdict}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "other verdicts:\n{}", wrong.join("\n"));
}

#[test]
fn every_response_gets_its_verdict() {
    let mut wrong = Vec::new();
    for row in RESPONSES {
        let verdict = responses(row.asked, row.raw, &[]).to_string();
        if verdict != row.verdict {
            wrong.push(format!("responses\t{}\t{verdict}", row.name));
        }
    }
    assert!(wrong.is_empty(), "other verdicts:\n{}", wrong.join("\n"));
}

/// However the bytes arrive, the verdict is the same, and so is every byte that is passed on.
#[test]
fn every_split_gives_the_same_verdict() {
    let same = |name: &str, whole: &Verdict, judge: &dyn Fn(&[usize]) -> Verdict, length: usize| {
        let single: Vec<usize> = (0..=length).collect();
        let pairs = (0..=length).map(|place| vec![place]);
        for places in [single].into_iter().chain(pairs) {
            let mut split = judge(&places);
            // Of a body that is refused, what came before the refused byte may have been passed on already.
            if let (Some(ours), Some(theirs)) = (split.messages.last_mut(), whole.messages.last())
                && whole.refused()
                && !theirs.complete
            {
                assert!(ours.raw.starts_with(&theirs.raw) && ours.data.starts_with(&theirs.data), "{name}");
                ours.raw.clone_from(&theirs.raw);
                ours.trailers.clone_from(&theirs.trailers);
            }
            assert_eq!(&split, whole, "{name} in pieces {places:?}");
        }
    };
    for row in REQUESTS.iter().flat_map(|(_, rows)| *rows) {
        same(row.name, &requests(row.raw, &[]), &|places| requests(row.raw, places), row.raw.len());
    }
    for row in RESPONSES {
        let judge = |places: &[usize]| responses(row.asked, row.raw, places);
        same(row.name, &judge(&[]), &judge, row.raw.len());
    }
}

/// What is accepted and passed on untouched is what came, byte by byte.
#[test]
fn what_is_accepted_passes_untouched() {
    for row in REQUESTS.iter().flat_map(|(_, rows)| *rows) {
        let verdict = requests(row.raw, &[]);
        let mut rest = row.raw;
        for message in &verdict.messages {
            // The one empty line that is ignored before a request.
            rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
            assert!(rest.starts_with(&message.raw), "{}", row.name);
            rest = &rest[message.raw.len()..];
        }
    }
    for row in RESPONSES {
        let verdict = responses(row.asked, row.raw, &[]);
        let passed: Vec<u8> = verdict.messages.iter().flat_map(|message| message.raw.clone()).collect();
        assert!(row.raw.starts_with(&passed), "{}", row.name);
    }
}

#[test]
fn the_tables_are_complete_and_without_doubles() {
    let mut rows = 0;
    for (table, of) in REQUESTS {
        let names: BTreeSet<_> = of.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), of.len(), "a name is twice in {table}");
        rows += of.len();
    }
    let names: BTreeSet<_> = RESPONSES.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), RESPONSES.len());
    assert!(rows + RESPONSES.len() > 460, "rows were lost");
    // The list of trophies: 48 of servers, 24 of proxies (there is no eighth).
    let garden: BTreeSet<_> = rows::garden::ROWS.iter().map(|row| row.name).collect();
    for number in 1..=48 {
        assert!(garden.contains(format!("server {number}").as_str()), "server {number}");
    }
    for number in (1..=25).filter(|number| *number != 8) {
        assert!(garden.contains(format!("proxy {number}").as_str()), "proxy {number}");
    }
}
