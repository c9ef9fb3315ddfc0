//! `connectionSettings`: limits of connections from callers.

use std::time::Duration;

use crate::schema::{choice, message};

message! {
    /// `connectionSettings`. Nothing means what the profile says.
    ConnectionSettings {
        /// Set of defaults.
        profile: ConnectionProfile = "profile";
        /// Bytes that a connection of a caller buffers.
        listener_per_connection_buffer_limit_bytes: Option<u32> = "listenerPerConnectionBufferLimitBytes";
        /// Bytes that a connection to an endpoint buffers.
        cluster_per_connection_buffer_limit_bytes: Option<u32> = "clusterPerConnectionBufferLimitBytes";
        /// Longest silence of a connection.
        http_idle_timeout: Option<Duration> = "httpIdleTimeout";
        /// For a whole request.
        http_request_timeout: Option<Duration> = "httpRequestTimeout";
        /// For its headers.
        http_request_headers_timeout: Option<Duration> = "httpRequestHeadersTimeout";
        /// Longest silence of a stream.
        http_stream_idle_timeout: Option<Duration> = "httpStreamIdleTimeout";
        /// Longest life of a connection.
        http_max_connection_duration: Option<Duration> = "httpMaxConnectionDuration";
        /// Longest life of a stream.
        http_max_stream_duration: Option<Duration> = "httpMaxStreamDuration";
        /// Between GOAWAY and the end.
        http_drain_timeout: Option<Duration> = "httpDrainTimeout";
        /// Streams of a connection.
        http_max_concurrent_streams: Option<u32> = "httpMaxConcurrentStreams";
        /// Bytes.
        http2_initial_stream_window_size: Option<u32> = "http2InitialStreamWindowSize";
        /// Bytes.
        http2_initial_connection_window_size: Option<u32> = "http2InitialConnectionWindowSize";
        /// What becomes of header names with `_`.
        http_headers_with_underscores_action: UnderscoresAction = "httpHeadersWithUnderscoresAction";
        /// Several slashes in a path become one; beats `pathNormalization`.
        http_merge_slashes: Option<bool> = "httpMergeSlashes";
        /// What becomes of `%2F` and `%5C` in a path; beats `pathNormalization`.
        http_path_with_escaped_slashes_action: EscapedSlashesAction = "httpPathWithEscapedSlashesAction";
        /// Connections of all callers.
        global_downstream_connection_limit: Option<u32> = "globalDownstreamConnectionLimit";
    }
}

choice! {
    /// `connectionSettings.profile`.
    ConnectionProfile {
        /// None.
        Unspecified = 0 "UNSPECIFIED",
        /// Of workloads.
        Sidecar = 1 "SIDECAR",
        /// Of gateways that strangers call.
        Edge = 2 "EDGE",
    }
}

choice! {
    /// `httpHeadersWithUnderscoresAction`.
    UnderscoresAction {
        /// As the profile says.
        Unspecified = 0 "HEADERS_WITH_UNDERSCORES_UNSPECIFIED",
        /// They pass.
        Allow = 1 "HEADERS_WITH_UNDERSCORES_ALLOW",
        /// The request is refused.
        RejectRequest = 2 "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST",
        /// They are removed.
        DropHeader = 3 "HEADERS_WITH_UNDERSCORES_DROP_HEADER",
    }
}

choice! {
    /// `httpPathWithEscapedSlashesAction`.
    EscapedSlashesAction {
        /// As the profile says.
        Unspecified = 0 "PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED",
        /// They stay.
        KeepUnchanged = 1 "KEEP_UNCHANGED",
        /// The request is refused.
        RejectRequest = 2 "REJECT_REQUEST",
        /// The caller is sent to the path with slashes.
        UnescapeAndRedirect = 3 "UNESCAPE_AND_REDIRECT",
        /// They become slashes.
        UnescapeAndForward = 4 "UNESCAPE_AND_FORWARD",
    }
}
