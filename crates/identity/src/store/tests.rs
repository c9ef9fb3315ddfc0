use std::{
    os::unix::fs::PermissionsExt as _,
    time::{Duration, SystemTime},
};

use super::*;
use crate::{CertificateAuthority, new_csr};

struct Bench {
    dir: tempfile::TempDir,
    authority: CertificateAuthority,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority =
            CertificateAuthority::load_or_create(&dir.path().join("ca"), &ripstop_model::TrustDomain::default());
        Self { authority: authority.unwrap(), dir }
    }

    fn store(&self) -> SvidStore {
        SvidStore::open(self.dir.path().join("svids")).unwrap()
    }

    fn svid(&self, account: &str) -> Svid {
        let id = format!("spiffe://cluster.local/ns/test/sa/{account}").parse().unwrap();
        let (key, csr) = new_csr().unwrap();
        let chain = self.authority.issue(&csr, &id, Duration::from_mins(1)).unwrap();
        Svid::new(&chain.pem(), key).unwrap()
    }
}

#[test]
fn round_trip() {
    let bench = Bench::new();
    let store = bench.store();
    let (a, b) = (bench.svid("a"), bench.svid("b"));
    assert!(store.load(&a.id).is_none());
    store.save(&b).unwrap();
    store.save(&a).unwrap();
    let again = bench.store();
    assert_eq!(again.load(&a.id).unwrap().chain(), a.chain());
    let ids: Vec<_> = again.load_all().into_iter().map(|svid| svid.id).collect();
    assert_eq!(ids, [a.id.clone(), b.id]);
    let newer = bench.svid("a");
    store.save(&newer).unwrap();
    assert_eq!(again.load(&a.id).unwrap().chain(), newer.chain());
    store.remove(&a.id).unwrap();
    store.remove(&a.id).unwrap();
    assert!(again.load(&a.id).is_none());
}

#[test]
fn roots_round_trip() {
    let bench = Bench::new();
    let store = bench.store();
    assert!(store.load_roots().is_none());
    store.save_roots(bench.authority.roots()).unwrap();
    assert_eq!(&bench.store().load_roots().unwrap(), bench.authority.roots());
    assert!(store.load_all().is_empty(), "roots are no SVID");
}

#[test]
fn permissions() {
    let bench = Bench::new();
    let dir = bench.dir.path().join("svids");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let store = bench.store();
    let svid = bench.svid("a");
    store.save(&svid).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&store.path(&svid.id)), 0o600);
    assert!(!store.path(&svid.id).to_string_lossy().contains("test"), "file names tell nothing");
}

#[test]
fn what_is_broken_is_skipped() {
    let bench = Bench::new();
    let store = bench.store();
    let (a, b) = (bench.svid("a"), bench.svid("b"));
    store.save(&b).unwrap();
    store.save(&a).unwrap();
    let good = fs::read(store.path(&a.id)).unwrap();
    for bad in [vec![], b"garbage".to_vec(), good[..good.len() / 2].to_vec(), vec![0xff; 3000], vec![b'x'; 2 << 20]] {
        fs::write(store.path(&a.id), bad).unwrap();
        assert!(store.load(&a.id).is_none());
        assert_eq!(store.load_all().len(), 1);
    }
    // A file under another identity's name is not that identity.
    fs::copy(store.path(&b.id), store.path(&a.id)).unwrap();
    assert!(store.load(&a.id).is_none());
    assert_eq!(store.load_all().len(), 1);
    fs::write(store.dir.join(ROOTS), "garbage").unwrap();
    assert!(store.load_roots().is_none());
}

#[test]
fn interrupted_writes_are_cleared_away() {
    let bench = Bench::new();
    let store = bench.store();
    let half = fs::File::create(store.dir.join(".tmp-0123456789abcdef")).unwrap();
    bench.store();
    assert_eq!(fs::read_dir(&store.dir).unwrap().count(), 1, "somebody may be writing it");
    half.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
    bench.store().save(&bench.svid("a")).unwrap();
    assert_eq!(fs::read_dir(&store.dir).unwrap().count(), 1);
}

#[test]
fn an_unusable_directory_is_an_error() {
    let bench = Bench::new();
    let path = bench.dir.path().join("file");
    fs::write(&path, "").unwrap();
    let error = SvidStore::open(&path).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}
