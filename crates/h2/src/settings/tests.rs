use super::*;
use crate::Code;

fn entry(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()
}

#[test]
fn what_is_encoded_is_applied() {
    let settings = Settings {
        header_table: 0,
        push: false,
        max_streams: Some(100),
        initial_window: 1 << 18,
        max_frame: 1 << 16,
        max_header_list: Some(1 << 14),
        connect_protocol: true,
    };
    let mut read = Settings::default();
    read.apply(&settings.encode()).unwrap();
    assert_eq!(read, settings);
    assert_eq!(Settings::default().encode(), []);
}

#[test]
fn wrong_values_have_their_codes() {
    let rows: &[(u16, u32, Code)] = &[
        (ENABLE_PUSH, 2, Code::PROTOCOL_ERROR),
        (INITIAL_WINDOW_SIZE, 1 << 31, Code::FLOW_CONTROL_ERROR),
        (MAX_FRAME_SIZE, 16_383, Code::PROTOCOL_ERROR),
        (MAX_FRAME_SIZE, 1 << 24, Code::PROTOCOL_ERROR),
        (ENABLE_CONNECT_PROTOCOL, 2, Code::PROTOCOL_ERROR),
    ];
    for &(name, value, code) in rows {
        assert_eq!(Settings::default().apply(&entry(name, value)).unwrap_err().code, code, "{name} = {value}");
    }
    let short = Settings::default().apply(&entry(1, 1)[..5]).unwrap_err();
    assert_eq!(short.code, Code::FRAME_SIZE_ERROR);
}

#[test]
fn extreme_values_are_fine() {
    let mut settings = Settings::default();
    for (name, value) in [
        (INITIAL_WINDOW_SIZE, MAX_WINDOW),
        (MAX_FRAME_SIZE, MAX_MAX_FRAME),
        (HEADER_TABLE_SIZE, u32::MAX),
        (MAX_CONCURRENT_STREAMS, 0),
        (0xffff, 7),
    ] {
        settings.apply(&entry(name, value)).unwrap();
    }
    assert_eq!(settings.initial_window, MAX_WINDOW);
    assert_eq!(settings.max_streams, Some(0));
}

#[test]
fn connect_protocol_is_not_taken_back() {
    let mut settings = Settings::default();
    settings.apply(&entry(ENABLE_CONNECT_PROTOCOL, 1)).unwrap();
    assert_eq!(settings.apply(&entry(ENABLE_CONNECT_PROTOCOL, 0)).unwrap_err().code, Code::PROTOCOL_ERROR);
}
