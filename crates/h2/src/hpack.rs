//! HPACK, the compression of header fields (RFC 7541).
//!
//! A [`Decoder`] and an [`Encoder`] belong to one direction of one connection each, and see each of its header blocks
//! in order: both ends keep a table of fields that went by. A [`PreEncoded`] block refers to no such table and fits
//! every connection.
//!
//! Any [`Error`] leaves the decoder's table in an unknown state: the connection must end with COMPRESSION_ERROR, or
//! with ENHANCE_YOUR_CALM for [`Error::Bomb`].

mod decoder;
mod encoder;
mod hash;
pub mod huffman;
mod integer;
mod known;
mod lookup;
mod pre_encoded;
mod table;
#[cfg(test)]
mod testing;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use pre_encoded::PreEncoded;

/// The size of a dynamic table before any setting says otherwise (RFC 9113 section 6.5.2).
pub const DEFAULT_TABLE_SIZE: u32 = 4096;

/// What became of a header block that is without fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// All fields are there.
    Whole,
    /// The list went beyond the size that was allowed. Only the fields before that are there.
    TooLarge,
}

/// How a field is to be represented (RFC 7541 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// By reference where possible, else in full and remembered for the next time. A field that does not fit the
    /// table is not remembered.
    Incremental,
    /// In full and not remembered; by reference only if the static table has it.
    Without,
    /// In full, and no hop after this one may remember it either.
    Never,
}

/// What is wrong with a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The block ends within a field.
    #[error("the header block ends within a field; the peer's encoder or its framing is broken")]
    Truncated,
    /// An integer is above `u32::MAX`, or has more than five octets after its prefix.
    #[error("an integer in the header block is larger than any length or index can be")]
    IntegerTooLarge,
    /// No entry of the static or the dynamic table has this index.
    #[error("the header block refers to entry {0}, which neither table has; the two ends' tables may have diverged")]
    NoSuchEntry(u32),
    /// A Huffman-coded string does not end in less than eight bits, all ones.
    #[error("a Huffman-coded string in the header block ends in more than padding, or in wrong padding")]
    HuffmanPadding,
    /// A Huffman-coded string contains the symbol for its end.
    #[error("a Huffman-coded string in the header block contains the end-of-string symbol")]
    HuffmanEnd,
    /// A table size update stands after a field.
    #[error("a table size update stands after a field; it may only stand at the start of a header block")]
    LateSizeUpdate,
    /// More than two table size updates in one block.
    #[error("the header block starts with more than two table size updates")]
    ManySizeUpdates,
    /// A table size update goes beyond what we allow.
    #[error("the peer sets its table to {size} octets, but at most {limit} are allowed by our settings")]
    SizeUpdateTooLarge {
        /// What the peer wants.
        size: u32,
        /// What our settings allow.
        limit: u32,
    },
    /// The peer acknowledged a smaller table, but the next block does not start with the update.
    #[error("the peer acknowledged a table of {0} octets, but did not reduce its own before the next field")]
    SizeUpdateMissing(u32),
    /// The decoded fields are larger than is worth going on for.
    #[error("the header block expands to more than {limit} octets")]
    Bomb {
        /// The hard limit that was passed.
        limit: usize,
    },
}
