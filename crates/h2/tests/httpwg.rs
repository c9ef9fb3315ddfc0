//! The cases of httpwg, which are those of h2spec for RFC 9113, against a server made of [`Connection`].
#![allow(missing_docs)]

use std::{future::Future, io, net::Ipv4Addr, pin::Pin, rc::Rc, time::Duration};

use httpwg::{Config as Asked, Conn, rfc9113 as cases};
use ripstop_h2::{Config, Connection, End, Event, Field, Role, StreamRef};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

type Outcome = Pin<Box<dyn Future<Output = Result<(), String>>>>;
type Case = (&'static str, fn(Conn<TcpStream>) -> Outcome);

macro_rules! section {
    ($name:ident => $module:ident: $($case:ident)*) => {
        const $name: &[Case] = &[$((
            stringify!($case),
            |conn| Box::pin(async { cases::$module::$case(conn).await.map_err(|error| format!("{error:?}")) }),
        )),*];
    };
}

section!(STARTING => _3_starting_http2: sends_client_connection_preface sends_invalid_connection_preface);

section!(FRAMES => _4_http_frames:
    sends_frame_with_unknown_type sends_frame_with_unused_flags sends_frame_with_reserved_bit_set
    data_frame_with_max_length frame_exceeding_max_size large_headers_frame_exceeding_max_size
    invalid_header_block_fragment priority_frame_while_sending_headers headers_frame_to_another_stream);

section!(STREAMS => _5_streams_and_multiplexing:
    idle_sends_data_frame idle_sends_rst_stream_frame idle_sends_window_update_frame idle_sends_continuation_frame
    half_closed_remote_sends_data_frame half_closed_remote_sends_headers_frame
    half_closed_remote_sends_continuation_frame closed_sends_data_frame_after_rst_stream
    closed_sends_headers_frame_after_rst_stream closed_sends_continuation_frame_after_rst_stream
    closed_sends_data_frame closed_sends_headers_frame closed_sends_continuation_frame
    sends_even_numbered_stream_identifier sends_smaller_stream_identifier exceeds_concurrent_stream_limit
    invalid_ping_frame_for_connection_close test_invalid_ping_frame_for_goaway
    unknown_extension_frame_in_header_block);

section!(DEFINITIONS => _6_frame_definitions:
    sends_data_frame_with_zero_stream_id sends_data_frame_on_invalid_stream_state
    sends_data_frame_with_invalid_pad_length sends_headers_frame_with_zero_stream_id
    sends_headers_frame_with_invalid_pad_length sends_priority_frame_with_zero_stream_id
    sends_priority_frame_with_invalid_length sends_rst_stream_frame_with_zero_stream_id
    sends_rst_stream_frame_on_idle_stream sends_rst_stream_frame_with_invalid_length
    sends_settings_frame_with_ack_and_payload sends_settings_frame_with_non_zero_stream_id
    sends_settings_frame_with_invalid_length sends_settings_enable_push_with_invalid_value
    sends_settings_initial_window_size_with_invalid_value
    sends_settings_max_frame_size_with_invalid_value_below_initial
    sends_settings_max_frame_size_with_invalid_value_above_max sends_settings_frame_with_unknown_identifier
    sends_multiple_values_of_settings_initial_window_size sends_settings_frame_without_ack_flag sends_ping_frame
    sends_ping_frame_with_ack sends_ping_frame_with_non_zero_stream_id sends_ping_frame_with_invalid_length
    sends_goaway_frame_with_non_zero_stream_id sends_window_update_frame_with_zero_increment
    sends_window_update_frame_with_zero_increment_on_stream sends_window_update_frame_with_invalid_length
    sends_settings_frame_to_set_initial_window_size_to_1_and_sends_headers_frame
    sends_multiple_window_update_frames_increasing_flow_control_window_above_max
    sends_multiple_window_update_frames_increasing_flow_control_window_above_max_on_stream
    changes_settings_initial_window_size_after_sending_headers_frame
    sends_settings_frame_for_window_size_to_be_negative
    sends_settings_initial_window_size_with_exceeded_max_window_size_value
    sends_multiple_continuation_frames_preceded_by_headers_frame
    sends_continuation_frame_followed_by_non_continuation_frame sends_continuation_frame_with_zero_stream_id
    sends_continuation_frame_preceded_by_headers_frame_with_end_headers_flag
    sends_continuation_frame_preceded_by_continuation_frame_with_end_headers_flag
    sends_continuation_frame_preceded_by_data_frame);

section!(CODES => _7_error_codes:
    sends_goaway_frame_with_unknown_error_code sends_rst_stream_frame_with_unknown_error_code);

section!(SEMANTICS => _8_expressing_http_semantics_in_http2:
    sends_second_headers_frame_without_end_stream
    sends_headers_frame_with_incorrect_content_length_single_data_frame
    sends_headers_frame_with_incorrect_content_length_multiple_data_frames
    sends_headers_frame_with_uppercase_field_name sends_headers_frame_with_space_in_field_name
    sends_headers_frame_with_non_visible_ascii sends_headers_frame_with_del_character
    sends_headers_frame_with_non_ascii_character sends_headers_frame_with_colon_in_field_name
    sends_headers_frame_with_lf_in_field_value sends_headers_frame_with_cr_in_field_value
    sends_headers_frame_with_nul_in_field_value sends_headers_frame_with_leading_space_in_field_value
    sends_headers_frame_with_trailing_tab_in_field_value sends_headers_frame_with_connection_header
    sends_headers_frame_with_proxy_connection_header sends_headers_frame_with_keep_alive_header
    sends_headers_frame_with_transfer_encoding_header sends_headers_frame_with_upgrade_header
    sends_headers_frame_with_te_trailers sends_headers_frame_with_te_not_trailers
    sends_headers_frame_with_response_pseudo_header sends_headers_frame_with_pseudo_header_in_trailer
    sends_headers_frame_with_duplicate_pseudo_headers sends_headers_frame_with_mismatched_host_authority
    sends_headers_frame_with_empty_path_component sends_headers_frame_without_method
    sends_headers_frame_without_scheme sends_headers_frame_without_path sends_headers_frame_without_status
    client_sends_push_promise_frame sends_connect_with_scheme sends_connect_with_path sends_connect_without_authority
    sends_headers_frame_with_pseudo_headers_after_regular_headers);

const SECTIONS: [(&str, &[Case]); 6] =
    [("3", STARTING), ("4", FRAMES), ("5", STREAMS), ("6", DEFINITIONS), ("7", CODES), ("8", SEMANTICS)];

/// Cases that contradict RFC 9113, each with its reason.
const CONTRADICTIONS: &[(&str, &str)] = &[];

/// How long a frame may be waited for. No case passes by waiting in vain.
const DEADLINE: Duration = Duration::from_secs(20);
/// Buffers of httpwg, of 4 KiB.
const BUFFERS: u32 = 4_096;

#[test]
fn every_case_passes() {
    buffet::bufpool::initialize_allocator_with_num_bufs(BUFFERS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let failed = LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::task::spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::task::spawn_local(serve(stream));
            }
        });
        let asked = Rc::new(Asked { host: "localhost".into(), port, timeout: DEADLINE, ..Asked::default() });
        let mut failed = Vec::new();
        for (section, all) in SECTIONS {
            let mut passed = 0;
            for (name, case) in all {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let outcome = tokio::task::spawn_local(case(Conn::new(asked.clone(), stream))).await;
                match outcome {
                    Ok(Ok(())) => passed += 1,
                    Ok(Err(error)) => failed.push((*name, error)),
                    Err(panic) => failed.push((*name, panic.to_string())),
                }
            }
            println!("section {section}: {passed} of {} passed", all.len());
        }
        failed
    });
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
    let expected: Vec<_> = CONTRADICTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected, "{failed:#?}");
    assert_eq!(SECTIONS.iter().map(|(_, all)| all.len()).sum::<usize>(), 107);
}

/// Answers every request, when it is complete, with a little content.
async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let now = || tokio::time::Instant::now().into_std();
    let mut connection = Connection::new(Role::Server, Config::default(), now());
    let mut buffer = vec![0; 64 * 1024];
    let mut waiting: Vec<(StreamRef, &[u8])> = Vec::new();
    loop {
        let content: &[u8] = b"Hello, h2spec and friends";
        waiting.retain_mut(|(stream, rest)| {
            let sent = connection.send_data(*stream, rest, End::Stream);
            *rest = &rest[sent..];
            !rest.is_empty() && connection.contains(*stream)
        });
        while !connection.output().is_empty() {
            let sent = stream.write(connection.output()).await?;
            connection.sent(sent);
        }
        if connection.error().is_some() {
            break;
        }
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        let mut input = &buffer[..n];
        while let Ok(Some(event)) = connection.receive(now(), &mut input) {
            let ended = match event {
                Event::Data { stream, bytes, end } => {
                    connection.consume(stream, bytes.len(), now());
                    end.then_some(stream)
                }
                Event::Headers { stream, end } => end.then_some(stream),
                Event::Trailers { stream } => Some(stream),
                _ => None,
            };
            if let Some(stream) = ended {
                connection.respond(stream, [Field::new(b":status", b"200")], End::Open).unwrap();
                waiting.push((stream, content));
            }
        }
    }
    // Reads on, so that what was said last is not lost with what is unread.
    stream.shutdown().await?;
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
