//! Virtual addresses of services.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use imbl::HashMap;
use ripstop_api::{Kind, Object, Spec};

use super::{Declarations, keep, of_kind};
use crate::{Assignments, Declared, Objects, assign, service};

// === impl Declarations ===

impl Declarations {
    /// The virtual address of a service: the one it has, or a free one.
    pub(super) fn address(&mut self, object: &Object, written: &ripstop_api::kubernetes::Service) -> Option<Ipv4Addr> {
        if written.headless {
            return None;
        }
        let key = assign::vip_key(&object.id.namespace, &object.id.name);
        if let Some(vip) = self.assigned.vips.get(&key) {
            return Some(*vip);
        }
        let free = assign::probe(&key, |address| self.holders.contains_key(address))?;
        self.holders.insert(free, key.as_str().into());
        Arc::make_mut(&mut self.assigned).vips.insert(key, free);
        Some(free)
    }

    /// Whether these changes may move addresses of other services: whoever asks for a certain one may take it
    /// from another, and where somebody was refused, what is given up may go to them.
    pub(super) fn addresses_move(&self, gone: &[&Declared], come: &[&Declared]) -> bool {
        let is_service = |declared: &&&Declared| declared.object.id.kind == Kind::Service;
        if !self.addresses.is_empty() {
            return gone.iter().chain(come).any(|declared| is_service(&declared));
        }
        come.iter().any(|declared| {
            let Spec::Service(written) = &declared.object.spec else { return false };
            let id = &declared.object.id;
            let has = self.assigned.vips.get(&assign::vip_key(&id.namespace, &id.name));
            let wanted = service::requested(written).filter(|_| !written.headless);
            let full = has.is_none() && self.holders.len() >= usize::from(u16::MAX) - 1;
            full || wanted.is_some_and(|wanted| has != Some(&wanted))
        })
    }

    /// Assigns all addresses anew; gives the services that have another one now.
    pub(super) fn assign_addresses<'o>(&mut self, objects: &'o Objects) -> Vec<&'o Declared> {
        let mut assigned = Assignments::clone(&self.assigned);
        self.addresses = service::assign(objects, &mut assigned).into();
        self.holders = holders(&assigned);
        self.assigned = keep(assigned, Some(&self.assigned));
        let moved = |declared: &&Declared| {
            let id = &declared.object.id;
            let vip = self.assigned.vips.get(&assign::vip_key(&id.namespace, &id.name));
            let service = self.services.get(&service::key(&declared.object, &self.mesh));
            service.is_some_and(|service| {
                !service.headless && service.addresses.first().copied() != vip.map(|vip| IpAddr::V4(*vip))
            })
        };
        of_kind(objects, Kind::Service).filter(moved).collect()
    }
}

/// Who has which virtual address.
pub(super) fn holders(assigned: &Assignments) -> HashMap<Ipv4Addr, Arc<str>> {
    assigned.vips.iter().map(|(key, vip)| (*vip, key.as_str().into())).collect()
}
