//! What Istio's kinds cannot say.

use super::Field;

const WAYPOINT: &str = "tests/e2e/tests/waypoint.rs";
const STREAM: &str = "crates/proxy/src/waypoint/stream/tests/limits.rs";
const RATES: &str = "tests/e2e/tests/shaping/rates.rs";
const BUDGETS: &str = super::LIMITS;
const EDGE_RATES: &str = "crates/proxy/src/gateway/connection/tests.rs";
const ACTING: &str = "crates/decide/src/rate_limit/tests.rs";
const CONNECTIONS: &str = "crates/proxy/src/connection_limits/tests.rs";
const LIMITS: &str = "crates/proxy/src/http/limits/tests.rs";
const INBOUND: &str = "crates/proxy/src/http/inbound/tests.rs";
const TAKEOVER: &str = "crates/proxy/src/takeover/tests.rs";

const GLOBAL_STORY: &str = "tests/e2e/tests/shaping/global_limits.rs";
const GLOBAL: &str = "crates/proxy/src/http/global_limits/tests.rs";

const SESSIONS: &str = "crates/proxy/src/backends/sessions/tests.rs";
const BALANCING: &str = "crates/balance/src/balancer/tests/latency.rs";
const CALLED: &str = "crates/decide/src/backend/tests.rs";

const CHECKS: &str = "crates/proxy/src/backends/checks/tests.rs";
const CHECKED: &str = "crates/balance/src/checked/tests.rs";
const CHECK_STORY: &str = "tests/e2e/tests/shaping/checks.rs";

const RESILIENCE: &str = "tests/e2e/tests/shaping/resilience.rs";
const HEDGE: &str = "crates/balance/src/hedge/tests.rs";
const HEDGING: &str = "crates/proxy/src/http/hedging/tests.rs";
const CONCURRENCY: &str = "crates/balance/src/concurrency/tests.rs";

pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "targetRefs[]",
        does: "what it acts for: a Service at its endpoints, a ServiceEntry at its callers, both at their waypoint, a Gateway, \
               routes where they are taken",
        tests: &[
            (RATES, "a_route_takes_so_many_requests_and_retries"),
            (RATES, "a_service_takes_so_many_requests_of_each_caller"),
            (EDGE_RATES, "a_gateway_keeps_its_limits"),
            (EDGE_RATES, "whoever_calls_a_host_that_no_service_declares_keeps_its_limits"),
            (WAYPOINT, "limits_are_counted_at_the_waypoint_or_for_whoever_goes_past_it"),
            (STREAM, "requests_are_counted_for_whoever_calls_after_policies"),
        ],
    },
    Field {
        path: "targetRefs[].group, namespace",
        does: "checked: that of its `kind`, and the policy's own",
        tests: &[("crates/api/tests/malformed.rs", "traffic_policy")],
    },
    Field {
        path: "targetRefs[].sectionName",
        does: "one port, one server of a Gateway, or one route; comes before what has none",
        tests: &[
            (RATES, "a_route_takes_so_many_requests_and_retries"),
            (ACTING, "a_route_has_limits_by_its_name_and_its_object"),
            (ACTING, "a_port_comes_before_its_service_and_the_older_before_the_younger"),
            (ACTING, "a_gateways_listener_is_found_by_who_is_asked_for"),
        ],
    },
    Field {
        path: "rateLimits[].requests, interval, burst",
        does: "how many requests pass, spread over the interval, and at once",
        tests: &[
            (RATES, "a_service_takes_so_many_requests_of_each_caller"),
            ("crates/balance/src/rate/tests.rs", "in_the_long_run_the_rate_is_kept"),
            (INBOUND, "what_is_beyond_a_limit_is_not_passed_on"),
            (TAKEOVER, "a_connection_is_read_once_its_requests_have_a_limit"),
        ],
    },
    Field {
        path: "rateLimits[].per",
        does: "what counts together: an identity, the value of a header, a path, an address",
        tests: &[
            (RATES, "a_service_takes_so_many_requests_of_each_caller"),
            (LIMITS, "those_that_have_something_in_common_count_together"),
            ("crates/balance/src/keyed/tests.rs", "keys_without_end_push_nobody_out"),
        ],
    },
    Field {
        path: "rateLimits[].connections",
        does: "how many new connections pass, in place of requests; of TCP, too",
        tests: &[
            (RATES, "a_service_takes_so_many_connections"),
            (CONNECTIONS, "so_many_may_come_in_a_time"),
            (CONNECTIONS, "what_one_limit_refuses_is_counted_by_none"),
        ],
    },
    Field {
        path: "connectionLimits[].connections, per, dryRun",
        does: "how many connections may be open, of all, of each identity or of each address",
        tests: &[
            (RATES, "a_service_takes_so_many_connections"),
            (CONNECTIONS, "so_many_may_be_open_and_who_leaves_makes_room"),
            (CONNECTIONS, "those_that_have_something_in_common_count_together"),
            (CONNECTIONS, "a_limit_on_trial_refuses_nobody_and_counts_all_that_are_open"),
            ("crates/decide/src/connection_limit/tests.rs", "new_and_open_connections_have_an_oldest_policy_each"),
        ],
    },
    Field {
        path: "rateLimits[].match",
        does: "which requests count, by path, method and headers",
        tests: &[
            (RATES, "only_what_a_limit_means_counts_and_clients_are_told_what_it_says"),
            (LIMITS, "only_what_is_meant_counts"),
        ],
    },
    Field {
        path: "rateLimits[].status, headers",
        does: "what those who are refused get, and whether clients are told of the limit",
        tests: &[
            (RATES, "only_what_a_limit_means_counts_and_clients_are_told_what_it_says"),
            (LIMITS, "a_client_need_not_be_told"),
            (LIMITS, "what_is_beyond_a_limit_is_refused_and_the_client_is_told"),
        ],
    },
    Field {
        path: "rateLimits[].dryRun",
        does: "nobody is refused; who would be is counted",
        tests: &[
            (RATES, "a_limit_on_trial_refuses_nobody"),
            (LIMITS, "a_limit_on_trial_refuses_nobody_and_tells_operators_alone"),
        ],
    },
    Field {
        path: "globalRateLimits[].service, domain, match",
        does: "a service counts requests for all proxies, asked by Envoy's protocol wherever `rateLimits` act",
        tests: &[
            (GLOBAL_STORY, "a_service_of_limits_is_asked_about_each_request"),
            (GLOBAL_STORY, "envoys_own_service_of_limits_counts_for_us"),
            (GLOBAL_STORY, "routes_have_limits_that_a_service_counts"),
        ],
    },
    Field {
        path: "globalRateLimits[].descriptors, hitsAddend",
        does: "what the service is told of a request, and as how many it counts",
        tests: &[
            (GLOBAL_STORY, "a_service_of_limits_is_asked_about_each_request"),
            (GLOBAL, "a_descriptor_has_all_of_its_values_or_is_left_out"),
        ],
    },
    Field {
        path: "globalRateLimits[].timeout, failureMode, dryRun",
        does: "how long the answer may take, what becomes of a request without one, and whether anybody is refused",
        tests: &[(GLOBAL_STORY, "without_an_answer_requests_pass_or_are_refused")],
    },
    Field {
        path: "globalRateLimits[].status, headers",
        does: "what those who are refused get, and whether clients are told of the limit",
        tests: &[
            (GLOBAL_STORY, "a_service_of_limits_is_asked_about_each_request"),
            (GLOBAL, "clients_are_told_of_the_limit_that_leaves_least"),
            (GLOBAL, "what_is_over_a_limit_is_refused_in_the_services_words"),
        ],
    },
    Field {
        path: "loadBalancer.peakEwma",
        does: "endpoints are picked by latency and by what they have to do; failures count as `penalty`, new ones as \
               `defaultRtt`, and all is forgotten by `decay`",
        tests: &[
            ("tests/e2e/tests/shaping/balancing.rs", "who_is_slow_or_fails_fast_gets_hardly_any_until_it_is_well"),
            (BALANCING, "a_slow_endpoint_gets_hardly_any"),
            (BALANCING, "an_endpoint_that_fails_fast_does_not_attract"),
            (BALANCING, "an_endpoint_that_no_longer_fails_gets_its_share_in_time"),
            (BALANCING, "a_new_endpoint_is_not_flooded"),
            (BALANCING, "weights_are_bounds_of_unequal_ones"),
            (CALLED, "the_algorithm_is_replaced_and_nothing_else"),
            (CALLED, "callers_read_requests_for_it"),
            ("crates/proxy/src/backends/simulation/shares.rs", "the_quicker_one_is_picked_whoever_saw_it"),
        ],
    },
    Field {
        path: "sessionAffinity.cookie",
        does: "a cookie keeps a client's requests at one endpoint as long as that is ready and not ejected; it tells \
               clients nothing of it, and leads to the backend's own endpoints alone",
        tests: &[
            ("tests/e2e/tests/shaping/affinity.rs", "a_session_stays_with_its_endpoint_until_that_is_gone"),
            ("tests/e2e/tests/shaping/affinity.rs", "a_session_stays_with_its_destination_however_weights_change"),
            (SESSIONS, "a_session_stays_where_it_began_whatever_else_changes"),
            (SESSIONS, "whoever_cannot_be_served_there_is_given_another_endpoint"),
            (SESSIONS, "nobody_finds_an_endpoint_by_a_name_that_was_not_given"),
            ("crates/proxy/src/http/filters/affinity/tests.rs", "the_cookie_of_a_session"),
            (CALLED, "sessions_are_of_requests_that_callers_read"),
        ],
    },
    Field {
        path: "retryBudget.percent, minConcurrency",
        does: "retries at once, as a share of requests and at least; comes before a DestinationRule's",
        tests: &[
            (BUDGETS, "a_policy_of_the_service_says_how_many_retries_its_callers_may_make"),
            ("crates/decide/src/attached/tests.rs", "what_a_policy_says_of_a_service_holds_for_whoever_calls_it"),
        ],
    },
    Field {
        path: "retryBudget.minRetriesPerSecond",
        does: "retries in a second beyond that share",
        tests: &[
            (BUDGETS, "a_policy_of_the_service_says_how_many_retries_its_callers_may_make"),
            ("crates/proxy/src/backends/simulation/retries.rs", "a_budget_has_a_rate_of_its_own"),
            ("crates/balance/src/circuit/tests.rs", "a_budget_allows_so_many_in_a_second_beyond_its_share"),
        ],
    },
    Field {
        path: "healthChecks.http",
        does: "endpoints are asked by a request, with its path, host and method; its status decides",
        tests: &[
            (CHECK_STORY, "who_says_that_it_is_not_well_gets_no_request_until_it_is"),
            (CHECKS, "who_fails_its_checks_gets_no_request_until_it_passes_them"),
            (CHECKS, "they_are_asked_by_the_request_that_is_wanted"),
            (CHECKS, "one_worker_asks_for_all_and_only_while_somebody_asked_for_it"),
            (CHECKS, "whoever_is_cut_off_asks_nobody"),
            (CALLED, "endpoints_are_checked_unless_callers_choose_them"),
        ],
    },
    Field {
        path: "healthChecks.grpc",
        does: "endpoints are asked by gRPC's health service",
        tests: &[
            (CHECK_STORY, "a_health_service_of_grpc_is_believed"),
            (CHECKS, "a_health_service_of_grpc_is_asked"),
            ("crates/wire/src/health_check/tests.rs", "only_a_whole_message_that_says_so_is_well"),
        ],
    },
    Field {
        path: "healthChecks.tcp",
        does: "a connection is enough, or something must come by it",
        tests: &[
            (CHECK_STORY, "what_comes_by_a_connection_is_believed_or_that_there_is_one"),
            (CHECKS, "a_connection_may_be_enough_or_must_answer"),
        ],
    },
    Field {
        path: "healthChecks.interval, jitter, timeout",
        does: "when endpoints are asked, and how long is waited for an answer",
        tests: &[
            (CHECK_STORY, "who_says_that_it_is_not_well_gets_no_request_until_it_is"),
            ("crates/proxy/src/backends/checks/plan.rs", "each_is_checked_once_an_interval_and_never_twice_at_once"),
            ("crates/proxy/src/backends/checks/plan.rs", "a_shorter_interval_holds_at_once"),
            (CHECKS, "an_endpoint_that_cannot_be_reached_or_says_nothing_fails"),
        ],
    },
    Field {
        path: "healthChecks.unhealthyThreshold, healthyThreshold",
        does: "how many in a row take an endpoint out and bring it back, beside ejection, panic and priorities",
        tests: &[
            (CHECKED, "so_many_in_a_row_take_an_endpoint_out_and_bring_it_back"),
            (CHECKED, "whoever_was_ejected_must_be_well_in_both_ways"),
            (CHECKED, "below_the_panic_threshold_checks_are_disregarded"),
            (CHECKED, "the_next_priority_gets_what_those_that_fail_leave"),
            (CHECKED, "whoever_comes_back_warms_up_again"),
            (CHECKED, "what_they_say_outlives_configurations_and_ends_with_the_checks"),
        ],
    },
    Field {
        path: "adaptiveConcurrency",
        does: "how many requests an instance, or a declared host, gets at a time follows its latency",
        tests: &[
            (RESILIENCE, "an_instance_gets_as_many_requests_as_it_takes"),
            (INBOUND, "an_application_gets_no_more_requests_than_it_takes"),
            (CONCURRENCY, "the_limit_comes_to_be_near_what_the_instance_can_do"),
            (CONCURRENCY, "what_an_instance_can_do_is_not_refused"),
            (CONCURRENCY, "an_instance_that_becomes_slow_gets_less_and_recovers"),
            (CONCURRENCY, "nobody_starves_however_long_answers_take"),
            (
                "crates/decide/src/concurrency/tests.rs",
                "an_instance_is_protected_by_the_oldest_policy_of_its_port_and_read_for_it",
            ),
        ],
    },
    Field {
        path: "adaptiveConcurrency.percentile, updateInterval, buffer",
        does: "which latency counts, how often, and how much more of it is no sign of load",
        tests: &[
            (RESILIENCE, "an_instance_gets_as_many_requests_as_it_takes"),
            (CONCURRENCY, "the_limit_comes_to_be_near_what_the_instance_can_do"),
            ("crates/balance/src/latencies/tests.rs", "quantiles_are_those_of_what_was_counted"),
        ],
    },
    Field {
        path: "adaptiveConcurrency.minConcurrency, maxConcurrency",
        does: "bounds of the limit",
        tests: &[
            (RESILIENCE, "an_instance_gets_as_many_requests_as_it_takes"),
            (CONCURRENCY, "many_threads_never_have_more_at_once_than_the_limit"),
        ],
    },
    Field {
        path: "adaptiveConcurrency.minRtt",
        does: "when the latency without load is measured, by how many requests, or what it is",
        tests: &[
            (RESILIENCE, "an_instance_gets_as_many_requests_as_it_takes"),
            (CONCURRENCY, "while_the_latency_without_load_is_measured_the_limit_is_low"),
            (CONCURRENCY, "a_latency_without_load_that_is_known_is_not_measured"),
        ],
    },
    Field {
        path: "hedging.delay, percentile, minDelay",
        does: "when a request is sent to one more endpoint; whoever answers well first answers",
        tests: &[
            (RESILIENCE, "a_request_that_takes_long_is_sent_to_another_endpoint_too"),
            (HEDGE, "the_slowest_requests_become_faster_at_the_cost_of_a_few_more"),
            (HEDGE, "what_is_not_known_delays_for_ever"),
            ("crates/exchange/tests/exchange/second.rs", "whoever_answers_first_answers_and_the_other_hears_no_more"),
        ],
    },
    Field {
        path: "hedging.maxAttempts, methods",
        does: "how many attempts there are at most, of which requests; all within the budget of retries",
        tests: &[
            (RESILIENCE, "a_request_that_takes_long_is_sent_to_another_endpoint_too"),
            (HEDGING, "whoever_answers_well_first_answers"),
            (HEDGING, "no_more_attempts_than_wanted_and_only_of_what_may_be_sent_twice"),
            (HEDGE, "a_slow_day_is_no_flood"),
        ],
    },
];
