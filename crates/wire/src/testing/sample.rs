//! Values of the model, made from a number each.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ripstop_model::{
    AppProtocol, HostPattern, Labels, OutboundPolicy, PolicyTarget, RuleId, Selector, Share, TargetKind, TargetRef,
    Visibility,
};

/// A source of values; the same number gives the same ones. Tests write out each field of what they make of them, so
/// that a new one does not go unseen.
pub(crate) struct Sample(u64);

impl Sample {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Calls `test` with as many sources as it takes to have every field with and without content.
    pub(crate) fn many(test: impl Fn(&mut Self)) {
        (0..300).for_each(|seed| test(&mut Self::new(seed)));
    }

    /// One of `0..end` (SplitMix64).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()].clone()
    }

    pub(crate) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    pub(crate) fn list<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(3)).map(|_| make(self)).collect()
    }

    pub(crate) fn map<K: Ord, V>(&mut self, make: impl Fn(&mut Self) -> (K, V)) -> BTreeMap<K, V> {
        (0..self.below(3)).map(|_| make(self)).collect()
    }

    pub(crate) fn long(&mut self) -> u64 {
        let number = self.below(u64::MAX);
        self.pick(&[0, 1, number, u64::MAX])
    }

    pub(crate) fn number(&mut self) -> u32 {
        let number = u32::try_from(self.below(1 << 32)).unwrap();
        self.pick(&[0, 1, number, u32::MAX])
    }

    pub(crate) fn short(&mut self) -> u16 {
        let number = u16::try_from(self.below(1 << 16)).unwrap();
        self.pick(&[0, 80, number, u16::MAX])
    }

    /// Any text, empty ones too.
    pub(crate) fn text(&mut self) -> Arc<str> {
        let number = self.below(1000);
        self.pick(&["".into(), "*".into(), "ä/∞".into(), format!("text-{number}").into()])
    }

    /// A name, which is never empty.
    pub(crate) fn name(&mut self) -> Arc<str> {
        format!("name-{}", self.below(1000)).into()
    }

    pub(crate) fn id(&mut self) -> RuleId {
        RuleId(format!("Kind/{}/{}/1", self.name(), self.name()).into())
    }

    pub(crate) fn duration(&mut self) -> Duration {
        let nanos = u32::try_from(self.below(1_000_000_000)).unwrap();
        Duration::new(self.long(), self.pick(&[0, nanos, 999_999_999]))
    }

    pub(crate) fn share(&mut self) -> Share {
        let millionths = u32::try_from(self.below(1_000_001)).unwrap();
        self.pick(&[Share::NONE, Share::ALL, Share::from_millionths(millionths).unwrap()])
    }

    pub(crate) fn host(&mut self) -> HostPattern {
        let name = self.name();
        HostPattern::new(&self.pick(&[
            "*".to_owned(),
            format!("*.{name}"),
            format!("{name}.example"),
            name.to_string(),
        ]))
    }

    pub(crate) fn visibility(&mut self) -> Visibility {
        let namespaces = self.list(Self::name).into_iter().collect();
        self.pick(&[Visibility::Everybody, Visibility::Namespaces(namespaces), Visibility::Nobody])
    }

    pub(crate) fn pair(&mut self) -> (Arc<str>, Arc<str>) {
        (self.text(), self.text())
    }

    pub(crate) fn labels(&mut self) -> Labels {
        self.map(Self::pair)
    }

    pub(crate) fn selector(&mut self) -> Selector {
        Selector(self.labels())
    }

    pub(crate) fn target(&mut self) -> PolicyTarget {
        let reference = |sample: &mut Self| TargetRef {
            kind: sample.pick(&[TargetKind::Service, TargetKind::Entry, TargetKind::Gateway, TargetKind::GatewayClass]),
            name: sample.name(),
        };
        if self.flag() {
            PolicyTarget::Attached(self.list(reference))
        } else {
            PolicyTarget::Workloads(self.selector())
        }
    }

    pub(crate) fn protocol(&mut self) -> AppProtocol {
        self.pick(&[
            AppProtocol::Unknown,
            AppProtocol::Http11,
            AppProtocol::Http2,
            AppProtocol::Grpc,
            AppProtocol::Tcp,
            AppProtocol::Tls,
        ])
    }

    pub(crate) fn outbound(&mut self) -> OutboundPolicy {
        self.pick(&[OutboundPolicy::AllowAny, OutboundPolicy::RegistryOnly, OutboundPolicy::AllowAnyDynamicDns])
    }
}
