//! What people type who come from kubectl, istioctl and linkerd, and what it is called here.

use clap::{
    Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Their word, and ours.
const WORDS: [(&str, &str); 17] = [
    ("version", "ripstop --version"),
    (
        "edit",
        "an editor on the files of the mesh's directory, which act as soon as they are saved; or ripstop apply -f FILE",
    ),
    ("create", "ripstop apply -f FILE"),
    ("replace", "ripstop apply -f FILE"),
    ("patch", "ripstop apply -f FILE, or ripstop label and annotate"),
    ("top", "ripstop metrics NAME, and ripstop tap for single requests"),
    ("stat", "ripstop metrics NAME, and ripstop tap for single requests"),
    ("viz", "ripstop metrics NAME, and ripstop tap for single requests"),
    ("diff", "ripstop apply -f FILE --dry-run"),
    ("scale", "the field replicas of a Process: change it, and ripstop apply -f FILE"),
    ("exec", "ripstop run -- COMMAND, beside the workloads"),
    ("port-forward", "a Gateway, whose ports are open on this machine: ripstop get gateways"),
    ("proxy-status", "ripstop status"),
    ("proxy-config", "ripstop config"),
    ("ps", "ripstop get processes"),
    ("inject", "ripstop label namespace NAME istio.io/dataplane-mode=ambient"),
    ("check", "ripstop analyze"),
];

/// What to say of a subcommand that does not exist here, but elsewhere; nothing: clap's own words will do.
pub fn advice(error: &Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let (_, ours) =
        WORDS.iter().find(|(theirs, _)| theirs == word).filter(|_| error.kind() == ErrorKind::InvalidSubcommand)?;
    Some(format!("there is no subcommand {word:?} here; what it does elsewhere is: {ours}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_lead_to_ours() {
        let said = |line: &[&str]| {
            let error = crate::command().try_get_matches_from([&["ripstop"], line].concat()).unwrap_err();
            advice(&error)
        };
        for (theirs, _) in WORDS {
            assert!(said(&[theirs]).is_some(), "{theirs} is one of ours: it is no word of others any more");
        }
        let told = "there is no subcommand \"proxy-status\" here; what it does elsewhere is: ripstop status";
        assert_eq!(said(&["proxy-status"]).as_deref(), Some(told));
        assert_eq!(said(&["statsu"]), None);
        assert_eq!(said(&["get", "--nonsense"]), None);
    }
}
