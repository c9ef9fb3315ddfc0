//! Finds a text in captured packets, also where it is cut by the border of two segments of a flow.

use std::{collections::HashMap, net::IpAddr};

/// Looks for one marker in Ethernet frames and remembers the end of each flow.
#[derive(Debug)]
pub(crate) struct MarkerMatcher {
    marker: Vec<u8>,
    flows: HashMap<Flow, Tail>,
}

/// One direction of a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flow {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
}

/// The last bytes of a flow, shorter than the marker, and the sequence number behind them.
#[derive(Debug, Default)]
struct Tail {
    next: u32,
    bytes: Vec<u8>,
}

/// What of a frame is looked at.
enum Payload<'a> {
    Tcp { flow: Flow, sequence: u32, data: &'a [u8] },
    Other(&'a [u8]),
}

/// Flows remembered at most; beyond that all are forgotten, and a marker cut at that very moment
/// is missed.
const MAX_FLOWS: usize = 4096;
/// Length of the longest marker.
pub(crate) const MAX_MARKER: usize = 256;

// === impl MarkerMatcher ===

impl MarkerMatcher {
    /// A matcher for `marker`, which is cut at [`MAX_MARKER`] bytes; an empty one never matches.
    pub(crate) fn new(marker: &[u8]) -> Self {
        Self { marker: marker[..marker.len().min(MAX_MARKER)].to_vec(), flows: HashMap::new() }
    }

    /// How often the marker ends in this Ethernet frame.
    pub(crate) fn frame(&mut self, frame: &[u8]) -> u64 {
        if self.marker.is_empty() {
            return 0;
        }
        match payload(frame) {
            Payload::Other(data) => search(data, &self.marker).0,
            Payload::Tcp { data: [], .. } => 0,
            Payload::Tcp { flow, sequence, data } => self.segment(flow, sequence, data),
        }
    }

    fn segment(&mut self, flow: Flow, sequence: u32, data: &[u8]) -> u64 {
        if self.flows.len() >= MAX_FLOWS && !self.flows.contains_key(&flow) {
            self.flows.clear();
        }
        let tail = self.flows.entry(flow).or_default();
        let mut text = if tail.next == sequence { std::mem::take(&mut tail.bytes) } else { Vec::new() };
        text.extend_from_slice(data);
        let (hits, end) = search(&text, &self.marker);
        let keep = end.max(text.len().saturating_sub(self.marker.len() - 1));
        tail.bytes = text.split_off(keep);
        // A segment's length fits: frames are at most 64 KiB.
        tail.next = sequence.wrapping_add(u32::try_from(data.len()).unwrap_or(0));
        hits
    }
}

/// Number of matches, and where the last one ends.
fn search(text: &[u8], marker: &[u8]) -> (u64, usize) {
    let (mut hits, mut from, mut end) = (0, 0, 0);
    while let Some(at) = text[from..].iter().position(|byte| *byte == marker[0]).map(|at| at + from) {
        if text[at..].starts_with(marker) {
            hits += 1;
            from = at + marker.len();
            end = from;
        } else {
            from = at + 1;
        }
    }
    (hits, end)
}

/// Cuts a frame down to the TCP payload; what is not understood is searched whole.
fn payload(frame: &[u8]) -> Payload<'_> {
    ethernet(frame).unwrap_or(Payload::Other(frame))
}

fn ethernet(frame: &[u8]) -> Option<Payload<'_>> {
    let packet = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
            // Length 0: segmentation offload of more than 64 KiB.
            let packet = if total == 0 { packet } else { packet.get(..total)? };
            let source = <[u8; 4]>::try_from(packet.get(12..16)?).ok()?;
            let destination = <[u8; 4]>::try_from(packet.get(16..20)?).ok()?;
            transport(*packet.get(9)?, source.into(), destination.into(), packet.get(header..)?)
        }
        [0x86, 0xdd] => {
            let source = <[u8; 16]>::try_from(packet.get(8..24)?).ok()?;
            let destination = <[u8; 16]>::try_from(packet.get(24..40)?).ok()?;
            transport(*packet.get(6)?, source.into(), destination.into(), packet.get(40..)?)
        }
        _ => None,
    }
}

fn transport(protocol: u8, source: IpAddr, destination: IpAddr, segment: &[u8]) -> Option<Payload<'_>> {
    if protocol != 6 {
        return Some(Payload::Other(segment));
    }
    let word = |at: usize| Some(u16::from_be_bytes([*segment.get(at)?, *segment.get(at + 1)?]));
    let sequence = u32::from_be_bytes(segment.get(4..8)?.try_into().ok()?);
    let header = usize::from(segment.get(12)? >> 4) * 4;
    Some(Payload::Tcp {
        flow: Flow { source: (source, word(0)?), destination: (destination, word(2)?) },
        sequence,
        data: segment.get(header..)?,
    })
}

#[cfg(test)]
mod tests;
