//! Names of the mesh: the same answers in the mesh and out of it, whatever has died.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    NODES, Talker, echo,
    observe::{in_state, killed},
};
use ripstop_world::{SOON, World, wait_for};
use serde_json::Value;

/// Two instances behind a headless service, and a third one that is never ready.
const HEADLESS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec:
  clusterIP: None
  selector: {group: peers}
  ports: [{name: tcp, port: 9000}]
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: peer, namespace: shop, labels: {group: peers}}
spec:
  node: west
  replicas: 2
  command: [bookinfo, echo]
  ports: [{name: tcp, containerPort: 9000}]
  readinessProbe: {tcpSocket: {port: tcp}, periodSeconds: 1}
";

/// A member of `peers` that never becomes ready.
const NEVER_READY: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: shy, namespace: shop, labels: {group: peers}}
spec:
  node: east
  command: [bookinfo, echo]
  ports: [{name: tcp, containerPort: 9000}]
  readinessProbe: {tcpSocket: {port: 9001}, periodSeconds: 1}
";

fn world() -> Result<World> {
    let far = echo("far", "shop", "west");
    World::start(&[("nodes.yaml", NODES), ("far.yaml", &far), ("peers.yaml", HEADLESS)])
}

/// One question, and what is to be answered: code and addresses.
type Expected = (&'static str, String, &'static str, Vec<String>);

/// What the mesh knows now, as questions and answers.
fn knowledge(world: &World) -> Result<Vec<Expected>> {
    let services = world.json(&["get", "services", "-n", "shop"])?;
    let far = services.as_array().and_then(|list| list.iter().find(|service| service["name"] == "far"));
    let vip = far.and_then(|far| far["vip"].as_str()).context("far has no address")?.to_owned();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for peer in ["peer-0", "peer-1"] {
        let peer = world.get("shop", peer)?;
        for address in peer["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if address.contains(':') { &mut v6 } else { &mut v4 }.push(address.to_owned());
        }
    }
    let first = v4.clone().into_iter().take(1).collect();
    v4.sort();
    v6.sort();
    let own = |name: &str| name.to_owned();
    Ok(vec![
        ("A", own("far.shop.svc.cluster.local"), "NOERROR", vec![vip]),
        ("AAAA", own("far.shop.svc.cluster.local"), "NOERROR", vec![]),
        ("A", own("peers.shop.svc.cluster.local"), "NOERROR", v4.clone()),
        ("AAAA", own("peers.shop.svc.cluster.local"), "NOERROR", v6),
        ("A", own("peer-0.peers.shop.svc.cluster.local"), "NOERROR", first),
        ("SRV", own("_tcp._tcp.peers.shop.svc.cluster.local"), "NOERROR", vec![own("type 33"), own("type 33")]),
        ("A", own("nobody.shop.svc.cluster.local"), "NXDOMAIN", vec![]),
        ("AAAA", own("nobody.shop.svc.cluster.local"), "NXDOMAIN", vec![]),
        ("A", own("far.nowhere.svc.cluster.local"), "NXDOMAIN", vec![]),
    ])
}

/// Whether `talker` gets these answers, over UDP and TCP.
fn answers_as(talker: &mut Talker, knowledge: &[Expected]) -> Result<()> {
    for (kind, name, code, addresses) in knowledge {
        for transport in ["udp", "tcp"] {
            let command = format!("query {kind} {name} {transport}");
            let answer = talker.ask(&command)?;
            let got: Vec<&str> = answer["answers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            ensure!(answer["code"] == *code && got == *addresses, "{command}: {answer}, not {code} {addresses:?}");
        }
    }
    Ok(())
}

/// What programs get from getaddrinfo; nothing may take as long as a lost query would.
fn resolves(talker: &mut Talker, name: &str) -> Result<Vec<String>> {
    let answer = talker.ask(&format!("resolve {name}"))?;
    ensure!(answer["ms"].as_u64().is_some_and(|ms| ms < 4000), "{name}: {answer}");
    let found = answer["found"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(found.map(ToOwned::to_owned).collect())
}

#[test]
fn names_mean_the_same_before_and_after_enrolment() -> Result<()> {
    world()?.tell(|world| {
        // Someone who is not ready is no answer.
        world.write("shy.yaml", NEVER_READY)?;
        wait_for("the shy one to run", SOON, || Ok((world.get("shop", "shy-0")?["running"] == true).then_some(())))?;
        let mut talker = Talker::start(world, "shop", &["--node", "east"])?;
        let mut stranger = Talker::start(world, "elsewhere", &["--node", "west"])?;
        let knowledge = knowledge(world)?;
        let (vip, peers) = (knowledge[0].3.clone(), [knowledge[2].3.clone(), knowledge[3].3.clone()].concat());
        let mut sorted_peers = peers;
        sorted_peers.sort();
        for enrolled in [false, true] {
            if enrolled {
                for namespace in ["shop", "elsewhere"] {
                    world.enrol(namespace, true)?;
                }
                in_state(world, "shop", &talker.name, "CAPTURED")?;
            }
            for asker in [&mut talker, &mut stranger] {
                answers_as(asker, &knowledge).with_context(|| format!("enrolled: {enrolled}"))?;
                // The search list: without namespace only from the same one.
                for name in ["far.shop", "far.shop.svc", "far.shop.svc.cluster.local", "far.shop.svc.cluster.local."] {
                    ensure!(resolves(asker, name)? == vip, "{name}");
                }
                ensure!(resolves(asker, "peers.shop")? == sorted_peers);
                let unknown = resolves(asker, "nobody.shop.svc.cluster.local")?;
                ensure!(unknown.len() == 1 && unknown[0].contains("not known"), "{unknown:?}");
            }
            ensure!(resolves(&mut talker, "far")? == vip);
            ensure!(resolves(&mut talker, "peers")? == sorted_peers);
        }
        Ok(())
    })
}

#[test]
fn headless_names_follow_their_endpoints() -> Result<()> {
    world()?.tell(|world| {
        let mut plain = Talker::start(world, "elsewhere", &["--node", "east"])?;
        let mut meshed = Talker::start(world, "shop", &["--node", "east"])?;
        world.enrol("shop", true)?;
        let both = |plain: &mut Talker, meshed: &mut Talker, count: usize| {
            wait_for(&format!("{count} peers"), SOON, || {
                let (plain, meshed) = (resolves(plain, "peers.shop")?, resolves(meshed, "peers")?);
                // IPv4 and IPv6 each.
                Ok((plain == meshed && plain.len() == 2 * count).then_some(plain))
            })
        };
        let before = both(&mut plain, &mut meshed, 2)?;
        world.cli(&["stop", "shop/peer-1"])?;
        let left = both(&mut plain, &mut meshed, 1)?;
        ensure!(left.iter().all(|address| before.contains(address)), "{left:?} of {before:?}");
        world.cli(&["start", "shop/peer-1"])?;
        both(&mut plain, &mut meshed, 2)?;
        world.write("peers.yaml", &HEADLESS.replace("replicas: 2", "replicas: 3"))?;
        both(&mut plain, &mut meshed, 3)?;
        Ok(())
    })
}

#[test]
fn names_are_answered_from_the_last_good_snapshot_whatever_is_killed() -> Result<()> {
    world()?.tell(|world| {
        let mut plain = Talker::start(world, "elsewhere", &["--node", "east"])?;
        let mut meshed = Talker::start(world, "shop", &["--node", "east"])?;
        world.enrol("shop", true)?;
        in_state(world, "shop", &meshed.name, "CAPTURED")?;
        world.settle()?;
        let knowledge = knowledge(world)?;
        answers_as(&mut plain, &knowledge)?;
        world.cli(&["stop", "control"])?;
        let ask = |plain: &mut Talker, meshed: &mut Talker, dead: &str| -> Result<()> {
            answers_as(plain, &knowledge).with_context(|| format!("a plain one while {dead} is gone"))?;
            answers_as(meshed, &knowledge).with_context(|| format!("a meshed one while {dead} is gone"))?;
            ensure!(resolves(plain, "far.shop")?.len() == 1 && resolves(meshed, "far")?.len() == 1);
            Ok(())
        };
        ask(&mut plain, &mut meshed, "control")?;
        // Un-enrolled workloads do not need the node's proxy at all.
        world.cli(&["stop", "node-east"])?;
        answers_as(&mut plain, &knowledge).context("while the node proxy is stopped")?;
        world.cli(&["start", "node-east"])?;
        for role in ["node-east", "agent-east"] {
            killed(world, role)?;
            // A query that was lost while nobody was there is sent again by any resolver.
            wait_for("names to be answered", SOON, || ask(&mut plain, &mut meshed, role).map(Some))?;
        }
        // All of them at once.
        for role in ["node-east", "agent-east"] {
            world.kill(role)?;
        }
        wait_for("names to be answered", SOON, || ask(&mut plain, &mut meshed, "everybody").map(Some))?;
        world.cli(&["start", "control"])?;
        world.settle()?;
        ask(&mut plain, &mut meshed, "nobody")
    })
}
