use super::*;
use crate::traffic::{Direction, record::ContentType};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// `client_application_traffic_secret_0` of RFC 8448, section 3.
fn client_secret() -> TrafficSecret {
    let secret = bytes("9e40646ce79a7f9dc05af8889bce6552 875afa0b06df0087f792ebb7c17504a5");
    TrafficSecret::new(Suite::Aes128GcmSha256, &secret).unwrap()
}

#[test]
fn keys_are_those_of_rfc_8448() {
    let (key, iv) = client_secret().key_and_iv();
    assert_eq!(key[..16], bytes("17422dda596ed5d9acd890e3c63f5051"));
    assert_eq!(iv.to_vec(), bytes("5b78923dee08579033e523d9"));
    let server = bytes("a11af9f05531f856ad47116b45a95032 8204b4f44bfb6b3a4b4f1f3fcb631643");
    let (key, iv) = TrafficSecret::new(Suite::Aes128GcmSha256, &server).unwrap().key_and_iv();
    assert_eq!(key[..16], bytes("9f02283b6c9c07efc26bb9f2ac92e356"));
    assert_eq!(iv.to_vec(), bytes("cf782b88dd83549aadf1e984"));
}

#[test]
fn records_are_those_of_rfc_8448() {
    let payload: Vec<u8> = (0..50).collect();
    let mut tx = Direction::new(client_secret(), 0);
    let mut record = vec![0; payload.len() + 22];
    tx.seal(ContentType::ApplicationData, &payload, &mut record).unwrap();
    let expected = bytes(
        "17030300 43a23f70 54b62c94 d0affafe 8228ba55 cbefacea 42f914aa 66bcab3f 2b9819a8
         a5b46b39 5bd54a9a 20441e2b 62974e1f 5a6292a2 977014bd 1e3deae6 3aeebb21 694915e4",
    );
    assert_eq!(record, expected);
    // The closure alert that follows there.
    let mut record = vec![0; 24];
    tx.seal(ContentType::Alert, &[1, 0], &mut record).unwrap();
    assert_eq!(record, bytes("1703030013 c9872760655666b74d7ff1153efd6db6 d0b0e3"));
}

#[test]
fn a_secret_is_as_long_as_its_hash() {
    for (suite, len) in
        [(Suite::Aes128GcmSha256, 32), (Suite::Aes256GcmSha384, 48), (Suite::ChaCha20Poly1305Sha256, 32)]
    {
        assert_eq!(Suite::new(suite.code().into()), Some(suite));
        assert_eq!(suite.secret_len(), len);
        assert!(TrafficSecret::new(suite, &vec![1; len]).is_some());
        assert!(TrafficSecret::new(suite, &vec![1; len - 1]).is_none());
        assert!(TrafficSecret::new(suite, &vec![1; len + 1]).is_none());
    }
    assert_eq!(Suite::new(CipherSuite::TLS13_AES_128_CCM_SHA256), None);
}

#[test]
fn a_secret_is_not_printed() {
    let text = format!("{:?} {:?}", client_secret(), Direction::new(client_secret(), 7));
    assert_eq!(
        text,
        "TrafficSecret { suite: Aes128GcmSha256, .. } \
         Direction { secret: TrafficSecret { suite: Aes128GcmSha256, .. }, sequence: 7, .. }"
    );
}

#[test]
fn rustls_keys_of_another_secret_are_told() {
    let key = |byte| rustls::crypto::cipher::AeadKey::from([byte; 32]);
    let iv = rustls::crypto::cipher::Iv::new([0; 12]);
    assert!(!client_secret().has_key(&ConnectionTrafficSecrets::Chacha20Poly1305 { key: key(1), iv }));
}
