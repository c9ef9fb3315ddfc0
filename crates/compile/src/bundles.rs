//! SPIFFE bundles that the settings of the mesh name (`caCertificates[].spiffeBundleUrl`). They are fetched by others.

use std::sync::Arc;

use ripstop_api::{Finding, Object, finding::Code};
use ripstop_model::TrustDomain;

use crate::{Objects, mesh::acting_config};

/// Bundles of a mesh at most; further ones vouch for nobody.
const MOST: usize = 64;

/// A SPIFFE bundle, and for whom it vouches.
#[derive(Clone, Debug)]
pub struct BundleSource {
    /// Where it is: `https://…`.
    pub url: Arc<str>,
    /// Trust domains that it vouches for; empty: the mesh's own and its aliases.
    pub domains: Vec<TrustDomain>,
    object: Arc<Object>,
    path: String,
}

// === impl BundleSource ===

impl BundleSource {
    /// Something that is to be said of it.
    pub fn finding(&self, code: Code, message: String, hint: &str) -> Finding {
        Finding {
            code: code.code,
            level: code.level,
            object: Some(self.object.id.clone()),
            position: self.object.source.at(&self.path),
            path: self.path.clone(),
            message,
            hint: hint.into(),
        }
    }
}

/// The bundles that the settings of `objects` name.
pub fn bundle_sources(objects: &Objects) -> Vec<BundleSource> {
    let Some((object, base, config)) = acting_config(objects) else { return Vec::new() };
    let named = config.ca_certificates.iter().enumerate().filter_map(|(index, roots)| {
        let url = roots.spiffe_bundle_url.as_deref().filter(|url| is_https(url))?;
        let domains: Vec<TrustDomain> = roots.trust_domains.iter().filter_map(|text| text.parse().ok()).collect();
        // Without the domains that it names it would be for those of the mesh. Nobody asks for certificates of a signer.
        let counts = domains.len() == roots.trust_domains.len() && roots.cert_signers.is_empty();
        counts.then(|| BundleSource {
            url: url.into(),
            domains,
            object: object.clone(),
            path: format!("{base}.caCertificates[{index}].spiffeBundleUrl"),
        })
    });
    named.take(MOST).collect()
}

/// Whether a bundle can be fetched from there: in the clear anybody could say whom to believe.
pub(crate) fn is_https(url: &str) -> bool {
    let rest = url.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("https://")).and_then(|_| url.get(8..));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    host.is_some_and(|host| !host.is_empty() && !host.contains(|c: char| c == '@' || c.is_whitespace()))
}

#[cfg(test)]
mod tests;
