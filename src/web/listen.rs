//! Listen addresses, and binding them: all that can fail before the first request.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel keeps for us while none is taken.
const BACKLOG: i32 = 1024;

/// Where to listen, in Go's style: `:10525` (every interface), `127.0.0.1:0` (a free port),
/// `[::1]:10525` or `localhost:10525`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// An address or a name; empty for every interface.
    host: String,
    port: u16,
}

/// A listen address that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{text:?} is not a listen address: {problem}; allowed are :PORT, HOST:PORT and [IPV6]:PORT"
)]
pub struct ListenAddressError {
    text: String,
    problem: &'static str,
}

impl ListenAddress {
    /// The address of `host`, an IP address or a name, or of every interface if it is empty.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |problem| ListenAddressError { text: text.to_owned(), problem };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| refused("it has no port"))?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits);
        let port = port.ok_or_else(|| refused("the port is not a number from 0 to 65535"))?;
        let host = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
            Some(Some(host)) if host.parse::<Ipv6Addr>().is_ok() => host,
            Some(_) => return Err(refused("there is no IPv6 address in the brackets")),
            None if host.contains(':') => {
                return Err(refused("an IPv6 address needs brackets around it"));
            }
            None if host.contains(|c: char| c.is_whitespace() || "/@[]".contains(c)) => {
                return Err(refused("the host is neither an address nor a name"));
            }
            None => host,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Why an address cannot be listened on, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// No address was given.
    #[error("there is no address to listen on: give one with --web.listen-address")]
    NoAddress,
    /// Another socket listens there.
    #[error(
        "address {0} is in use: stop the program that listens there, or choose another address with --web.listen-address"
    )]
    InUse(ListenAddress),
    /// The port is privileged.
    #[error(
        "no permission to listen on address {0}: choose a port above 1023 with --web.listen-address, or grant CAP_NET_BIND_SERVICE"
    )]
    Forbidden(ListenAddress),
    /// The name has no address.
    #[error("address {0} cannot be resolved: {1}; check --web.listen-address")]
    Unresolved(ListenAddress, #[source] io::Error),
    /// A socket that was handed over cannot be used.
    #[error(
        "a socket that the service manager handed over cannot be used: {0}; check its ListenStream="
    )]
    Socket(#[source] io::Error),
    /// Anything else.
    #[error("cannot listen on address {0}: {1}; check --web.listen-address")]
    Other(ListenAddress, #[source] io::Error),
}

/// Listens on an address: on both IP versions where that is every interface and the machine has
/// both.
pub(super) async fn listen(address: &ListenAddress) -> Result<TcpListener, BindError> {
    let ListenAddress { host, port } = address;
    let bound = if host.is_empty() {
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
        open(everywhere).or_else(|error| match error.kind() {
            // With IPv6 these say that the port is taken or privileged, not that there is no IPv6.
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port))),
        })
    } else {
        open(resolve(address).await?)
    };
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address.clone()),
        io::ErrorKind::PermissionDenied => BindError::Forbidden(address.clone()),
        _ => BindError::Other(address.clone(), error),
    })
}

/// The socket address that is meant; of a name with several, the first IPv4 one, as in Go.
async fn resolve(address: &ListenAddress) -> Result<SocketAddr, BindError> {
    let ListenAddress { host, port } = address;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::from((ip, *port)));
    }
    let unresolved = |error| BindError::Unresolved(address.clone(), error);
    let found = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(unresolved)?;
    let found: Vec<SocketAddr> = found.collect();
    let chosen = found.iter().find(|address| address.is_ipv4()).or(found.first()).copied();
    chosen.ok_or_else(|| unresolved(io::Error::other("the name has no address")))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // Whatever net.ipv6.bindv6only says: the unspecified address means every interface.
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the connections of the process before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_in_the_style_of_go() {
        for text in [":10525", "127.0.0.1:0", "[::1]:10525", "[::]:1", "localhost:65535"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        let cases = [
            ("10525", "no port"),
            ("", "no port"),
            ("localhost", "no port"),
            ("localhost:", "port is not a number"),
            ("localhost:http", "port is not a number"),
            (":65536", "port is not a number"),
            (":-1", "port is not a number"),
            (":+1", "port is not a number"),
            ("::1:10525", "needs brackets"),
            ("[::1:10525", "in the brackets"),
            ("[localhost]:1", "in the brackets"),
            ("http://localhost:1", "needs brackets"),
            ("local host:1", "neither an address nor a name"),
        ];
        for (text, problem) in cases {
            let error = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
            assert!(error.contains("[IPV6]:PORT"), "{error}");
        }
    }

    #[tokio::test]
    async fn every_interface_means_both_ip_versions() {
        let listener = listen(&":0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();

        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            tokio::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved() {
        let listener = listen(&"localhost:0".parse().unwrap()).await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told() {
        let error = listen(&"no-such-host.invalid:0".parse().unwrap()).await.unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("address no-such-host.invalid:0 cannot be resolved"), "{error}");
    }
}
