use rustls::Error;

use super::*;

#[test]
fn headers() {
    assert_eq!(Header::parse(&[]), Ok(None));
    assert_eq!(Header::parse(&[23, 3, 3, 0x41]), Ok(None));
    for (len, bytes) in [(0, [23, 3, 3, 0, 0]), (16_640, [23, 3, 3, 0x41, 0]), (1, [23, 3, 0xff, 0, 1])] {
        assert_eq!(Header::parse(&bytes), Ok(Some(Header { bytes, len })));
        assert_eq!(Header::parse(&[&bytes[..], b"more"].concat()), Ok(Some(Header { bytes, len })));
    }
    let cases: [([u8; 5], AlertDescription); 6] = [
        ([23, 3, 3, 0x41, 1], AlertDescription::RecordOverflow),
        ([23, 2, 3, 0, 1], AlertDescription::DecodeError),
        ([20, 3, 3, 0, 1], AlertDescription::UnexpectedMessage),
        ([21, 3, 3, 0, 2], AlertDescription::UnexpectedMessage),
        ([22, 3, 3, 0, 5], AlertDescription::UnexpectedMessage),
        ([0x47, 0x45, 0x54, 0x20, 0x2f], AlertDescription::UnexpectedMessage),
    ];
    for (bytes, alert) in cases {
        assert_eq!(Header::parse(&bytes).unwrap_err().alert, Some(alert), "{bytes:?}");
    }
    // No byte is waited for in vain.
    assert_eq!(Header::parse(&[24]).unwrap_err().alert, Some(AlertDescription::UnexpectedMessage));
    assert_eq!(Header::parse(&[23, 4]).unwrap_err().alert, Some(AlertDescription::DecodeError));
    assert_eq!(Header::parse(&[23, 3]), Ok(None));
}

#[test]
fn insides() {
    let inner = |kind, len| Ok(Inner { kind, len });
    assert_eq!(Inner::parse(&[23]), inner(ContentType::ApplicationData, 0));
    assert_eq!(Inner::parse(&[0, 0, 23, 0]), inner(ContentType::ApplicationData, 2));
    assert_eq!(Inner::parse(&[1, 2, 22]), inner(ContentType::Handshake, 2));
    assert_eq!(Inner::parse(&[1, 2, 21, 0, 0, 0]), inner(ContentType::Alert, 2));
    let mut large = vec![1; MAX_PAYLOAD];
    large.push(23);
    assert_eq!(Inner::parse(&large), inner(ContentType::ApplicationData, MAX_PAYLOAD));
    large.push(0);
    assert_eq!(Inner::parse(&large).unwrap_err(), Fault::oversized());
    for (bytes, error) in [
        (&[][..], Error::from(PeerMisbehaved::IllegalTlsInnerPlaintext)),
        (&[0, 0, 0], PeerMisbehaved::IllegalTlsInnerPlaintext.into()),
        (&[1, 20], PeerMisbehaved::IllegalMiddleboxChangeCipherSpec.into()),
        (&[1, 24], InvalidMessage::InvalidContentType.into()),
        (&[1, 255, 0], InvalidMessage::InvalidContentType.into()),
    ] {
        assert_eq!(Inner::parse(bytes), Err(Fault::unexpected(error)), "{bytes:?}");
    }
}
