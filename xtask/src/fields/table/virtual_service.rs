//! What the fields of a `VirtualService` do.

use super::{Field, ROUTES, ROUTING, SCOPES};

const MATCHES: &str = "tests/e2e/tests/shaping/matches.rs";
const MIRRORS: &str = "tests/e2e/tests/shaping/mirrors.rs";
const ANSWERS: &str = "tests/e2e/tests/shaping/answers.rs";
const RETRIES: &str = "tests/e2e/tests/shaping/retries.rs";
const OPAQUE: &str = "tests/e2e/tests/opaque.rs";
const CUTOVER: &str = "tests/e2e/tests/shaping/cutover.rs";
const CHANGES: &str = "crates/proxy/src/http/filters/changes/tests.rs";
const CORS: &str = "crates/proxy/src/http/filters/cors/tests.rs";
const FAULT: &str = "crates/proxy/src/http/filters/fault/tests.rs";
const RETRY: &str = "crates/proxy/src/http/filters/retry/tests.rs";
const TIMEOUT: &str = "crates/proxy/src/http/filters/timeout/tests.rs";
const MALFORMED: &str = "crates/api/tests/malformed.rs";
const VIRTUAL_SERVICES: &str = "crates/api/tests/virtual_service.rs";
const DELEGATES: &str = "crates/compile/src/traffic/route/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "http[].match[].uri",
        does: "exact, prefix or regex of the path, normalized first",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].ignoreUriCase",
        does: "`uri` by exact or prefix disregards case",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].scheme",
        does: "exact, prefix or regex of the scheme",
        tests: &[(MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].method",
        does: "exact, prefix or regex of the method",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].authority",
        does: "exact, prefix or regex of `Host` or `:authority`, with its port",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].headers",
        does: "exact, prefix or regex of headers; `{}`: there is one",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].withoutHeaders",
        does: "headers that must not match",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].queryParams",
        does: "exact, prefix or regex of the first value of a query parameter, as it is written",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].port",
        does: "the port that was called",
        tests: &[(MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].gateways",
        does: "where the match holds: `mesh`, or gateways; beats `sourceLabels` and `sourceNamespace`",
        tests: &[(MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].match[].sourceLabels",
        does: "labels of the caller",
        tests: &[(MATCHES, "whoever_calls_counts")],
    },
    Field {
        path: "http[].match[].sourceNamespace",
        does: "namespace of the caller",
        tests: &[(MATCHES, "whoever_calls_counts")],
    },
    Field {
        path: "http[].route[].destination",
        does: "backend, subset and port; one that is not there is answered with 503",
        tests: &[
            (ROUTING, "weights_and_matches_choose_the_version"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
        ],
    },
    Field {
        path: "http[].route[].weight",
        does: "share of requests",
        tests: &[(ROUTING, "weights_and_matches_choose_the_version")],
    },
    Field {
        path: "http[].route[].headers, http[].headers",
        does: "fields of request and answer are set, added, removed, with Envoy's operators in values; the rule wins over the backend. Answers of the proxy itself get those of answers, too",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
            (CHANGES, "of_several_backends_the_rule_wins"),
        ],
    },
    Field {
        path: "http[].rewrite",
        does: "path by prefix or regex, and authority",
        tests: &[(ROUTING, "requests_and_answers_are_changed"), (ROUTES, "the_table_holds")],
    },
    Field {
        path: "http[].redirect",
        does: "the caller is sent elsewhere: `uri` or `prefixRewrite`, `authority`, `port` or `derivePort`, `scheme`, by `redirectCode`",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
            (ROUTES, "the_table_holds"),
        ],
    },
    Field {
        path: "http[].directResponse",
        does: "the proxy answers: `status`, and `body` as `string` or `bytes`",
        tests: &[(ROUTING, "requests_and_answers_are_changed"), (ROUTES, "the_table_holds")],
    },
    Field {
        path: "http[].timeout",
        does: "for the whole request with its retries; beyond, 504",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (TIMEOUT, "an_attempt_ends_before_the_whole_or_with_it"),
        ],
    },
    Field {
        path: "http[].retries",
        does: "further attempts with other endpoints: `attempts`, `retryOn`",
        tests: &[(ROUTING, "failing_endpoints_are_hidden_and_ejected"), (RETRY, "what_is_never_retried")],
    },
    Field {
        path: "http[].retries.retryRemoteLocalities",
        does: "after every second attempt, less preferred localities than those tried so far",
        tests: &[(RETRIES, "other_localities_are_tried_where_the_rule_says_so")],
    },
    Field {
        path: "http[].retries.retryIgnorePreviousHosts",
        does: "whether endpoints that were tried are avoided: yes, unless a hash chose them",
        tests: &[(RETRIES, "a_request_leaves_its_endpoint_where_the_rule_says_so")],
    },
    Field {
        path: "http[].retries.perTryTimeout, http[].retries.backoff",
        does: "how long an attempt may take; pauses between attempts are drawn at random below the back-off, which doubles",
        tests: &[(RETRIES, "an_attempt_has_a_time_of_its_own_and_a_pause_before_the_next")],
    },
    Field {
        path: "http[].fault.delay, http[].fault.abort",
        does: "each drawn for itself: `fixedDelay`, `httpStatus` or `grpcStatus`, with `percentage`; before CORS is looked at, as Istio orders filters",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (ROUTES, "the_table_holds"),
            (FAULT, "the_two_are_drawn_independently"),
        ],
    },
    Field {
        path: "http[].fault.delay.exponentialDelay, http[].fault.abort.http2Error",
        does: "nothing: they are refused (RS126), as Istio implements neither",
        tests: &[(MALFORMED, "virtual_service")],
    },
    Field {
        path: "http[].mirror, http[].mirrors, mirrorPercentage, mirrorPercent",
        does: "copies are sent once the request is complete, with `-shadow` behind their host; nobody waits for them, and bodies of more than 64 KiB are not copied",
        tests: &[
            (MIRRORS, "a_mirror_gets_what_its_backend_gets_and_nobody_waits_for_it"),
            (MIRRORS, "limits_of_a_mirror_hold_for_copies"),
        ],
    },
    Field {
        path: "http[].corsPolicy",
        does: "preflights are answered, and answers get what scripts need; those of the proxy itself, too",
        tests: &[
            (ROUTING, "requests_and_answers_are_changed"),
            (CORS, "preflights"),
            (ANSWERS, "answers_of_the_proxy_are_shaped_by_their_rule"),
        ],
    },
    Field {
        path: "hosts",
        does: "services and declared hosts whose calls the rules are for; a change acts on the next request, on open connections too",
        tests: &[
            (ROUTING, "a_version_is_switched_without_a_failure"),
            (CUTOVER, "connections_that_were_open_before_follow_routes_between_two_requests"),
        ],
    },
    Field {
        path: "gateways",
        does: "where the rules act: `mesh`, which they do by default, or gateways",
        tests: &[(ROUTES, "the_table_holds"), (MATCHES, "every_field_of_a_match_counts")],
    },
    Field {
        path: "http[].name, http[].match[].name",
        does: "how the rule is called where it is told of: `explain`, access logs",
        tests: &[(ROUTES, "the_table_holds")],
    },
    Field {
        path: "http[].match[].statPrefix",
        does: "nothing (RS120): metrics have Istio's names only",
        tests: &[(VIRTUAL_SERVICES, "what_is_older_or_acts_nowhere_is_said_and_nothing_else")],
    },
    Field {
        path: "http[].delegate",
        does: "the rules of another VirtualService stand here, as far as they agree",
        tests: &[
            (ROUTING, "weights_and_matches_choose_the_version"),
            (ROUTES, "the_table_holds"),
            (DELEGATES, "places_are_in_the_delegate_and_tell_matches_apart"),
        ],
    },
    Field {
        path: "exportTo",
        does: "namespaces whose callers the rules are for",
        tests: &[(SCOPES, "a_virtual_service_acts_where_it_is_seen")],
    },
    Field {
        path: "tcp[].match[].port, tcp[].route[]",
        does: "connections of TCP by port, with weights",
        tests: &[(OPAQUE, "connections_are_split_by_weight_and_port")],
    },
    Field {
        path: "tcp[].match[], tls[].match[]",
        does: "what else may be asked of a connection: `destinationSubnets`, `port`, `sourceLabels`, `sourceNamespace`, `gateways`",
        tests: &[(OPAQUE, "connections_are_split_by_weight_and_port"), (ROUTES, "the_table_holds")],
    },
    Field {
        path: "tcp[].match[].sourceSubnet",
        does: "nothing (RS120): callers are known by `sourceLabels` and `sourceNamespace`",
        tests: &[(VIRTUAL_SERVICES, "what_is_older_or_acts_nowhere_is_said_and_nothing_else")],
    },
    Field {
        path: "tls[].match[].sniHosts, tls[].route[]",
        does: "connections of TLS by the server name that they ask for; TLS stays whole",
        tests: &[(OPAQUE, "tls_is_routed_by_its_server_name")],
    },
];
