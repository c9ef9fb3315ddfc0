//! A peer that says whatever a test wants, frame by frame.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::testing::LONG;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

pub(crate) const HEADER_TABLE_SIZE: u16 = 0x1;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;
pub(crate) const MAX_FRAME_SIZE: u16 = 0x5;

/// `:status: 200` by the static table.
pub(crate) const OK: &[u8] = &[0x88];

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it is on the wire.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// One end of HTTP/2 by hand.
pub(crate) struct Raw<S> {
    io: S,
}

impl Frame {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The error code of RST_STREAM or GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let last = self.payload.last_chunk().unwrap();
        let code = if self.kind == GOAWAY { self.payload[4..8].try_into().unwrap() } else { *last };
        u32::from_be_bytes(code)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Speaks first.
    pub(crate) async fn client(mut io: S, settings: &[(u16, u32)]) -> Self {
        io.write_all(PREFACE).await.unwrap();
        let mut raw = Self { io };
        raw.settings(settings).await;
        raw
    }

    /// Hears the preface.
    pub(crate) async fn server(mut io: S, settings: &[(u16, u32)]) -> Self {
        let mut preface = [0; PREFACE.len()];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut raw = Self { io };
        raw.settings(settings).await;
        raw
    }

    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![a, b, c, kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.io.write_all(&frame).await?;
        self.io.flush().await
    }

    pub(crate) async fn window(&mut self, stream: u32, increment: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32, code: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()).await;
    }

    /// A CONNECT that only the static table is needed for.
    pub(crate) async fn connect(&mut self, stream: u32, authority: &str) {
        self.send(HEADERS, END_HEADERS, stream, &connect(authority)).await;
    }

    /// The next frame; acknowledges SETTINGS and answers PINGs on the way.
    pub(crate) async fn next(&mut self) -> io::Result<Frame> {
        timeout(LONG, self.read()).await.expect("a frame comes in time")
    }

    async fn read(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.io.read_exact(&mut payload).await?;
        let frame = Frame { kind, flags, stream: u32::from_be_bytes(stream), payload };
        if kind == SETTINGS && !frame.has(ACK) {
            self.send(SETTINGS, ACK, 0, &[]).await;
        } else if kind == PING && !frame.has(ACK) {
            self.send(PING, ACK, 0, &frame.payload).await;
        }
        Ok(frame)
    }

    /// The next frame of a kind and of a stream; those before are dropped.
    pub(crate) async fn expect(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.unwrap();
            if frame.kind == kind && frame.stream == stream {
                return frame;
            }
            assert_ne!(frame.kind, GOAWAY, "code {}", frame.code());
            assert!(frame.kind != RST_STREAM || frame.stream != stream, "reset with code {}", frame.code());
        }
    }

    /// Payload of a stream until there are `length` bytes; the windows are not opened again.
    pub(crate) async fn data(&mut self, stream: u32, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < length {
            all.extend(self.expect(DATA, stream).await.payload);
        }
        all
    }

    /// Every frame until the other end closes.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut all = Vec::new();
        while let Ok(frame) = self.next().await {
            all.push(frame);
        }
        all
    }
}

/// A header block: `:method CONNECT` and `authority`, as literals that are not added to the table.
pub(crate) fn connect(authority: &str) -> Vec<u8> {
    let mut block = vec![0x02, 7];
    block.extend_from_slice(b"CONNECT");
    // `:authority` is the static table's first name.
    block.push(0x01);
    string(&mut block, authority);
    block
}

/// A literal field with a new name, not added to the table.
pub(crate) fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0x00);
    string(block, name);
    string(block, value);
}

/// A string without Huffman code.
pub(crate) fn string(block: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        block.push(u8::try_from(rest).unwrap());
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend_from_slice(text.as_bytes());
}
