use ripstop_model::TlsFiles;

use super::*;
use crate::backends::{
    facts::HttpVersion,
    originate::{
        Origination,
        tests::{Bed, seen, with_secret},
    },
};

const HTTP1: HttpVersion = HttpVersion::Http1;

fn tls(mode: ClientTlsMode) -> ClientTls {
    ClientTls { mode, credential: Some("out".into()), files: TlsFiles::default(), ..ClientTls::default() }
}

/// A `Secret` of `edge`.
fn secret(name: &str, (chain, key): (&str, &str), authorities: &str) -> Credential {
    let bytes = |text: &str| Arc::from(text.as_bytes());
    Credential {
        namespace: "edge".into(),
        name: name.into(),
        chain: bytes(chain),
        key: bytes(key),
        authorities: bytes(authorities),
        revocations: Arc::default(),
    }
}

fn holding(secrets: impl IntoIterator<Item = Credential>) -> Credentials {
    let mut held = Credentials::default();
    secrets.into_iter().for_each(|secret| held.insert(secret));
    held
}

/// As it is at the beginning.
fn first(tls: &ClientTls, held: &Credentials) -> Arc<Secret> {
    Secret::follow(None, "edge", tls, held)
}

fn by(tls: &ClientTls, held: &Credentials) -> Origination {
    with_secret(tls.clone(), Some(first(tls, held)))
}

fn error(tls: &ClientTls, held: &Credentials) -> String {
    by(tls, held).config(Some(HTTP1)).unwrap_err().to_string()
}

#[tokio::test]
async fn authorities_come_from_either_secret_and_nobody_else_is_believed() {
    let (bed, stranger) = (Bed::new(), Bed::new());
    let simple = tls(ClientTlsMode::Simple);
    let (ours, theirs) = (bed.issuer.pem(), stranger.issuer.pem());
    for (held, accepted) in [
        (holding([secret("out", ("", ""), &ours)]), true),
        (holding([secret("out-cacert", ("", ""), &ours)]), true),
        // The one of its own comes first.
        (holding([secret("out", ("", ""), &ours), secret("out-cacert", ("", ""), &theirs)]), false),
        (holding([secret("out", ("", ""), &theirs)]), false),
    ] {
        let made = bed.meet(bed.issue(&["shop.example"]), &by(&simple, &held), "shop.example", HTTP1).await;
        assert_eq!(made.is_ok(), accepted, "{made:?}");
    }
    // The name still counts.
    let held = holding([secret("out", ("", ""), &ours)]);
    bed.meet(bed.issue(&["other.example"]), &by(&simple, &held), "shop.example", HTTP1).await.unwrap_err();
}

#[tokio::test]
async fn mutual_proves_what_the_secret_holds() {
    let bed = Bed::new();
    let client = bed.issue(&["client"]);
    let held = holding([secret("out", (&client.chain_pem, &client.key_pem), &bed.issuer.pem())]);
    let made =
        bed.meet(bed.issue(&["shop.example"]), &by(&tls(ClientTlsMode::Mutual), &held), "shop.example", HTTP1).await;
    assert_eq!(made, Ok(seen(Some("shop.example"), "http/1.1", true)));
    // Without authorities nobody is believed, and without asking everybody is.
    let held = holding([secret("out", (&client.chain_pem, &client.key_pem), "")]);
    assert!(error(&tls(ClientTlsMode::Mutual), &held).contains("edge/out with the authorities"));
    let insecure = ClientTls { insecure: true, ..tls(ClientTlsMode::Mutual) };
    let made = bed.meet(Bed::new().issue(&["other"]), &by(&insecure, &held), "shop.example", HTTP1).await;
    assert_eq!(made, Ok(seen(Some("shop.example"), "http/1.1", true)));
}

#[test]
fn what_is_missing_or_wrong_is_said_and_nothing_takes_its_place() {
    let bed = Bed::new();
    let (simple, mutual) = (tls(ClientTlsMode::Simple), tls(ClientTlsMode::Mutual));
    let none = Credentials::default();
    assert!(error(&simple, &none).contains("there is no Secret edge/out with the authorities"));
    assert!(error(&mutual, &none).contains("there is no Secret edge/out with certificate and key"));
    let elsewhere = Credential { namespace: "shop".into(), ..secret("out", ("", ""), &bed.issuer.pem()) };
    assert!(error(&simple, &holding([elsewhere])).contains("there is no Secret edge/out"));
    let foreign = ClientTls { credential: Some("sds://out".into()), ..simple.clone() };
    assert!(error(&foreign, &none).contains("there is no Secret sds://out"));
    let broken = holding([secret("out", ("", ""), "no PEM")]);
    assert!(error(&simple, &broken).starts_with("ca.crt of Secret edge/out: "));
    let key = bed.issue(&["client"]).key_pem;
    let unfit = holding([secret("out", (&bed.issue(&["client"]).chain_pem, &key), &bed.issuer.pem())]);
    assert!(error(&mutual, &unfit).starts_with("tls.key of Secret edge/out: "));
    // Whoever is given none.
    let told = with_secret(simple, None).config(Some(HTTP1)).unwrap_err().to_string();
    assert!(told.contains("credentialName out"), "{told}");
}

#[test]
fn changes_are_followed_but_for_those_that_are_of_no_use() {
    let (bed, other) = (Bed::new(), Bed::new());
    let simple = tls(ClientTlsMode::Simple);
    let of = |text: &str| holding([secret("out", ("", ""), text)]);
    let follow = |before: &Arc<Secret>, held: &Credentials| Secret::follow(Some(before), "edge", &simple, held);
    let (ours, theirs) = (of(&bed.issuer.pem()), of(&other.issuer.pem()));
    let before = first(&simple, &ours);
    assert!(Arc::ptr_eq(&before, &follow(&before, &ours)));
    let usable = |secret: &Secret| secret.usable.as_ref().map(Arc::clone).map_err(ToString::to_string);
    let changed = follow(&before, &theirs);
    assert!(!Arc::ptr_eq(&usable(&before).unwrap(), &usable(&changed).unwrap()));
    let broken = follow(&changed, &of("no PEM"));
    assert!(Arc::ptr_eq(&usable(&changed).unwrap(), &usable(&broken).unwrap()));
    assert!(Arc::ptr_eq(&broken, &follow(&broken, &of("no PEM"))));
    let gone = follow(&broken, &Credentials::default());
    usable(&gone).unwrap_err();
    // Nothing is known that would still hold.
    usable(&follow(&gone, &of("no PEM"))).unwrap_err();
    usable(&follow(&gone, &ours)).unwrap();
}
