//! `ripstop demo`: a mesh that proves itself, sentence by sentence, with real traffic.

mod chapters;
mod files;
mod stage;
mod story;
mod tour;

use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::output::{BOLD, DIM, paint, print};
use stage::Stage;
use story::{Story, progress};

/// How to tell it.
#[derive(Args)]
pub struct Demo {
    /// Tells this chapter alone, on a mesh that is made ready for it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=chapters::ALL.len() as u64))]
    chapter: Option<u64>,
    /// Another story on the same mesh: how it is adopted in five phases, from plain processes to STRICT for all and nobody
    /// allowed who is not named, under load that never fails.
    #[arg(long, conflicts_with = "chapter")]
    tour: bool,
    /// Leaves the mesh's directory where it is.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    /// Tells the story; `true` if every sentence held.
    pub async fn run(self) -> Result<bool> {
        let title =
            if self.tour { "Ripstop: a mesh is adopted in five phases" } else { "Ripstop: a mesh between two nodes" };
        let title = paint(BOLD, title);
        print(&format!(
            "{title}\n{}\n",
            paint(DIM, "bookinfo on nodes east and west; every line below is real traffic")
        ));
        let bar = progress("starting the mesh");
        let mut stage = Stage::build().await?;
        bar.finish_and_clear();
        let only = self.chapter.and_then(|number| usize::try_from(number).ok());
        let mut story = Story::new();
        let tale = async {
            if self.tour {
                tour::tell(&mut stage, &mut story).await
            } else {
                chapters::tell(&mut stage, &mut story, only).await
            }
        };
        let told = tokio::select! {
            told = tale => told,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        };
        if let Err(error) = &told {
            story.sentence("the story is told to its end", &format!("{error:#}"), false);
        }
        let held = story.end();
        if self.keep || !held {
            print(&format!("The mesh's files and logs: {}\n", stage.root().display()));
            stage.leave().await?;
        } else {
            stage.end().await?;
        }
        print(&play());
        Ok(held)
    }
}

/// How to play with the same mesh, as commands that can be pasted. It is a copy: `label` writes into the files.
fn play() -> String {
    let sample = Path::new("examples/bookinfo");
    let exe = std::env::current_exe().ok();
    let (true, Some(place)) = (sample.is_dir(), exe.as_deref().and_then(Path::parent)) else {
        return "\nPlay with the same mesh yourself: `--keep` leaves its files, and `ripstop up` runs them.\n".into();
    };
    format!(
        "\nPlay with the same mesh yourself:\n\n  export PATH={}:$PATH\n  cp -r {} /tmp/bookinfo\n  \
         ripstop up /tmp/bookinfo\n",
        place.display(),
        sample.display()
    )
}
