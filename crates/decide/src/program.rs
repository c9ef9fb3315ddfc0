//! A snapshot with its rules made ready for evaluation.

use std::{collections::BTreeSet, ops::Deref, sync::Arc};

use imbl::{HashMap, OrdMap, OrdSet, ordmap::DiffItem};
use regex::Regex;
use ripstop_model::{
    Action, Authorization, BackendPolicy, Change, GatewayName, HostEntry, HostPattern, ObjectName, RouteTable, RuleId,
    Snapshot, Traffic, TrafficPolicy, TrafficTargetKind,
};

use crate::{
    attached::ByTarget,
    by_host::ByHost,
    call::{ActingRule, destinations, with_credentials},
    delivery::opens_any,
    listeners::Listeners,
    matcher::Matcher,
    table::Table,
};

/// A [`Snapshot`] and, derived object by object, what makes evaluating it fast. A changed copy
/// shares everything that did not change.
#[derive(Clone, Debug, Default)]
pub struct Program {
    snapshot: Snapshot,
    policies: HashMap<Arc<str>, Arc<[Arc<Policy>]>>,
    tables: OrdMap<ObjectName, Arc<Table>>,
    /// Tables by each of their hosts.
    tables_by_host: TablesByHost,
    /// Tables by each host that they lead to.
    tables_to: HashMap<Arc<str>, OrdSet<ObjectName>>,
    /// Tables of each gateway, by each of their hosts.
    tables_by_gateway: HashMap<ObjectName, TablesByHost>,
    /// Listeners of gateways by port, proxy and host.
    listeners: Listeners,
    /// Hosts with rules that name a `Secret`.
    with_credentials: OrdSet<ObjectName>,
    /// Scopes with listeners that their workloads' own proxies open.
    with_own_listeners: OrdSet<ObjectName>,
    /// Declared hosts by name.
    entries: ByHost<Arc<Vec<Arc<HostEntry>>>>,
    /// Policies of requests, by what they are attached to.
    by_target: ByTarget,
}

type TablesByHost = ByHost<OrdSet<ObjectName>>;

/// An `Authorization`, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) source: Arc<Authorization>,
    pub(crate) rules: Vec<Rule>,
}

/// A rule, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) from: Vec<Vec<Matcher>>,
    pub(crate) to: Vec<Vec<Matcher>>,
    pub(crate) when: Vec<Matcher>,
    /// Whether it looks at anything that only an HTTP request has.
    pub(crate) uses_http: bool,
}

// === impl Program ===

impl Program {
    /// Makes everything of `snapshot` ready.
    pub fn new(snapshot: Snapshot) -> Self {
        let namespaces: Vec<Arc<str>> = snapshot.authorized_namespaces().cloned().collect();
        let mut program = Self { snapshot, ..Self::default() };
        for namespace in &namespaces {
            program.refresh(namespace);
        }
        program.follow(&Traffic::default());
        program
    }

    /// With `changes` applied in order, as `version`. Costs what they touch; of policies of authorization, the
    /// order of those of their namespace besides, and of a declared host, the others with the same host.
    #[must_use]
    pub fn with(&self, version: u64, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut touched: Vec<Arc<str>> = Vec::new();
        let changes: Vec<Change> = changes.into_iter().collect();
        for change in &changes {
            let namespace = match change {
                Change::Authorization(policy) => &policy.namespace,
                Change::AuthorizationGone((namespace, _)) => namespace,
                _ => continue,
            };
            if !touched.contains(namespace) {
                touched.push(namespace.clone());
            }
        }
        let snapshot = self.snapshot.with(version, changes);
        let mut next = Self { snapshot, ..self.clone() };
        for namespace in &touched {
            next.refresh(namespace);
        }
        next.follow(self.snapshot.traffic());
        next
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Policies of a namespace, the oldest first.
    pub(crate) fn policies(&self, namespace: &str) -> &[Arc<Policy>] {
        self.policies.get(namespace).map_or(&[], |policies| policies)
    }

    #[cfg(test)]
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().map(|table| &**table)
    }

    /// Tables with a rule that leads to that host.
    pub(crate) fn tables_to(&self, host: &str) -> impl Iterator<Item = &Table> {
        self.tables_to.get(host).into_iter().flat_map(|names| self.tables_named(names))
    }

    /// Names of the tables for that host, then of those for each wildcard that holds it, the most specific first.
    pub(crate) fn tables_holding<'p, 'h>(
        &'p self,
        host: &'h str,
    ) -> impl Iterator<Item = &'p OrdSet<ObjectName>> + use<'p, 'h> {
        self.tables_by_host.holding(host)
    }

    pub(crate) fn tables_named<'p>(&'p self, names: &'p OrdSet<ObjectName>) -> impl Iterator<Item = &'p Table> {
        names.iter().filter_map(|name| self.tables.get(name)).map(|table| &**table)
    }

    /// Tables that act at a gateway, by name; if `host` (lower case) is given, those alone that have it among their hosts
    /// or lie in a wildcard of theirs.
    pub(crate) fn tables_at(&self, gateway: &ObjectName, host: Option<&str>) -> Vec<&Table> {
        let Some(by_host) = self.tables_by_gateway.get(gateway) else { return Vec::new() };
        let names: BTreeSet<&ObjectName> = match host {
            Some(host) => by_host.holding(host).flatten().collect(),
            None => by_host.iter().flat_map(|(_, names)| names).collect(),
        };
        names.into_iter().filter_map(|name| self.tables.get(name)).map(|table| &**table).collect()
    }

    /// Listeners of gateways.
    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Rules for calling hosts of which some name a `Secret`.
    pub(crate) fn backends_with_credentials(&self) -> impl Iterator<Item = &BackendPolicy> {
        let backends = &self.snapshot.traffic().backends;
        self.with_credentials.iter().filter_map(|name| backends.get(name)).flat_map(|policies| policies.iter())
    }

    /// Whether any scope has listeners that its workloads' own proxies open.
    pub(crate) fn has_own_listeners(&self) -> bool {
        !self.with_own_listeners.is_empty()
    }

    /// Hosts that no service declares.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<HostEntry>> {
        self.entries.iter().flat_map(|(_, entries)| entries.iter())
    }

    /// Declared hosts that are that host or hold it, the most specific first.
    pub fn entries_of<'p>(&'p self, host: &'p str) -> impl Iterator<Item = &'p Arc<HostEntry>> + 'p {
        self.entries.holding(host).flat_map(|entries| entries.iter())
    }

    /// What Istio's kinds cannot say of a thing, the oldest policy first.
    pub(crate) fn policies_of(&self, kind: TrafficTargetKind, name: &ObjectName) -> Option<&[Arc<TrafficPolicy>]> {
        self.by_target.of(kind, name)
    }

    /// Whether something is said of routes that Istio's kinds cannot say.
    pub(crate) fn has_policies_of_routes(&self) -> bool {
        self.by_target.has_routes()
    }

    /// What a rule's rewrite replaces, if it is a regex.
    pub(crate) fn rewrite_pattern(&self, rule: &ActingRule) -> Option<&Regex> {
        let name = (rule.table.namespace.clone(), rule.table.name.clone());
        self.tables.get(&name)?.rewrite_pattern(rule.index)
    }

    /// Takes over what changed since `old`.
    fn follow(&mut self, old: &Traffic) {
        let new = self.snapshot.traffic().clone();
        for item in old.routes.diff(&new.routes) {
            match item {
                DiffItem::Add(name, table) => self.insert_table(name, table),
                DiffItem::Update { old: (_, before), new: (name, table) } => {
                    self.remove_table(name, before);
                    self.insert_table(name, table);
                }
                DiffItem::Remove(name, table) => self.remove_table(name, table),
            }
        }
        self.by_target.follow(&old.policies, &new.policies);
        for item in old.gateways.diff(&new.gateways) {
            let (gone, come) = match item {
                DiffItem::Add(_, gateway) => (None, Some(gateway)),
                DiffItem::Update { old: (_, before), new: (_, gateway) } => (Some(before), Some(gateway)),
                DiffItem::Remove(_, gateway) => (Some(gateway), None),
            };
            if let Some(gateway) = gone {
                self.listeners.remove(gateway);
            }
            if let Some(gateway) = come {
                self.listeners.insert(gateway);
            }
        }
        for item in old.backends.diff(&new.backends) {
            let (name, policies) = match item {
                DiffItem::Add(name, policies) | DiffItem::Update { new: (name, policies), .. } => {
                    (name, Some(policies))
                }
                DiffItem::Remove(name, _) => (name, None),
            };
            let mut policies = policies.into_iter().flat_map(|policies| policies.iter());
            if policies.any(|policy| with_credentials(policy).next().is_some()) {
                self.with_credentials.insert(name.clone());
            } else {
                self.with_credentials.remove(name);
            }
        }
        for item in old.scopes.diff(&new.scopes) {
            match item {
                DiffItem::Add(name, scope) | DiffItem::Update { new: (name, scope), .. } if opens_any(scope) => {
                    self.with_own_listeners.insert(name.clone());
                }
                DiffItem::Add(name, _) | DiffItem::Update { new: (name, _), .. } | DiffItem::Remove(name, _) => {
                    self.with_own_listeners.remove(name);
                }
            }
        }
        for item in old.entries.diff(&new.entries) {
            let (gone, come) = match item {
                DiffItem::Add(_, hosts) => (None, Some(hosts)),
                DiffItem::Update { old: (_, before), new: (_, hosts) } => (Some(before), Some(hosts)),
                DiffItem::Remove(_, hosts) => (Some(hosts), None),
            };
            for entry in gone.into_iter().flat_map(|hosts| hosts.iter()) {
                self.change_entries(&entry.host, |hosts| hosts.retain(|other| other.object != entry.object));
            }
            for entry in come.into_iter().flat_map(|hosts| hosts.iter()) {
                self.change_entries(&entry.host, |hosts| {
                    hosts.push(Arc::new(entry.clone()));
                    // By age, not by when it came: history must not decide between equals.
                    hosts.sort_by(|a, b| (a.created, &a.object).cmp(&(b.created, &b.object)));
                });
            }
        }
    }

    fn insert_table(&mut self, name: &ObjectName, table: &Arc<RouteTable>) {
        for host in &table.hosts {
            insert(&mut self.tables_by_host, host, name);
        }
        for host in destinations(table) {
            self.tables_to.entry(host).or_default().insert(name.clone());
        }
        for gateway in named(table) {
            let by_host = self.tables_by_gateway.entry(gateway.clone()).or_default();
            table.hosts.iter().for_each(|host| insert(by_host, host, name));
        }
        self.tables.insert(name.clone(), Arc::new(Table::new(table.clone())));
    }

    fn remove_table(&mut self, name: &ObjectName, table: &Arc<RouteTable>) {
        for host in &table.hosts {
            remove(&mut self.tables_by_host, host, name);
        }
        for host in destinations(table) {
            let Some(names) = self.tables_to.get_mut(&host) else { continue };
            names.remove(name);
            if names.is_empty() {
                self.tables_to.remove(&host);
            }
        }
        for gateway in named(table) {
            let Some(by_host) = self.tables_by_gateway.get_mut(gateway) else { continue };
            table.hosts.iter().for_each(|host| remove(by_host, host, name));
            if by_host.is_empty() {
                self.tables_by_gateway.remove(gateway);
            }
        }
        self.tables.remove(name);
    }

    fn change_entries(&mut self, host: &HostPattern, change: impl FnOnce(&mut Vec<Arc<HostEntry>>)) {
        let mut hosts = self.entries.get(host).map(|hosts| Vec::clone(hosts)).unwrap_or_default();
        change(&mut hosts);
        if hosts.is_empty() {
            self.entries.remove(host);
        } else {
            self.entries.change(host, |entries| *entries = Arc::new(hosts));
        }
    }

    fn refresh(&mut self, namespace: &Arc<str>) {
        let old = self.policies(namespace);
        let age = |policy: &Authorization| (policy.created, policy.name.clone());
        let ready = |source: &Arc<Authorization>| {
            let known = old.binary_search_by_key(&age(source), |policy| age(&policy.source)).ok().map(|at| &old[at]);
            let same = known.filter(|policy| Arc::ptr_eq(&policy.source, source));
            same.cloned().unwrap_or_else(|| Arc::new(Policy::new(source.clone())))
        };
        let mut policies: Vec<_> = self.snapshot.authorizations_in(namespace).map(ready).collect();
        policies.sort_by_cached_key(|policy| age(&policy.source));
        if policies.is_empty() {
            self.policies.remove(namespace);
        } else {
            self.policies.insert(namespace.clone(), policies.into());
        }
    }
}

/// Gateways that a table acts at.
fn named(table: &RouteTable) -> impl Iterator<Item = &ObjectName> {
    table.gateways.iter().filter_map(|gateway| match gateway {
        GatewayName::Named(name) => Some(name),
        GatewayName::Mesh => None,
    })
}

fn insert(tables: &mut TablesByHost, host: &HostPattern, name: &ObjectName) {
    tables.change(host, |names| {
        names.insert(name.clone());
    });
}

fn remove(tables: &mut TablesByHost, host: &HostPattern, name: &ObjectName) {
    tables.change(host, |names| {
        names.remove(name);
    });
    if tables.get(host).is_some_and(OrdSet::is_empty) {
        tables.remove(host);
    }
}

impl Deref for Program {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

// === impl Policy ===

impl Policy {
    fn new(source: Arc<Authorization>) -> Self {
        let ready = |(index, rule)| Rule::new(rule, RuleId(format!("{}/spec.rules[{index}]", source.id).into()));
        let rules = source.rules.iter().enumerate().map(ready).collect();
        Self { source, rules }
    }

    /// Whether it looks at requests, or asks somebody about them.
    pub(crate) fn looks_at_requests(&self) -> bool {
        let asks = matches!(&self.source.action, Action::Custom(named) if named.protocol.is_some());
        asks || self.rules.iter().any(|rule| rule.uses_http)
    }

    /// Whether an attribute that cannot be known counts as matching.
    pub(crate) fn widens(&self) -> bool {
        self.source.action != Action::Allow
    }
}

// === impl Rule ===

impl Rule {
    fn new(rule: &ripstop_model::Rule, id: RuleId) -> Self {
        let all = |conditions: &Vec<ripstop_model::Condition>| conditions.iter().map(Matcher::new).collect::<Vec<_>>();
        let made = Self {
            id,
            from: rule.from.iter().map(all).collect(),
            to: rule.to.iter().map(all).collect(),
            when: all(&rule.when),
            uses_http: false,
        };
        let uses_http = made.matchers().any(|matcher| matcher.attribute.is_http());
        Self { uses_http, ..made }
    }

    pub(crate) fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        self.from.iter().flatten().chain(self.to.iter().flatten()).chain(&self.when)
    }
}

#[cfg(test)]
mod tests;
