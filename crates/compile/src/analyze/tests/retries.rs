//! Retries.

use super::{Case, check};

const CODES: &[&str] = &["RS07", "RS10"];

const GROUND: &str = "";

const CASES: &[Case] = &[
    Case {
        title: "attempts that do not fit, one that does, and those that nothing limits",
        mesh: "
VirtualService shop/a {hosts: [a], http: [
  {match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}], timeout: 10s, retries: {attempts: 3, perTryTimeout: 3s}},
  {match: [{uri: {prefix: /b}}], route: [{destination: {host: a}}], timeout: 12s, retries: {attempts: 3, perTryTimeout: 3s}},
  {match: [{uri: {prefix: /c}}], route: [{destination: {host: a}}], timeout: 2s, retries: {attempts: 2, perTryTimeout: 1500ms}},
  {match: [{uri: {prefix: /d}}], route: [{destination: {host: a}}], timeout: 1s, retries: {attempts: 3}},
  {route: [{destination: {host: a}}], retries: {attempts: 3, perTryTimeout: 3s}}]}
",
        findings: &[
        ],
    },
    Case {
        title: "changes that are repeated",
        mesh: r#"
VirtualService shop/a {hosts: [a], http: [
  {match: [{method: {exact: POST}}], route: [{destination: {host: a}}], retries: {attempts: 3, retryOn: "5xx,connect-failure"}},
  {match: [{method: {exact: GET}}, {method: {regex: "PUT|PATCH|POST"}}], route: [{destination: {host: a}}], retries: {attempts: 3, retryOn: "503,retriable-4xx,gateway-error"}},
  {route: [{destination: {host: a}}]}]}
"#,
        findings: &[
        ],
    },
    Case {
        title: "what is safe, or not retried by status, or not at all",
        mesh: r#"
VirtualService shop/a {hosts: [a], http: [
  {match: [{method: {exact: GET}}], route: [{destination: {host: a}}], retries: {attempts: 3, retryOn: "5xx"}},
  {match: [{method: {exact: POST}, uri: {prefix: /a}}], route: [{destination: {host: a}}], retries: {attempts: 3, retryOn: "connect-failure,reset-before-request"}},
  {match: [{method: {exact: POST}, uri: {prefix: /b}}], route: [{destination: {host: a}}], retries: {attempts: 3}},
  {match: [{method: {regex: "POSTPONE"}}], route: [{destination: {host: a}}], retries: {attempts: 3, retryOn: 5xx}},
  {route: [{destination: {host: a}}], retries: {attempts: 3, retryOn: "5xx"}}]}
"#,
        findings: &[
        ],
    },
];

#[test]
fn retries() {
    check(CODES, GROUND, CASES);
}
