use super::*;
use crate::testing::Sample;

pub(crate) fn connections(sample: &mut Sample) -> ConnectionSettings {
    ConnectionSettings {
        profile: sample.pick(&[ConnectionProfile::Usual, ConnectionProfile::Edge]),
        kept: sample.maybe(Sample::number),
        idle: sample.maybe(Sample::duration),
        request: sample.maybe(Sample::duration),
        head: sample.maybe(Sample::duration),
        stream_idle: sample.maybe(Sample::duration),
        connection: sample.maybe(Sample::duration),
        stream: sample.maybe(Sample::duration),
        streams: sample.maybe(Sample::number),
        stream_window: sample.maybe(Sample::number),
        connection_window: sample.maybe(Sample::number),
        underscores: sample.pick(&[
            None,
            Some(Underscores::Pass),
            Some(Underscores::Refused),
            Some(Underscores::Dropped),
        ]),
        merge_slashes: sample.maybe(Sample::flag),
        escaped_slashes: sample.pick(&[
            None,
            Some(EscapedSlashes::Kept),
            Some(EscapedSlashes::Refused),
            Some(EscapedSlashes::Redirected),
            Some(EscapedSlashes::Decoded),
        ]),
        connections: sample.maybe(Sample::number),
    }
}
