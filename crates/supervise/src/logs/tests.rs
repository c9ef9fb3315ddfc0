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
    let (all, _) = log.follow(None).unwrap();
    assert!(all.starts_with(b"line 0030\n") && all.ends_with(b"line 0049\n"));
    let (some, _) = log.follow(Some(15)).unwrap();
    assert!(some.starts_with(b"line 0035\n"));
}

#[test]
fn a_follower_sees_the_past_and_the_present_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::new(dir.path().join("a.log"));
    log.append(b"one\n");
    let (past, mut live) = log.follow(Some(10)).unwrap();
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
    assert_eq!(again.follow(None).unwrap().0, b"one\ntwo\n");
}

#[test]
fn a_missing_log_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Log::new(dir.path().join("none.log")).follow(None).unwrap().0, b"");
}
