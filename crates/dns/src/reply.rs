//! Building an answer that fits.

use hickory_proto::{
    op::{Edns, Message, Metadata, Query, ResponseCode},
    rr::Record,
};

use crate::answer::Transport;

/// A response that grows record by record.
pub(crate) struct Reply {
    message: Message,
    /// Largest UDP payload the client takes.
    udp_limit: usize,
}

/// Where a record goes.
#[derive(Clone, Copy)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// What passes any link without fragments (DNS flag day 2020).
const UDP_MAX: u16 = 1232;
/// What every resolver takes (RFC 1035 2.3.4).
const UDP_MIN: u16 = 512;

// === impl Reply ===

impl Reply {
    /// Answers the query with that header, question and EDNS.
    pub(crate) fn new(query: &Metadata, question: Option<&Query>, edns: Option<&Edns>) -> Self {
        let mut message = Message::response(query.id, query.op_code);
        message.metadata = Metadata::response_from_request(query);
        message.metadata.recursion_available = true;
        message.metadata.authoritative = question.is_some();
        if let Some(question) = question {
            message.add_query(question.clone());
        }
        let mut udp_limit = UDP_MIN;
        if let Some(asked) = edns {
            udp_limit = asked.max_payload().clamp(UDP_MIN, UDP_MAX);
            let mut ours = Edns::new();
            ours.set_max_payload(UDP_MAX).set_dnssec_ok(asked.flags().dnssec_ok);
            message.set_edns(ours);
        }
        Self { message, udp_limit: udp_limit.into() }
    }

    pub(crate) fn add(&mut self, section: Section, record: Record) {
        match section {
            Section::Answer => self.message.add_answer(record),
            Section::Authority => self.message.add_authority(record),
            Section::Additional => self.message.add_additional(record),
        };
    }

    pub(crate) fn has_answers(&self) -> bool {
        !self.message.answers.is_empty()
    }

    pub(crate) fn not_authoritative(&mut self) {
        self.message.metadata.authoritative = false;
    }

    /// The bytes. What does not fit is left out: additional records silently, answers with TC
    /// set and as many kept as fit, because some resolvers use what they get.
    pub(crate) fn finish(mut self, code: ResponseCode, transport: Transport) -> Vec<u8> {
        let limit = match transport {
            Transport::Udp => self.udp_limit,
            Transport::Tcp => u16::MAX.into(),
        };
        self.message.metadata.response_code = code;
        if let Some(bytes) = self.encoded(limit) {
            return bytes;
        }
        self.message.additionals.clear();
        if let Some(bytes) = self.encoded(limit) {
            return bytes;
        }
        self.message.metadata.truncation = true;
        self.message.authorities.clear();
        let answers = std::mem::take(&mut self.message.answers);
        let (mut fits, mut too_many) = (0, answers.len());
        while too_many - fits > 1 {
            let middle = fits.midpoint(too_many);
            self.message.answers = answers[..middle].to_vec();
            if self.encoded(limit).is_some() { fits = middle } else { too_many = middle }
        }
        self.message.answers = answers[..fits].to_vec();
        self.encoded(limit).unwrap_or_default()
    }

    fn encoded(&self, limit: usize) -> Option<Vec<u8>> {
        let bytes = self.message.to_vec().ok()?;
        // The encoder stops at 64 KiB by itself and says so in the header: byte 2, bit TC.
        let cut = !self.message.metadata.truncation && bytes.get(2).is_some_and(|flags| flags & 0x02 != 0);
        (bytes.len() <= limit && !cut).then_some(bytes)
    }
}
