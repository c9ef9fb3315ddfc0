use ripstop_compile::{Declared, Objects, bundle_sources};
use ripstop_identity::CertificateAuthority;
use tokio_util::task::TaskTracker;

use super::*;

const URL: &str = "https://bundles.example/a";

fn sources() -> Vec<BundleSource> {
    let text = format!(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Mesh\nmetadata: {{name: default}}\nspec: {{meshConfig: {{caCertificates: \
         [{{spiffeBundleUrl: '{URL}', trustDomains: [a.example]}}]}}}}\n"
    );
    let objects = ripstop_api::parse_file("a.yaml", &text).objects.into_iter();
    let objects: Objects = objects
        .map(|object| (object.id.clone(), Declared { object: Arc::new(object), created: 0, generation: 1 }))
        .collect();
    bundle_sources(&objects)
}

fn authority() -> String {
    let dir = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::load_or_create(dir.path(), &"a.example".parse().unwrap()).unwrap();
    authority.roots_pem().clone()
}

fn document(pem: &str, refresh: Option<u64>) -> Document {
    Document { pem: pem.to_owned(), refresh: refresh.map(Duration::from_secs) }
}

#[tokio::test]
async fn the_last_good_one_counts_until_there_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bundles.json");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let open = || Bundles::open(&path, Keeper::start(path.clone(), &tasks, stop.clone())).unwrap();
    let bundles = open();
    let sources = sources();
    let url = &sources[0].url;
    let believed = |bundles: &Bundles| {
        let mut mesh = MeshConfig::default();
        bundles.add_to(&mut mesh, &sources);
        let anchors = mesh.trust_anchors.iter().map(|anchor| anchor.pem.to_string()).collect::<Vec<_>>();
        (anchors, mesh.federated_domains.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let told = |bundles: &Bundles| bundles.findings(&sources).into_iter().map(|one| one.message).collect::<Vec<_>>();
    let nobody = (Vec::<String>::new(), Vec::<String>::new());
    assert_eq!((believed(&bundles), told(&bundles).len()), (nobody.clone(), 0));
    let mut changed = bundles.subscribe();

    let failed = || Err(FetchError::Late);
    assert_eq!(bundles.note(url, failed(), 0), (Duration::from_secs(1), 1));
    assert_eq!(bundles.note(url, failed(), 4), (Duration::from_secs(16), 5));
    assert_eq!(bundles.note(url, failed(), 60), (USUAL, 61));
    assert_eq!(told(&bundles), ["its server did not answer within 10 s: it vouches for nobody yet"]);
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();

    let pem = authority();
    assert_eq!(bundles.note(url, Ok(document(&pem, Some(7))), 3), (Duration::from_secs(7), 0));
    assert_eq!(bundles.note(url, Ok(document(&pem, None)), 0), (USUAL, 0));
    assert_eq!(bundles.note(url, Ok(document(&pem, Some(0))), 0), (SHORTEST, 0));
    let one = (vec![pem.clone()], vec!["a.example".to_owned()]);
    assert_eq!((believed(&bundles), told(&bundles).len()), (one.clone(), 0));
    // Each change is one of the whole mesh, however often the document asks to be fetched.
    assert_eq!(bundles.note(url, Ok(document(&authority(), Some(1))), 0), (AFTER_CHANGE, 0));
    assert_eq!(bundles.note(url, Ok(document(&pem, Some(60))), 0), (Duration::from_secs(60), 0));
    bundles.note(url, failed(), 0);
    assert_eq!(told(&bundles), ["its server did not answer within 10 s: what it said before counts on"]);
    assert_eq!(believed(&bundles), one);

    let mut metrics = String::new();
    bundles.write_metrics(&mut metrics);
    assert!(metrics.contains(&format!("fetches_total{{url=\"{URL}\",result=\"success\"}} 5\n")), "{metrics}");
    assert!(metrics.contains(&format!("fetches_total{{url=\"{URL}\",result=\"failure\"}} 4\n")), "{metrics}");

    // It outlives the process.
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let again = Bundles::open(&path, Keeper::start(path.clone(), &tasks, stop.clone())).unwrap();
    assert_eq!(believed(&again), one);

    // Who withdraws all keys vouches for nobody.
    again.note(url, Ok(document("", None)), 0);
    assert_eq!(believed(&again), nobody);
    assert_eq!(told(&again), ["it has no key with use x509-svid: it vouches for nobody"]);
    again.retain(&BTreeSet::new());
    assert_eq!(told(&again).len(), 0);
}
