//! `ProxyConfig`.

use crate::schema::message;

message! {
    /// `spec` of a `ProxyConfig`.
    ProxyConfig {
    }
}
