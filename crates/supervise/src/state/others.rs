//! Meshes that other users run, as far as the system tells: by the command lines of their processes.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Component, Path, PathBuf},
};

use super::{Environment, hash_of, state_root};

/// Where users and their homes are written down.
const USERS: &str = "/etc/passwd";

/// State directories of the meshes of `dir` (absolute) that users other than `own` run, by what `proc` has of processes.
pub(super) fn states(proc: &Path, own: u32, dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let is_process =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit));
    let processes = entries.flatten().map(|entry| entry.path()).filter(is_process);
    let mut found: Vec<PathBuf> = processes.filter_map(|process| state_of(&process, own, dir)).collect();
    found.sort();
    found.dedup();
    found
}

/// The state directory of `process`, if it is somebody else's `ripstop up` of `dir`.
fn state_of(process: &Path, own: u32, dir: &Path) -> Option<PathBuf> {
    let uid = fs::metadata(process).ok()?.uid();
    let line = fs::read(process.join("cmdline")).ok().filter(|_| uid != own)?;
    let words: Vec<&OsStr> = line.split(|byte| *byte == 0).map(OsStr::from_bytes).collect();
    let (program, words) = words.split_first()?;
    if Path::new(program).file_name() != Some(OsStr::new("ripstop")) || !words.contains(&OsStr::new("up")) {
        return None;
    }
    let place = fs::read_link(process.join("cwd")).ok();
    if !words.iter().any(|word| !word.is_empty() && means(Path::new(word), place.as_deref(), dir)) {
        return None;
    }
    let after = words.iter().position(|word| *word == "--state").and_then(|at| words.get(at + 1)).copied();
    let joined = words.iter().find_map(|word| word.as_bytes().strip_prefix(b"--state=")).map(OsStr::from_bytes);
    match (after.or(joined).map(Path::new), place) {
        (Some(state), Some(place)) => Some(place.join(state)),
        (Some(state), None) => Some(state.to_path_buf()),
        (None, _) => Some(state_root(&environment(process, uid)).ok()?.join(hash_of(dir))),
    }
}

/// Whether `word` means `dir` to a process that works in `place`; where that is not told, it may.
fn means(word: &Path, place: Option<&Path>, dir: &Path) -> bool {
    if let Some(place) = place {
        let absolute = place.join(word);
        return absolute.canonicalize().unwrap_or(absolute) == dir;
    }
    if word.is_absolute() {
        return word.canonicalize().unwrap_or_else(|_| word.to_path_buf()) == dir;
    }
    let rest: PathBuf = word.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    dir.ends_with(rest)
}

/// What the choice of the state directory depended on for `process`; of one that does not show it, what is usual.
fn environment(process: &Path, uid: u32) -> Environment {
    let shown = fs::read(process.join("environ")).unwrap_or_default();
    let variable = |name: &str| {
        let pairs = shown.split(|byte| *byte == 0);
        let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        values.next().map(|value| PathBuf::from(OsStr::from_bytes(value))).filter(|path| path.is_absolute())
    };
    let home = || home_in(&fs::read_to_string(USERS).unwrap_or_default(), uid);
    Environment { root: uid == 0, xdg: variable("XDG_STATE_HOME"), home: variable("HOME").or_else(home) }
}

fn home_in(users: &str, uid: u32) -> Option<PathBuf> {
    let uid = uid.to_string();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.filter(|fields| fields.get(2) == Some(&uid.as_str())).find_map(|fields| fields.get(5).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn meshes_of_others_are_known_by_their_processes() {
        let proc = tempfile::tempdir().unwrap();
        let place = proc.path().canonicalize().unwrap().join("home");
        fs::create_dir_all(place.join("mesh")).unwrap();
        let dir = place.join("mesh");
        let process = |pid: &str, line: &[&str], shown: Option<&str>| {
            let own = proc.path().join(pid);
            fs::create_dir(&own).unwrap();
            fs::write(own.join("cmdline"), line.join("\0")).unwrap();
            if let Some(environment) = shown {
                fs::write(own.join("environ"), environment).unwrap();
                symlink(&place, own.join("cwd")).unwrap();
            }
        };
        let uid = fs::metadata(proc.path()).unwrap().uid();
        let of = |own: u32| states(proc.path(), own, &dir);
        process("1", &["ripstop", "up", "other"], Some("HOME=/h"));
        process("2", &["bash", "up", "mesh"], Some("HOME=/h"));
        assert_eq!(of(uid + 1), [] as [PathBuf; 0]);
        process("3", &["/bin/ripstop", "up", "mesh", "--state", "/s"], Some("HOME=/h"));
        assert_eq!(of(uid + 1), [Path::new("/s")]);
        assert_eq!(of(uid), [] as [PathBuf; 0]);
        if uid != 0 {
            process("4", &["ripstop", "up", "./mesh"], Some("HOME=/h\0XDG_STATE_HOME=/x"));
            assert_eq!(of(uid + 1)[1], Path::new("/x/ripstop").join(hash_of(&dir)));
        }
        // One that hides all but its command line.
        process("5", &["ripstop", "up", "--state=/t", "mesh"], None);
        assert!(of(uid + 1).contains(&PathBuf::from("/t")));
    }

    #[test]
    fn homes_are_found() {
        let users = "root:x:0:0:root:/root:/bin/bash\nmia:x:1000:1000::/home/mia:/bin/sh\n";
        assert_eq!(home_in(users, 1000).as_deref(), Some(Path::new("/home/mia")));
        assert_eq!(home_in(users, 7), None);
    }
}
