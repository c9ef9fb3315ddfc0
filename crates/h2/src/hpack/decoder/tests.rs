use super::*;
use crate::Field;
use crate::hpack::testing::{bytes, fields};

const NO_LIMIT: usize = usize::MAX;

fn decode(decoder: &mut Decoder, hex: &str) -> Result<Fields, Error> {
    let mut fields = Fields::new();
    assert_eq!(decoder.decode(&bytes(hex), &mut fields, NO_LIMIT, NO_LIMIT)?, Decoded::Whole);
    Ok(fields)
}

fn decode_new(hex: &str) -> Result<Fields, Error> {
    decode(&mut Decoder::new(4096), hex)
}

/// RFC 7541 appendix C.2.
#[test]
fn representations_of_the_rfc() {
    let mut decoder = Decoder::new(4096);
    assert_eq!(
        decode(&mut decoder, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"),
        Ok(fields(&[("custom-key", "custom-header")]))
    );
    assert_eq!(decoder.table.size(), 55);

    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, "040c 2f73 616d 706c 652f 7061 7468"), Ok(fields(&[(":path", "/sample/path")])));
    assert_eq!(decoder.table.size(), 0);

    let mut decoder = Decoder::new(4096);
    let sensitive = decode(&mut decoder, "1008 7061 7373 776f 7264 0673 6563 7265 74").unwrap();
    assert_eq!(sensitive.iter().collect::<Vec<_>>(), [Field::sensitive(b"password", b"secret")]);
    assert_eq!(decoder.table.size(), 0);

    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, "82"), Ok(fields(&[(":method", "GET")])));
    assert_eq!(decoder.table.size(), 0);
}

/// RFC 7541 appendices C.3 to C.6, with the tables after each block.
#[test]
fn sequences_of_the_rfc() {
    for sequence in crate::hpack::testing::sequences() {
        let mut decoder = Decoder::new(sequence.table_size);
        for block in sequence.blocks {
            assert_eq!(decode(&mut decoder, block.hex), Ok(fields(block.fields)), "{}", block.name);
            let table: usize = block.table.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
            assert_eq!(decoder.table.size(), table, "{}", block.name);
            for (place, (name, value)) in block.table.iter().enumerate() {
                assert!(decoder.table.has_field(place, name.as_bytes(), value.as_bytes()), "{} {place}", block.name);
            }
        }
    }
}

#[test]
fn an_empty_block_has_no_fields() {
    assert_eq!(decode_new(""), Ok(Fields::new()));
}

#[test]
fn fields_of_before_are_forgotten() {
    let mut decoder = Decoder::new(4096);
    let mut kept = fields(&[("old", "field")]);
    decoder.decode(&[0x82], &mut kept, NO_LIMIT, NO_LIMIT).unwrap();
    assert_eq!(kept, fields(&[(":method", "GET")]));
}

#[test]
fn a_name_may_come_from_the_entry_that_makes_room() {
    // The table holds one entry of 40 octets; the next takes its name from it.
    let mut decoder = Decoder::new(48);
    assert_eq!(decode(&mut decoder, "40 04 6e616d65 04 61616161"), Ok(fields(&[("name", "aaaa")])));
    assert_eq!(decode(&mut decoder, "7e 04 62626262 be"), Ok(fields(&[("name", "bbbb"), ("name", "bbbb")])));
}

#[test]
fn indices_must_exist() {
    assert_eq!(decode_new("80"), Err(Error::NoSuchEntry(0)));
    assert_eq!(decode_new("be"), Err(Error::NoSuchEntry(62)));
    assert_eq!(decode_new("ff80ffffff0f"), Err(Error::NoSuchEntry(u32::MAX)));
    // As names, in each kind of literal.
    assert_eq!(decode_new("7e 00"), Err(Error::NoSuchEntry(62)));
    assert_eq!(decode_new("0f2f 00"), Err(Error::NoSuchEntry(62)));
    assert_eq!(decode_new("1f2f 00"), Err(Error::NoSuchEntry(62)));
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, "40 01 61 01 62 be"), Ok(fields(&[("a", "b"), ("a", "b")])));
    assert_eq!(decode(&mut decoder, "bf"), Err(Error::NoSuchEntry(63)));
}

#[test]
fn a_block_must_not_end_within_a_field() {
    for block in ["ff", "ff80", "40", "41", "40 02 61", "40 01 61", "40 01 61 02 62", "40 7f", "40 01 61 82 ff", "3f"] {
        assert_eq!(decode_new(block), Err(Error::Truncated), "{block}");
    }
}

#[test]
fn integers_and_strings_must_be_right() {
    assert_eq!(decode_new("ff ffffffffff00"), Err(Error::IntegerTooLarge));
    assert_eq!(decode_new("40 ff ffffffff7f"), Err(Error::IntegerTooLarge));
    assert_eq!(decode_new("3f ffffffffff00"), Err(Error::IntegerTooLarge));
    assert_eq!(decode_new("40 01 61 81 ff"), Err(Error::HuffmanPadding));
    assert_eq!(decode_new("40 01 61 84 ffffffff"), Err(Error::HuffmanEnd));
    assert_eq!(decode_new("40 81 00 01 61"), Err(Error::HuffmanPadding));
}

#[test]
fn size_updates_stand_at_the_start_and_are_two_at_most() {
    let get = fields(&[(":method", "GET")]);
    assert_eq!(decode_new("20 82"), Ok(get.clone()));
    assert_eq!(decode_new("20 3fe11f 82"), Ok(get));
    assert_eq!(decode_new("20"), Ok(Fields::new()));
    assert_eq!(decode_new("20 21 22 82"), Err(Error::ManySizeUpdates));
    assert_eq!(decode_new("82 20"), Err(Error::LateSizeUpdate));
}

#[test]
fn size_updates_keep_to_our_limit() {
    assert_eq!(decode_new("3fe11f"), Ok(Fields::new()));
    assert_eq!(decode_new("3fe21f"), Err(Error::SizeUpdateTooLarge { size: 4097, limit: 4096 }));
    let mut decoder = Decoder::new(0);
    assert_eq!(decode(&mut decoder, "20"), Ok(Fields::new()));
    assert_eq!(decode(&mut decoder, "21"), Err(Error::SizeUpdateTooLarge { size: 1, limit: 0 }));
    let mut decoder = Decoder::new(8192);
    assert_eq!(decoder.table.max(), 4096);
    assert_eq!(decode(&mut decoder, "3fe13f"), Ok(Fields::new()));
    assert_eq!(decoder.table.max(), 8192);
}

#[test]
fn a_size_update_evicts() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, "40 01 61 01 62  40 01 63 01 64").unwrap();
    assert_eq!(decode(&mut decoder, "3f03 be"), Ok(fields(&[("c", "d")])));
    assert_eq!(decoder.table.size(), 34);
    assert_eq!(decode(&mut decoder, "bf"), Err(Error::NoSuchEntry(63)));
}

#[test]
fn after_we_shrank_the_next_block_must_say_so() {
    let shrunk = |sizes: &[u32]| {
        let mut decoder = Decoder::new(4096);
        for &size in sizes {
            decoder.set_max_table_size(size);
        }
        decoder
    };
    assert_eq!(decode(&mut shrunk(&[100]), "82"), Err(Error::SizeUpdateMissing(100)));
    assert_eq!(decode(&mut shrunk(&[100]), ""), Err(Error::SizeUpdateMissing(100)));
    assert_eq!(decode(&mut shrunk(&[100]), "3f45 82"), Ok(fields(&[(":method", "GET")])));
    // Down and up again: the least must have been there.
    assert_eq!(decode(&mut shrunk(&[100, 4096]), "3fe11f 82"), Err(Error::SizeUpdateMissing(100)));
    assert_eq!(decode(&mut shrunk(&[100, 4096]), "3f45 3fe11f 82"), Ok(fields(&[(":method", "GET")])));
    assert_eq!(decode(&mut shrunk(&[100, 4096]), "20 3fe11f 82"), Ok(fields(&[(":method", "GET")])));
    assert_eq!(decode(&mut shrunk(&[100, 50, 200]), "3f45 82"), Err(Error::SizeUpdateMissing(50)));
    // Once is enough.
    let mut decoder = shrunk(&[100]);
    decode(&mut decoder, "3f45 82").unwrap();
    assert_eq!(decode(&mut decoder, "82"), Ok(fields(&[(":method", "GET")])));
    // The peer's table is small enough already.
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, "20").unwrap();
    decoder.set_max_table_size(100);
    assert_eq!(decode(&mut decoder, "82"), Ok(fields(&[(":method", "GET")])));
}

#[test]
fn a_larger_limit_asks_nothing_of_the_peer() {
    let mut decoder = Decoder::new(4096);
    decoder.set_max_table_size(8192);
    assert_eq!(decode(&mut decoder, "82"), Ok(fields(&[(":method", "GET")])));
}

#[test]
fn fields_beyond_the_list_size_are_not_kept_but_remembered() {
    let mut decoder = Decoder::new(4096);
    let mut kept = Fields::new();
    let mut decode = |hex: &str, max, kept: &mut Fields| decoder.decode(&bytes(hex), kept, max, NO_LIMIT);
    // Three fields of 34 octets each, and one of 42 from the static table.
    let block = "40 01 61 01 62  40 01 63 01 64  82  00 01 65 01 66";
    assert_eq!(decode(block, 67, &mut kept), Ok(Decoded::TooLarge));
    assert_eq!(kept, fields(&[("a", "b")]));
    assert_eq!(decode("be bf", 68, &mut kept), Ok(Decoded::Whole));
    assert_eq!(kept, fields(&[("c", "d"), ("a", "b")]));
    assert_eq!(decode("be bf", 67, &mut kept), Ok(Decoded::TooLarge));
    assert_eq!(kept, fields(&[("c", "d")]));
    assert_eq!(decode(block, 143, &mut kept), Ok(Decoded::TooLarge));
    assert_eq!(kept, fields(&[("a", "b"), ("c", "d"), (":method", "GET")]));
    assert_eq!(decode(block, 144, &mut kept), Ok(Decoded::Whole));
    assert_eq!(kept.list_size(), 144);
    assert_eq!(decode("82", 0, &mut kept), Ok(Decoded::TooLarge));
    assert!(kept.is_empty());
}

#[test]
fn what_is_not_kept_takes_no_room() {
    let mut decoder = Decoder::new(4096);
    let mut kept = Fields::new();
    let mut block = bytes("40 01 61 01 62");
    for _ in 0..100 {
        block.extend([0x00, 0x01, b'x', 0x7f, 0xe1, 0x06]);
        block.extend([b'y'; 127 + 865]);
    }
    assert_eq!(decoder.decode(&block, &mut kept, 34, NO_LIMIT), Ok(Decoded::TooLarge));
    assert_eq!((kept.len(), kept.list_size()), (1, 34));
    assert!(kept.open().capacity() < 2 * 1024, "one field at a time");
}

#[test]
fn an_entry_referred_to_often_is_a_bomb() {
    let mut decoder = Decoder::new(4096);
    let mut kept = Fields::new();
    let mut block = vec![0x40, 0x01, b'a', 0x7f, 0xd0, 0x1e];
    block.extend([b'x'; 4000 - 33 + 80]);
    assert_eq!(decoder.decode(&block, &mut kept, NO_LIMIT, NO_LIMIT), Ok(Decoded::Whole));
    assert_eq!(decoder.table.size(), 4080);
    // 16,384 octets for 65 million.
    let bomb = [0xbe; 16_384];
    assert_eq!(decoder.decode(&bomb, &mut kept, 65_536, 1 << 20), Err(Error::Bomb { limit: 1 << 20 }));
    // No more than the list size was kept, and no room was made for more.
    assert_eq!(kept.len(), 16);
    assert!(kept.open().capacity() <= 2 * 65_536);
    assert_eq!(decoder.decode(&bomb[..257], &mut kept, 65_536, 257 * 4080), Ok(Decoded::TooLarge));
    assert_eq!(
        decoder.decode(&bomb[..257], &mut kept, 65_536, 257 * 4080 - 1),
        Err(Error::Bomb { limit: 257 * 4080 - 1 })
    );
}

#[test]
fn empty_fields_count_too() {
    let mut decoder = Decoder::new(4096);
    let mut kept = Fields::new();
    let empty = [0x00, 0x00, 0x00].repeat(1000);
    assert_eq!(decoder.decode(&empty, &mut kept, NO_LIMIT, 32_000), Ok(Decoded::Whole));
    assert_eq!(decoder.decode(&empty, &mut kept, NO_LIMIT, 31_999), Err(Error::Bomb { limit: 31_999 }));
}
