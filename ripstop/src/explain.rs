//! `ripstop explain`: what becomes of a request, and why.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use ripstop_api::Finding;
use ripstop_explain::{Explanation, Question, World};

use crate::{
    completion,
    mesh::Mesh,
    offline,
    output::{paint_error, print, print_prose, tell},
};

mod render;

pub use render::{authorization, line, once, policy_rules, turned};

/// Who calls whom, with what.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// Who calls: a workload or process ([NAMESPACE/]NAME), an identity (spiffe://...), an IP address. Without
    /// it: somebody outside of the mesh.
    #[arg(long, default_value = "", value_name = "WHO", add = completion::processes())]
    from: String,
    /// What is called, as the caller would write it; at a gateway `:PORT`, or `HOST:PORT`.
    #[arg(long, value_name = "HOST:PORT", add = completion::services())]
    to: String,
    #[command(flatten)]
    asking: Asking,
}

const EXAMPLES: &str = "\
Examples:
  ripstop explain --from productpage --to reviews.bookinfo:9080 --path /reviews/1
  ripstop explain --from spiffe://cluster.local/ns/shop/sa/web --to ledger.bank:80 -X POST --path /pay
  ripstop explain -f mesh/ --via gateway --to :443 --host shop.example --path /cart

Exit status: 0 served or answered, 3 denied (in part), 4 not routed, 5 not judged, 1 it could not be asked.
The worse of two verdicts counts: that of the request, and what live traffic meets today.";

/// The request, and where the mesh is.
#[derive(Args)]
pub struct Asking {
    /// Files and directories instead of the running mesh: every process of them counts as running.
    #[arg(short, long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Where it is decided, else where the caller's proxy decides: node, sidecar, waypoint, gateway (the default one), gateway:NAMESPACE/NAME, or
    /// gateway:KEY=VALUE[,KEY=VALUE...].
    #[arg(long, default_value = "", value_name = "PLACE")]
    via: String,
    /// The caller speaks plaintext, whatever it could do.
    #[arg(long)]
    plaintext: bool,
    /// http, tcp or tls; else it follows from the other flags and from the port.
    #[arg(long, default_value = "", value_name = "PROTOCOL")]
    protocol: String,
    /// Method.
    #[arg(short = 'X', long, default_value = "")]
    method: String,
    /// Path with query.
    #[arg(short, long, default_value = "")]
    path: String,
    /// Host that is asked for (the authority), if it is not that of --to.
    #[arg(long, default_value = "")]
    host: String,
    /// Scheme.
    #[arg(long, default_value = "")]
    scheme: String,
    /// A header, `name: value`; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// A claim of a valid JWT, `name=value`, nested ones with dots (iss, sub, aud and azp are claims); may be given
    /// several times.
    #[arg(long = "claim", value_name = "CLAIM")]
    claims: Vec<String>,
    /// Server name of TLS.
    #[arg(long, default_value = "")]
    sni: String,
    /// Address that the connection comes from, if it is not that of --from.
    #[arg(long, default_value = "", value_name = "IP")]
    source_ip: String,
    /// Address of the original client, as a trusted hop would tell it.
    #[arg(long, default_value = "", value_name = "IP")]
    remote_ip: String,
    /// `json` or nothing.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// How to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// JSON.
    Json,
}

// === impl Explain ===

impl Explain {
    /// Whether it is files that are asked.
    pub fn is_offline(&self) -> bool {
        self.asking.is_offline()
    }

    /// Explains by files.
    pub fn offline(self) -> Result<ExitCode> {
        let question = self.asking.question(&self.from, &self.to)?;
        let explanation = ripstop_explain::explain(&self.asking.world()?, &question)?;
        self.tell(&explanation)
    }

    /// Explains by the running mesh.
    pub async fn live(self, mesh: &Mesh) -> Result<ExitCode> {
        let question = self.asking.question(&self.from, &self.to)?;
        let explanation = self.asking.ask(mesh, &question).await?;
        self.tell(&explanation)
    }

    fn tell(&self, explanation: &Explanation) -> Result<ExitCode> {
        if self.asking.is_json() {
            print(&format!("{}\n", serde_json::to_string_pretty(explanation)?));
        } else {
            print_prose(&render::explanation(explanation));
        }
        Ok(ExitCode::from(explanation.exit_status()))
    }
}

// === impl Asking ===

impl Asking {
    /// Whether it is files that are asked.
    pub fn is_offline(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.output == Some(Output::Json)
    }

    /// Whether a request or connection is described at all.
    pub fn is_given(&self) -> bool {
        let texts = [&self.via, &self.protocol, &self.method, &self.path, &self.host, &self.scheme, &self.sni];
        texts.iter().any(|text| !text.is_empty())
            || self.plaintext
            || !self.headers.is_empty()
            || !self.claims.is_empty()
            || !self.source_ip.is_empty()
            || !self.remote_ip.is_empty()
    }

    /// The question that the flags ask.
    pub fn question(&self, from: &str, to: &str) -> Result<Question> {
        let header = |text: &String| {
            let (name, value) = text.split_once(':').with_context(|| format!("{text:?} is not `name: value`"))?;
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        };
        let claim = |text: &String| {
            let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is not `name=value`"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        Ok(Question {
            from: from.into(),
            to: to.into(),
            via: self.via.clone(),
            plaintext: self.plaintext,
            protocol: self.protocol.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            scheme: self.scheme.clone(),
            authority: self.host.clone(),
            headers: self.headers.iter().map(header).collect::<Result<_>>()?,
            claims: self.claims.iter().map(claim).collect::<Result<_>>()?,
            sni: self.sni.clone(),
            source_ip: self.source_ip.clone(),
            remote_ip: self.remote_ip.clone(),
        })
    }

    /// The mesh of the files; what was refused on reading is told, since it does not act.
    pub fn world(&self) -> Result<World> {
        let (world, findings) = offline::load(&self.files)?;
        if let Some(note) = refusals(&findings.refused) {
            tell(&format!("{} {note}\n\n", paint_error("note:")));
        }
        Ok(world)
    }

    /// Puts a question to the running mesh.
    pub async fn ask(&self, mesh: &Mesh, question: &Question) -> Result<Explanation> {
        let answer = mesh.post("/v1/explain", &serde_json::to_value(question)?).await?;
        serde_json::from_value(answer).context("the control plane answered something else; is it of another version?")
    }
}

/// What does not act since it was refused on reading; nothing: all was read.
fn refusals(refused: &[Finding]) -> Option<String> {
    const SHOWN: usize = 5;
    let mut places: Vec<String> = refused.iter().map(|finding| finding.position.to_string()).collect();
    places.dedup();
    let mut objects: Vec<_> = refused.iter().map(|finding| (&finding.object, &finding.position.file)).collect();
    objects.sort();
    objects.dedup();
    let what = match objects.len() {
        0 => return None,
        1 => "1 object was refused on reading and does".to_owned(),
        count => format!("{count} objects were refused on reading and do"),
    };
    let more = places.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more places") } else { String::new() };
    places.truncate(SHOWN);
    Some(format!("{what} not act in this answer ({}{more}); `ripstop analyze` tells the rest", places.join(", ")))
}

#[cfg(test)]
mod tests;
