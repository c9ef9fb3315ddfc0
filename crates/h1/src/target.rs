//! The four forms of a request target (RFC 9112 3.2).

use crate::{
    authority::{Port, is_authority},
    error::Reason,
    octets::{TARGET, all},
};

/// The form of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetForm {
    /// A path: `/a?b`.
    Origin,
    /// A whole URI of `http` or `https`: `http://host/a?b`.
    Absolute,
    /// Host and port, for CONNECT only: `host:443`.
    Authority,
    /// `*`, for OPTIONS only.
    Asterisk,
}

/// The parts of a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    form: TargetForm,
    whole: &'a [u8],
    /// After the scheme, in absolute form.
    authority: (usize, usize),
    /// What an absolute target without a path asks for (RFC 9112 3.2.1 and 3.2.4).
    bare: &'static [u8],
}

/// The parts of a target whose bytes have been looked at. CONNECT has the authority form and nothing else has.
pub(crate) fn classify<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, Reason> {
    let whole = |form| Ok(Target { form, whole: target, authority: (0, target.len()), bare: b"/" });
    if method == b"CONNECT" {
        return if is_authority(target, Port::Required) {
            whole(TargetForm::Authority)
        } else {
            Err(Reason::TargetForm)
        };
    }
    match target {
        [b'/', ..] => whole(TargetForm::Origin),
        b"*" if method == b"OPTIONS" => whole(TargetForm::Asterisk),
        _ => {
            let is_scheme =
                |scheme: &&[u8]| target.get(..scheme.len()).is_some_and(|is| is.eq_ignore_ascii_case(scheme));
            let scheme = [&b"http://"[..], b"https://"].into_iter().find(is_scheme).ok_or(Reason::TargetForm)?;
            let start = scheme.len();
            let length = target[start..].iter().position(|byte| matches!(byte, b'/' | b'?'));
            let end = length.map_or(target.len(), |length| start + length);
            if !is_authority(&target[start..end], Port::Optional) {
                return Err(Reason::BadHost);
            }
            let bare: &[u8] = if method == b"OPTIONS" && end == target.len() { b"*" } else { b"/" };
            Ok(Target { form: TargetForm::Absolute, whole: target, authority: (start, end), bare })
        }
    }
}

/// As [`classify`] for a target that comes from elsewhere.
pub(crate) fn check<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, Reason> {
    if target.contains(&b'#') {
        Err(Reason::Fragment)
    } else if target.is_empty() || !all(TARGET, target) {
        Err(Reason::BadTargetByte)
    } else {
        classify(method, target)
    }
}

impl<'a> Target<'a> {
    pub(crate) fn form(&self) -> TargetForm {
        self.form
    }

    /// The host that the target itself names.
    pub(crate) fn authority(&self) -> Option<&'a [u8]> {
        let (start, end) = self.authority;
        matches!(self.form, TargetForm::Absolute | TargetForm::Authority).then(|| &self.whole[start..end])
    }

    /// How a Host field agrees with it.
    pub(crate) fn port(&self) -> Port {
        if self.form == TargetForm::Authority { Port::Required } else { Port::Optional }
    }

    /// Where the host is that the target itself names.
    pub(crate) fn authority_range(&self) -> (usize, usize) {
        self.authority
    }

    /// The path; empty in authority form only.
    pub(crate) fn path(&self) -> &'a [u8] {
        let rest = self.rest();
        let path = &rest[..rest.iter().position(|byte| *byte == b'?').unwrap_or(rest.len())];
        if path.is_empty() && self.form == TargetForm::Absolute { self.bare } else { path }
    }

    /// What is behind the first `?`.
    pub(crate) fn query(&self) -> Option<&'a [u8]> {
        let rest = self.rest();
        rest.iter().position(|byte| *byte == b'?').map(|at| &rest[at + 1..])
    }

    /// Appends path and query as an origin server is asked for them.
    pub(crate) fn origin_form(&self, out: &mut Vec<u8>) {
        let rest = self.rest();
        if self.form == TargetForm::Absolute && !rest.starts_with(b"/") {
            out.extend_from_slice(self.bare);
        }
        out.extend_from_slice(rest);
    }

    /// Path and query as they were written.
    fn rest(&self) -> &'a [u8] {
        match self.form {
            TargetForm::Origin | TargetForm::Asterisk => self.whole,
            TargetForm::Absolute => &self.whole[self.authority.1..],
            TargetForm::Authority => &[],
        }
    }
}
