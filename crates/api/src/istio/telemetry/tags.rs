//! Tags of spans.

use super::check;
use crate::schema::message;

message! {
    /// One of `customTags`: one source of its value.
    CustomTag {
        /// Always the same.
        literal: Option<LiteralTag> = "literal";
        /// Of the proxy's environment.
        environment: Option<NamedTag> = "environment";
        /// A request header.
        header: Option<NamedTag> = "header";
        /// Command operators of access logs (`%RESPONSE_CODE%`).
        formatter: Option<LiteralTag> = "formatter";
    }
    check check::custom_tag
}

message! {
    /// `literal` or `formatter`.
    LiteralTag {
        /// Text.
        value: String = "value" => required();
    }
    check check::literal
}

message! {
    /// `environment` or `header`.
    NamedTag {
        /// Name.
        name: String = "name" => required();
        /// If there is none; empty: no tag.
        default_value: String = "defaultValue";
    }
    check check::named
}
