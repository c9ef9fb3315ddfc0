//! What proxies before a gateway say of a request, as far as they are trusted.

use std::net::IpAddr;

use ripstop_decide::{Speaks, forwarded_client, forwarded_scheme, listening_at, topology};
use ripstop_model::Workload;

use crate::{explain::Asked, place::Place};

// === impl Asked ===

impl Asked<'_> {
    /// Whom proxies before the gateway that is `own` name as its client, of those that are trusted.
    pub(crate) fn forwarded(&self, own: &Workload) -> Option<IpAddr> {
        let request = self.request.as_ref()?;
        let proxies = topology(&self.world.program, own).trusted_proxies?;
        let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
        let values: Vec<_> = named.map(|(_, value)| value.as_bytes()).collect();
        forwarded_client(&values, proxies)
    }

    /// The scheme that counts at a gateway, whatever a request says of itself: the port's, or what proxies before it say that
    /// are trusted. Elsewhere nothing.
    pub(crate) fn scheme(&self) -> Option<&'static str> {
        let Place::Gateway(proxy) = &self.place else { return None };
        let (program, own) = (&self.world.program, &proxy.workload);
        if topology(program, own).trusted_proxies.is_some_and(|proxies| proxies > 0) {
            let headers = self.request.iter().flat_map(|request| &request.headers);
            let said: Vec<_> = headers.filter(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-proto")).collect();
            if let [(_, value)] = said[..]
                && let Some(scheme) = forwarded_scheme(value.as_bytes())
            {
                return Some(scheme);
            }
        }
        match listening_at(program, &own.labels, self.destination.port)?.speaks() {
            Speaks::Http => Some("http"),
            Speaks::Tls => Some("https"),
            Speaks::Tcp => None,
        }
    }
}
