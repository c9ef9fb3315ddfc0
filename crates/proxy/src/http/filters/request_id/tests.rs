use super::*;

fn made(random: [u8; 16], sampling: Sampling) -> String {
    String::from_utf8(request_id(random, sampling).as_bytes().to_vec()).unwrap()
}

#[test]
fn version_and_variant() {
    assert_eq!(made([0; 16], Sampling::Dropped), "00000000-0000-4000-8000-000000000000");
    assert_eq!(made([0xff; 16], Sampling::Dropped), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    let random = std::array::from_fn(|index| u8::try_from(index * 17).unwrap());
    assert_eq!(made(random, Sampling::Dropped), "00112233-4455-4677-8899-aabbccddeeff");
}

#[test]
fn recorded_traces_show() {
    assert_eq!(made([0; 16], Sampling::Sampled), "00000000-0000-9000-8000-000000000000");
    assert_eq!(made([0; 16], Sampling::Debug), "00000000-0000-a000-8000-000000000000");
}
