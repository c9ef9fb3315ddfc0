use super::*;

#[test]
fn what_is_said_beats_the_profile() {
    let edge = ConnectionSettings { profile: ConnectionProfile::Edge, ..ConnectionSettings::NONE };
    let said = ConnectionSettings {
        idle: Some(Duration::ZERO),
        streams: Some(200),
        underscores: Some(Underscores::Pass),
        merge_slashes: Some(false),
        ..edge
    };
    let at_gateway = said.at_gateway();
    assert_eq!((at_gateway.idle, at_gateway.streams), (Some(Duration::ZERO), Some(200)));
    assert_eq!((at_gateway.underscores, at_gateway.merge_slashes), (Some(Underscores::Pass), Some(false)));
    assert_eq!(at_gateway.request, Some(Duration::from_secs(300)));
    assert_eq!(at_gateway.escaped_slashes, Some(EscapedSlashes::Redirected));
    // Of what the profile says nothing, nothing is said.
    assert_eq!((at_gateway.connection, at_gateway.stream, at_gateway.connections), (None, None, None));
    let usual = ConnectionSettings { streams: Some(200), ..ConnectionSettings::NONE };
    assert_eq!(usual.at_gateway(), usual);
}

#[test]
fn paths_are_those_of_the_mesh_but_for_what_is_said() {
    let usual = |how| ConnectionSettings::NONE.paths(how);
    assert_eq!(usual(PathNormalization::MergeSlashes), PathRules::from(PathNormalization::MergeSlashes));
    let said = ConnectionSettings {
        merge_slashes: Some(false),
        escaped_slashes: Some(EscapedSlashes::Refused),
        ..ConnectionSettings::NONE
    };
    let rules = PathRules { base: true, merge_slashes: false, escaped_slashes: EscapedSlashes::Refused };
    assert_eq!(said.paths(PathNormalization::DecodeAndMergeSlashes), rules);
    assert_eq!(said.paths(PathNormalization::None), PathRules { base: false, ..rules });
}
