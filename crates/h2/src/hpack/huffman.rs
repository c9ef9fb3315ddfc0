//! The Huffman code of strings (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: codes are given out in the order of their lengths, and among equal lengths in the order of
//! the symbols. So the lengths alone say everything, and all tables here are made from them by the compiler.

use super::Error;

#[cfg(test)]
mod tests;

/// Octets, and the symbol for the end of the string.
const SYMBOLS: usize = 257;
/// The symbol for the end of the string; it must never be there.
const END: u16 = 256;
/// The longest code, in bits.
const LONGEST: u32 = 30;
/// The shortest code, in bits.
const SHORTEST: usize = 5;

/// Bits of the code of each symbol (RFC 7541 appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

static CODES: [Code; SYMBOLS] = codes();
static BITS: [u8; SYMBOLS] = LENGTHS;
static SHORT: [Short; 1 << SHORT_BITS] = short();
static LONG: Long = long();

/// The code of a symbol, in the low bits, and how many these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Code {
    code: u32,
    bits: u32,
}

/// How long the code of `string` is, in octets, with its padding.
pub fn encoded_len(string: &[u8]) -> usize {
    let bits: usize = string.iter().map(|&octet| usize::from(BITS[usize::from(octet)])).sum();
    bits.div_ceil(8)
}

/// Appends the code of `string` to `out`, padded with ones to a whole octet.
pub fn encode(string: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_len(string), 0);
    encode_into(string, &mut out[start..]);
}

/// Writes the code of `string` into `room`; how long it is. Nothing if there is not enough room.
pub(super) fn encode_into(string: &[u8], room: &mut [u8]) -> Option<usize> {
    let size = room.len();
    let mut free = room;
    // The low `waiting` bits are still to be written.
    let mut pending: u64 = 0;
    let mut waiting: u32 = 0;
    for &octet in string {
        let Code { code, bits } = CODES[usize::from(octet)];
        pending = pending << bits | u64::from(code);
        waiting += bits;
        if waiting >= 32 {
            waiting -= 32;
            let (room, after) = free.split_first_chunk_mut()?;
            let [.., a, b, c, d] = (pending >> waiting).to_be_bytes();
            *room = [a, b, c, d];
            free = after;
        }
    }
    // To the top, with ones behind.
    let padded = (pending << 32 | u64::from(u32::MAX)) << (32 - waiting);
    let last = free.get_mut(..waiting.div_ceil(8) as usize)?;
    for (room, octet) in last.iter_mut().zip(padded.to_be_bytes()) {
        *room = octet;
    }
    let unused = free.len() - waiting.div_ceil(8) as usize;
    Some(size - unused)
}

/// Appends the string of which `code` is the code to `out`.
///
/// # Errors
///
/// [`Error::HuffmanEnd`] if the symbol for the end is there, [`Error::HuffmanPadding`] if what is left after the last
/// symbol is not less than eight bits, all ones. What was appended before stays.
pub fn decode(code: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    // Room for the most symbols there can be, and for what is written in vain.
    out.resize(start + code.len() * 8 / SHORTEST + BATCH, 0);
    let mut writer = Writer { room: &mut out[start..], written: 0 };
    let outcome = decode_into(code, &mut writer);
    let end = start + writer.written;
    out.truncate(end);
    outcome
}

fn decode_into(code: &[u8], out: &mut Writer<'_>) -> Result<(), Error> {
    let mut bits = Bits { rest: code, window: 0, held: 0 };
    while bits.fill() {
        bits.decode_batch(out)?;
    }
    // Few bits are left: whole symbols as long as there are any. The padding is always there, since no symbol is all
    // ones but the end, which is longer.
    loop {
        bits.window |= u64::MAX >> bits.held;
        let short = bits.short();
        if short.count > 0 && u32::from(short.bits) <= bits.held {
            out.batch()[..2].copy_from_slice(&short.symbols);
            out.written += usize::from(short.count);
            bits.take(short.bits.into());
            continue;
        }
        let (symbol, length) = match short.count {
            0 => LONG.decode(bits.window),
            _ => (short.symbols[0].into(), BITS[usize::from(short.symbols[0])].into()),
        };
        if length > bits.held {
            break;
        }
        out.batch()[0] = u8::try_from(symbol).map_err(|_| Error::HuffmanEnd)?;
        out.written += 1;
        bits.take(length);
    }
    if bits.held < 8 && bits.window == u64::MAX { Ok(()) } else { Err(Error::HuffmanPadding) }
}

/// The bits of a code that come next, from the top of a window of 64.
struct Bits<'a> {
    rest: &'a [u8],
    window: u64,
    /// How many bits of the window are of the code.
    held: u32,
}

/// Bits that are in the window for a batch.
const BATCH_BITS: u32 = 56;
/// Looks at [`SHORT`] for which these are enough.
const LOOKS: u32 = BATCH_BITS / SHORT_BITS;
/// Room for what they find, of which the last may be written in vain.
const BATCH: usize = LOOKS as usize * 2 + 1;

impl Bits<'_> {
    /// Fills the window; whether there are [`BATCH_BITS`].
    fn fill(&mut self) -> bool {
        if let Some(next) = self.rest.first_chunk() {
            self.window |= u64::from_be_bytes(*next) >> self.held;
            let octets = (63 - self.held) / 8;
            self.rest = &self.rest[octets as usize..];
            self.held += octets * 8;
            return true;
        }
        while self.held < BATCH_BITS
            && let Some((&next, after)) = self.rest.split_first()
        {
            self.window |= u64::from(next) << (56 - self.held);
            self.held += 8;
            self.rest = after;
        }
        self.held >= BATCH_BITS
    }

    /// Decodes most of a window that has [`BATCH_BITS`].
    fn decode_batch(&mut self, out: &mut Writer<'_>) -> Result<(), Error> {
        let room = out.batch();
        let mut written = 0;
        for _ in 0..LOOKS {
            let short = self.short();
            if short.count == 0 {
                // Of all bits that may be needed now, some may be missing: then the next batch starts with this one.
                if self.held >= LONGEST {
                    let (symbol, length) = LONG.decode(self.window);
                    room[written] = u8::try_from(symbol).map_err(|_| Error::HuffmanEnd)?;
                    written += 1;
                    self.take(length);
                }
                break;
            }
            room[written..written + 2].copy_from_slice(&short.symbols);
            written += usize::from(short.count);
            self.take(short.bits.into());
        }
        out.written += written;
        Ok(())
    }

    fn short(&self) -> Short {
        SHORT[(self.window >> (64 - SHORT_BITS)) as usize]
    }

    fn take(&mut self, bits: u32) {
        self.window <<= bits;
        self.held -= bits;
    }
}

/// Where decoded octets go: there is room for all, and for a batch more.
struct Writer<'a> {
    room: &'a mut [u8],
    written: usize,
}

impl Writer<'_> {
    /// The room for the next octets.
    fn batch(&mut self) -> &mut [u8; BATCH] {
        self.room[self.written..].first_chunk_mut().expect("there is room for the shortest codes and a batch")
    }
}

/// Bits that [`SHORT`] looks at: the more, the more often two symbols are found at once, and the more of the CPU's
/// cache it takes; here 8 KiB.
const SHORT_BITS: u32 = 11;

/// What the next bits stand for, if a whole symbol is in them.
#[derive(Clone, Copy)]
#[repr(C, align(4))]
struct Short {
    /// Bits of all symbols that are whole. First, since the next look waits for it.
    bits: u8,
    /// How many these are, two at most.
    count: u8,
    symbols: [u8; 2],
}

/// Codes longer than [`SHORT_BITS`].
struct Long {
    /// By length: the first code that is longer, as the top of 32 bits. The longest have none.
    limits: [u32; LONGEST as usize],
    /// By length: what leads from a code to its place in `symbols`.
    offsets: [u32; LONGEST as usize + 1],
    /// All symbols in the order of their codes.
    symbols: [u16; SYMBOLS],
}

impl Long {
    /// The symbol at the top of `window`, and the bits of its code.
    fn decode(&self, window: u64) -> (u16, u32) {
        let top = (window >> 32) as u32;
        let mut length = SHORT_BITS + 1;
        while length < LONGEST && top >= self.limits[length as usize] {
            length += 1;
        }
        let code = top >> (32 - length);
        let place = (code - self.offsets[length as usize]) as usize;
        (self.symbols.get(place).copied().unwrap_or(END), length)
    }
}

/// Symbols in the order of their codes.
const fn in_order() -> [u16; SYMBOLS] {
    let mut order = [0; SYMBOLS];
    let mut placed = 0;
    let mut length = 1;
    while length <= LONGEST {
        let mut symbol: u16 = 0;
        while symbol <= END {
            if LENGTHS[symbol as usize] as u32 == length {
                order[placed] = symbol;
                placed += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    order
}

/// The code of each symbol.
const fn codes() -> [Code; SYMBOLS] {
    let order = in_order();
    let mut codes = [Code { code: 0, bits: 0 }; SYMBOLS];
    let mut code = 0;
    let mut place = 0;
    while place < SYMBOLS {
        let bits = LENGTHS[order[place] as usize] as u32;
        codes[order[place] as usize] = Code { code, bits };
        place += 1;
        if place < SYMBOLS {
            code = (code + 1) << (LENGTHS[order[place] as usize] as u32 - bits);
        }
    }
    codes
}

const fn short() -> [Short; 1 << SHORT_BITS] {
    let mut table = [Short { symbols: [0; 2], bits: 0, count: 0 }; 1 << SHORT_BITS];
    let codes = codes();
    let order = in_order();
    let mut bits = 0;
    while bits < table.len() {
        let (first, length) = lookup(&codes, &order, bits, SHORT_BITS);
        if length > 0 {
            table[bits] = Short { symbols: [first, 0], bits: length, count: 1 };
            let (second, more) = lookup(&codes, &order, bits, SHORT_BITS - length as u32);
            if more > 0 {
                table[bits].symbols[1] = second;
                table[bits].bits += more;
                table[bits].count += 1;
            }
        }
        bits += 1;
    }
    table
}

/// The symbol whose code stands at the top of the low `width` bits of `bits`, and its length; 0 if none is whole.
#[expect(clippy::cast_possible_truncation, reason = "codes this short are those of octets")]
const fn lookup(codes: &[Code; SYMBOLS], order: &[u16; SYMBOLS], bits: usize, width: u32) -> (u8, u8) {
    let bits = bits & ((1 << width) - 1);
    let mut place = 0;
    while place < SYMBOLS {
        let symbol = order[place];
        let length = LENGTHS[symbol as usize];
        if length as u32 > width {
            break;
        }
        if bits >> (width - length as u32) == codes[symbol as usize].code as usize {
            return (symbol as u8, length);
        }
        place += 1;
    }
    (0, 0)
}

#[expect(clippy::cast_possible_truncation, reason = "there are 257 symbols")]
const fn long() -> Long {
    let order = in_order();
    let codes = codes();
    let mut table = Long { limits: [0; LONGEST as usize], offsets: [0; LONGEST as usize + 1], symbols: order };
    let mut place = 0;
    while place < SYMBOLS {
        let length = LENGTHS[order[place] as usize] as usize;
        let code = codes[order[place] as usize].code;
        if length < table.limits.len() {
            // The last of a length stays.
            table.limits[length] = (code + 1) << (32 - length);
        }
        // No code is less than the number of codes before it.
        table.offsets[length] = code - place as u32;
        place += 1;
    }
    // Lengths that no symbol has end where the one before ends.
    let mut length = 1;
    while length < table.limits.len() {
        if table.limits[length] == 0 {
            table.limits[length] = table.limits[length - 1];
        }
        length += 1;
    }
    table
}
