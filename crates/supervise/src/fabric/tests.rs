use super::*;

#[test]
fn blocks_that_meet_are_found() {
    let blocks = |index, cidrs: &[&str]| {
        let cidrs: Vec<IpNet> = cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect();
        NodeIndex::new(index).unwrap().blocks(&cidrs)
    };
    assert!(!overlap(&blocks(1, &[]), &blocks(2, &[])));
    assert!(overlap(&blocks(1, &["10.0.0.0/8"]), &blocks(2, &[])));
    assert!(overlap(&blocks(1, &[]), &blocks(2, &["fd00:10:244::/48"])));
}
