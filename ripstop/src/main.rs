//! `ripstop`: every part of a service mesh in one binary. One file a command.

mod analyze;
mod authz;
mod cluster;
mod completion;
mod config;
mod demo;
mod describe;
mod explain;
mod fmt;
mod get;
mod identity;
mod kinds;
mod labels;
mod link;
mod load;
mod logs;
mod mesh;
mod metadata;
mod metrics;
mod nobody;
mod objects;
mod offline;
mod output;
mod processes;
mod proxies;
mod quarantine;
mod roles;
mod run;
mod status;
mod tables;
mod tap;
mod texts;
mod up;
mod waypoint;
mod words;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A service mesh: mutual TLS, identity and policy between the processes of a machine.
#[derive(Parser)]
#[command(name = "ripstop", version, max_term_width = 100)]
struct Cli {
    /// The mesh to speak to: its directory of configuration or its state directory. Not needed
    /// when only one runs.
    #[arg(long, global = true, env = "RIPSTOP_MESH", value_name = "DIR")]
    mesh: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a whole mesh on this machine from a directory of YAML.
    Up(up::Up),
    /// Shows a mesh that proves itself with real traffic.
    Demo(demo::Demo),
    /// Runs one more process inside the running mesh.
    Run(run::Run),
    /// Shows what there is: workloads, services, processes, findings, and objects of all kinds.
    Get(get::Get),
    /// Tells all that is known of an object.
    Describe(describe::Describe),
    /// Writes objects into the mesh's directory: each where it is declared, or into a file of its own. Comments are kept.
    Apply(objects::Apply),
    /// Removes objects from the mesh's directory.
    Delete(objects::Delete),
    /// Tells what is wrong with configuration, in files or in the running mesh.
    Analyze(analyze::Analyze),
    /// Tells what becomes of a request, and why: route, policies rule by rule, with file and line, and the
    /// smallest change that would turn the verdict. Of files, or of the running mesh.
    Explain(explain::Explain),
    /// Tells who may do what.
    Authz(authz::Authz),
    /// Shows every proxy, its configuration version and lag.
    Status(status::Status),
    /// Shows what proxies hold at the moment, as they tell it themselves: listeners, routes, backends, endpoints, secrets,
    /// capture.
    Config(config::Config),
    /// Shows what a role or workload has written.
    Logs(logs::Logs),
    /// Shows requests as they pass, of all proxies.
    Tap(tap::Tap),
    /// Sets (key=value) or removes (key-) labels, e.g. to enrol a namespace.
    Label(metadata::Metadata),
    /// Sets (key=value) or removes (key-) annotations.
    Annotate(metadata::Metadata),
    /// Cuts a workload off: it is no endpoint any more, and speaks with nobody but those who are named. `--release` lets
    /// it back.
    Quarantine(quarantine::Quarantine),
    /// Starts a role or workload that was stopped.
    Start(processes::Name),
    /// Stops a role or workload; it stays down.
    Stop(processes::Name),
    /// Restarts a role or workload.
    Restart(processes::Name),
    /// Shows the metrics of a proxy or of the control plane.
    Metrics(metrics::Metrics),
    /// Declares, lists and removes waypoints, which stand in front of services.
    Waypoint(waypoint::Waypoint),
    /// Watches the link of a node.
    Link(link::Link),
    /// Issues certificates.
    Identity(identity::Identity),
    /// Sends requests, and tells what became of them: HTTP/1.1, HTTP/2 and gRPC, as fast as they are answered or at a
    /// fixed rate. Needs no mesh.
    Load(load::Load),
    /// Tidies configuration files, or repairs lost indentation.
    ///
    /// What a file says, its comments, order and quotes stay: indentation, blanks at the ends of lines and the end of
    /// the file change. One file is printed as it should be; of several, the differences. Needs no mesh.
    Fmt(fmt::Fmt),
    /// Writes completions for a shell.
    ///
    /// Names of objects, namespaces, workloads and proxies are those of the running mesh.
    Completion(completion::Completion),
    /// The control plane, as a process of its own.
    Control(roles::Control),
    /// A node's privileged helper, as a process of its own.
    Agent(roles::Agent),
    /// A node proxy, as a process of its own.
    Node(roles::Node),
    /// A proxy that stands alone: a sidecar, gateway or waypoint.
    Proxy(roles::Proxy),
    /// The supervisor inside the world that `up` makes.
    #[command(hide = true)]
    Supervise(cluster::Supervise),
}

/// Commands that ask no running mesh.
const WITHOUT_MESH: [&str; 8] = ["up", "demo", "load", "fmt", "completion", "control", "agent", "node"];

/// The command line; the flags that all commands have are left out where they mean nothing.
fn command() -> clap::Command {
    let none = |_: &str| Err::<String, _>("this command asks no running mesh");
    WITHOUT_MESH.into_iter().fold(Cli::command(), |command, name| {
        let mesh = Arg::new("mesh").long("mesh").hide(true).value_parser(none);
        command.mut_subcommand(name, |subcommand| subcommand.arg(mesh))
    })
}

fn main() -> ExitCode {
    completion::answer(command);
    let matches = command().try_get_matches().unwrap_or_else(|error| match words::advice(&error) {
        Some(advice) => {
            output::tell(&format!("{} {advice}\n", output::paint_error("error:")));
            std::process::exit(error.exit_code());
        }
        None => error.exit(),
    });
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::tell(&format!("{} {error:#}\n", output::paint_error("error:")));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    // Roles make their own runtimes: what spawns namespaces must be single-threaded before.
    match cli.command {
        Command::Control(control) => control.run().map(|()| ExitCode::SUCCESS),
        Command::Agent(agent) => agent.run().map(|()| ExitCode::SUCCESS),
        Command::Node(node) => node.run().map(|()| ExitCode::SUCCESS),
        Command::Proxy(proxy) => proxy.run().map(|()| ExitCode::SUCCESS),
        Command::Supervise(supervise) => supervise.run().map(|()| ExitCode::SUCCESS),
        Command::Up(up) => up.run().map(|()| ExitCode::SUCCESS),
        Command::Load(load) => load.run(),
        Command::Fmt(fmt) => fmt.run(),
        Command::Analyze(analyze) if analyze.is_offline() => analyze.offline(),
        Command::Explain(explain) if explain.is_offline() => explain.offline(),
        Command::Authz(authz) if authz.is_offline() => authz.offline(),
        Command::Completion(completion) => completion.run().map(|()| ExitCode::SUCCESS),
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(ask(cli.mesh, command))
        }
    }
}

/// Commands that speak to a running mesh.
async fn ask(selector: Option<std::path::PathBuf>, command: Command) -> Result<ExitCode> {
    if let Command::Demo(demo) = command {
        return Ok(if demo.run().await? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mesh = mesh::Mesh::find(selector.as_deref())?;
    match command {
        Command::Run(run) => return run.run(&mesh).await,
        Command::Analyze(analyze) => return analyze.live(&mesh).await,
        Command::Explain(explain) => return explain.live(&mesh).await,
        Command::Authz(authz) => return authz.live(&mesh).await,
        Command::Apply(apply) => return apply.run(&mesh).await,
        Command::Waypoint(waypoint) => return waypoint.run(&mesh).await,
        Command::Delete(delete) => delete.run(&mesh).await?,
        Command::Get(get) => get.run(&mesh).await?,
        Command::Describe(describe) => describe.run(&mesh).await?,
        Command::Status(status) => status.run(&mesh).await?,
        Command::Config(config) => config.run(&mesh).await?,
        Command::Logs(logs) => logs.run(&mesh).await?,
        Command::Tap(tap) => tap.run(&mesh).await?,
        Command::Label(label) => label.run(&mesh, metadata::Field::Labels).await?,
        Command::Annotate(annotate) => annotate.run(&mesh, metadata::Field::Annotations).await?,
        Command::Quarantine(quarantine) => quarantine.run(&mesh).await?,
        Command::Start(name) => name.run(&mesh, "start").await?,
        Command::Stop(name) => name.run(&mesh, "stop").await?,
        Command::Restart(name) => name.run(&mesh, "restart").await?,
        Command::Metrics(metrics) => metrics.run(&mesh).await?,
        Command::Link(link) => link.run(&mesh).await?,
        Command::Identity(identity) => identity.run(&mesh).await?,
        _ => unreachable!("roles were started above"),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mesh_is_offered_where_one_is_asked() {
        command().debug_assert();
        let help = |name: &str| {
            let mut whole = command();
            whole.build();
            whole.find_subcommand_mut(name).unwrap().render_help().to_string()
        };
        for name in WITHOUT_MESH {
            assert!(!help(name).contains("--mesh"), "{name}");
            let refused = command().try_get_matches_from(["ripstop", name, "--mesh", "x"]).unwrap_err();
            assert!(refused.to_string().contains("this command asks no running mesh"), "{refused}");
        }
        for name in ["get", "status", "label", "explain", "run"] {
            assert!(help(name).contains("--mesh"), "{name}");
        }
        for line in ["ripstop --mesh x status", "ripstop status --mesh x"] {
            let matches = command().try_get_matches_from(line.split(' ')).unwrap();
            assert_eq!(Cli::from_arg_matches(&matches).unwrap().mesh.as_deref(), Some(std::path::Path::new("x")));
        }
    }
}
