//! Records of TLS after an honest handshake.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Prk},
};
use ripstop_identity::{
    CertificateAuthority, ClientAuth, Roots, Svid, client_config, new_csr, server_config, server_name,
};
use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_tls::{Buffer, Error, Progress, Records, Session};
use rustls::{ClientConfig, KeyLog, ServerConfig};

/// Records that a peer might send after its handshake, sealed or not, are opened by rustls and by us: we deliver
/// nothing that rustls does not, and refuse all that rustls refuses.
///
/// The first byte says who hears (bit 0: the client), in what pieces (bits 1 and 2), and with how much room (bit 3).
/// Then come steps: what to do (low 2 bits: seal the body, which is payload, type and padding; the same, and change
/// the key; seal it with its first byte as the outer type; send it as it is), length (two bytes, big end first), body.
pub fn tls_records(data: &[u8]) {
    let Some((&way, steps)) = data.split_first() else { return };
    let rustls = hear(way, steps, Records::Rustls);
    let own = hear(way, steps, Records::Own);
    assert!(rustls.plain.starts_with(&own.plain), "we deliver what rustls does not");
    if own.error.is_none() {
        assert!(rustls.error.is_none(), "we accept what rustls refuses: {:?}", rustls.error);
        assert_eq!(own.plain, rustls.plain);
        assert_eq!(own.closed, rustls.closed);
    }
}

struct Heard {
    plain: Vec<u8>,
    error: Option<Error>,
    closed: bool,
}

fn hear(way: u8, steps: &[u8], records: Records) -> Heard {
    let (mut sender, mut receiver, mut forger) = connected(way & 1 != 0, records);
    let mut wire = Vec::new();
    for (what, body) in super::steps(steps) {
        match what & 3 {
            0 => wire.extend(forger.seal(23, body)),
            1 => {
                wire.extend(forger.seal(23, body));
                forger.update();
            }
            2 => {
                let Some((&kind, inner)) = body.split_first() else { continue };
                wire.extend(forger.seal(kind, inner));
            }
            _ => wire.extend_from_slice(body),
        }
    }
    let piece = [1, 7, 1000, usize::MAX][usize::from(way >> 1 & 3)];
    let mut plain = Buffer::with_capacity(if way & 8 == 0 { Buffer::SIZE } else { 50 });
    let mut heard = Heard { plain: Vec::new(), error: None, closed: false };
    for bytes in wire.chunks(piece) {
        if let Err(error) = input(&mut receiver, bytes, &mut plain, &mut heard.plain) {
            assert_eq!(receiver.open(&mut plain).unwrap_err().to_string(), error.to_string(), "a failure lasts");
            heard.error = Some(error);
            break;
        }
    }
    heard.closed = receiver.peer_has_closed();
    // Whatever it heard, what it says is in order.
    if let Err(error) = input(&mut sender, &output(&mut receiver), &mut plain, &mut Vec::new()) {
        assert!(error.alert().is_some() && heard.error.is_some(), "{error}, but it was {:?}", heard.error);
    }
    heard
}

fn input(session: &mut Session, mut bytes: &[u8], plain: &mut Buffer, heard: &mut Vec<u8>) -> Result<(), Error> {
    while !bytes.is_empty() {
        session.read_from(|space| io::Read::read(&mut bytes, space)).expect("there is space after all was opened");
        loop {
            let progress = session.open(plain);
            heard.extend_from_slice(plain.filled());
            plain.consume(plain.len());
            if progress? == Progress::Drained {
                break;
            }
        }
    }
    Ok(())
}

fn output(session: &mut Session) -> Vec<u8> {
    let mut wire = Vec::new();
    let written = session.write_to(|slices| {
        for slice in slices {
            wire.extend_from_slice(slice);
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    });
    written.expect("memory takes everything");
    wire
}

/// An honest sender after its handshake, the receiver, and who seals in the sender's place.
fn connected(client_hears: bool, records: Records) -> (Session, Session, Forger) {
    let mesh = Mesh::get();
    let log = Arc::new(Log::default());
    let (mut client, mut server) = (ClientConfig::clone(&mesh.client), ServerConfig::clone(&mesh.server));
    let (of_client, of_server, label);
    if client_hears {
        server.key_log = log.clone();
        (of_client, of_server, label) = (records, Records::Own, "SERVER_TRAFFIC_SECRET_0");
    } else {
        client.key_log = log.clone();
        (of_client, of_server, label) = (Records::Own, records, "CLIENT_TRAFFIC_SECRET_0");
    }
    let mut client = Session::client_with(Arc::new(client), server_name(), of_client).expect("a client");
    let mut server = Session::server_with(Arc::new(server), of_server).expect("a server");
    let mut plain = Buffer::default();
    while client.is_handshaking() || server.is_handshaking() {
        input(&mut server, &output(&mut client), &mut plain, &mut Vec::new()).expect("honest");
        input(&mut client, &output(&mut server), &mut plain, &mut Vec::new()).expect("honest");
    }
    let secrets = log.0.lock().expect("no panic");
    let secret = secrets.iter().find(|(of, _)| of == label).expect("the secret is logged").1.clone();
    let forger = Forger { secret, sequence: 0 };
    if client_hears { (server, client, forger) } else { (client, server, forger) }
}

struct Mesh {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Mesh {
    fn get() -> &'static Self {
        static MESH: OnceLock<Mesh> = OnceLock::new();
        MESH.get_or_init(|| {
            let dir = std::env::temp_dir().join(format!("tls-records-{}", std::process::id()));
            let domain: TrustDomain = "fuzz.test".parse().expect("a domain");
            let authority = CertificateAuthority::load_or_create(&dir, &domain).expect("an authority");
            let svid = |account| {
                let id = SpiffeId::service_account(&domain, "fuzz", account).expect("an id");
                let (key, csr) = new_csr().expect("a key");
                let chain = authority.issue(&csr, &id, Duration::from_hours(24)).expect("a certificate");
                (id, Svid::new(&chain.pem(), key).expect("an identity"))
            };
            let ((_, client), (id, server)) = (svid("client"), svid("server"));
            let roots: &Roots = authority.roots();
            let mesh = Self {
                client: client_config(&client, roots, [id], &[b"h2"]),
                server: server_config(&server, roots, ClientAuth::Required, &[b"h2"]),
            };
            std::fs::remove_dir_all(&dir).expect("the authority's directory");
            mesh
        })
    }
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<(String, Vec<u8>)>>);

impl KeyLog for Log {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        self.0.lock().expect("no panic").push((label.to_owned(), secret.to_vec()));
    }
}

/// Seals anything, with AES-128-GCM (RFC 8446, 5.2 and 7).
struct Forger {
    secret: Vec<u8>,
    sequence: u64,
}

impl Forger {
    fn seal(&mut self, kind: u8, inner: &[u8]) -> Vec<u8> {
        let length = u16::try_from(inner.len() + AES_128_GCM.tag_len()).unwrap_or(u16::MAX);
        let [high, low] = length.to_be_bytes();
        let header = [kind, 3, 3, high, low];
        let mut nonce: [u8; 12] = self.expand("iv", 12).try_into().expect("twelve bytes");
        for (byte, of_sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        self.sequence += 1;
        let key = UnboundKey::new(&AES_128_GCM, &self.expand("key", 16)).expect("sixteen bytes");
        let mut body = inner.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::from(header), &mut body).expect("it is short");
        [&header, body.as_slice()].concat()
    }

    fn update(&mut self) {
        self.secret = self.expand("traffic upd", 32);
        self.sequence = 0;
    }

    fn expand(&self, label: &str, length: u8) -> Vec<u8> {
        struct Length(usize);
        impl KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let label = format!("tls13 {label}");
        let labelled = u8::try_from(label.len()).expect("a short label");
        let (length, mut out) = ([0, length], vec![0; length.into()]);
        let info: [&[u8]; 4] = [&length, &[labelled], label.as_bytes(), &[0]];
        let secret = Prk::new_less_safe(HKDF_SHA256, &self.secret);
        secret.expand(&info, Length(out.len())).and_then(|okm| okm.fill(&mut out)).expect("it is short");
        out
    }
}
