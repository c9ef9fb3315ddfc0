#![allow(missing_docs)]
use std::{ffi::OsString, path::PathBuf};
use ripstop_supervise::{outer, world, RunRequest};
fn flag(args: &[String], name: &str) -> String {
    args.iter().position(|a| a == name).map(|i| args[i + 1].clone()).unwrap_or_default()
}
fn main() {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::try_from_env("RIPSTOP_LOG").unwrap_or_else(|_| "info".into())).with_writer(std::io::stderr).with_ansi(false).init();
    let args: Vec<String> = std::env::args().collect();
    let cmd = args[1].as_str();
    let rt = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match cmd {
        "up" => {
            let ended = outer::run(outer::UpConfig {
                dir: args[2].clone().into(), state: Some(args[3].clone().into()), metrics_port: 0,
                binary: std::env::current_exe().unwrap(),
                supervise_argv: |c| -> Vec<OsString> { vec!["ripstop".into(), "supervise".into(), "--dir".into(), c.dir.clone().into(), "--state".into(), c.state.clone().into(), "--binary".into(), c.binary.clone().into(), "--host-fd".into(), c.host_fd.to_string().into(), "--broker-fd".into(), c.broker_fd.to_string().into()] },
                on_event: Box::new(|e| println!("EVENT {e:?}")),
            });
            match ended { Ok(e) => println!("ENDED {e:?}"), Err(e) => { println!("ERROR {e}"); std::process::exit(1) } }
        }
        "supervise" => world::run(world::WorldConfig { dir: flag(&args, "--dir").into(), state: flag(&args, "--state").into(), binary: flag(&args, "--binary").into(), host_fd: flag(&args, "--host-fd").parse().unwrap(), broker_fd: flag(&args, "--broker-fd").parse().unwrap() }).unwrap(),
        "control" => {
            let state: PathBuf = flag(&args, "--state").into();
            rt().block_on(async {
                let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
                ripstop_control::run(ripstop_control::ControlConfig { dir: flag(&args, "--dir").into(), admin: state.join("admin.sock"), state, listen: flag(&args, "--listen").parse().unwrap(), metrics: flag(&args, "--metrics").parse().unwrap() }, async move { term.recv().await; }).await.unwrap();
            });
        }
        "agent" | "node" => {
            println!("{args:?}");
            println!("token: {:?}", std::fs::read_to_string(flag(&args, "--token-file")));
            println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("Cap")).collect::<Vec<_>>().join(" "));
            println!("fds {:?}", std::fs::read_dir("/proc/self/fd").unwrap().map(|e| { let e = e.unwrap(); (e.file_name(), std::fs::read_link(e.path()).unwrap_or_default()) }).collect::<Vec<_>>());
            rt().block_on(async { tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap().recv().await; });
        }
        "get" | "post" | "stream" => rt().block_on(async {
            let mesh = ripstop_supervise::find_mesh(Some(args[2].as_ref())).unwrap();
            let c = ripstop_supervise::client::AdminClient::new(&mesh);
            if cmd == "get" { println!("{:#}", c.get::<serde_json::Value>(&args[3]).await.unwrap()); }
            else if cmd == "post" { println!("{:#}", c.post::<serde_json::Value>(&args[3], &serde_json::from_str::<serde_json::Value>(&args[4]).unwrap()).await.unwrap()); }
            else { let mut s = c.stream(&args[3]).await.unwrap(); while let Some(l) = s.line().await.unwrap() { println!("{l}"); } }
        }),
        "run" => {
            let code = rt().block_on(async {
                let mesh = ripstop_supervise::find_mesh(Some(args[2].as_ref())).unwrap();
                let req = RunRequest { namespace: "default".into(), node: Some(args[3].clone()).filter(|n| n != "-"), argv: args[4..].to_vec(), env: std::env::vars().collect(), cwd: std::env::current_dir().unwrap().display().to_string(), ..Default::default() };
                match ripstop_supervise::client::run(&mesh, req, |i| eprintln!("started {i}")).await { Ok(e) => e.shell_status(), Err(e) => { eprintln!("ERROR {e}"); 125 } }
            });
            std::process::exit(code);
        }
        other => panic!("{other}"),
    }
}
