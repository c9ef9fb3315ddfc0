use super::*;

#[test]
fn the_last_lines_are_whole() {
    let cut = |text: &str, lines| String::from_utf8(last_lines(text.into(), lines)).unwrap();
    assert_eq!(cut("a\nb\nc\n", 2), "b\nc\n");
    assert_eq!(cut("a\nb\nc", 2), "b\nc");
    assert_eq!(cut("a\nb\n", 5), "a\nb\n");
    assert_eq!(cut("a\nb\n", 0), "");
    assert_eq!(cut("", 3), "");
}

#[test]
fn a_full_log_is_turned_over_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::with_limit(dir.path().join("a.log"), 100);
    for line in 0..50 {
        log.append(format!("line {line:04}\n").as_bytes());
    }
    let sizes = ["a.log", "a.log.1"].map(|name| fs::metadata(dir.path().join(name)).unwrap().len());
    assert_eq!(sizes, [100, 100]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    let (all, _) = log.follow(None, &mut Passing::All).unwrap();
    assert!(all.starts_with(b"line 0030\n") && all.ends_with(b"line 0049\n"));
    let (some, _) = log.follow(Some(15), &mut Passing::All).unwrap();
    assert!(some.starts_with(b"line 0035\n"));
}

#[test]
fn a_follower_sees_the_past_and_the_present_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(dir.path().join("a.log"));
    log.append(b"one\n");
    let (past, mut live) = log.follow(Some(10), &mut Passing::All).unwrap();
    log.append(b"two\n");
    assert_eq!((past.as_slice(), live.try_recv().unwrap().as_ref()), (b"one\n".as_slice(), b"two\n".as_slice()));
    assert!(live.try_recv().is_err());
}

#[test]
fn a_log_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    Log::new(path.clone()).append(b"one\n");
    let again = Log::new(path);
    again.append(b"two\n");
    assert_eq!(again.follow(None, &mut Passing::All).unwrap().0, b"one\ntwo\n");
}

#[test]
fn a_missing_log_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Log::new(dir.path().join("none.log")).follow(None, &mut Passing::All).unwrap().0, b"");
}

#[test]
fn only_access_lines_are_counted_when_they_are_meant() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(dir.path().join("a.log"));
    log.append(b"2026-11-20T12:30:27Z info access connection complete a=1\n");
    log.append(b"2026-11-20T12:30:28Z info access connection complete a=2\n2026-11-20T12:30:29Z  INFO x: busy\n2026-");
    let mut passing = Passing::new(Lines::Access);
    let (past, mut live) = log.follow(Some(1), &mut passing).unwrap();
    assert_eq!(past, b"2026-11-20T12:30:28Z info access connection complete a=2\n");
    log.append(b"11-20T12:30:30Z info access connection complete a=3\n");
    let came = passing.push(live.try_recv().unwrap().to_vec());
    assert_eq!(came, b"2026-11-20T12:30:30Z info access connection complete a=3\n", "half of it was there before");
}

#[test]
fn a_log_of_another_process_is_followed_in_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let log = Log::new(path.clone());
    let (past, mut growing) = log.follow_file(Some(1)).unwrap();
    assert!(past.is_empty() && growing.more().unwrap().is_empty(), "it is not there yet");
    fs::write(&path, "one\ntwo\n").unwrap();
    assert_eq!(growing.more().unwrap(), b"one\ntwo\n");
    assert!(growing.more().unwrap().is_empty());
    let (past, mut growing) = log.follow_file(Some(1)).unwrap();
    assert_eq!(past, b"two\n");
    fs::write(&path, "new\n").unwrap();
    assert_eq!(growing.more().unwrap(), b"new\n", "it was turned over");
}
