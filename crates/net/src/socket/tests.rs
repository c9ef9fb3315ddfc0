use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::*;

/// What the kernel's own clock may be off by.
const TICK: Duration = Duration::from_millis(50);

#[test]
fn a_connection_is_quiet_until_data_passes_in_either_direction() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut theirs = listener.accept().unwrap().0;
    for sends in [true, false, true] {
        while quiet_for(&ours).unwrap() <= TICK * 3 {
            std::thread::yield_now();
        }
        let before = Instant::now();
        let (from, to) = if sends { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
        from.write_all(b"a").unwrap();
        to.read_exact(&mut [0]).unwrap();
        let quiet = quiet_for(&ours).unwrap();
        assert!(quiet <= before.elapsed() + TICK, "{quiet:?}");
    }
}

#[test]
fn what_is_no_connection_of_tcp_has_none() {
    assert!(quiet_for(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).is_err());
}
