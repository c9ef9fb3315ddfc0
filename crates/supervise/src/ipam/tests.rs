use super::*;

fn blocks(v4: &str, v6: &str) -> NodeBlocks {
    NodeBlocks { v4: v4.parse().unwrap(), v6: v6.parse().unwrap() }
}

fn take(ipam: &mut Ipam, blocks: &NodeBlocks) -> String {
    let taken = ipam.take(blocks).unwrap();
    format!("{} {}", taken.v4, taken.v6)
}

#[test]
fn blocks_follow_the_network_plan() {
    let index = NodeIndex::new(7).unwrap();
    assert_eq!(index.fabric().all().map(|ip| ip.to_string()), ["100.64.1.7", "fd00:7269:7073::1:7"]);
    assert_eq!(index.blocks(&[]), blocks("10.244.7.0/24", "fd00:10:244:7::/64"));
    assert_eq!(index.blocks(&["10.9.0.5/16".parse().unwrap()]), blocks("10.9.0.0/16", "fd00:10:244:7::/64"));
    assert_eq!(index.blocks(&[]).node().all().map(|ip| ip.to_string()), ["10.244.7.1", "fd00:10:244:7::1"]);
}

#[test]
fn addresses_ascend_and_come_round_only_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut ipam = Ipam::load(dir.path().join("addresses.json"));
    let small = blocks("10.0.0.0/29", "fd00::/64");
    assert_eq!(take(&mut ipam, &small), "10.0.0.2 fd00::2");
    let second = ipam.take(&small).unwrap();
    ipam.release(&second);
    assert_eq!(take(&mut ipam, &small), "10.0.0.4 fd00::4");
    assert_eq!(take(&mut ipam, &small), "10.0.0.5 fd00::5");
    assert_eq!(take(&mut ipam, &small), "10.0.0.6 fd00::6");
    assert_eq!(take(&mut ipam, &small), "10.0.0.3 fd00::7", "the block is full but for the one given back");
    let full = ipam.take(&small).unwrap_err().to_string();
    assert!(full.starts_with("block 10.0.0.0/29 has no free address"), "{full}");
}

#[test]
fn the_next_mesh_goes_on_where_the_last_one_ended() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("addresses.json");
    let block = blocks("10.244.1.0/24", "fd00:10:244:1::/64");
    let mut first = Ipam::load(file.clone());
    take(&mut first, &block);
    take(&mut first, &block);
    assert_eq!(take(&mut Ipam::load(file.clone()), &block), "10.244.1.4 fd00:10:244:1::4");
    fs::write(&file, "{half a fi").unwrap();
    assert_eq!(take(&mut Ipam::load(file), &block), "10.244.1.2 fd00:10:244:1::2");
}

#[test]
fn tiny_blocks_have_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut ipam = Ipam::load(dir.path().join("a"));
    assert!(ipam.take(&blocks("10.0.0.0/31", "fd00::/64")).is_err());
    assert!(ipam.take(&blocks("10.0.0.0/32", "fd00::/64")).is_err());
    assert!(ipam.take(&blocks("10.0.1.0/24", "fd00::/128")).is_err());
    assert!(ipam.taken.is_empty(), "a half taken pair is given back");
}

#[test]
fn nodes_keep_their_index() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nodes.json");
    let get = |indexes: &mut NodeIndexes, names: &[&str]| -> Vec<(String, u8)> {
        let assigned = indexes.assign(names.iter().copied()).unwrap();
        assigned.into_iter().map(|(name, index)| (name, index.get())).collect()
    };
    let mut indexes = NodeIndexes::load(file.clone());
    assert_eq!(get(&mut indexes, &["b", "c"]), [("b".into(), 1), ("c".into(), 2)]);
    assert_eq!(get(&mut indexes, &["a", "b", "c"]), [("a".into(), 3), ("b".into(), 1), ("c".into(), 2)]);
    assert_eq!(get(&mut indexes, &["a", "c"]), [("a".into(), 3), ("c".into(), 2)]);
    assert_eq!(
        get(&mut NodeIndexes::load(file), &["a", "c", "d"]),
        [("a".into(), 3), ("c".into(), 2), ("d".into(), 1)]
    );
}
