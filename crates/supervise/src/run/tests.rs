use std::os::fd::AsFd;

use ripstop_net::scm::send_with_fds;

use super::*;

fn request() -> RunRequest {
    RunRequest { namespace: "a".into(), argv: vec!["/bin/sh".into()], cwd: "/".into(), ..Default::default() }
}

#[test]
fn names_of_runs_are_labels() {
    assert_eq!(process_name("/usr/bin/Python3.11"), "python3-11");
    assert_eq!(process_name("./_x_"), "x");
    assert_eq!(process_name("/"), "run");
    assert!(is_label(&process_name(&"y".repeat(200))));
    let suffix = random_suffix().unwrap();
    assert!(suffix.len() == 5 && suffix.bytes().all(|b| b.is_ascii_hexdigit()), "{suffix}");
}

#[test]
fn bad_names_are_refused() {
    check(&request()).unwrap();
    for namespace in ["", "..", "a/b", "A", "-a", "a.b"] {
        let error = check(&RunRequest { namespace: namespace.into(), ..request() }).unwrap_err().to_string();
        assert!(error.starts_with("namespace"), "{error}");
    }
    assert!(check(&RunRequest { service_account: Some("../x".into()), ..request() }).is_err());
    check(&RunRequest { service_account: Some("a.b".into()), ..request() }).unwrap();
    assert!(check(&RunRequest { argv: Vec::new(), ..request() }).is_err());
}

#[test]
fn root_runs_as_nobody_and_others_as_themselves() {
    let born = |uid| birth(&request(), &"n".into(), None, &MeshConfig::default(), AdminPeer { uid, pid: 1 }).unwrap();
    assert_eq!(born(0).template.run_as_user, NOBODY);
    assert_eq!(born(1000).template.run_as_user, 1000);
    assert_eq!(&*born(1).template.service_account, "default");
    assert!(born(1).instance.starts_with("sh-"));
}

#[tokio::test]
async fn the_greeting_brings_three_descriptors() {
    let (mut client, mut server) = UnixStream::pair().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let fds = [null.as_fd(), null.as_fd(), null.as_fd()];
    send_with_fds(&client, GREETING, &fds).unwrap();
    client.write_all(&line(&request()).unwrap()).await.unwrap();
    let asked = receive(&mut server).await.unwrap();
    assert_eq!(asked.request, request());

    let (client, mut server) = UnixStream::pair().unwrap();
    send_with_fds(&client, GREETING, &fds[..2]).unwrap();
    let error = receive(&mut server).await.err().unwrap().to_string();
    assert!(error.contains("stdin, stdout and stderr"), "{error}");
}
