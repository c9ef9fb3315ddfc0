//! `RequestAuthentication` (`security.istio.io` v1, v1beta1).

mod check;
mod jwks;

use std::time::Duration;

use super::{TargetRef, WorkloadSelector};
use crate::schema::message;

message! {
    /// Which JWTs are accepted.
    RequestAuthentication {
        /// Workloads; nothing: all of the namespace (in the root namespace: of the mesh).
        selector: Option<WorkloadSelector> = "selector";
        /// Issuers and their keys.
        jwt_rules: Vec<JwtRule> = "jwtRules";
        /// Attached to one thing.
        target_ref: Option<TargetRef> = "targetRef" => older("`targetRefs`");
        /// Attached to these.
        target_refs: Vec<TargetRef> = "targetRefs";
    }
    check check::policy
}

message! {
    /// One of `jwtRules`.
    JwtRule {
        /// `iss`; nothing: any, if `jwksUri` is given.
        issuer: String = "issuer";
        /// Accepted audiences; empty: any.
        audiences: Vec<String> = "audiences";
        /// Where the keys are.
        jwks_uri: String = "jwksUri";
        /// The keys themselves.
        jwks: String = "jwks";
        /// Headers that hold the token.
        from_headers: Vec<JwtHeader> = "fromHeaders";
        /// Query parameters that hold the token.
        from_params: Vec<String> = "fromParams";
        /// Cookies that hold the token.
        from_cookies: Vec<String> = "fromCookies";
        /// Header that gets the payload.
        output_payload_to_header: String = "outputPayloadToHeader";
        /// Whether the token is passed on.
        forward_original_token: bool = "forwardOriginalToken";
        /// Headers that get claims.
        output_claim_to_headers: Vec<ClaimToHeader> = "outputClaimToHeaders";
        /// For fetching keys; nothing: 5 s.
        timeout: Option<Duration> = "timeout";
        /// Claims that hold lists separated by blanks.
        space_delimited_claims: Vec<String> = "spaceDelimitedClaims";
    }
    check check::rule
}

message! {
    /// One of `fromHeaders`.
    JwtHeader {
        /// Header.
        name: String = "name" => required();
        /// What stands before the token, blanks included.
        prefix: String = "prefix";
    }
    check check::from_header
}

message! {
    /// One of `outputClaimToHeaders`.
    ClaimToHeader {
        /// Header.
        header: String = "header" => required();
        /// Claim; nested ones with dots.
        claim: String = "claim" => required();
    }
    check check::to_header
}
