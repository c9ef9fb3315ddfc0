//! A control plane in a directory of its own, and the clients of the mesh.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use ripstop_decide::Program;
use ripstop_identity::{ClientAuth, Roots, Svid, bootstrap_config, client_config, new_csr, server_config, server_name};
use ripstop_model::{Credential, SpiffeId, TrustDomain};
use ripstop_wire::{
    credential,
    ripstop::{
        Instance, InstanceSet, JoinRequest, JoinResponse, ReportRequest, join_client::JoinClient, report_request,
    },
    snapshot_changes, type_url,
};
use ripstop_xds::{Link, LinkConfig, Role, Updates};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::{TcpStream, UnixStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    codegen::Service,
    transport::{Channel, Endpoint},
};

use crate::{Control, ControlConfig, plane::Plane};

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const OBJECTS: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: n1}
---
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata: {name: n2}
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  selector: {app: cart}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: cart, namespace: shop, labels: {app: cart}}
spec:
  node: n1
  serviceAccountName: cart
  command: [cart]
  ports: [{containerPort: 8080}]
";

/// One mesh; its directory lives as long as this.
pub(super) struct Mesh {
    root: TempDir,
    pub(super) listen: SocketAddr,
    pub(super) metrics: SocketAddr,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    plane: Arc<Plane>,
}

/// Gives away one connection that is already there.
struct Established(Option<TokioIo<TlsStream<TcpStream>>>);

/// A link with the program that its commits lead to.
pub(super) struct Client {
    pub(super) link: Link,
    updates: Updates,
    pub(super) program: Program,
    /// Types of what the last commit brought.
    pub(super) types: Vec<&'static str>,
    /// Keys and certificates, by name.
    pub(super) credentials: BTreeMap<String, Credential>,
}

impl Mesh {
    pub(super) async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("dir")).unwrap();
        std::fs::write(root.path().join("dir/mesh.yaml"), OBJECTS).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let mut mesh = Self { root, listen: any, metrics: any, running: None };
        mesh.resume().await;
        mesh
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Starts again where it listened before.
    pub(super) async fn resume(&mut self) {
        let control = self.bind().await;
        self.serve(control);
    }

    /// Starts again with an own certificate that is past its half life; gives it.
    pub(super) async fn resume_aged(&mut self) -> Vec<u8> {
        let mut control = self.bind().await;
        let authority = &control.plane.authority;
        let (key, csr) = new_csr().unwrap();
        let made = SystemTime::now() - Duration::from_hours(16);
        let issued = authority.issue_at(&csr, &control.svid.id, Duration::from_hours(24), made).unwrap();
        let aged = Svid::new(&issued.pem(), key).unwrap();
        control.tls.send_replace(server_config(&aged, authority.roots(), ClientAuth::Optional, &[b"h2"]));
        control.svid = aged.clone();
        self.serve(control);
        aged.chain()[0].to_vec()
    }

    /// The certificate that a new connection is shown.
    pub(super) async fn served_certificate(&self) -> Vec<u8> {
        let stream = self.connect(None).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    pub(super) async fn bind(&self) -> Control {
        let control = Control::bind(ControlConfig {
            broker_fd: None,
            dir: self.path("dir"),
            state: self.path("state"),
            listen: self.listen,
            metrics: self.metrics,
            admin: self.path("state/admin.sock"),
        });
        control.await.unwrap()
    }

    fn serve(&mut self, control: Control) {
        self.listen = control.listen_address().unwrap();
        self.metrics = control.metrics_address().unwrap();
        let plane = control.plane.clone();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(control.serve(async {
            let _ = stopped.await;
        }));
        self.running = Some(Running { stop, task, plane });
    }

    pub(super) async fn stop(&mut self) {
        let Running { stop, task, .. } = self.running.take().unwrap();
        stop.send(()).unwrap();
        timeout(PATIENCE, task).await.expect("the control plane ends in time").unwrap();
    }

    /// The mesh as it was committed last.
    pub(super) fn published(&self) -> Program {
        self.running.as_ref().unwrap().plane.published().snapshot.clone()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, value) = self.call("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{value}");
        value
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let stream = UnixStream::connect(self.path("state/admin.sock")).await.unwrap();
        call(stream, method, path, body).await
    }

    pub(super) async fn token(&self, role: &str, name: &str) -> String {
        let (status, value) = self.call("POST", "/v1/tokens", json!({ "role": role, "name": name })).await;
        assert_eq!(status, 200, "{value}");
        value["token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn join(&self, role: Role, name: &str) -> Client {
        let config = self.config(role, name);
        std::fs::create_dir(&config.state).unwrap();
        std::fs::write(&config.token_file, self.token(role.as_str(), name).await).unwrap();
        Client::start(config).await
    }

    /// Starts again what joined before, from its own disk.
    pub(super) async fn restart(&self, role: Role, name: &str) -> Client {
        Client::start(self.config(role, name)).await
    }

    fn config(&self, role: Role, name: &str) -> LinkConfig {
        let state = self.path(&format!("{}-{name}", role.as_str()));
        LinkConfig {
            control: self.listen,
            role,
            name: name.into(),
            token_file: state.join("token"),
            state,
            root_cert: self.path("state/ca/root.pem"),
            types: match role {
                Role::Supervisor => {
                    [type_url::NODE, type_url::PROCESS, type_url::WORKLOAD_GROUP, type_url::SIDECAR, type_url::MESH]
                        .into()
                }
                Role::Agent => type_url::FOR_AGENTS.to_vec(),
                Role::Node | Role::Waypoint | Role::Gateway | Role::Sidecar => {
                    type_url::FOR_PROXIES.into_iter().chain([type_url::CREDENTIAL]).collect()
                }
            },
        }
    }

    pub(super) fn roots(&self) -> Roots {
        Roots::from_pem(&std::fs::read_to_string(self.path("state/ca/root.pem")).unwrap()).unwrap()
    }

    /// A gRPC channel that proves `svid`, or nothing.
    pub(super) async fn channel(&self, svid: Option<&Svid>) -> Channel {
        let connector = Established(Some(TokioIo::new(self.connect(svid).await)));
        Endpoint::from_static("http://control").connect_with_connector(connector).await.unwrap()
    }

    async fn connect(&self, svid: Option<&Svid>) -> TlsStream<TcpStream> {
        let domain = TrustDomain::default();
        let expected = [SpiffeId::component(&domain, "control", "default").unwrap()];
        let config = match svid {
            Some(svid) => client_config(svid, self.roots(), expected, &[b"h2"]),
            None => bootstrap_config(&self.roots(), &domain, expected, &[b"h2"]),
        };
        let stream = TcpStream::connect(self.listen).await.unwrap();
        TlsConnector::from(config).connect(server_name(), stream).await.unwrap()
    }

    pub(super) async fn redeem(&self, token: &str, csr: &str) -> Result<JoinResponse, tonic::Status> {
        let mut client = JoinClient::new(self.channel(None).await);
        let answer = client.join(JoinRequest { token: token.into(), csr: csr.into() }).await;
        answer.map(tonic::Response::into_inner)
    }

    /// A certificate of that part, by token.
    pub(super) async fn svid(&self, role: &str, name: &str) -> Svid {
        let (key, csr) = new_csr().unwrap();
        let answer = self.redeem(&self.token(role, name).await, &csr).await.unwrap();
        Svid::new(&answer.cert_chain.concat(), key).unwrap()
    }

    /// What `/metrics` says of `name`.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let stream = TcpStream::connect(self.metrics).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let task = tokio::spawn(connection);
        let request = Request::get("/metrics").header("host", "control").body(Full::<Bytes>::default()).unwrap();
        let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        task.abort();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    /// Waits until `get` gives something; asks again every few milliseconds.
    pub(super) async fn until<T>(&self, path: &str, get: impl Fn(&Value) -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = get(&self.get(path).await) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if let Ok(found) = timeout(PATIENCE, waiting).await {
            return found;
        }
        panic!("{path} stays {}", self.get(path).await)
    }
}

impl Service<http::Uri> for Established {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::Error::other("connected once already")))
    }
}

impl Client {
    async fn start(config: LinkConfig) -> Self {
        let (link, updates) = Link::start(config).await.unwrap();
        Self { link, updates, program: Program::default(), types: vec![], credentials: BTreeMap::new() }
    }

    /// Takes commits until `get` gives something; each is acknowledged.
    pub(super) async fn until<T>(&mut self, get: impl Fn(&Program) -> Option<T>) -> T {
        self.until_it(|client| get(&client.program)).await
    }

    /// The same, of everything that commits bring.
    pub(super) async fn until_it<T>(&mut self, get: impl Fn(&Self) -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = get(self) {
                    return found;
                }
                let commit = self.updates.next().await.expect("the link lives");
                self.types = commit.resources.iter().map(|resource| resource.type_url).collect();
                for resource in commit.resources.iter().filter(|one| one.type_url == type_url::CREDENTIAL) {
                    match &resource.body {
                        Some(body) => {
                            let credential = credential::decode(&resource.name, body).unwrap();
                            self.credentials.insert(resource.name.to_string(), credential);
                        }
                        None => drop(self.credentials.remove(&*resource.name)),
                    }
                }
                let changes = snapshot_changes(&commit.resources).unwrap();
                self.program = self.program.with(commit.version, changes);
                commit.accept();
            }
        };
        timeout(PATIENCE, waiting).await.expect("the commit comes in time")
    }

    /// Refuses the next commit.
    pub(super) async fn refuse_next(&mut self, reason: &str) {
        let commit = timeout(PATIENCE, self.updates.next()).await.expect("a commit comes in time").unwrap();
        commit.reject(reason);
    }

    pub(super) fn report(&self, kind: report_request::Kind) {
        self.link.report(ReportRequest { kind: Some(kind) });
    }

    pub(super) fn report_instances(&self, instances: &[Instance]) {
        self.report(report_request::Kind::Instances(InstanceSet { instances: instances.to_vec() }));
    }
}

pub(super) async fn call(stream: UnixStream, method: &str, path: &str, body: Value) -> (u16, Value) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let task = tokio::spawn(connection);
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder().method(method).uri(path).header("host", "admin").body(Full::new(body)).unwrap();
    let response = timeout(PATIENCE, sender.send_request(request)).await.expect("an answer in time").unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    task.abort();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A running instance of `cart` in namespace `shop`.
pub(super) fn instance(name: &str, node: &str, address: &str) -> Instance {
    Instance {
        uid: uid(name),
        namespace: "shop".into(),
        name: name.into(),
        process: "cart".into(),
        node: node.into(),
        service_account: "cart".into(),
        addresses: vec![address.into()],
        labels: [("app".to_owned(), "cart".to_owned())].into(),
        ready: true,
        running: true,
        pid: 7,
        ..Instance::default()
    }
}

pub(super) fn uid(name: &str) -> String {
    format!("Ripstop/ripstop.dev/Process/shop/{name}")
}

pub(super) fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}
