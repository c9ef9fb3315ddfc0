//! What proxies hold at the moment, as each of them tells.

use std::path::Path;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use serde_json::{Value, json};

use super::{Outcome, taps::tellers};
use crate::{
    Error, Result,
    context::World,
    doorkeeper,
    web::{self, exchange},
};

const PEER: &str = "a proxy";
/// Longest answer of a proxy, in bytes.
const MOST: usize = 256 << 20;

/// What each proxy tells; of one that does not, why.
pub(super) async fn config(world: &World) -> Outcome {
    let mut told = Vec::new();
    for (socket, name) in tellers(world) {
        told.push(match ask(&socket).await {
            Ok(mut config) => {
                config["proxy"] = json!(&*name);
                config
            }
            Err(error) => json!({ "proxy": &*name, "error": error.to_string() }),
        });
    }
    Ok(web::json(StatusCode::OK, &Value::Array(told)))
}

async fn ask(socket: &Path) -> Result<Value> {
    let stream = doorkeeper::connect(socket).map_err(Error::file("connect to", socket))?;
    let request = Request::get("/config")
        .header(header::HOST, "proxy")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Error::protocol("the request", error))?;
    let response = exchange(PEER, stream, request).await?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), MOST).collect().await.map_err(|error| Error::protocol(PEER, error))?;
    let body = body.to_bytes();
    if !status.is_success() {
        return Err(Error::protocol(PEER, String::from_utf8_lossy(&body).trim().to_owned()));
    }
    serde_json::from_slice(&body).map_err(|error| Error::protocol(PEER, error))
}
