//! `RequestAuthentication`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "no issuer, and no URL that it could be left out for",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - audiences: [web]
  - jwks: '{"keys": []}'
  - jwksUri: https://issuer.example/jwks
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:5: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].issuer: `issuer` is missing (name the issuer; it may be left out only beside `jwksUri`, and is not looked at then)",
            "a.yaml:7:5: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[1].issuer: `issuer` is missing (name the issuer; it may be left out only beside `jwksUri`, and is not looked at then)",
            "a.yaml:7:11: warning RS130 RequestAuthentication/shop/jwt spec.jwtRules[1].jwks: `jwks` has no key, so no token of this issuer is valid (put the issuer's keys into `keys`)",
        ],
    },
    Row {
        title: "an empty issuer",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: ""
    jwksUri: https://issuer.example/jwks
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:13: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].issuer: `issuer` is empty",
        ],
    },
    Row {
        title: "empty texts",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: issuer.example
    audiences: ["", web]
    jwksUri: ""
    fromHeaders:
    - {name: ""}
    fromParams: [""]
    fromCookies: [token, ""]
    outputClaimToHeaders:
    - {header: "", claim: ""}
    spaceDelimitedClaims: [""]
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:7:17: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].audiences[0]: `audiences[0]` is empty",
            "a.yaml:8:14: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].jwksUri: `jwksUri` is empty",
            "a.yaml:10:14: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].fromHeaders[0].name: `name` is empty",
            "a.yaml:11:18: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].fromParams[0]: `fromParams[0]` is empty",
            "a.yaml:12:26: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].fromCookies[1]: `fromCookies[1]` is empty",
            "a.yaml:14:16: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[0].header: `header` is empty",
            "a.yaml:14:27: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[0].claim: `claim` is empty",
            "a.yaml:15:28: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].spaceDelimitedClaims[0]: `spaceDelimitedClaims[0]` is empty",
        ],
    },
    Row {
        title: "keys inline and by URL",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: issuer.example
    jwks: '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}'
    jwksUri: https://issuer.example/jwks
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:8:14: error RS124 RequestAuthentication/shop/jwt spec.jwtRules[0].jwksUri: `jwksUri` excludes `jwks` (keep one of them)",
        ],
    },
    Row {
        title: "URLs that keys cannot be fetched from, and what they hold is not shown",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - {issuer: a, jwksUri: "ftp://user:hunter2@issuer.example/jwks"}
  - {issuer: a, jwksUri: issuer.example/jwks}
  - {issuer: a, jwksUri: "hTPp\\\\\\blah"}
  - {issuer: a, jwksUri: "https:///jwks?token=hunter2"}
  - {issuer: a, jwksUri: "https://issuer.example:port/"}
  - {issuer: a, jwksUri: "https://issuer.example/a b"}
  - {issuer: a, jwksUri: "https://user:hunter2@issuer.example/%zz"}
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:26: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwksUri: `jwksUri` is no URL to fetch keys from: it does not begin with `http://` or `https://` (write it like `https://issuer.example/.well-known/jwks.json`)",
            "a.yaml:7:26: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[1].jwksUri: `jwksUri` is no URL to fetch keys from: it does not begin with `http://` or `https://` (write it like `https://issuer.example/.well-known/jwks.json`)",
            "a.yaml:8:26: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[2].jwksUri: `jwksUri` is no URL to fetch keys from: it does not begin with `http://` or `https://` (write it like `https://issuer.example/.well-known/jwks.json`)",
            "a.yaml:9:26: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[3].jwksUri: `jwksUri` is no URL to fetch keys from: it has no host (write it like `https://issuer.example/.well-known/jwks.json`)",
            "a.yaml:10:26: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[4].jwksUri: `jwksUri` is no URL to fetch keys from: its port is not a number from 1 to 65535 (write it like `https://issuer.example/.well-known/jwks.json`)",
            "a.yaml:11:26: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[5].jwksUri: `jwksUri` is no URL to fetch keys from: it has blanks or control characters (write it like `https://issuer.example/.well-known/jwks.json`)",
            "a.yaml:12:26: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[6].jwksUri: `jwksUri` is no URL to fetch keys from: a `%` is not followed by two hexadecimal digits (write it like `https://issuer.example/.well-known/jwks.json`)",
        ],
    },
    Row {
        title: "keys that are not JSON, and they are not shown",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: a
    jwks: '{"keys": [{"kty": "oct", "k": "hunter2}]}'
  - issuer: b
    jwks: |
      -----BEGIN PRIVATE KEY-----
      hunter2
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `jwks` is not JSON from its line 1, column 41 on (write a JSON object: `{\"keys\": [...]}`)",
            "a.yaml:10:7: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[1].jwks: `jwks` is not JSON from its line 1, column 2 on (write a JSON object: `{\"keys\": [...]}`)",
        ],
    },
    Row {
        title: "keys that are a YAML mapping, and they are not shown",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: a
    jwks: {"keys": [{"kty": "oct", "k": "hunter2"}]}
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: text is expected, a mapping was found",
        ],
    },
    Row {
        title: "JSON that is no set of keys",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - {issuer: a, jwks: '[]'}
  - {issuer: a, jwks: '{"kty": "RSA", "n": "AA", "e": "AQAB"}'}
  - {issuer: a, jwks: '{"keys": {}}'}
  - {issuer: a, jwks: '"keys"'}
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:23: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `jwks` has no list `keys` (write a JSON object: `{\"keys\": [...]}`)",
            "a.yaml:7:23: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[1].jwks: `jwks` has no list `keys` (write a JSON object: `{\"keys\": [...]}`)",
            "a.yaml:8:23: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[2].jwks: `jwks` has no list `keys` (write a JSON object: `{\"keys\": [...]}`)",
            "a.yaml:9:23: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[3].jwks: `jwks` has no list `keys` (write a JSON object: `{\"keys\": [...]}`)",
        ],
    },
    Row {
        title: "keys that lack what their type needs",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: a
    jwks: |
      {"keys": [
        "hunter2",
        {"n": "AA", "e": "AQAB"},
        {"kty": "rsa", "n": "AA", "e": "AQAB"},
        {"kty": "RSA", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": ""},
        {"kty": "RSA", "n": "AA", "e": "AQAB", "kid": "good"}
      ]}
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:8:7: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[0]` of `jwks` is not an object (copy the key as the issuer publishes it)",
            "a.yaml:8:7: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[1]` of `jwks` has no `kty` (`RSA`, `EC`, `OKP`, `oct`) (copy the key as the issuer publishes it)",
            "a.yaml:8:7: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[2]` of `jwks` has a `kty` that is none of `RSA`, `EC`, `OKP`, `oct` (copy the key as the issuer publishes it)",
            "a.yaml:8:7: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[3]` of `jwks` is of type `RSA` and has no `n` (copy the key as the issuer publishes it)",
            "a.yaml:8:7: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[4]` of `jwks` is of type `EC` and has no `y` (copy the key as the issuer publishes it)",
            "a.yaml:8:7: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[5]` of `jwks` is of type `OKP` and has no `x` (copy the key as the issuer publishes it)",
        ],
    },
    Row {
        title: "private keys are read, warned of and not shown",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: a
    jwks: |
      {"keys": [
        {"kty": "RSA", "n": "AA", "e": "AQAB", "d": "hunter2"},
        {"kty": "oct", "k": "hunter2"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
      ]}
"#,
        good: &["RequestAuthentication/shop/jwt"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:7: warning RS131 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[0]` of `jwks` is no public key: whoever reads it can make tokens (replace the key at its issuer, and write its public part only)",
            "a.yaml:8:7: warning RS131 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `keys[1]` of `jwks` is no public key: whoever reads it can make tokens (replace the key at its issuer, and write its public part only)",
        ],
    },
    Row {
        title: "a set without keys",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - {issuer: a, jwks: '{"keys": []}'}
"#,
        good: &["RequestAuthentication/shop/jwt"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:6:23: warning RS130 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks: `jwks` has no key, so no token of this issuer is valid (put the issuer's keys into `keys`)",
        ],
    },
    Row {
        title: "headers that none can be named",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: a
    fromHeaders:
    - {name: x token}
    - {name: "x-token:", prefix: "Bearer "}
    - {prefix: "Bearer "}
    outputPayloadToHeader: "x payload"
    outputClaimToHeaders:
    - {header: ":authority", claim: sub}
    - {header: x.sub, claim: sub}
    - {claim: sub}
    - {header: x-sub}
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:8:14: error RS111 RequestAuthentication/shop/jwt spec.jwtRules[0].fromHeaders[0].name: `x token` is not the name of a header: ` ` is not allowed, only letters, digits and some signs such as `-` and `_` (for example `x-token`)",
            "a.yaml:9:14: error RS111 RequestAuthentication/shop/jwt spec.jwtRules[0].fromHeaders[1].name: `x-token:` is not the name of a header: `:` is not allowed, only letters, digits and some signs such as `-` and `_` (for example `x-token`)",
            "a.yaml:10:7: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].fromHeaders[2].name: `name` is missing",
            "a.yaml:11:28: error RS111 RequestAuthentication/shop/jwt spec.jwtRules[0].outputPayloadToHeader: `x payload` is not the name of a header: ` ` is not allowed, only letters, digits and some signs such as `-` and `_` (for example `x-payload`)",
            "a.yaml:13:16: error RS111 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[0].header: `:authority` is not the name of a header: `:` is not allowed, only letters, digits, `-` and `_` (for example `authority`)",
            "a.yaml:14:16: error RS111 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[1].header: `x.sub` is not the name of a header: `.` is not allowed, only letters, digits, `-` and `_`",
            "a.yaml:15:7: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[2].header: `header` is missing",
            "a.yaml:16:7: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[3].claim: `claim` is missing",
        ],
    },
    Row {
        title: "one header for two values",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: a
    outputPayloadToHeader: x-user
    outputClaimToHeaders:
    - {header: X-User, claim: sub}
    - {header: x-group, claim: group}
    - {header: x-group, claim: groups}
",
        good: &["RequestAuthentication/shop/jwt"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:9:16: warning RS130 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[0].header: the header `X-User` is written twice (give each value a header of its own)",
            "a.yaml:11:16: warning RS130 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimToHeaders[2].header: the header `x-group` is written twice (give each value a header of its own)",
        ],
    },
    Row {
        title: "timeouts that are none",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - {issuer: a, timeout: 999us}
  - {issuer: a, timeout: 0s}
  - {issuer: a, timeout: apple}
  - {issuer: a, timeout: 5}
  - {issuer: a, timeout: -1s}
",
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:26: error RS109 RequestAuthentication/shop/jwt spec.jwtRules[0].timeout: `timeout` is too short, at least 1ms is needed",
            "a.yaml:7:26: error RS109 RequestAuthentication/shop/jwt spec.jwtRules[1].timeout: `timeout` is too short, at least 1ms is needed",
            "a.yaml:8:26: error RS114 RequestAuthentication/shop/jwt spec.jwtRules[2].timeout: `apple` is not a duration (write it like `1.5s`, `250ms` or `1h30m`)",
            "a.yaml:9:26: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[3].timeout: a duration is expected, the number 5 was found (add a unit: `5s`)",
            "a.yaml:10:26: error RS114 RequestAuthentication/shop/jwt spec.jwtRules[4].timeout: `-1s` is not a duration (write it like `1.5s`, `250ms` or `1h30m`)",
        ],
    },
    Row {
        title: "rules that are no rules",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  -
  - issuer.example
  - [a]
",
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:4: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[0]: a mapping is expected, nothing was found (write `key: value`, one below the other and indented)",
            "a.yaml:7:5: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[1]: a mapping is expected, the text `issuer.example` was found (write `key: value`, one below the other and indented)",
            "a.yaml:8:5: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[2]: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "a single rule where a list belongs, and fields of other kinds",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
    issuer: a
  rules: []
  action: DENY
",
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:5: error RS106 RequestAuthentication/shop/jwt spec.jwtRules: a list is expected, a mapping was found (put `- ` before each item)",
            "a.yaml:7:3: error RS107 RequestAuthentication/shop/jwt spec.rules: there is no field `rules` (its fields are `selector`, `jwtRules`, `targetRef`, `targetRefs`)",
            "a.yaml:8:3: error RS107 RequestAuthentication/shop/jwt spec.action: there is no field `action` (its fields are `selector`, `jwtRules`, `targetRef`, `targetRefs`)",
        ],
    },
    Row {
        title: "a selector and a target",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  selector:
    matchLabels: {app: web}
  targetRefs:
  - {kind: Service, name: web}
  jwtRules: []
",
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS124 RequestAuthentication/shop/jwt spec.targetRefs: `targetRefs` excludes `selector` (keep one of them)",
        ],
    },
    Row {
        title: "fields in wrong spellings and types",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  jwtRules:
  - issuer: 1
    jwks_uri: https://issuer.example/jwks
    jwksURI: https://issuer.example/jwks
    audiences: web
    fromHeaders: [x-token]
    forwardOriginalToken: "true"
    outputClaimsToHeaders: []
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:13: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[0].issuer: text is expected, the number 1 was found (write \"1\" in quotes)",
            "a.yaml:7:5: info RS16 RequestAuthentication/shop/jwt spec.jwtRules[0].jwks_uri: `jwks_uri` is an older spelling (write `jwksUri`)",
            "a.yaml:8:5: error RS107 RequestAuthentication/shop/jwt spec.jwtRules[0].jwksURI: there is no field `jwksURI` (did you mean `jwksUri`?)",
            "a.yaml:9:16: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[0].audiences: a list is expected, the text `web` was found (put `- ` before each item)",
            "a.yaml:10:19: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[0].fromHeaders[0]: a mapping is expected, the text `x-token` was found (write `key: value`, one below the other and indented)",
            "a.yaml:11:27: error RS106 RequestAuthentication/shop/jwt spec.jwtRules[0].forwardOriginalToken: `true` or `false` is expected, the text `true` was found (remove the quotes)",
            "a.yaml:12:5: error RS107 RequestAuthentication/shop/jwt spec.jwtRules[0].outputClaimsToHeaders: there is no field `outputClaimsToHeaders` (did you mean `outputClaimToHeaders`?)",
        ],
    },
    Row {
        title: "ten faults give ten findings",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec:
  selector:
    matchLabels: {app: w*}
  targetRefs: [{kind: Service, name: web, group: core, namespace: shop}]
  jwtRules:
  - audiences: [""]
    fromHeaders:
    - {name: x token}
  - issuer: a
    jwks: nothing
    jwksUri: issuer.example
    timeout: 0s
    outputPayloadToHeader: "a b"
"#,
        good: &[],
        broken: &["RequestAuthentication/shop/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:6:24: error RS112 RequestAuthentication/shop/jwt spec.selector.matchLabels.app: `w*` is not the value of a label: selectors compare whole values, without wildcards",
            "a.yaml:7:15: error RS124 RequestAuthentication/shop/jwt spec.targetRefs: `targetRefs` excludes `selector` (keep one of them)",
            "a.yaml:9:5: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].issuer: `issuer` is missing (name the issuer; it may be left out only beside `jwksUri`, and is not looked at then)",
            "a.yaml:9:17: error RS108 RequestAuthentication/shop/jwt spec.jwtRules[0].audiences[0]: `audiences[0]` is empty",
            "a.yaml:11:14: error RS111 RequestAuthentication/shop/jwt spec.jwtRules[0].fromHeaders[0].name: `x token` is not the name of a header: ` ` is not allowed, only letters, digits and some signs such as `-` and `_` (for example `x-token`)",
            "a.yaml:13:11: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[1].jwks: `jwks` is not JSON from its line 1, column 2 on (write a JSON object: `{\"keys\": [...]}`)",
            "a.yaml:14:14: error RS124 RequestAuthentication/shop/jwt spec.jwtRules[1].jwksUri: `jwksUri` excludes `jwks` (keep one of them)",
            "a.yaml:14:14: error RS129 RequestAuthentication/shop/jwt spec.jwtRules[1].jwksUri: `jwksUri` is no URL to fetch keys from: it does not begin with `http://` or `https://` (write it like `https://issuer.example/.well-known/jwks.json`)",
            "a.yaml:15:14: error RS109 RequestAuthentication/shop/jwt spec.jwtRules[1].timeout: `timeout` is too short, at least 1ms is needed",
            "a.yaml:16:28: error RS111 RequestAuthentication/shop/jwt spec.jwtRules[1].outputPayloadToHeader: `a b` is not the name of a header: ` ` is not allowed, only letters, digits and some signs such as `-` and `_` (for example `a-b`)",
        ],
    },
    Row {
        title: "a rule with a fault keeps no neighbour from being read",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: security.istio.io/v1beta1
kind: RequestAuthentication
metadata: {name: jwt}
spec:
  jwtRules:
  - {}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: good}
spec:
  jwtRules:
  - issuer: a
  - issuer: a
",
        good: &["Namespace/shop", "RequestAuthentication/default/good"],
        broken: &["RequestAuthentication/default/jwt"],
        unreadable: false,
        findings: &[
            "a.yaml:10:5: error RS108 RequestAuthentication/default/jwt spec.jwtRules[0].issuer: `issuer` is missing (name the issuer; it may be left out only beside `jwksUri`, and is not looked at then)",
        ],
    },
];
