//! The end of the `h2` crate.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::DuplexStream;

use super::plan::{Fate, Found, Message, Plan, Seen, sort};

pub async fn ask(io: DuplexStream, plan: Arc<Plan>) -> Found {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(plan.pick(&[700, 65_535, 200_000]))
        .initial_connection_window_size(plan.pick(&[65_535, 1 << 20]))
        .max_frame_size(plan.pick(&[16_384, 70_000]))
        .header_table_size(plan.pick(&[0, 100, 4_096, 10_000]));
    let (sender, mut connection) = builder.handshake::<_, Bytes>(io).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let driver = tokio::spawn(connection);
    pings.ping(h2::Ping::opaque()).await.unwrap();
    let found = Arc::new(Mutex::new(Found::new()));
    let mut tasks = Vec::new();
    for n in 0..plan.exchanges.len() {
        let mut sender = sender.clone().ready().await.unwrap();
        let exchange = &plan.exchanges[n];
        let mut request = Request::post(format!("http://a/{n}")).body(()).unwrap();
        *request.headers_mut() = map(&exchange.request.fields);
        if let Fate::ClientResets(code) = exchange.fate {
            let (_answer, mut stream) = sender.send_request(request, false).unwrap();
            // Gives the head the time to go out.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            stream.send_reset(Reason::from(code));
            continue;
        }
        let nothing = exchange.request.body.is_empty() && exchange.request.trailers.is_none();
        let (answer, stream) = sender.send_request(request, nothing).unwrap();
        let (plan, found) = (plan.clone(), found.clone());
        tasks.push(tokio::spawn(async move {
            let upload = plan.clone();
            let sent = tokio::spawn(async move {
                if !nothing {
                    send(stream, &upload.exchanges[n].request).await;
                }
            });
            let seen = match answer.await {
                Ok(answer) => {
                    let (head, body) = answer.into_parts();
                    receive(head.headers, body).await
                }
                Err(error) => Seen::Reset(error.reason().unwrap_or_else(|| panic!("{error}")).into()),
            };
            found.lock().unwrap().insert(n, seen);
            sent.await.unwrap();
        }));
    }
    drop(sender);
    for task in tasks {
        task.await.unwrap();
    }
    driver.await.unwrap().unwrap();
    Arc::try_unwrap(found).unwrap().into_inner().unwrap()
}

pub async fn serve(io: DuplexStream, plan: Arc<Plan>) -> Found {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(plan.pick(&[700, 65_535, 200_000]))
        .initial_connection_window_size(plan.pick(&[65_535, 1 << 20]))
        .max_frame_size(plan.pick(&[16_384, 70_000]))
        .max_concurrent_streams(plan.pick(&[1, 5, 200]))
        .max_pending_accept_reset_streams(1_000)
        .data_frame_budget(1 << 30)
        .header_table_size(plan.pick(&[0, 100, 4_096, 10_000]));
    let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
    let found = Arc::new(Mutex::new(Found::new()));
    let changed = plan.pick(&[1_000, 100_000]);
    let mut tasks = Vec::new();
    while let Some(request) = connection.accept().await {
        let (request, mut answer) = request.unwrap();
        let n: usize = request.uri().path()[1..].parse().unwrap();
        if n == plan.exchanges.len() / 2 {
            connection.set_initial_window_size(changed).unwrap();
        }
        if n + 1 == plan.exchanges.len() {
            connection.graceful_shutdown();
        }
        let (plan, found) = (plan.clone(), found.clone());
        tasks.push(tokio::spawn(async move {
            let (head, body) = request.into_parts();
            let message = receive(head.headers, body).await;
            let whole = matches!(message, Seen::Message(_));
            found.lock().unwrap().insert(n, message);
            let exchange = &plan.exchanges[n];
            if let Fate::ServerResets(code) = exchange.fate {
                answer.send_reset(Reason::from(code));
            } else if whole {
                let mut response = Response::new(());
                *response.headers_mut() = map(&exchange.response.fields);
                let nothing = exchange.response.body.is_empty() && exchange.response.trailers.is_none();
                let stream = answer.send_response(response, nothing).unwrap();
                if !nothing {
                    send(stream, &exchange.response).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    Arc::try_unwrap(found).unwrap().into_inner().unwrap()
}

async fn send(mut stream: SendStream<Bytes>, message: &Message) {
    let mut rest = Bytes::from(message.body.clone());
    let end = message.trailers.is_none();
    if rest.is_empty() && end {
        stream.send_data(Bytes::new(), true).unwrap();
    }
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        // The stream may be reset before all is sent.
        let Some(Ok(n)) = poll_fn(|context| stream.poll_capacity(context)).await else { return };
        let piece = rest.split_to(n.min(rest.len()));
        if stream.send_data(piece, rest.is_empty() && end).is_err() {
            return;
        }
    }
    if let Some(trailers) = &message.trailers {
        stream.send_trailers(map(trailers)).unwrap();
    }
}

async fn receive(head: HeaderMap, mut stream: RecvStream) -> Seen {
    let reset = |error: h2::Error| Seen::Reset(error.reason().unwrap_or_else(|| panic!("{error}")).into());
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        match piece {
            Ok(piece) => {
                body.extend_from_slice(&piece);
                stream.flow_control().release_capacity(piece.len()).unwrap();
            }
            Err(error) => return reset(error),
        }
    }
    match stream.trailers().await {
        Ok(trailers) => Seen::Message(Message { fields: list(&head), body, trailers: trailers.as_ref().map(list) }),
        Err(error) => reset(error),
    }
}

fn map(fields: &[(String, String)]) -> HeaderMap {
    let parse =
        |(name, value): &(String, String)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(parse) {
        map.append(name, value);
    }
    map
}

fn list(map: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let mut fields: Vec<_> = map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    sort(&mut fields);
    fields
}
