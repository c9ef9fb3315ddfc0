//! In what others differ from us, and why ours is right.

use std::collections::BTreeMap;

/// Every class of differences: the name of the reason for which we refuse what another takes, or another difference.
pub const WHY: &[(&str, &str)] = &[
    ("BadChunkEnd", "data that ends elsewhere than its size says has two ends (RFC 9112 7.1)"),
    ("BadChunkExtension", "who skips extensions unread passes on what others read in another way"),
    ("BadChunkSize", "whitespace around a size is not in the grammar, and long ones overflow elsewhere"),
    ("BadConnection", "an option is a token; who splits it otherwise strips other fields (RFC 9110 7.6.1)"),
    ("BadContentLength", "leading zeros are octal to some, and lists are several lengths (RFC 9112 6.3)"),
    ("BadHost", "servers disagree on what such a host names (RFC 9112 3.2)"),
    ("BadMethod", "only one space comes after the method (RFC 9112 3)"),
    ("BadName", "a name is a token; who drops the field and who keeps it see different requests"),
    (
        "BadStatus",
        "a status is three digits between one space and another or the line's end; 600 and above are nothing",
    ),
    ("BadTargetByte", "bytes beyond ASCII are in no target, and one space comes before it (RFC 9112 3)"),
    ("BadTransferEncoding", "`,chunked` is chunked to some and unknown to others"),
    ("BadUpgrade", "a protocol is a token with an optional version (RFC 9110 7.8)"),
    ("BadValue", "a control byte ends the value for some and is stripped by others (RFC 9110 5.5)"),
    ("BadVersion", "a version is two digits, after one space (RFC 9112 2.3)"),
    ("BareCarriageReturn", "CR alone ends lines for some and is whitespace for others (RFC 9112 2.2)"),
    ("BareLineFeed", "LF alone ends lines for some and is a byte of the value for others (RFC 9112 2.2)"),
    ("BodyForbidden", "CONNECT, 1xx and 204 have no body; what looks like one is something else (RFC 9110 9.3.6)"),
    ("DuplicateContentLength", "a second length is refused even if equal, since others count differently"),
    ("DuplicateHost", "who routes by the first and who by the last see different hosts (RFC 9112 3.2)"),
    ("DuplicateTransferEncoding", "chunked twice is an error (RFC 9112 6.1)"),
    ("EmptyLines", "one empty line is a leftover, several are an attempt (RFC 9112 2.2)"),
    ("EmptyName", "a field without a name is the end of the section for some"),
    ("EncodingInHttp10", "HTTP/1.0 knows no coding; its framing is faulty (RFC 9112 6.1)"),
    ("ForbiddenTrailer", "fields that frame, route or authenticate must be in the head (RFC 9110 6.5.1)"),
    ("Fragment", "who cuts it off sends another target to the next hop (RFC 9112 3.2)"),
    ("HostMismatch", "who routes by target and who by Host see different hosts (RFC 9112 3.2.2)"),
    ("LengthAndEncoding", "two lengths at once are the classic of smuggling (RFC 9112 6.3)"),
    ("MissingColon", "a line without a colon is a name for some and part of the line before for others"),
    ("MissingHost", "a 1.1 request without Host must be refused (RFC 9112 3.2)"),
    ("MissingVersion", "HTTP/0.9 has no fields, so what follows is read in two ways"),
    ("Nominated", "Host or framing that ends at this hop would be gone at the next (RFC 9110 7.6.1)"),
    ("ObsoleteFold", "who joins the lines and who takes them apart see different fields (RFC 9112 5.2)"),
    ("TargetForm", "only CONNECT has host and port, only OPTIONS has the asterisk, only http is served here"),
    ("UnexpectedSwitch", "nobody asked for another protocol (RFC 9110 15.2.2)"),
    ("UnknownExpectation", "an expectation that is not understood is answered with 417 (RFC 9110 10.1.1)"),
    ("UnknownTransferCoding", "a coding that is not decoded is answered with 501 (RFC 9112 6.1)"),
    ("UnsupportedVersion", "what was not written for 1.0 or 1.1 is not framed by their rules"),
    ("WhitespaceBeforeColon", "whitespace there hides the field from some (RFC 9112 5.1)"),
    // What is no refusal of ours.
    ("AbsoluteRewritten", "hyper writes an absolute target in its own way; we pass on what came"),
    ("AbsoluteWithoutPath", "HAProxy refuses a query without a path, or a port beside the scheme; both are valid"),
    ("Asterisk", "nginx does not serve `OPTIONS *`; it is valid"),
    ("Connect", "nginx is no tunnel; whether there is one is not the codec's to decide"),
    ("Held", "after an offer to switch, bytes may be the other protocol's; others read them as a request"),
    ("OddMethod", "nginx serves methods of capitals only; any token is valid (RFC 9110 9.1)"),
    ("TabBehindValue", "nginx takes a tab for a part of the value; it is whitespace (RFC 9110 5.6.3)"),
    ("WebSocketWithoutKey", "HAProxy knows what a WebSocket's request must have; we do not look into it"),
];

/// What was met, by class with an example, are exactly the classes that are listed; those that are so `sometimes` may
/// be missing.
pub fn check(met: &BTreeMap<String, String>, listed: &[&str], sometimes: &[&str]) {
    for (class, example) in met {
        let known = listed.iter().chain(sometimes).any(|name| name == class);
        assert!(known, "{class} is not listed:\n    {example}");
    }
    for class in listed {
        let Some((_, why)) = WHY.iter().find(|(name, _)| name == class) else { panic!("{class} has no reason") };
        assert!(met.contains_key(*class), "{class} ({why}) is listed, but they do not differ in it any more");
    }
}
