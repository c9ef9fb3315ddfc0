use std::net::Ipv4Addr;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RecordType},
};
use ripstop_model::{AppProtocol, Change, Service, ServiceKey, ServicePort, TargetPort, Visibility};
use tokio::sync::oneshot;

use super::*;

/// Answers with the query's bytes and a mark behind them; names with `mute` never.
struct Echo;

impl Forwarder for Echo {
    fn forward<'a>(&'a self, query: &'a [u8], _: Transport) -> ForwardFuture<'a> {
        Box::pin(async move {
            if query.windows(4).any(|bytes| bytes == b"mute") {
                return std::future::pending().await;
            }
            Ok([query, b"echo"].concat())
        })
    }
}

struct Running {
    udp: SocketAddr,
    tcp: SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    let service = Service {
        key: ServiceKey::new("bookinfo", "reviews.bookinfo.svc.cluster.local"),
        name: "reviews".into(),
        addresses: vec![IpAddr::from([240, 240, 0, 1])],
        ports: vec![ServicePort {
            port: 80,
            name: "".into(),
            target: TargetPort::Number(80),
            protocol: AppProtocol::Tcp,
        }],
        selector: None,
        headless: false,
        publish_not_ready: false,
        waypoint: None,
        subject_alt_names: Vec::new(),
        visibility: Visibility::default(),
    };
    let snapshot = Snapshot::default().with(1, [Change::Service(Arc::new(service))]);
    let (sender, snapshots) = watch::channel(Arc::new(snapshot));
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (udp_address, tcp_address) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let server = DnsServer { udp: vec![udp], tcp: vec![tcp], snapshots, forwarder: Arc::new(Echo), limits };
    let task = tokio::spawn(async move {
        let _sender = sender;
        server.run(async { drop(stopped.await) }).await;
    });
    Running { udp: udp_address, tcp: tcp_address, stop, task }
}

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn framed(query: &[u8]) -> Vec<u8> {
    [&u16::try_from(query.len()).unwrap().to_be_bytes()[..], query].concat()
}

async fn ask(to: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.send_to(query, to).await.unwrap();
    let mut buffer = vec![0; MESSAGE];
    let (length, _) = timeout(Duration::from_secs(5), socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    buffer.truncate(length);
    buffer
}

async fn read_framed(stream: &mut TcpStream) -> Vec<u8> {
    let length = timeout(Duration::from_secs(5), stream.read_u16()).await.unwrap().unwrap();
    let mut reply = vec![0; length.into()];
    stream.read_exact(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn answers_own_names_and_forwards_others_untouched() {
    let server = start(Limits::default()).await;
    let own = Message::from_vec(&ask(server.udp, &query(7, "reviews.bookinfo.svc.cluster.local.")).await).unwrap();
    assert_eq!((own.metadata.id, own.answers[0].data.to_string()), (7, "240.240.0.1".to_owned()));
    let foreign = query(8, "Example.ORG.");
    assert_eq!(ask(server.udp, &foreign).await, [&foreign[..], b"echo"].concat());

    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    stream.write_all(&framed(&foreign)).await.unwrap();
    assert_eq!(read_framed(&mut stream).await, [&foreign[..], b"echo"].concat());
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_slow_forward_delays_no_other_query_and_ends_in_servfail() {
    let server = start(Limits { forward: Duration::from_millis(300), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    let (slow, quick) = (query(1, "mute.example.org."), query(2, "reviews.bookinfo.svc.cluster.local."));
    stream.write_all(&[framed(&slow), framed(&quick)].concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(Message::from_vec(&read_framed(&mut stream).await).unwrap().metadata.id, 2);
    let failed = Message::from_vec(&read_framed(&mut stream).await).unwrap();
    assert_eq!((failed.metadata.id, failed.metadata.response_code), (1, ResponseCode::ServFail));
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "closed after the last answer");
    let failed = Message::from_vec(&ask(server.udp, &slow).await).unwrap();
    assert_eq!(failed.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn bounds_close_idle_and_excess_clients() {
    let limits = Limits { clients_each: 1, idle: Duration::from_millis(200), ..Limits::default() };
    let server = start(limits).await;
    let mut first = TcpStream::connect(server.tcp).await.unwrap();
    first.write_all(&framed(&query(1, "reviews.bookinfo.svc.cluster.local."))).await.unwrap();
    read_framed(&mut first).await;
    let mut second = TcpStream::connect(server.tcp).await.unwrap();
    let closed = timeout(Duration::from_secs(5), second.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "no place for a second client");
    let idle = timeout(Duration::from_secs(5), first.read(&mut [0; 1])).await.unwrap();
    assert_eq!(idle.unwrap(), 0, "idle client is closed");
}

#[tokio::test]
async fn excess_forwards_fail_at_once() {
    let server = start(Limits { forwards_each: 1, ..Limits::default() }).await;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.send_to(&query(1, "mute.example.org."), server.udp).await.unwrap();
    socket.send_to(&query(2, "mute.example.org."), server.udp).await.unwrap();
    let mut buffer = [0; 512];
    let length = timeout(Duration::from_secs(4), socket.recv(&mut buffer)).await.unwrap().unwrap();
    let failed = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!((failed.metadata.id, failed.metadata.response_code), (2, ResponseCode::ServFail));
}
