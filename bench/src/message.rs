//! What the driver and the server say to one another.

/// Size of every request and of every response, in bytes.
pub const SIZE: usize = 128;

/// Answers requests until the caller ends.
pub const EXCHANGE_PORT: u16 = 9000;
/// Answers one request and ends the connection first.
pub const SINGLE_PORT: u16 = 9001;
/// Takes a stream to its end and answers with its length, 8 bytes, big end first.
pub const SINK_PORT: u16 = 9002;
/// All of them.
pub const PORTS: [u16; 3] = [EXCHANGE_PORT, SINGLE_PORT, SINK_PORT];

/// A request that any HTTP/1.1 server would understand.
pub const REQUEST: [u8; SIZE] =
    *b"GET /exchange HTTP/1.1\r\nhost: server.bench:9000\r\nuser-agent: bench\r\nx-padding: ---------------------------------------------\r\n\r\n";

/// Its answer.
pub const RESPONSE: [u8; SIZE] =
    *b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 63\r\n\r\n-------------------------------------------------------------\r\n";
