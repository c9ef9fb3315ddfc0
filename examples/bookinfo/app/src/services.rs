//! The four services.

use std::{fmt::Write as _, sync::Arc};

use anyhow::Result;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    Server,
    client::Client,
    http::{Answer, html, json as reply, serve, text},
};

/// The page: asks details and reviews, and shows what it got.
pub async fn productpage(server: Server, details: String, reviews: String) -> Result<()> {
    let client = Arc::new(Client::default());
    serve("productpage", server, move |path, headers| {
        let (client, details, reviews) = (client.clone(), details.clone(), reviews.clone());
        async move {
            let details_url = format!("{details}/details/0");
            let reviews_url = format!("{reviews}/reviews/0");
            let (details, reviews) =
                tokio::join!(ask(&client, &details_url, &headers), ask(&client, &reviews_url, &headers));
            match path.as_str() {
                "/" | "/productpage" => page(details, reviews),
                "/api/v1/products/0" => match (details, reviews) {
                    (Ok(details), Ok(reviews)) => {
                        reply(StatusCode::OK, &json!({"details": details, "reviews": reviews}))
                    }
                    (Err(error), _) | (_, Err(error)) => reply(StatusCode::BAD_GATEWAY, &json!({"error": error})),
                },
                _ => text(StatusCode::NOT_FOUND, "there is /, /productpage and /api/v1/products/0\n"),
            }
        }
    })
    .await
}

/// Facts about the book.
pub async fn details(server: Server) -> Result<()> {
    serve("details", server, |_, _| async {
        reply(
            StatusCode::OK,
            &json!({
                "title": "The Comedy of Errors", "author": "William Shakespeare", "year": 1595,
                "type": "paperback", "pages": 200, "language": "English",
            }),
        )
    })
    .await
}

/// What readers think.
pub async fn reviews(server: Server, version: String, ratings: String) -> Result<()> {
    let client = Arc::new(Client::default());
    serve("reviews", server, move |_, headers| {
        let (client, version, ratings) = (client.clone(), version.clone(), ratings.clone());
        async move {
            let colour = match version.as_str() {
                "v2" => Some("black"),
                "v3" => Some("red"),
                _ => None,
            };
            let mut stars = Value::Null;
            if let Some(colour) = colour {
                match ask(&client, &format!("{ratings}/ratings/0"), &headers).await {
                    Ok(ratings) => stars = json!({"colour": colour, "values": ratings["ratings"]}),
                    Err(error) => return reply(StatusCode::BAD_GATEWAY, &json!({"error": error})),
                }
            }
            reply(
                StatusCode::OK,
                &json!({
                    "version": version,
                    "instance": std::env::var("HOSTNAME").unwrap_or_default(),
                    "stars": stars,
                    "reviews": [
                        {"reviewer": "Reviewer1", "text": "Two pairs of twins, and not one dull line."},
                        {"reviewer": "Reviewer2", "text": "Entertaining, though I mixed up the Dromios."},
                    ],
                }),
            )
        }
    })
    .await
}

/// Stars.
pub async fn ratings(server: Server) -> Result<()> {
    serve("ratings", server, |_, _| async {
        reply(StatusCode::OK, &json!({"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}}))
    })
    .await
}

/// The JSON at `url`, or why there is none.
async fn ask(client: &Client, url: &str, headers: &HeaderMap) -> Result<Value, String> {
    let answer = client.get(url, headers).await.map_err(|error| format!("{error:#}"))?;
    if !answer.status.is_success() {
        return Err(format!("{url} answered {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|error| format!("{url}: {error}"))
}

fn page(details: Result<Value, String>, reviews: Result<Value, String>) -> Answer {
    let failed = details.is_err() || reviews.is_err();
    let details = match details {
        Ok(details) => {
            let mut rows = String::new();
            for key in ["author", "year", "type", "pages", "language"] {
                let _ = write!(rows, "<tr><th>{key}</th><td>{}</td></tr>", plain(&details[key]));
            }
            format!("<h1>{}</h1><table>{rows}</table>", plain(&details["title"]))
        }
        Err(error) => format!("<h1>Book</h1><p class=error>Details are not available: {}</p>", escape(&error)),
    };
    let reviews = match reviews {
        Ok(reviews) => {
            let list: String = reviews["reviews"]
                .as_array()
                .map(|list| list.iter().map(|review| quote(review, &reviews["stars"])).collect())
                .unwrap_or_default();
            let version = plain(&reviews["version"]);
            format!("<h2>Reviews <small>reviews-{version}, {}</small></h2>{list}", plain(&reviews["instance"]))
        }
        Err(error) => format!("<h2>Reviews</h2><p class=error>Reviews are not available: {}</p>", escape(&error)),
    };
    let mut answer = html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Bookinfo</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}\
         th{{text-align:left;padding-right:2rem;font-weight:500;color:#667}}blockquote{{margin:1rem 0;padding:.2rem 1rem;\
         border-left:3px solid #ccd}}small{{color:#889;font-weight:400}}.error{{color:#b00}}</style>\
         {details}{reviews}</html>\n"
    ));
    if failed {
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
    }
    answer
}

fn quote(review: &Value, stars: &Value) -> String {
    let reviewer = plain(&review["reviewer"]);
    let shown = stars["values"][&reviewer].as_u64().map_or_else(String::new, |count| {
        let count = usize::try_from(count).unwrap_or(0).min(5);
        let colour = plain(&stars["colour"]);
        format!(" <span style=\"color:{colour}\">{}{}</span>", "★".repeat(count), "☆".repeat(5 - count))
    });
    format!("<blockquote>{}<br><small>{reviewer}</small>{shown}</blockquote>", plain(&review["text"]))
}

fn plain(value: &Value) -> String {
    escape(&value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
