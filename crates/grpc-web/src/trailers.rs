//! Trailers as the last frame of a body.

use crate::{Malformed, TRAILERS};

/// Appends a frame with these trailers to `out`. Names have to be in lower case.
pub fn trailers<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let head = out.len();
    out.extend_from_slice(&[TRAILERS, 0, 0, 0, 0]);
    for (name, value) in fields {
        let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n');
        if name.is_empty() || name.contains(&b':') || name.iter().chain(value).any(breaks) {
            return Err(Malformed::Trailer);
        }
        for part in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    let length = u32::try_from(out.len() - head - 5).map_err(|_| Malformed::TooLong)?;
    out[head + 1..head + 5].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;
