use super::*;

fn environment(root: bool, xdg: Option<&str>, home: Option<&str>) -> Environment {
    Environment { root, xdg: xdg.map(PathBuf::from), home: home.map(PathBuf::from) }
}

fn running_mesh(state: &Path, dir: &Path) -> StateDir {
    let held = StateDir::hold(state, dir).unwrap();
    let pid = i32::try_from(std::process::id()).unwrap();
    held.publish(&MeshFile {
        dir: dir.to_path_buf(),
        pid,
        version: "0".into(),
        started: 1,
        started_ticks: start_ticks(pid).unwrap(),
        metrics: None,
    })
    .unwrap();
    held
}

#[test]
fn the_root_of_all_states_follows_the_user() {
    assert_eq!(state_root(&environment(true, Some("/x"), Some("/h"))).unwrap(), Path::new("/var/lib/ripstop"));
    assert_eq!(state_root(&environment(false, Some("/x"), Some("/h"))).unwrap(), Path::new("/x/ripstop"));
    assert_eq!(state_root(&environment(false, None, Some("/h"))).unwrap(), Path::new("/h/.local/state/ripstop"));
    assert!(matches!(state_root(&environment(false, None, None)), Err(Error::NoStateRoot)));
}

#[test]
fn an_explicit_state_wins_and_a_missing_dir_is_named() {
    assert_eq!(state_dir(Path::new("/nowhere"), Some(Path::new("/s"))).unwrap(), Path::new("/s"));
    let error = state_dir(Path::new("/nowhere"), None).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere is not a directory"), "{error}");
}

#[test]
fn one_hash_for_all_spellings_of_a_dir() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    assert_eq!(state_dir(dir.path(), None).unwrap(), state_dir(&link, None).unwrap());
}

#[test]
fn the_second_holder_is_refused_with_the_pid_of_the_first() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("a");
    let first = running_mesh(&state, Path::new("/mesh"));
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    let error = StateDir::hold(&state, Path::new("/mesh")).unwrap_err();
    let own = i32::try_from(std::process::id()).unwrap();
    assert!(matches!(&error, Error::AlreadyRunning { pid, .. } if *pid == own), "{error}");
    drop(first);
    // A child that another test is forking right now has the lock, too, until it executes something.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while let Err(error) = StateDir::hold(&state, Path::new("/mesh")) {
        assert!(std::time::Instant::now() < end, "{error}");
        std::thread::yield_now();
    }
}

#[test]
fn meshes_are_found_by_dir_by_state_or_alone() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths: Vec<_> = dirs.iter().map(|dir| dir.path().canonicalize().unwrap()).collect();
    assert!(
        find_in(Some(root.path()), Path::new("/nowhere"), None)
            .unwrap_err()
            .to_string()
            .starts_with("no mesh of this user runs")
    );

    let _first = running_mesh(&root.path().join("1"), &paths[0]);
    assert_eq!(find_in(Some(root.path()), Path::new("/nowhere"), None).unwrap().dir, paths[0]);

    let _second = running_mesh(&root.path().join("2"), &paths[1]);
    let several = find_in(Some(root.path()), Path::new("/nowhere"), None).unwrap_err().to_string();
    assert!(several.contains(paths[0].to_str().unwrap()) && several.contains(paths[1].to_str().unwrap()), "{several}");
    assert_eq!(find_in(Some(root.path()), Path::new("/nowhere"), Some(&paths[1])).unwrap().dir, paths[1]);
    assert_eq!(find_in(Some(root.path()), Path::new("/nowhere"), Some(&root.path().join("1"))).unwrap().dir, paths[0]);
    let unknown = find_in(Some(root.path()), Path::new("/nowhere"), Some(Path::new("/other"))).unwrap_err().to_string();
    assert!(unknown.starts_with("no mesh runs for /other; running:"), "{unknown}");
}

#[test]
fn a_state_elsewhere_is_found_by_its_directory_of_configuration_while_it_runs() {
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [dir, state] = ["dir", "state"].map(|name| other.path().canonicalize().unwrap().join(name));
    fs::create_dir(&dir).unwrap();
    let _held = running_mesh(&state, &dir);
    let find = |selector: Option<&Path>| find_in(Some(root.path()), Path::new("/nowhere"), selector);
    assert!(find(Some(&dir)).is_err());
    let told = Elsewhere::tell_in(root.path(), &state).unwrap().expect("a link");
    for selector in [Some(dir.as_path()), Some(state.as_path()), None] {
        let found = find(selector).unwrap();
        assert_eq!((&found.dir, &found.state), (&dir, &state));
    }

    // A second one of the same files: which of them is meant must be said.
    let second = other.path().canonicalize().unwrap().join("second");
    let _held = running_mesh(&second, &dir);
    let second_told = Elsewhere::tell_in(root.path(), &second).unwrap();
    let several = find(Some(&dir)).unwrap_err().to_string();
    assert!(several.starts_with("several meshes run for") && several.contains(second.to_str().unwrap()), "{several}");
    assert_eq!(find(Some(&second)).unwrap().state, second);
    drop((told, second_told));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);

    // What is in its usual place needs no link; what a killed mesh left goes.
    let usual = root.path().canonicalize().unwrap().join("usual");
    assert!(Elsewhere::tell_in(root.path(), &usual).unwrap().is_none());
    std::os::unix::fs::symlink("/nowhere", root.path().join("at-0")).unwrap();
    let told = Elsewhere::tell_in(root.path(), &state).unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    drop(told);
}

#[test]
fn a_dead_holder_does_not_run() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("1");
    let held = running_mesh(&state, Path::new("/mesh"));
    let mut mesh = read_mesh_file(&state).unwrap();
    mesh.started_ticks += 1; // the same pid, another process
    held.publish(&mesh).unwrap();
    assert!(running_in(root.path()).is_empty());
}

#[test]
fn who_may_not_ask_is_told_so() {
    let others = tempfile::tempdir().unwrap();
    let [dir, state] = ["dir", "state"].map(|name| others.path().canonicalize().unwrap().join(name));
    fs::create_dir(&dir).unwrap();
    let _held = running_mesh(&state, &dir);
    // Nobody but root reads what is in it now.
    fs::set_permissions(&state, fs::Permissions::from_mode(0o000)).unwrap();
    let found = find_in(None, Path::new("/nowhere"), Some(&state));
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        assert_eq!(found.unwrap().dir, dir);
    } else {
        let state = state.display();
        let told = format!(
            "may not ask the mesh of {state}: it runs as another user (permission denied on {state}); run this as that user or as root"
        );
        assert_eq!(found.unwrap_err().to_string(), told);
    }
}
