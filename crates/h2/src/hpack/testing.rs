//! Header blocks of RFC 7541 appendix C.

use crate::{Field, Fields};

pub(super) struct Sequence {
    pub(super) table_size: u32,
    /// Whether strings are Huffman-coded.
    pub(super) huffman: bool,
    pub(super) blocks: &'static [Block],
}

pub(super) struct Block {
    pub(super) name: &'static str,
    pub(super) hex: &'static str,
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// The dynamic table after the block, newest first.
    pub(super) table: &'static [(&'static str, &'static str)],
}

/// What hexadecimal digits stand for.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|octet| u8::from_str_radix(str::from_utf8(octet).unwrap(), 16).unwrap()).collect()
}

pub(super) fn fields(of: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    fields.extend(of.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())));
    fields
}

pub(super) fn sequences() -> [Sequence; 4] {
    [
        Sequence { table_size: 4096, huffman: false, blocks: &REQUESTS_PLAIN },
        Sequence { table_size: 4096, huffman: true, blocks: &REQUESTS },
        Sequence { table_size: 256, huffman: false, blocks: &RESPONSES_PLAIN },
        Sequence { table_size: 256, huffman: true, blocks: &RESPONSES },
    ]
}

type Pairs = &'static [(&'static str, &'static str)];

const AUTHORITY: (&str, &str) = (":authority", "www.example.com");
const NO_CACHE: (&str, &str) = ("cache-control", "no-cache");
const CUSTOM: (&str, &str) = ("custom-key", "custom-value");
const PRIVATE: (&str, &str) = ("cache-control", "private");
const DATE: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
const LATER: (&str, &str) = ("date", "Mon, 21 Oct 2013 20:13:22 GMT");
const LOCATION: (&str, &str) = ("location", "https://www.example.com");
const GZIP: (&str, &str) = ("content-encoding", "gzip");
const COOKIE: (&str, &str) = ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");

const FIRST_REQUEST: Pairs = &[(":method", "GET"), (":scheme", "http"), (":path", "/"), AUTHORITY];
const SECOND_REQUEST: Pairs = &[(":method", "GET"), (":scheme", "http"), (":path", "/"), AUTHORITY, NO_CACHE];
const THIRD_REQUEST: Pairs = &[(":method", "GET"), (":scheme", "https"), (":path", "/index.html"), AUTHORITY, CUSTOM];
const FIRST_RESPONSE: Pairs = &[(":status", "302"), PRIVATE, DATE, LOCATION];
const SECOND_RESPONSE: Pairs = &[(":status", "307"), PRIVATE, DATE, LOCATION];
const THIRD_RESPONSE: Pairs = &[(":status", "200"), PRIVATE, LATER, LOCATION, GZIP, COOKIE];

const REQUEST_TABLES: [Pairs; 3] = [&[AUTHORITY], &[NO_CACHE, AUTHORITY], &[CUSTOM, NO_CACHE, AUTHORITY]];
const RESPONSE_TABLES: [Pairs; 3] = [
    &[LOCATION, DATE, PRIVATE, (":status", "302")],
    &[(":status", "307"), LOCATION, DATE, PRIVATE],
    &[COOKIE, GZIP, LATER],
];

const REQUESTS_PLAIN: [Block; 3] = [
    Block {
        name: "C.3.1",
        hex: "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        fields: FIRST_REQUEST,
        table: REQUEST_TABLES[0],
    },
    Block {
        name: "C.3.2",
        hex: "8286 84be 5808 6e6f 2d63 6163 6865",
        fields: SECOND_REQUEST,
        table: REQUEST_TABLES[1],
    },
    Block {
        name: "C.3.3",
        hex: "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        fields: THIRD_REQUEST,
        table: REQUEST_TABLES[2],
    },
];

const REQUESTS: [Block; 3] = [
    Block {
        name: "C.4.1",
        hex: "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        fields: FIRST_REQUEST,
        table: REQUEST_TABLES[0],
    },
    Block { name: "C.4.2", hex: "8286 84be 5886 a8eb 1064 9cbf", fields: SECOND_REQUEST, table: REQUEST_TABLES[1] },
    Block {
        name: "C.4.3",
        hex: "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        fields: THIRD_REQUEST,
        table: REQUEST_TABLES[2],
    },
];

const RESPONSES_PLAIN: [Block; 3] = [
    Block {
        name: "C.5.1",
        hex: "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
              2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        fields: FIRST_RESPONSE,
        table: RESPONSE_TABLES[0],
    },
    Block { name: "C.5.2", hex: "4803 3330 37c1 c0bf", fields: SECOND_RESPONSE, table: RESPONSE_TABLES[1] },
    Block {
        name: "C.5.3",
        hex: "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
              54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
              5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        fields: THIRD_RESPONSE,
        table: RESPONSE_TABLES[2],
    },
];

const RESPONSES: [Block; 3] = [
    Block {
        name: "C.6.1",
        hex: "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
              2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        fields: FIRST_RESPONSE,
        table: RESPONSE_TABLES[0],
    },
    Block { name: "C.6.2", hex: "4883 640e ffc1 c0bf", fields: SECOND_RESPONSE, table: RESPONSE_TABLES[1] },
    Block {
        name: "C.6.3",
        hex: "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
              77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
              9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        fields: THIRD_RESPONSE,
        table: RESPONSE_TABLES[2],
    },
];
