//! Calls of gRPC-Web at gateways, which backends of gRPC get as calls of gRPC.

use ripstop_decide::Target;
use ripstop_exchange::{Recode, Recoding, Unreadable, Upstream};
use ripstop_grpc_web::{Coding, Decoder, Malformed, MediaType, encode, trailers};
use ripstop_model::AppProtocol;
use ripstop_telemetry::Headers as _;

use super::{head::Head, standpoint::Standpoint};

/// A call that is told otherwise on its way.
#[derive(Debug)]
pub struct Translation {
    /// How its answer is written.
    pub answer: Coding,
    /// What writes its bodies anew.
    pub recoding: Recoding,
}

#[derive(Debug)]
struct Codec {
    /// What reads the request's body; nothing: it goes on as it comes.
    request: Option<Decoder>,
    answer: Coding,
}

/// What is told of a request: its content type in gRPC, and what becomes of it; nothing: it is no call of gRPC-Web at a
/// gateway, or goes to somebody who has not declared that he speaks gRPC.
pub fn translation(standpoint: &Standpoint, head: &Head, target: &Target) -> Option<(Vec<u8>, Box<Translation>)> {
    let (Standpoint::Gateway(_), "POST") = (standpoint, head.method()) else { return None };
    let kind = MediaType::read(head.fields().first("content-type")?)?;
    let port = target.backend.port?;
    if target.callee.as_ref()?.protocol(port) != Some(AppProtocol::Grpc) {
        return None;
    }
    // A client that wants it otherwise than it says it itself says so.
    let answer = head.fields().first("accept").and_then(MediaType::read).map_or(kind.coding, |wanted| wanted.coding);
    let request = (kind.coding == Coding::Text).then(Decoder::default);
    let recoding = Recoding::new(Box::new(Codec { request, answer }));
    Some((kind.of_grpc(), Box::new(Translation { answer, recoding })))
}

/// The content type of what `upstream` answers, as a client is told it whose answer `coding` writes; nothing: that is no gRPC,
/// and goes on as it is.
pub fn answered(coding: Coding, upstream: &Upstream<'_>) -> Option<Vec<u8>> {
    let mut types = upstream.fields().filter(|(name, _)| *name == b"content-type");
    MediaType::of_answer(coding, types.next()?.1)
}

// === impl Codec ===

impl Recode for Codec {
    fn request(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        if let Some(decoder) = &mut self.request {
            return decoder.decode(piece, out).map_err(unreadable);
        }
        out.extend_from_slice(piece);
        Ok(())
    }

    fn end_request(&mut self) -> Result<(), Unreadable> {
        self.request.as_ref().map_or(Ok(()), |decoder| decoder.finish().map_err(unreadable))
    }

    fn answer(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self.answer {
            Coding::Binary => out.extend_from_slice(piece),
            Coding::Text => encode(piece, out),
        }
    }

    fn end_answer<'f>(
        &mut self,
        fields: &mut dyn Iterator<Item = (&'f [u8], &'f [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let mut frame = Vec::new();
        trailers(fields, &mut frame).map_err(unreadable)?;
        self.answer(&frame, out);
        Ok(())
    }
}

fn unreadable(why: Malformed) -> Unreadable {
    Unreadable(why.to_string())
}

#[cfg(test)]
mod tests;
