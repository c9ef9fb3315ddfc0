use super::*;

fn tokens() -> (tempfile::TempDir, Tokens) {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path().join("tokens.json")).unwrap();
    (dir, tokens)
}

#[test]
fn a_token_admits_one_key_once() {
    let (_dir, mut tokens) = tokens();
    let now = SystemTime::now();
    let token = tokens.create(Role::Agent, "n1", now).unwrap();
    assert_eq!(tokens.redeem(&token, "csr", now), Ok((Role::Agent, "n1".into())));
    assert_eq!(
        tokens.redeem(&token, "csr", now),
        Ok((Role::Agent, "n1".into())),
        "a lost answer may be asked for again"
    );
    assert_eq!(tokens.redeem(&token, "other", now), Err(Refusal::Used));
    assert_eq!(tokens.redeem("guess", "csr", now), Err(Refusal::Unknown));
}

#[test]
fn a_use_survives_a_restart_and_the_token_is_not_on_disk() {
    let (dir, mut tokens) = tokens();
    let now = SystemTime::now();
    let token = tokens.create(Role::Node, "n1", now).unwrap();
    tokens.redeem(&token, "csr", now).unwrap();
    let path = dir.path().join("tokens.json");
    assert!(!std::fs::read_to_string(&path).unwrap().contains(&token));
    assert_eq!(Tokens::open(path).unwrap().redeem(&token, "other", now), Err(Refusal::Used));
}

#[test]
fn tokens_expire_and_are_limited() {
    let (_dir, mut tokens) = tokens();
    let now = SystemTime::now();
    let token = tokens.create(Role::Node, "n1", now).unwrap();
    assert_eq!(tokens.redeem(&token, "csr", now + LIFETIME), Err(Refusal::Unknown));
    tokens.known = vec![tokens.known[0].clone(); LIMIT];
    tokens.create(Role::Node, "n2", now).unwrap();
    assert_eq!(tokens.known.len(), LIMIT);
}
