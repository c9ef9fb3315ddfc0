//! Which roots vouch for which trust domains.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{MeshConfig, SpiffeId, TrustAnchor, TrustDomain};

use crate::Roots;

/// Roots of others than the mesh's own authority, and for whom they vouch, as the mesh's settings have them
/// (Istio's `trustDomainAliases` and `caCertificates`). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Anchors(Arc<Written>);

#[derive(Debug, Default)]
struct Written {
    aliases: Vec<TrustDomain>,
    anchors: Vec<TrustAnchor>,
    /// Of the own trust domain and its aliases.
    general: Option<Roots>,
    /// Of domains that have roots of their own; nothing: none of those can be used.
    domains: BTreeMap<TrustDomain, Option<Roots>>,
}

/// The trust domains that are believed, each with the roots that vouch for its identities, which vouch for those of no other.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bundles(Arc<Believed>);

#[derive(Debug)]
struct Believed {
    /// Of the own trust domain.
    own: Roots,
    /// Those whose identities count as the mesh's own; nothing: nobody vouches for them.
    aliases: BTreeMap<TrustDomain, Option<Roots>>,
    /// Others.
    foreign: BTreeMap<TrustDomain, Roots>,
}

// === impl Anchors ===

impl Anchors {
    /// As `mesh` has them. What can't be read vouches for nobody.
    pub fn of_mesh(mesh: &MeshConfig) -> Self {
        let mut general: Option<Roots> = None;
        let mut domains: BTreeMap<TrustDomain, Option<Roots>> = BTreeMap::new();
        for anchor in &mesh.trust_anchors {
            // Roots that can't be used are roots of their own all the same: those of the mesh don't stand in for them.
            for domain in &anchor.domains {
                domains.entry(domain.clone()).or_default();
            }
            if anchor.pem.is_empty() {
                continue;
            }
            let roots = match Roots::from_authorities(&anchor.pem) {
                Ok(roots) => roots,
                Err(error) => {
                    tracing::error!(%error, domains = ?anchor.domains, "certificates of caCertificates can't be used, and vouch for nobody");
                    continue;
                }
            };
            if anchor.domains.is_empty() {
                general = Some(general.map_or_else(|| roots.clone(), |before| before.and(&roots)));
            }
            for domain in &anchor.domains {
                let before = domains.entry(domain.clone()).or_default();
                let both = before.as_ref().map_or_else(|| roots.clone(), |before| before.and(&roots));
                *before = Some(both);
            }
        }
        let (aliases, anchors) = (mesh.trust_domain_aliases.clone(), mesh.trust_anchors.clone());
        Self(Arc::new(Written { aliases, anchors, general, domains }))
    }

    /// Whether these are those of `mesh`.
    pub fn are_of(&self, mesh: &MeshConfig) -> bool {
        self.0.aliases == mesh.trust_domain_aliases && self.0.anchors == mesh.trust_anchors
    }

    /// Beside `roots`, which are those of the mesh's own authority, for whoever is of `domain`.
    ///
    /// An alias that has roots of its own is believed by those alone, by none if they can't be used; one that names none by
    /// those of the mesh.
    pub fn beside(&self, roots: &Roots, domain: &TrustDomain) -> Bundles {
        let Written { aliases, general, domains, .. } = &*self.0;
        let with = |roots: &Roots, more: Option<&Roots>| more.map_or_else(|| roots.clone(), |more| roots.and(more));
        let shared = with(roots, general.as_ref());
        let of_alias = |alias: &TrustDomain| match domains.get(alias) {
            Some(Some(own)) => Some(with(own, general.as_ref())),
            Some(None) => general.clone(),
            None => Some(shared.clone()),
        };
        let others = aliases.iter().filter(|alias| *alias != domain);
        let known: BTreeMap<_, _> = others.map(|alias| (alias.clone(), of_alias(alias))).collect();
        let foreign = domains.iter().filter(|(other, _)| *other != domain && !known.contains_key(*other));
        Bundles(Arc::new(Believed {
            own: with(&shared, domains.get(domain).and_then(Option::as_ref)),
            foreign: foreign.filter_map(|(other, roots)| Some((other.clone(), roots.clone()?))).collect(),
            aliases: known,
        }))
    }
}

// === impl Bundles ===

impl Bundles {
    /// The roots of the own trust domain.
    pub(crate) fn own(&self) -> &Roots {
        &self.0.own
    }

    /// The roots that vouch for `id`, asked by somebody of `own`; nothing: its trust domain is not believed.
    pub(crate) fn vouching(&self, own: &TrustDomain, id: &SpiffeId) -> Option<&Roots> {
        let Believed { own: roots, aliases, foreign } = &*self.0;
        if id.domain() == own.as_str() {
            return Some(roots);
        }
        let domain = id.trust_domain();
        aliases.get(&domain).map_or_else(|| foreign.get(&domain), Option::as_ref)
    }

    /// Whether these are `other`, made in one go and not only alike.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether all who vouch for `id` by `before` do so by these, too.
    pub(crate) fn vouch_as(&self, before: &Self, own: &TrustDomain, id: &SpiffeId) -> bool {
        if self.is(before) {
            return true;
        }
        let (then, now) = (before.vouching(own, id), self.vouching(own, id));
        then.zip(now).is_some_and(|(then, now)| now.include(then))
    }

    /// Whether whoever has proven `id` is `expected`, for somebody of `own`: those of aliases are who they would be of the
    /// own trust domain.
    pub(crate) fn is_expected(&self, own: &TrustDomain, id: &SpiffeId, expected: &SpiffeId) -> bool {
        let is_own = |id: &SpiffeId| id.domain() == own.as_str() || self.0.aliases.contains_key(&id.trust_domain());
        id == expected || (id.path() == expected.path() && is_own(id) && is_own(expected))
    }
}

/// Of the own trust domain alone.
impl From<&Roots> for Bundles {
    fn from(own: &Roots) -> Self {
        Self(Arc::new(Believed { own: own.clone(), aliases: BTreeMap::new(), foreign: BTreeMap::new() }))
    }
}

impl From<Roots> for Bundles {
    fn from(own: Roots) -> Self {
        Self::from(&own)
    }
}

impl From<&Bundles> for Bundles {
    fn from(bundles: &Bundles) -> Self {
        bundles.clone()
    }
}

#[cfg(test)]
mod tests;
