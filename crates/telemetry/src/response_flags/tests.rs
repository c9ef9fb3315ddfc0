use std::collections::BTreeSet;

use super::*;

#[test]
fn the_table_is_in_the_order_of_the_flags() {
    for (index, (flag, short, long)) in NAMES.iter().enumerate() {
        assert_eq!(*flag as usize, index + 1, "{short}");
        assert_eq!((flag.as_str(), flag.long_name()), (*short, *long));
    }
    assert_eq!(ResponseFlag::CertificateRevoked as usize, NAMES.len(), "the last flag is in the table");
    let shorts: BTreeSet<_> = NAMES.iter().map(|(_, short, _)| short).collect();
    assert_eq!(shorts.len(), NAMES.len());
}

#[test]
fn sets_are_printed_like_envoy_does() {
    let flags: ResponseFlags =
        [ResponseFlag::UpstreamRetryLimitExceeded, ResponseFlag::UpstreamConnectionFailure].into_iter().collect();
    assert_eq!(flags.to_string(), "UF,URX");
    assert_eq!(flags.printed(FlagNames::Long).to_string(), "UpstreamConnectionFailure,UpstreamRetryLimitExceeded");
    assert_eq!(ResponseFlags::NONE.to_string(), "-");
    assert_eq!(ResponseFlags::NONE.printed(FlagNames::Long).to_string(), "-");
    assert_eq!(
        ResponseFlags::from(ResponseFlag::OverloadManager).printed(FlagNames::Long).to_string(),
        "OverloadManagerTerminated"
    );
}

#[test]
fn nothing_adds_nothing() {
    let mut flags = ResponseFlags::from(ResponseFlag::None);
    assert!(flags.is_empty() && flags == ResponseFlags::NONE);
    flags.insert(ResponseFlag::None);
    assert!(flags.is_empty() && !flags.contains(ResponseFlag::None));
    flags.insert(ResponseFlag::Deny);
    assert!(flags.contains(ResponseFlag::Deny) && !flags.contains(ResponseFlag::Connect));
    assert_eq!(flags.iter().collect::<Vec<_>>(), [ResponseFlag::Deny]);
}
