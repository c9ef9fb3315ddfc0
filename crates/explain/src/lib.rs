//! What becomes of a request, and why.
