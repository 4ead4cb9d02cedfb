//! How often an address may do what costs something.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// At most `burst` at once, and one more after each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: NonZeroU32,
    /// Time after which there may be one more.
    pub every: Duration,
}

/// A rate limiter for each address; an IPv6 network of 64 bits is one address.
pub struct AddressRates(DefaultKeyedRateLimiter<IpAddr>);

impl AddressRates {
    /// Nobody has done anything yet.
    pub fn new(rate: Rate) -> Self {
        let quota = Quota::with_period(rate.every).unwrap_or(Quota::per_second(rate.burst));
        Self(RateLimiter::keyed(quota.allow_burst(rate.burst)))
    }

    /// Counts one.
    ///
    /// # Errors
    /// How long to wait, when it is one too many.
    pub fn count(&self, address: IpAddr) -> Result<(), Duration> {
        let now = self.0.clock().now();
        let counted = self.0.check_key(&network_of(address));
        counted.map_err(|refused| refused.wait_time_from(now))
    }

    /// Forgets addresses that have rested.
    pub fn upkeep(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_and_others_do_not() {
        let rates = AddressRates::new(Rate {
            burst: NonZeroU32::new(2).unwrap(),
            every: Duration::from_secs(3600),
        });
        let [one, two] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        assert_eq!(rates.count(one), Ok(()));
        assert_eq!(rates.count(one), Ok(()));
        let wait = rates.count(one).unwrap_err();
        assert!(wait > Duration::from_secs(600) && wait <= Duration::from_secs(3600));
        assert_eq!(rates.count(two), Ok(()));
        rates.upkeep();
        assert!(rates.count(one).is_err(), "upkeep forgets no debt");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let rates = AddressRates::new(Rate {
            burst: NonZeroU32::MIN,
            every: Duration::from_secs(3600),
        });
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(rates.count(address("2001:db8::1")).is_ok());
        assert!(rates.count(address("2001:db8::ffff:2")).is_err());
        assert!(rates.count(address("2001:db8:0:1::1")).is_ok());
    }
}
