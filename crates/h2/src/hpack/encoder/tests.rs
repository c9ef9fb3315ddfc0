use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Fields;
use crate::hpack::testing::{bytes, fields, sequences};
use crate::hpack::{Decoded, Decoder};

/// What `encode` makes of these.
fn encode(encoder: &mut Encoder, of: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.encode(fields(of).iter(), &mut out);
    out
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Fields {
    let mut fields = Fields::new();
    assert_eq!(decoder.decode(block, &mut fields, usize::MAX, usize::MAX), Ok(Decoded::Whole));
    fields
}

/// RFC 7541 appendices C.4 and C.6.
#[test]
fn sequences_of_the_rfc() {
    for sequence in sequences().iter().filter(|sequence| sequence.huffman) {
        let mut encoder = Encoder::with_cap(sequence.table_size);
        encoder.begin(&mut Vec::new());
        for block in sequence.blocks {
            let mut out = Vec::new();
            fields(block.fields).iter().for_each(|field| encoder.encode_field(field, Indexing::Incremental, &mut out));
            // The RFC codes "307" although that does not make it shorter.
            let expected = block.hex.replace("4883 640e ff", "4803 333037");
            assert_eq!(out, bytes(&expected), "{}", block.name);
            for (place, (name, value)) in block.table.iter().enumerate() {
                assert!(encoder.table.has_field(place, name.as_bytes(), value.as_bytes()), "{} {place}", block.name);
            }
        }
    }
}

/// RFC 7541 appendix C.2, but for Huffman coding.
#[test]
fn representations_of_the_rfc() {
    let field = |field: Field<'_>, how| {
        let mut out = Vec::new();
        Encoder::new().encode_field(field, how, &mut out);
        out
    };
    let custom = Field::new(b"custom-key", b"custom-header");
    assert_eq!(field(custom, Indexing::Incremental), bytes("40 88 25a849e95ba97d7f 89 25a849e95a728e42d9"));
    assert_eq!(field(Field::new(b":path", b"/sample/path"), Indexing::Without), bytes("04 89 6103a6ba0ac5634cff"));
    assert_eq!(field(Field::new(b"password", b"secret"), Indexing::Never), bytes("10 86 ac684783d927 84 41496153"));
    assert_eq!(
        field(Field::sensitive(b"password", b"secret"), Indexing::Incremental),
        bytes("10 86 ac684783d927 84 41496153")
    );
    assert_eq!(field(Field::new(b":method", b"GET"), Indexing::Incremental), [0x82]);
    assert_eq!(field(Field::new(b":method", b"GET"), Indexing::Without), [0x82]);
    assert_eq!(field(Field::new(b":method", b"GET"), Indexing::Never), bytes("12 03 474554"));
}

#[test]
fn what_repeats_is_a_reference_the_next_time() {
    let mut encoder = Encoder::new();
    let request = [(":authority", "a:80"), ("baggage", "k8s.namespace.name=default"), ("accept", "")];
    encode(&mut encoder, &request);
    // "accept" without a value is in the static table.
    assert_eq!(encode(&mut encoder, &request), [0xbf, 0xbe, 0x93]);
}

#[test]
fn what_varies_is_not_remembered_but_its_name_is() {
    let mut encoder = Encoder::new();
    let mut out = encode(&mut encoder, &[("traceparent", "00-1"), (":path", "/a"), ("date", "now")]);
    // Only the name that no table had, with the value it had by chance.
    assert!(encoder.table.has_field(0, b"traceparent", b"00-1"));
    assert_eq!(encoder.table.size(), 47);
    out.clear();
    encoder.encode(fields(&[("traceparent", "00-2"), (":path", "/"), (":path", "/b")]).iter(), &mut out);
    assert_eq!(out, bytes("0f2f 83 001617  84  04 02 2f62"));
    assert_eq!(encoder.table.size(), 47);
}

#[test]
fn secrets_are_never_indexed() {
    let mut encoder = Encoder::new();
    let mut message =
        fields(&[("authorization", "Bearer of something long"), ("cookie", "a=1"), ("set-cookie", "b=2")]);
    message.push_sensitive(b"x-mine", b"1");
    let mut out = Vec::new();
    encoder.encode(message.iter(), &mut out);
    assert_eq!(encoder.table.size(), 0);
    let decoded = decode(&mut Decoder::new(4096), &out);
    assert!(decoded.iter().all(|field| field.sensitive));
    assert_eq!(decoded.len(), 4);

    encoder.encode(fields(&[("cookie", "session=0123456789ab")]).iter(), &mut out);
    assert!(encoder.table.has_field(0, b"cookie", b"session=0123456789ab"));
}

#[test]
fn a_secret_may_take_its_name_from_the_table() {
    let mut encoder = Encoder::new();
    encode(&mut encoder, &[("x-mine", "public")]);
    let mut out = Vec::new();
    encoder.encode([Field::sensitive(b"x-mine", b"public")], &mut out);
    assert_eq!(out[..2], [0x1f, 0x2f]);
    assert_eq!(encoder.table.size(), 44);
}

#[test]
fn large_fields_do_not_push_the_others_out() {
    let mut encoder = Encoder::new();
    let large = "x".repeat(2048);
    encode(&mut encoder, &[("small", "1"), ("large", &large), ("etag", &large), ("x-request-id", &large)]);
    assert_eq!(encoder.table.size(), 38);
    // What does not fit at all is not remembered, even if that is asked for.
    let mut out = Vec::new();
    encoder.encode_field(Field::new(b"large", large.repeat(2).as_bytes()), Indexing::Incremental, &mut out);
    assert_eq!((out[0], encoder.table.size()), (0, 38));
    encoder.encode_field(Field::new(b"large", large.as_bytes()), Indexing::Incremental, &mut out);
    assert_eq!(encoder.table.size(), 38 + 2048 + 5 + 32);
}

#[test]
fn a_field_that_fits_exactly_is_remembered_and_one_octet_more_is_not() {
    let mut encoder = Encoder::with_cap(100);
    let mut out = Vec::new();
    encoder.begin(&mut out);
    encoder.encode_field(Field::new(b"name", &[b'x'; 65]), Indexing::Incremental, &mut out);
    assert_eq!(encoder.table.size(), 0);
    encoder.encode_field(Field::new(b"name", &[b'x'; 64]), Indexing::Incremental, &mut out);
    assert_eq!(encoder.table.size(), 100);
    encoder.encode_field(Field::new(b"name", &[b'x'; 65]), Indexing::Incremental, &mut out);
    assert_eq!(encoder.table.size(), 100);
    let decoded = decode(&mut Decoder::new(4096), &out);
    assert_eq!(decoded.iter().map(|field| field.value.len()).collect::<Vec<_>>(), [65, 64, 65]);
}

#[test]
fn strings_of_any_length_have_the_right_one() {
    let mut decoder = Decoder::new(4096);
    for len in 1..1000 {
        // Shorter if coded, longer if coded.
        for octet in [b'0', b'\\'] {
            let value = vec![octet; len];
            let mut out = Vec::new();
            Encoder::new().encode_field(Field::new(b"etag", &value), Indexing::Without, &mut out);
            assert_eq!(out[2] & 0x80 != 0, octet == b'0' && len > 2, "{len}");
            assert_eq!(decode(&mut decoder, &out).get(b"etag"), Some(&value[..]), "{len}");
        }
    }
}

#[test]
fn size_updates_are_sent_once_with_the_next_block() {
    let mut encoder = Encoder::new();
    assert_eq!(encode(&mut encoder, &[(":method", "GET")]), [0x82]);
    encoder.set_peer_max(0);
    assert_eq!(encode(&mut encoder, &[(":method", "GET")]), [0x20, 0x82]);
    assert_eq!(encode(&mut encoder, &[(":method", "GET")]), [0x82]);
    encoder.set_peer_max(4096);
    assert_eq!(encode(&mut encoder, &[]), [0x3f, 0xe1, 0x1f]);
    // Nothing changes for us if the peer allows more than we use.
    encoder.set_peer_max(65_536);
    assert_eq!(encode(&mut encoder, &[(":method", "GET")]), [0x82]);
}

#[test]
fn the_least_size_comes_before_the_last() {
    let mut encoder = Encoder::new();
    encode(&mut encoder, &[("a", "b")]);
    for size in [100, 30, 60, 5000] {
        encoder.set_peer_max(size);
    }
    assert_eq!(encode(&mut encoder, &[("a", "b")]), bytes("3e 3fe11f 40 01 61 01 62"));
    for size in [80, 70] {
        encoder.set_peer_max(size);
    }
    assert_eq!(encode(&mut encoder, &[("a", "b")]), bytes("3f27 be"));
    // More is not less: one update will do.
    for size in [75, 80] {
        encoder.set_peer_max(size);
    }
    assert_eq!(encode(&mut encoder, &[]), bytes("3f31"));
}

#[test]
fn a_cap_holds_whatever_the_peer_allows() {
    let mut encoder = Encoder::with_cap(100);
    encoder.set_peer_max(1000);
    assert_eq!(encode(&mut encoder, &[]), bytes("3f45"));
    assert_eq!(encoder.table.max(), 100);
    let mut encoder = Encoder::with_cap(8192);
    assert_eq!(encode(&mut encoder, &[]), [0_u8; 0]);
    encoder.set_peer_max(16_384);
    assert_eq!(encode(&mut encoder, &[]), bytes("3fe13f"));
    assert_eq!(encoder.table.max(), 8192);
}

#[test]
fn without_a_table_everything_still_goes() {
    let mut encoder = Encoder::with_cap(0);
    let mut decoder = Decoder::new(4096);
    let message = [(":authority", "a"), ("traceparent", "00-1"), ("x", "y")];
    for _ in 0..2 {
        let block = encode(&mut encoder, &message);
        assert_eq!(decode(&mut decoder, &block), fields(&message));
    }
    assert_eq!(encoder.table.size(), 0);
}

/// One step of a connection's life.
#[derive(Clone, Debug)]
enum Step {
    /// The settings of the decoding side change, and are acknowledged at once.
    Resize(u32),
    Block(Vec<(usize, usize, Choice)>),
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Habit,
    Sensitive,
    Explicit(Indexing),
}

const NAMES: [&str; 12] = [
    ":method",
    ":path",
    ":authority",
    "date",
    "cookie",
    "authorization",
    "traceparent",
    "x-request-id",
    "baggage",
    "x-a",
    "x-b",
    "",
];

fn value(of: usize) -> String {
    match of {
        0 => String::new(),
        1 => "GET".to_owned(),
        2 => "/".to_owned(),
        3 => "\u{0}\u{7f}é".to_owned(),
        4 => "long ".repeat(300),
        5 => "longest ".repeat(700),
        _ => format!("value {of}").repeat(of / 8),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let choice = prop_oneof![
        8 => Just(Choice::Habit),
        1 => Just(Choice::Sensitive),
        2 => Just(Choice::Explicit(Indexing::Incremental)),
        1 => Just(Choice::Explicit(Indexing::Without)),
        1 => Just(Choice::Explicit(Indexing::Never)),
    ];
    prop_oneof![
        1 => prop_oneof![Just(0), 0_u32..200, 0_u32..10_000].prop_map(Step::Resize),
        4 => vec((0..NAMES.len(), 0_usize..40, choice), 0..12).prop_map(Step::Block),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(cap in prop_oneof![Just(4096), 0_u32..300, 0_u32..20_000], steps in vec(step(), 0..60)) {
        let mut encoder = Encoder::with_cap(cap);
        let mut decoder = Decoder::new(4096);
        for step in steps {
            match step {
                Step::Resize(size) => {
                    encoder.set_peer_max(size);
                    decoder.set_max_table_size(size);
                }
                Step::Block(block) => {
                    let mut expected = Fields::new();
                    let mut out = Vec::new();
                    encoder.begin(&mut out);
                    for (name, of, choice) in block {
                        let value = value(of);
                        let mut field = Field::new(NAMES[name].as_bytes(), value.as_bytes());
                        field.sensitive = matches!(choice, Choice::Sensitive);
                        let how = match choice {
                            Choice::Habit | Choice::Sensitive => encoder.habitual(field, Name::of(field.name)),
                            Choice::Explicit(how) => how,
                        };
                        encoder.encode_field(field, how, &mut out);
                        field.sensitive = how == Indexing::Never;
                        expected.extend([field]);
                    }
                    prop_assert_eq!(decode(&mut decoder, &out), expected);
                }
            }
        }
    }

    #[test]
    fn any_fields_decode(messages in vec(vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..80)), 0..20), 0..8)) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(4096);
        for message in messages {
            let expected: Fields = message.iter().map(|(name, value)| Field::new(name, value)).collect();
            let mut out = Vec::new();
            encoder.encode(expected.iter(), &mut out);
            let decoded = decode(&mut decoder, &out);
            prop_assert!(decoded.iter().map(|field| (field.name, field.value)).eq(
                expected.iter().map(|field| (field.name, field.value))));
        }
    }
}
