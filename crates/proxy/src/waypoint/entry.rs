//! Who gets into a waypoint before anybody knows who it is.
//!
//! Tunnels have places of their own: whoever opens connections and says nothing on them takes none of what callers need.

use std::{fmt, net::IpAddr, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::shares::{Share, Shares};

/// Tunnels to a waypoint at a time, those included that have not proven yet who they are.
pub const TUNNELS: usize = 4096;
/// Those from one address. A workload's proxy opens some for each of its workers, the more the more they carry.
pub const TUNNELS_OF_ONE: usize = 128;

/// Places for tunnels.
#[derive(Debug)]
pub struct Entry {
    all: Arc<Semaphore>,
    shares: Arc<Shares<IpAddr>>,
}

/// One of them.
#[derive(Debug)]
pub struct Inside {
    _all: OwnedSemaphorePermit,
    _share: Share<IpAddr>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// They are all taken.
    All,
    /// That address has as many as one may have.
    One,
}

// === impl Entry ===

impl Default for Entry {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(TUNNELS)), shares: Arc::default() }
    }
}

impl Entry {
    /// A place for a tunnel from that address.
    pub fn take(&self, address: IpAddr) -> Result<Inside, Full> {
        let share = self.shares.take(&address, TUNNELS_OF_ONE).ok_or(Full::One)?;
        let all = self.all.clone().try_acquire_owned().map_err(|_| Full::All)?;
        Ok(Inside { _all: all, _share: share })
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "there are {TUNNELS} tunnels, the most that a waypoint takes"),
            Self::One => write!(f, "its address has {TUNNELS_OF_ONE} tunnels, the most that one may have"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places_and_gives_its_own_back() {
        let entry = Entry::default();
        let address = |last: usize| IpAddr::from([10, 244, 1, u8::try_from(last).unwrap()]);
        let mut taken: Vec<Inside> = (0..TUNNELS_OF_ONE).map(|_| entry.take(address(0)).unwrap()).collect();
        assert_eq!(entry.take(address(0)).unwrap_err(), Full::One);
        drop(taken.pop());
        taken.push(entry.take(address(0)).unwrap());
        for other in 1..TUNNELS / TUNNELS_OF_ONE {
            taken.extend((0..TUNNELS_OF_ONE).map(|_| entry.take(address(other)).unwrap()));
        }
        assert_eq!(entry.take(address(255)).unwrap_err(), Full::All);
        drop(taken);
        assert!(entry.take(address(255)).is_ok());
    }
}
