//! Names of kinds, as people type them.

use std::ffi::OsStr;

use anyhow::Context as _;
use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use ripstop_api::Kind;

/// What each kind is called in lower case: many of it, one, and short, as users of kubectl and istioctl know it.
const WORDS: [(Kind, &[&str]); 22] = [
    (Kind::Namespace, &["namespaces", "namespace", "ns"]),
    (Kind::ServiceAccount, &["serviceaccounts", "serviceaccount", "sa"]),
    (Kind::Service, &["services", "service", "svc"]),
    (Kind::Secret, &["secrets", "secret"]),
    (Kind::ConfigMap, &["configmaps", "configmap", "cm"]),
    (Kind::PeerAuthentication, &["peerauthentications", "peerauthentication", "pa"]),
    (Kind::RequestAuthentication, &["requestauthentications", "requestauthentication", "ra"]),
    (Kind::AuthorizationPolicy, &["authorizationpolicies", "authorizationpolicy", "ap"]),
    (Kind::VirtualService, &["virtualservices", "virtualservice", "vs"]),
    (Kind::DestinationRule, &["destinationrules", "destinationrule", "dr"]),
    (Kind::Gateway, &["gateways", "gateway", "gw"]),
    (Kind::ServiceEntry, &["serviceentries", "serviceentry", "se"]),
    (Kind::WorkloadEntry, &["workloadentries", "workloadentry", "we"]),
    (Kind::WorkloadGroup, &["workloadgroups", "workloadgroup", "wg"]),
    (Kind::Sidecar, &["sidecars", "sidecar"]),
    (Kind::ProxyConfig, &["proxyconfigs", "proxyconfig", "pc"]),
    (Kind::Telemetry, &["telemetries", "telemetry"]),
    (Kind::IstioOperator, &["istiooperators", "istiooperator", "iop"]),
    (Kind::Node, &["nodes", "node"]),
    (Kind::Process, &["processes", "process"]),
    (Kind::Mesh, &["meshes", "mesh"]),
    (Kind::TrafficPolicy, &["trafficpolicies", "trafficpolicy", "tp"]),
];

/// The kind that `word` means: its name in any case, one or many of it, with or without its group, or a short name.
pub fn named(word: &str) -> Option<Kind> {
    let word = word.split('.').next().unwrap_or(word).to_ascii_lowercase();
    WORDS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(kind, _)| *kind)
}

/// All that [`named`] takes but for groups, for a command line: names of many, the others hidden.
pub fn possible() -> impl Iterator<Item = PossibleValue> {
    WORDS.iter().filter_map(|(_, words)| {
        let (many, others) = words.split_first()?;
        Some(PossibleValue::new(*many).aliases(others.iter().copied()))
    })
}

/// Reads a kind on a command line.
pub fn parser() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(possible()).try_map(|word| named(&word).ok_or("it is no kind"))
}

/// As [`parser`]; words for what runs of a process mean the process.
pub fn parser_of_labelled() -> impl TypedValueParser<Value = Kind> {
    let process = PossibleValue::new("workloads").aliases(["workload", "pods", "pod"]).hide(true);
    let words = PossibleValuesParser::new(possible().chain([process]));
    words.map(|word| named(&word).unwrap_or(Kind::Process))
}

/// What is asked about: `KIND`, several with commas, or `KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<K> {
    /// At least one.
    pub kinds: Vec<K>,
    /// Of one kind only.
    pub name: Option<String>,
}

/// Reads [`Asked`], each kind by another parser.
#[derive(Clone)]
pub struct AskedParser<P>(pub P);

impl<P: TypedValueParser> TypedValueParser for AskedParser<P>
where
    P::Value: Clone + Send + Sync,
{
    type Value = Asked<P::Value>;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Self::Value, Error> {
        let Some(text) = value.to_str() else { return Err(Error::new(ErrorKind::InvalidUtf8).with_cmd(command)) };
        let (kinds, name) = match text.split_once('/') {
            Some((kind, name)) => (kind, Some(name.to_owned())),
            None => (text, None),
        };
        // With its group or without.
        let plain = |kind: &'_ str| kind.split_once('.').map_or(kind.to_owned(), |(plain, _)| plain.to_owned());
        let one = |kind: &str| self.0.parse_ref(command, arg, plain(kind).as_ref());
        let kinds = kinds.split(',').map(one).collect::<Result<Vec<_>, _>>()?;
        if name.as_ref().is_some_and(|name| kinds.len() > 1 || name.is_empty() || name.contains('/')) {
            let wrong = format!("{text:?} is no KIND/NAME\n");
            return Err(Error::raw(ErrorKind::InvalidValue, wrong).with_cmd(command));
        }
        Ok(Asked { kinds, name })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

impl<K: Copy> Asked<K> {
    /// What is asked about with `names` behind it, each of which may be a `KIND/NAME` if the first was.
    pub fn with(&self, names: &[String], read: impl Fn(&str) -> Option<K>) -> anyhow::Result<Vec<(K, String)>> {
        let Some(first) = &self.name else {
            let [kind] = self.kinds[..] else { anyhow::bail!("of several kinds none has a name: KIND/NAME each") };
            if let Some(name) = names.iter().find(|name| name.contains('/')) {
                anyhow::bail!("{name:?} is no name: give KIND NAME… or KIND/NAME…, and -n NAMESPACE");
            }
            return Ok(names.iter().map(|name| (kind, name.clone())).collect());
        };
        let mut all = vec![(self.kinds[0], first.clone())];
        for word in names {
            let pair = word.split_once('/').and_then(|(kind, name)| Some((read(kind)?, name.to_owned())));
            all.push(pair.with_context(|| format!("{word:?} is no KIND/NAME, as those before it are"))?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_words_and_a_word_means_one_kind() {
        for kind in Kind::all() {
            assert_eq!(named(&kind.to_string()), Some(kind));
        }
        let all: Vec<&str> = WORDS.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn several_kinds_and_names_are_read() {
        let read = |word: &str| AskedParser(parser()).parse_ref(&Command::new("get"), None, word.as_ref()).ok();
        let asked = |kinds: &[Kind], name: Option<&str>| {
            Some(Asked { kinds: kinds.to_vec(), name: name.map(ToOwned::to_owned) })
        };
        assert_eq!(read("vs"), asked(&[Kind::VirtualService], None));
        assert_eq!(read("virtualservices.networking.istio.io/web"), asked(&[Kind::VirtualService], Some("web")));
        assert_eq!(read("vs,dr"), asked(&[Kind::VirtualService, Kind::DestinationRule], None));
        assert_eq!(read("vs/web"), asked(&[Kind::VirtualService], Some("web")));
        for wrong in ["vs,", "vs/", "vs,dr/web", "pod/web", "vs/a/b", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let (one, several, named) = (read("vs").unwrap(), read("vs,dr").unwrap(), read("vs/a").unwrap());
        let names = |asked: &Asked<Kind>, words: &[&str]| {
            asked.with(&words.iter().map(ToString::to_string).collect::<Vec<_>>(), super::named).ok()
        };
        let pair = |kind, name: &str| (kind, name.to_owned());
        let (vs, dr) = (Kind::VirtualService, Kind::DestinationRule);
        assert_eq!(names(&one, &["a", "b"]), Some(vec![pair(vs, "a"), pair(vs, "b")]));
        assert_eq!(names(&named, &["dr/b"]), Some(vec![pair(vs, "a"), pair(dr, "b")]));
        assert_eq!(names(&several, &["a"]), None);
        assert_eq!(names(&named, &["b"]), None);
    }

    #[test]
    fn kinds_are_called_as_people_call_them() {
        for (word, kind) in [
            ("VirtualService", Some(Kind::VirtualService)),
            ("virtualservices.networking.istio.io", Some(Kind::VirtualService)),
            ("vs", Some(Kind::VirtualService)),
            ("pod", None),
        ] {
            assert_eq!(named(word), kind, "{word}");
        }
    }
}
