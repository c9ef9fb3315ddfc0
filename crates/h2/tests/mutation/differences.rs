//! Where we judge differently from the `h2` crate, and why we stand by it.

/// Why a difference is right; none if nobody has judged it yet.
pub fn why(ours: &str, theirs: &str) -> Option<&'static str> {
    KNOWN.iter().find(|known| ours.trim() == known.ours && known.theirs.contains(&theirs.trim())).map(|known| known.why)
}

/// The differences that are listed and were not among those that were `met`.
pub fn stale(met: &[(String, String)]) -> Vec<String> {
    let listed = KNOWN.iter().flat_map(|known| known.theirs.iter().map(|theirs| (known.ours, *theirs)));
    let is_met = |(ours, theirs): &(&str, &str)| met.iter().any(|met| met.0.trim() == *ours && met.1.trim() == *theirs);
    listed.filter(|pair| !is_met(pair)).map(|(ours, theirs)| format!("{ours} | {theirs}")).collect()
}

struct Difference {
    /// The code and the reason of a connection error, or what became of a stream.
    ours: &'static str,
    theirs: &'static [&'static str],
    why: &'static str,
}

/// PROTOCOL_ERROR is what the h2 crate says of most errors of a connection.
const COARSE: &str = "RFC 9113 names a code for it";

const KNOWN: &[Difference] = &[
    Difference {
        ours: "COMPRESSION_ERROR a header block that can't be decoded",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "FLOW_CONTROL_ERROR SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "FRAME_SIZE_ERROR HEADERS too short for its priority",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "FRAME_SIZE_ERROR HEADERS without the length of its padding",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "FRAME_SIZE_ERROR RST_STREAM or WINDOW_UPDATE that is not 4 bytes long",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "FRAME_SIZE_ERROR SETTINGS of a length that is no multiple of 6",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference { ours: "FRAME_SIZE_ERROR a GOAWAY of less than 8 bytes", theirs: &["PROTOCOL_ERROR"], why: COARSE },
    Difference { ours: "FRAME_SIZE_ERROR a PING that is not 8 bytes long", theirs: &["PROTOCOL_ERROR"], why: COARSE },
    Difference {
        ours: "FRAME_SIZE_ERROR a PRIORITY that is not 5 bytes long",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "FRAME_SIZE_ERROR a frame above SETTINGS_MAX_FRAME_SIZE",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "FRAME_SIZE_ERROR an acknowledgement of SETTINGS with a payload",
        theirs: &["PROTOCOL_ERROR"],
        why: COARSE,
    },
    Difference {
        ours: "PROTOCOL_ERROR no HTTP/2 preface",
        theirs: &["goes on"],
        why: "the h2 crate closes without a GOAWAY, as RFC 9113 3.4 allows",
    },
    Difference {
        ours: "PROTOCOL_ERROR the first frame is not SETTINGS",
        theirs: &["goes on", "reset PROTOCOL_ERROR", "reset STREAM_CLOSED", "FLOW_CONTROL_ERROR", "FRAME_SIZE_ERROR"],
        why: "RFC 9113 3.4: the preface ends with SETTINGS; the h2 crate does not look",
    },
    Difference {
        ours: "PROTOCOL_ERROR a client that opens a stream with an even id",
        theirs: &["reset PROTOCOL_ERROR", "reset STREAM_CLOSED"],
        why: "RFC 9113 5.1.1: an error of the connection; in the h2 crate other faults of the block come first",
    },
    Difference {
        ours: "PROTOCOL_ERROR a server that opens a stream",
        theirs: &["reset PROTOCOL_ERROR", "reset STREAM_CLOSED"],
        why: "RFC 9113 5.1.1: an error of the connection; in the h2 crate other faults of the block come first",
    },
    Difference {
        ours: "PROTOCOL_ERROR a frame on an idle stream",
        theirs: &["reset PROTOCOL_ERROR", "FRAME_SIZE_ERROR"],
        why: "RFC 9113 5.1: an error of the connection; in the h2 crate other faults of the frame come first, \
              and it goes on to the next",
    },
    Difference {
        ours: "PROTOCOL_ERROR PUSH_PROMISE, which is switched off",
        theirs: &["goes on"],
        why: "RFC 9113 6.5.2: an error of the connection; the h2 crate waits for the rest of the block",
    },
    Difference {
        ours: "PROTOCOL_ERROR a server that enables push",
        theirs: &["goes on"],
        why: "RFC 9113 6.5.2: an error of the connection; the h2 crate does not look",
    },
    Difference {
        ours: "STREAM_CLOSED a frame on a closed stream",
        theirs: &["reset STREAM_CLOSED", "reset PROTOCOL_ERROR"],
        why: "RFC 9113 5.1: an error of the connection if the stream ended",
    },
    Difference {
        ours: "STREAM_CLOSED a frame on a closed stream",
        theirs: &["PROTOCOL_ERROR", "FRAME_SIZE_ERROR"],
        why: "RFC 9113 5.1 names the code; a later frame has another fault",
    },
    Difference {
        ours: "goes on",
        theirs: &["PROTOCOL_ERROR"],
        why: "a header block that is not whole yet: the h2 crate decodes its beginning",
    },
    Difference {
        ours: "reset PROTOCOL_ERROR",
        theirs: &["PROTOCOL_ERROR"],
        why: "RFC 9113 6.9 and 8.1.1: an error of the stream",
    },
    Difference {
        ours: "reset PROTOCOL_ERROR",
        theirs: &["reset STREAM_CLOSED"],
        why: "the first fault counts; in the h2 crate a later one replaces it",
    },
    Difference {
        ours: "reset PROTOCOL_ERROR",
        theirs: &["taken", "nothing"],
        why: "RFC 9113 8.1: trailers that are malformed; the h2 crate drops them unseen",
    },
    Difference {
        ours: "reset FRAME_SIZE_ERROR",
        theirs: &["PROTOCOL_ERROR"],
        why: "RFC 9113 6.3: PRIORITY of a wrong length is an error of the stream",
    },
    Difference {
        ours: "reset STREAM_CLOSED",
        theirs: &["PROTOCOL_ERROR"],
        why: "RFC 9113 5.1: a frame after END_STREAM is an error of the stream",
    },
    Difference {
        ours: "reset STREAM_CLOSED",
        theirs: &["reset PROTOCOL_ERROR"],
        why: "trailers after END_STREAM: the h2 crate looks at END_STREAM of the second first",
    },
    Difference {
        ours: "reset FLOW_CONTROL_ERROR",
        theirs: &["taken"],
        why: "RFC 9113 6.9.1: a window above 2^31-1; the h2 crate does not count where it has nothing to send",
    },
    Difference {
        ours: "gone by CANCEL",
        theirs: &["taken"],
        why: "a reset after the end of the request: the h2 crate tells only who answers",
    },
];
