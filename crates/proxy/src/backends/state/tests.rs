mod announced;
mod bed;
mod http1;
mod http2;
mod limits;
mod opening;
