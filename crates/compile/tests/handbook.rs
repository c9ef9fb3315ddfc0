//! Configuration as people find it in the field's handbooks, read and analysed: every file of
//! `$RIPSTOP_FIXTURES/handbook` has a row here that says what is told about it, exactly.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use imbl::OrdMap;
use ripstop_api::{Finding, Level, Parsed, parse_file};
use ripstop_compile::{Assignments, Declared, Input, Objects, Output, compile};

/// What the files presuppose.
const GROUND: &str = include_str!("data/handbook-ground.yaml");

/// A file, and what is told about it.
struct Row {
    file: &'static str,
    /// Files that are loaded with it, each older than it.
    with: &'static [&'static str],
    /// `line code path` of every finding that has its place in the file, in order.
    findings: &'static [&'static str],
}

const fn row(file: &'static str, with: &'static [&'static str], findings: &'static [&'static str]) -> Row {
    Row { file, with, findings }
}

const ROWS: &[Row] = &[
    row(
        "01-checkout-canary.yaml",
        &[],
        &["12 IST0101 spec.http[0].route[0].destination.subset", "16 IST0101 spec.http[0].route[1].destination.subset"],
    ),
    row("02-production-strict.yaml", &[], &[]),
    row("03-api-gateway.yaml", &[], &["16 IST0101 spec.servers[0].tls.credentialName"]),
    row(
        "04-checkout-routing.yaml",
        &["03-api-gateway.yaml"],
        &[
            "19 IST0101 spec.http[0].route[0].destination.subset",
            "24 IST0101 spec.http[1].route[0].destination.subset",
            "28 IST0101 spec.http[1].route[1].destination.subset",
        ],
    ),
    row("05-production-mtls.yaml", &[], &[]),
    row("05-production-mtls.yaml", &["02-production-strict.yaml"], &["1 RS13 "]),
    row("06-checkout-access.yaml", &[], &[]),
    row(
        "07-backend-canary.yaml",
        &["08-backend-circuit-breaker.yaml"],
        &["12 IST0101 spec.http[0].route[0].destination.subset", "16 IST0101 spec.http[0].route[1].destination.subset"],
    ),
    row("08-backend-circuit-breaker.yaml", &[], &["14 RS16 spec.trafficPolicy.outlierDetection.consecutiveErrors"]),
    row("09-mesh-strict.yaml", &[], &[]),
    row("10-allow-frontend.yaml", &[], &[]),
    row("11-12-zero-trust.yaml", &[], &[]),
    row("11-12-zero-trust.yaml", &["02-production-strict.yaml", "10-allow-frontend.yaml"], &["2 RS13 "]),
    row("13-flagger-canary.yaml", &[], &["2 RS105 kind"]),
    row(
        "14-reviews-vs.yaml",
        &["15-reviews-dr.yaml", "16-my-gateway.yaml"],
        &["36 RS07 spec.http[1].retries.perTryTimeout"],
    ),
    row("15-reviews-dr.yaml", &[], &["10 RS16 spec.trafficPolicy.loadBalancer.simple"]),
    row("16-my-gateway.yaml", &[], &["16 IST0101 spec.servers[0].tls.credentialName"]),
    row("17-stripe-serviceentry.yaml", &[], &[]),
    row("18-istiooperator-registry-only.yaml", &[], &[]),
    row("19-production-default.yaml", &[], &[]),
    row("19-production-default.yaml", &["02-production-strict.yaml"], &["1 RS13 "]),
    row("20-legacy-app.yaml", &["19-production-default.yaml"], &[]),
    row("21-mesh-strict.yaml", &[], &[]),
    row("22-reviews-authz.yaml", &[], &[]),
    row("23-deny-all.yaml", &[], &[]),
    row(
        "24-reviews-jwt.yaml",
        &[],
        &[
            "13 RS11 spec.rules[0].from[0].source.requestPrincipals",
            "13 RS227 spec.rules[0].from[0].source.requestPrincipals",
        ],
    ),
    row("25-ratings-fault.yaml", &[], &["9 RS06 spec.http"]),
    row(
        "26-product-mirror.yaml",
        &[],
        &["13 IST0101 spec.http[0].route[0].destination.subset", "17 IST0101 spec.http[0].mirror.subset"],
    ),
    row("27-reviews-outlier.yaml", &[], &[]),
    row(
        "28-telemetry.yaml",
        &[],
        &[
            "15 RS14 spec.metrics[0].overrides[0].tagOverrides.request_id.value",
            "20 RS224 spec.accessLogging[0].filter",
            "22 RS224 spec.tracing",
            "23 RS15 spec.tracing[0].providers[0].name",
        ],
    ),
    row("29-serviceprofile.yaml", &[], &["2 RS105 kind"]),
    row("30-httproute-v1beta1.yaml", &[], &["2 RS105 kind"]),
    row("31-ciliumenvoyconfig.yaml", &[], &["2 RS105 kind"]),
    row("32-httproute-mesh.yaml", &["14-reviews-vs.yaml", "30-httproute-v1beta1.yaml"], &["2 RS105 kind"]),
    row("33-alerts-bare-list.yaml", &[], &["2 RS19 "]),
    row("33-alerts.yaml", &[], &["1 RS19 "]),
    row("34-team-a-strict.yaml", &[], &[]),
    row("35-reviews-routing.yaml", &["36-reviews-destination.yaml"], &[]),
    row("36-reviews-destination.yaml", &[], &[]),
    row("37-bookinfo-strict.yaml", &["34-team-a-strict.yaml"], &[]),
    row("must-fail-1-missing-separators.yaml", &[], &["12 RS17 spec"]),
    row("must-fail-2-indentation-lost.yaml", &[], &["4 RS18 name"]),
];

/// Files whose content is no configuration of a mesh.
const ALERTS: [&str; 2] = ["33-alerts-bare-list.yaml", "33-alerts.yaml"];

#[test]
fn files() {
    let Some(handbook) = handbook() else { return };
    let mut wrong = Vec::new();
    for Row { file, with, findings } in ROWS {
        let mut mesh = Mesh::default();
        with.iter().for_each(|other| drop(mesh.load(&handbook, other)));
        let parsed = mesh.load(&handbook, file);
        let told: Vec<String> = mesh.findings().iter().filter(|told| told.position.file == *file).map(short).collect();
        if told != *findings {
            wrong.push(format!("{file} with {with:?}\n  told:     {told:#?}\n  expected: {findings:#?}"));
        }
        if file.starts_with("must-fail") && (!parsed.objects.is_empty() || !parsed.unreadable) {
            wrong.push(format!("{file}: something of it is applied"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_has_a_row() {
    let Some(handbook) = handbook() else { return };
    let entries = fs::read_dir(&handbook).expect("the directory is readable");
    let files: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name != "README.md")
        .collect();
    let rows: BTreeSet<String> = ROWS.iter().map(|row| row.file.to_owned()).collect();
    assert_eq!(rows, files);
}

#[test]
fn all_together() {
    let Some(handbook) = handbook() else { return };
    let mut mesh = Mesh::default();
    for file in ROWS.iter().map(|row| row.file).filter(|file| !file.starts_with("must-fail") && !ALERTS.contains(file))
    {
        let parsed = mesh.load(&handbook, file);
        assert!(!parsed.unreadable && parsed.broken.is_empty(), "{file}: {:#?}", parsed.findings);
    }
    let refused: Vec<_> = mesh.parsed.iter().filter(|finding| finding.level == Level::Error).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let output = mesh.compile();
    let policies = &output.peer_authentications;
    let ignored: Vec<String> =
        output.findings(UNIX_EPOCH).iter().filter(|finding| finding.code == "RS13").map(ToString::to_string).collect();
    // Of the four policies of namespace production without selector the oldest acts.
    assert_eq!(ignored.len(), 3, "{ignored:#?}");
    assert_eq!(policies.len(), 8, "one object of each name");
    assert_eq!(output.traffic.routes.len(), 7);
    assert_eq!(output.traffic.backends.len(), 3);
}

#[test]
fn the_ground_is_good() {
    let told = Mesh::default().findings();
    assert!(told.iter().all(|finding| finding.level == Level::Info), "{told:#?}");
}

/// Objects of the ground and of files; of several of one name the first counts.
struct Mesh {
    objects: Objects,
    parsed: Vec<Finding>,
}

impl Mesh {
    fn load(&mut self, handbook: &Path, file: &str) -> Parsed {
        let text = fs::read_to_string(handbook.join(file)).expect(file);
        let parsed = parse_file(file, &text);
        self.add(&parsed);
        parsed
    }

    fn add(&mut self, parsed: &Parsed) {
        self.parsed.extend(parsed.findings.iter().cloned());
        for object in &parsed.objects {
            let created = self.objects.len() as u64 + 1;
            if !self.objects.contains_key(&object.id) {
                let declared = Declared { object: Arc::new(object.clone()), created, generation: 1 };
                self.objects.insert(object.id.clone(), declared);
            }
        }
    }

    fn compile(&self) -> Output {
        compile(&Input {
            objects: &self.objects,
            instances: &OrdMap::new(),
            captures: &OrdMap::new(),
            assigned: &Assignments::default(),
            previous: None,
        })
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.parsed.clone();
        findings.extend(self.compile().findings(UNIX_EPOCH));
        findings.sort_by(|a, b| (&a.position, a.code).cmp(&(&b.position, b.code)));
        findings
    }
}

impl Default for Mesh {
    fn default() -> Self {
        let mut mesh = Self { objects: Objects::new(), parsed: Vec::new() };
        mesh.add(&parse_file("ground.yaml", GROUND));
        mesh
    }
}

fn short(finding: &Finding) -> String {
    format!("{} {} {}", finding.position.line, finding.code, finding.path)
}

/// The directory of files, if there is one.
fn handbook() -> Option<PathBuf> {
    let Some(fixtures) = std::env::var_os("RIPSTOP_FIXTURES") else {
        // The macros' output would be kept back, as the test passes.
        let _ = writeln!(io::stderr(), "SKIPPED: RIPSTOP_FIXTURES is not set, so the handbooks' files are not read");
        return None;
    };
    Some(Path::new(&fixtures).join("handbook"))
}
