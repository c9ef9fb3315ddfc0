//! SETTINGS (RFC 9113 6.5, RFC 8441 3).

use crate::{
    error::ConnectionError,
    frame::{DEFAULT_MAX_FRAME, DEFAULT_WINDOW, MAX_MAX_FRAME, MAX_WINDOW},
};

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;

/// Bytes of one setting.
const ENTRY: usize = 6;

/// HPACK's table before anything is said about it.
pub(crate) const DEFAULT_TABLE: u32 = 4096;

/// One side's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) header_table: u32,
    pub(crate) push: bool,
    /// None is no limit.
    pub(crate) max_streams: Option<u32>,
    pub(crate) initial_window: u32,
    pub(crate) max_frame: u32,
    /// None is no limit.
    pub(crate) max_header_list: Option<u32>,
    pub(crate) connect_protocol: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_table: DEFAULT_TABLE,
            push: true,
            max_streams: None,
            initial_window: DEFAULT_WINDOW,
            max_frame: DEFAULT_MAX_FRAME,
            max_header_list: None,
            connect_protocol: false,
        }
    }
}

impl Settings {
    /// Takes over what a SETTINGS frame says; unknown settings are ignored.
    pub(crate) fn apply(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        let (entries, []) = payload.as_chunks::<ENTRY>() else {
            return Err(ConnectionError::size("SETTINGS of a length that is no multiple of 6"));
        };
        for &[a, b, c, d, e, f] in entries {
            self.set(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))?;
        }
        Ok(())
    }

    fn set(&mut self, name: u16, value: u32) -> Result<(), ConnectionError> {
        let switch = |what| match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ConnectionError::protocol(what)),
        };
        match name {
            HEADER_TABLE_SIZE => self.header_table = value,
            ENABLE_PUSH => self.push = switch("SETTINGS_ENABLE_PUSH is neither 0 nor 1")?,
            MAX_CONCURRENT_STREAMS => self.max_streams = Some(value),
            INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                return Err(ConnectionError::flow("SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1"));
            }
            INITIAL_WINDOW_SIZE => self.initial_window = value,
            MAX_FRAME_SIZE if !(DEFAULT_MAX_FRAME..=MAX_MAX_FRAME).contains(&value) => {
                return Err(ConnectionError::protocol("SETTINGS_MAX_FRAME_SIZE outside of 2^14 to 2^24-1"));
            }
            MAX_FRAME_SIZE => self.max_frame = value,
            MAX_HEADER_LIST_SIZE => self.max_header_list = Some(value),
            ENABLE_CONNECT_PROTOCOL => {
                let on = switch("SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1")?;
                if self.connect_protocol && !on {
                    return Err(ConnectionError::protocol("SETTINGS_ENABLE_CONNECT_PROTOCOL was taken back"));
                }
                self.connect_protocol = on;
            }
            _ => {}
        }
        Ok(())
    }

    /// The payload of a frame that says what differs from the defaults.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let defaults = Self::default();
        let mut out = Vec::new();
        let mut say = |name: u16, value: u32, default: bool| {
            if !default {
                out.extend_from_slice(&name.to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
        };
        say(HEADER_TABLE_SIZE, self.header_table, self.header_table == defaults.header_table);
        say(ENABLE_PUSH, u32::from(self.push), self.push);
        say(MAX_CONCURRENT_STREAMS, self.max_streams.unwrap_or_default(), self.max_streams.is_none());
        say(INITIAL_WINDOW_SIZE, self.initial_window, self.initial_window == defaults.initial_window);
        say(MAX_FRAME_SIZE, self.max_frame, self.max_frame == defaults.max_frame);
        say(MAX_HEADER_LIST_SIZE, self.max_header_list.unwrap_or_default(), self.max_header_list.is_none());
        say(ENABLE_CONNECT_PROTOCOL, u32::from(self.connect_protocol), !self.connect_protocol);
        out
    }
}

#[cfg(test)]
mod tests;
