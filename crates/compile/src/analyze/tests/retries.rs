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
            "info RS07 VirtualService/shop/a spec.http[0].retries.perTryTimeout: 4 attempts of 3s take up to 12s, but the timeout ends them after 10s (raise timeout, lower perTryTimeout, or set attempts to 2)",
            "info RS07 VirtualService/shop/a spec.http[2].retries.perTryTimeout: 3 attempts of 1.5s take up to 4.5s, but the timeout ends them after 2s (raise timeout, or lower perTryTimeout to 666ms or less)",
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
            "warning RS10 VirtualService/shop/a spec.http[0].retries.retryOn: POST requests are retried by 5xx, though the callee may have acted on them (match safe methods in a rule of their own, or retry by connect-failure, refused-stream and reset-before-request alone)",
            "warning RS10 VirtualService/shop/a spec.http[1].retries.retryOn: POST and PATCH requests are retried by 503, retriable-4xx, gateway-error, though the callee may have acted on them (match safe methods in a rule of their own, or retry by connect-failure, refused-stream and reset-before-request alone)",
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
