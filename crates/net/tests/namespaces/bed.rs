//! A node with two workloads, and a toy proxy.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ripstop_net::link::{Links, Route, set_sysctls};
use ripstop_net::nft::capture::{PORT_DNS, PORT_INBOUND, PORT_OUTBOUND, PORT_TUNNEL};
use ripstop_net::socket::{self, canonical};
use ripstop_net::{Family, NamespaceSockets, NetNs, SocketKind, run_in};
use socket2::Socket;

/// Waits of a test's sockets.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Workload {
    pub netns: NetNs,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    pub veth: String,
}

impl Workload {
    pub fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.v4.into(),
            Family::V6 => self.v6.into(),
        }
    }

    /// The link-local address of its interface.
    pub fn link_local(&self) -> Ipv6Addr {
        crate::harness::eventually("a link-local address", || {
            let addresses = Links::open(&self.netns).unwrap().addresses("eth0").unwrap();
            addresses.iter().find_map(|net| match net.addr() {
                IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
                _ => None,
            })
        })
    }
}

pub struct Bed {
    pub node: NetNs,
    pub a: Workload,
    pub b: Workload,
}

impl Bed {
    pub fn new() -> Self {
        let node = NetNs::create().unwrap();
        let mut links = Links::open(&node).unwrap();
        links.set_up("lo").unwrap();
        set_sysctls(
            &node,
            &[
                ("net/ipv4/ip_forward", "1"),
                ("net/ipv6/conf/all/forwarding", "1"),
                ("net/ipv4/conf/all/rp_filter", "0"),
                ("net/ipv4/conf/default/rp_filter", "0"),
                ("net/ipv6/conf/default/accept_dad", "0"),
                ("net/ipv6/conf/all/accept_dad", "0"),
            ],
        )
        .unwrap();
        links.add_address("lo", "10.244.1.1/32".parse().unwrap()).unwrap();
        links.add_address("lo", "fd00:10:244:1::1/128".parse().unwrap()).unwrap();
        let a = workload(&mut links, 2);
        let b = workload(&mut links, 3);
        Self { node, a, b }
    }
}

fn workload(links: &mut Links, number: u8) -> Workload {
    let netns = NetNs::create().unwrap();
    let veth = format!("w{number}");
    set_sysctls(&netns, &[("net/ipv6/conf/default/accept_dad", "0"), ("net/ipv6/conf/all/accept_dad", "0")]).unwrap();
    links.add_veth(&veth, "eth0", &netns).unwrap();
    let v4 = Ipv4Addr::new(10, 244, 1, number);
    let v6 = Ipv6Addr::new(0xfd00, 0x10, 0x244, 1, 0, 0, 0, number.into());
    links.add_address(&veth, "169.254.1.1/32".parse().unwrap()).unwrap();
    links.add_address(&veth, "fe80::1/64".parse().unwrap()).unwrap();
    links.set_up(&veth).unwrap();
    let mut inside = Links::open(&netns).unwrap();
    inside.set_up("lo").unwrap();
    inside.set_up("eth0").unwrap();
    inside.add_address("eth0", format!("{v4}/32").parse().unwrap()).unwrap();
    inside.add_address("eth0", format!("{v6}/128").parse().unwrap()).unwrap();
    inside.add_route(&Route::device("169.254.1.1/32".parse().unwrap(), "eth0")).unwrap();
    inside.add_route(&Route::via("0.0.0.0/0".parse().unwrap(), "169.254.1.1".parse().unwrap())).unwrap();
    let default =
        Route { device: Some("eth0".into()), ..Route::via("::/0".parse().unwrap(), "fe80::1".parse().unwrap()) };
    inside.add_route(&default).unwrap();
    links.add_route(&Route::device(format!("{v4}/32").parse().unwrap(), &veth)).unwrap();
    links.add_route(&Route::device(format!("{v6}/128").parse().unwrap(), &veth)).unwrap();
    Workload { netns, v4, v6, veth }
}

/// An application that tells each client who it seems to be, then echoes.
pub fn echo(netns: &NetNs, port: u16) {
    let listener = run_in(netns, || TcpListener::bind(("::", port))).unwrap().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || -> io::Result<()> {
                let peer = canonical(stream.peer_addr()?);
                writeln!(stream, "{}", peer.ip())?;
                let mut buffer = [0; 4096];
                loop {
                    let length = stream.read(&mut buffer)?;
                    if length == 0 {
                        return Ok(());
                    }
                    stream.write_all(&buffer[..length])?;
                }
            });
        }
    });
}

/// A connection to an [`echo`]: who it says we are comes first.
pub struct Client {
    pub stream: TcpStream,
    pub seen_as: String,
}

impl Client {
    pub fn connect(netns: &NetNs, to: SocketAddr) -> io::Result<Self> {
        Self::over(run_in(netns, || TcpStream::connect_timeout(&to, PATIENCE))??)
    }

    /// Over a connection that was made otherwise.
    pub fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self { stream, seen_as: String::new() };
        client.seen_as = client.line()?;
        Ok(client)
    }

    /// Says something and expects it back.
    pub fn ask(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stream, "{text}")?;
        let answer = self.line()?;
        if answer == text { Ok(()) } else { Err(io::Error::other(format!("{answer:?} is not {text:?}"))) }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            if self.stream.read(&mut byte)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if byte == *b"\n" {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            line.push(byte[0]);
        }
    }
}

/// What a toy proxy saw: listener's port, peer, original destination.
pub type Seen = (u16, SocketAddr, SocketAddr);

/// Accepts what is captured and passes it on.
pub struct Proxy {
    seen: Arc<Mutex<Vec<Seen>>>,
    _threads: Vec<JoinHandle<()>>,
}

impl Proxy {
    pub fn start(netns: &NetNs) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut threads = Vec::new();
        for port in [PORT_OUTBOUND, PORT_INBOUND, PORT_TUNNEL, PORT_DNS] {
            let listener = TcpListener::from(socket::transparent_listener(netns, port).unwrap());
            listener.set_nonblocking(false).unwrap();
            let (seen, netns) = (seen.clone(), netns.clone());
            threads.push(std::thread::spawn(move || {
                for accepted in listener.incoming() {
                    let accepted = accepted.unwrap();
                    let (seen, netns) = (seen.clone(), netns.clone());
                    std::thread::spawn(move || pass_on(port, accepted, &netns, &seen));
                }
            }));
        }
        for family in [Family::V4, Family::V6] {
            let asked = socket::transparent_datagram(netns, PORT_DNS, family).unwrap();
            Socket::from(asked.try_clone().unwrap()).set_nonblocking(false).unwrap();
            let (seen, netns) = (seen.clone(), netns.clone());
            threads.push(std::thread::spawn(move || answer_datagrams(&asked, family, &netns, &seen)));
        }
        Self { seen, _threads: threads }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often a listener was reached.
    pub fn count(&self, port: u16) -> usize {
        self.seen().iter().filter(|(listener, _, _)| *listener == port).count()
    }
}

fn pass_on(port: u16, client: TcpStream, netns: &NetNs, seen: &Mutex<Vec<Seen>>) {
    let peer = canonical(client.peer_addr().unwrap());
    let destination = socket::original_destination(&client).unwrap();
    seen.lock().unwrap().push((port, peer, destination));
    let (kind, source) = match port {
        // What is in a tunnel only a real proxy knows.
        PORT_TUNNEL => return,
        PORT_INBOUND => (SocketKind::Transparent, Some(peer.ip())),
        _ => (SocketKind::Plain, None),
    };
    match connect(netns, kind, source, destination) {
        Ok(server) => relay(client, server),
        Err(_) => socket::reset_on_close(&client).unwrap(),
    }
}

fn connect(netns: &NetNs, kind: SocketKind, source: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let fd = NamespaceSockets::new(netns.clone()).batch(kind, Family::from(to), 1)?.remove(0);
    let socket = Socket::from(fd);
    if let Some(source) = source {
        socket::bind_as(&socket, source)?;
    }
    socket.set_nonblocking(false)?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    Ok(socket.into())
}

fn relay(client: TcpStream, server: TcpStream) {
    let (mut client2, mut server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mut client, mut server) = (client, server);
    std::thread::spawn(move || {
        let _ = io::copy(&mut client2, &mut server2);
        let _ = server2.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
}

fn answer_datagrams(asked: &OwnedFd, family: Family, netns: &NetNs, seen: &Mutex<Vec<Seen>>) {
    let mut buffer = [0; 512];
    loop {
        let question = socket::recv_original(asked, &mut buffer).unwrap();
        seen.lock().unwrap().push((53, question.source, question.destination));
        let reply = NamespaceSockets::new(netns.clone()).batch(SocketKind::DnsReply, family, 1).unwrap().remove(0);
        socket::send_original(&reply, b"from the proxy", question.destination, question.source).unwrap();
    }
}
