//! What a content type says.

/// How the bytes of a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As they are.
    Binary,
    /// In base64.
    Text,
}

/// A content type of gRPC-Web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType<'t> {
    /// How bodies are written.
    pub coding: Coding,
    /// The format of messages, and parameters, as they are written: `+proto`, `;charset=utf-8` and so on; empty: none is said.
    pub format: &'t [u8],
}

const BINARY: &[u8] = b"application/grpc-web";
const TEXT: &[u8] = b"application/grpc-web-text";

// === impl MediaType ===

impl<'t> MediaType<'t> {
    /// Reads a content type; nothing: it is another one.
    pub fn read(value: &'t [u8]) -> Option<Self> {
        let of = |name: &[u8], coding| {
            let (start, format) = value.split_at_checked(name.len())?;
            let ends = matches!(format.first(), None | Some(b'+' | b';'));
            (ends && start.eq_ignore_ascii_case(name)).then_some(Self { coding, format })
        };
        of(TEXT, Coding::Text).or_else(|| of(BINARY, Coding::Binary))
    }

    /// The same of gRPC itself.
    pub fn of_grpc(&self) -> Vec<u8> {
        [b"application/grpc", self.format].concat()
    }

    /// The type of an answer that `coding` writes, whose type of gRPC itself is `own`; nothing: that is none.
    pub fn of_answer(coding: Coding, own: &[u8]) -> Option<Vec<u8>> {
        let format = own.strip_prefix(b"application/grpc")?;
        let named: &[u8] = match coding {
            Coding::Binary => BINARY,
            Coding::Text => TEXT,
        };
        match format.first() {
            None => Some([named, b"+proto"].concat()),
            Some(b'+' | b';') => Some([named, format].concat()),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
