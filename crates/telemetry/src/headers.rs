//! Where header values are looked up.

/// Headers or trailers of a message, wherever they are kept.
pub trait Headers {
    /// Calls `visit` with each value of the header `name`, which is lower case, in order.
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8]));

    /// The first value of the header `name`, which is lower case.
    fn first<'s>(&'s self, name: &str) -> Option<&'s [u8]> {
        let mut first = None;
        self.visit(name, &mut |value| {
            first.get_or_insert(value);
        });
        first
    }
}

/// No headers at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn visit<'s>(&'s self, _name: &str, _visit: &mut dyn FnMut(&'s [u8])) {}
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for &[(N, V)] {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        for (_, value) in self.iter().filter(|(found, _)| found.as_ref().eq_ignore_ascii_case(name)) {
            visit(value.as_ref());
        }
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        for (_, value) in self.iter().filter(|(found, _)| found.as_ref().eq_ignore_ascii_case(name)) {
            visit(value.as_ref());
        }
    }
}
