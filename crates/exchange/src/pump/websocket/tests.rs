use super::*;

#[test]
fn the_answer_to_a_key_is_that_of_rfc_6455() {
    assert_eq!(Accept::of(b"dGhlIHNhbXBsZSBub25jZQ==").as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn keys_are_sixteen_bytes_and_differ() {
    let (one, two) = (Key::new().unwrap(), Key::new().unwrap());
    assert_ne!(one.as_bytes(), two.as_bytes());
    assert!(one.as_bytes().ends_with(b"=="));
    let mut text = [0; 24];
    base64(b"0123456789abcdef", &mut text);
    assert_eq!(&text, b"MDEyMzQ1Njc4OWFiY2RlZg==");
}
