//! Exchanges over loopback sockets, between real counterparts.

mod bed;
mod bodies;
mod changes;
mod deaths;
mod gone;
mod heads;
mod limits;
mod matrix;
mod real;
mod recode;
mod second;
mod secure;
mod streams;
mod switch;
mod tools;
mod tunnelled;
mod tunnels;
