//! Header blocks between this crate and the `h2` crate, both ways: fields go as a request to a server of that crate,
//! which sends them all back as a response. Tables of both ends change their sizes on the way.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use ripstop_h2::hpack::{Decoded, Decoder, Encoder};
use ripstop_h2::{Field, Fields};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
/// END_STREAM; as a flag of SETTINGS: ACK.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const HEADER_TABLE_SIZE: u16 = 1;
const FRAME_SIZE: usize = 16_384;

/// Fields in the order of their names, and of their values within: all that `http::HeaderMap` keeps.
type Grouped = BTreeMap<String, Vec<(String, bool)>>;

#[derive(Clone, Debug)]
struct Exchange {
    /// Our SETTINGS_HEADER_TABLE_SIZE, if it changes before.
    table_size: Option<u32>,
    path: String,
    fields: Vec<(String, String)>,
}

/// The client, frame by frame.
struct Client {
    io: DuplexStream,
    encoder: Encoder,
    decoder: Decoder,
    /// Sent, but not yet acknowledged.
    table_sizes: Vec<u32>,
    next_stream: u32,
}

impl Client {
    async fn new(mut io: DuplexStream) -> Self {
        io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut client =
            Self { io, encoder: Encoder::new(), decoder: Decoder::new(4096), table_sizes: Vec::new(), next_stream: 1 };
        client.write(SETTINGS, 0, 0, &[]).await;
        client.table_sizes.push(4096);
        client
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.io.write_all(&frame).await.unwrap();
    }

    async fn read(&mut self) -> (u8, u8, Vec<u8>) {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.io.read_exact(&mut payload).await.unwrap();
        (head[3], head[4], payload)
    }

    async fn exchange(&mut self, exchange: &Exchange) -> Fields {
        if let Some(size) = exchange.table_size {
            let setting = [&HEADER_TABLE_SIZE.to_be_bytes()[..], &size.to_be_bytes()].concat();
            self.write(SETTINGS, 0, 0, &setting).await;
            self.table_sizes.push(size);
        }
        // What the server wants must be known first, and be in force on both sides.
        while !self.table_sizes.is_empty() {
            let (kind, flags, payload) = self.read().await;
            self.control(kind, flags, &payload).await;
        }
        self.request(exchange).await;
        self.response().await
    }

    async fn control(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        if kind != SETTINGS {
            return;
        }
        if flags & ACK == ACK {
            self.decoder.set_max_table_size(self.table_sizes.remove(0));
            return;
        }
        for setting in payload.chunks_exact(6) {
            if setting[..2] == HEADER_TABLE_SIZE.to_be_bytes() {
                self.encoder.set_peer_max(u32::from_be_bytes(setting[2..].try_into().unwrap()));
            }
        }
        self.write(SETTINGS, ACK, 0, &[]).await;
    }

    async fn request(&mut self, exchange: &Exchange) {
        let mut fields = Fields::new();
        fields.push(b":method", b"GET");
        fields.push(b":scheme", b"https");
        fields.push(b":authority", b"a.example:8443");
        fields.push(b":path", exchange.path.as_bytes());
        fields.extend(exchange.fields.iter().map(|(name, value)| field(name, value)));
        let mut block = Vec::new();
        self.encoder.encode(fields.iter(), &mut block);
        let stream = self.next_stream;
        self.next_stream += 2;
        let pieces: Vec<_> = block.chunks(FRAME_SIZE).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            let start = if number == 0 { END_STREAM } else { 0 };
            let end = if number + 1 == pieces.len() { END_HEADERS } else { 0 };
            self.write(kind, start | end, stream, piece).await;
        }
    }

    async fn response(&mut self) -> Fields {
        let mut block = Vec::new();
        loop {
            let (kind, flags, payload) = self.read().await;
            match kind {
                HEADERS | CONTINUATION => block.extend(payload),
                DATA => panic!("no data was asked for"),
                _ => {
                    self.control(kind, flags, &payload).await;
                    continue;
                }
            }
            if flags & END_HEADERS == END_HEADERS {
                let mut fields = Fields::new();
                let decoded = self.decoder.decode(&block, &mut fields, usize::MAX, usize::MAX);
                assert_eq!(decoded, Ok(Decoded::Whole));
                return fields;
            }
        }
    }
}

fn is_secret(name: &str) -> bool {
    name.starts_with("secret")
}

fn field<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field { name: name.as_bytes(), value: value.as_bytes(), sensitive: is_secret(name) }
}

/// Answers each request with its own fields.
async fn serve(io: DuplexStream, table_size: u32) {
    let mut connection = h2::server::Builder::new()
        .header_table_size(table_size)
        .max_header_list_size(1 << 20)
        .handshake::<_, Bytes>(io)
        .await
        .unwrap();
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond): (Request<_>, _) = accepted.unwrap();
        let mut response = Response::new(());
        let path = HeaderValue::from_str(request.uri().path()).unwrap();
        for (name, value) in request.headers() {
            let mut value = value.clone();
            value.set_sensitive(is_secret(name.as_str()));
            response.headers_mut().append(name.clone(), value);
        }
        response.headers_mut().append(HeaderName::from_static("location"), path);
        respond.send_response(response, true).unwrap();
    }
}

fn grouped<'a>(fields: impl Iterator<Item = Field<'a>>) -> Grouped {
    let mut grouped = Grouped::new();
    for field in fields {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        grouped.entry(text(field.name)).or_default().push((text(field.value), field.sensitive));
    }
    grouped
}

/// Few names and few short values, so that fields repeat; others as they come.
fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        3 => "(accept|age|baggage|cache-control|date|etag|traceparent|x-request-id|forwarded|secret|secret-2)",
        1 => "x-[a-z0-9]{1,12}",
    ];
    let value = prop_oneof![
        3 => "[a-z]?",
        2 => "[!-~]{1,60}",
        1 => "[!-~]{1000,3000}",
    ];
    vec((name, value), 0..12)
}

fn exchanges() -> impl Strategy<Value = Vec<Exchange>> {
    let table_size = prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => (0_u32..8192).prop_map(Some)];
    let exchange = (table_size, "/[a-z/]{0,20}", fields()).prop_map(|(table_size, path, fields)| Exchange {
        table_size,
        path,
        fields,
    });
    vec(exchange, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_to_another_implementation_comes_back(
        their_table in prop_oneof![Just(4096), Just(0), 0_u32..10_000],
        exchanges in exchanges(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let server = tokio::spawn(serve(theirs, their_table));
            let mut client = Client::new(ours).await;
            for exchange in &exchanges {
                let response = client.exchange(exchange).await;
                let sent = exchange.fields.iter().map(|(name, value)| field(name, value));
                let added = [Field::new(b":status", b"200"), Field::new(b"location", exchange.path.as_bytes())];
                assert_eq!(grouped(response.iter()), grouped(added.into_iter().chain(sent)));
            }
            drop(client);
            server.await.unwrap();
        });
    }
}
