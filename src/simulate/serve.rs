//! Agents on loopback addresses, and the task that lets the model's time pass.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::fabric::Fabric;
use super::fleet::Fleet;
use super::port::Port;
use super::switch;
use super::tree::Tree;
use crate::collect::sys::mmsg::{self, Inbox, Outbox};
use crate::fabric::{Secret, Timestamp};
use crate::snmp::agent::DEFAULT_MESSAGE_SIZE;
use crate::snmp::{Access, Agent, Credentials, LocalEngine, Oid, OidError, Value, VarBind};

/// The model moves on this often: finer than any poll.
const TICK: Duration = Duration::from_millis(100);
/// Deeds that may wait for the model's task; whoever tells a story waits where it is full.
const DEEDS: usize = 64;
/// As many agents have a socket each, so that others may use the port on other addresses. More share one.
const OWN_SOCKETS: usize = 256;
/// Datagrams taken in one system call where there is one socket, and where there are several.
const MOST_AT_ONCE: usize = 64;
const FEW_AT_ONCE: usize = 8;
/// Longest request that is read whole.
const REQUEST: usize = 4_096;
/// What the kernel may hold for us while we are busy.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Where agents are placed: the first has `address`, the next the address after it, all on one port.
#[derive(Clone, Debug)]
pub struct Place {
    /// The first agent's address; a loopback address.
    pub address: Ipv4Addr,
    /// The port of all.
    pub port: u16,
    /// Who gives this community is answered.
    pub community: Secret,
}

impl Place {
    /// The address of agent number `n`.
    fn nth(&self, n: usize) -> Result<Ipv4Addr, ServeError> {
        let first = u32::from(self.address);
        let address = u32::try_from(n).ok().and_then(|n| first.checked_add(n)).map(Ipv4Addr::from);
        match address {
            Some(address) if address.is_loopback() => Ok(address),
            _ => Err(ServeError::NotLoopback(self.address, n)),
        }
    }
}

/// Where an agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentAddress {
    /// sysName, or the recording's file name without its end.
    pub name: String,
    /// Where it answers.
    pub address: SocketAddr,
}

/// Why agents cannot be served.
#[derive(Debug)]
pub enum ServeError {
    /// The address is not to be had.
    Bind(SocketAddr, io::Error),
    /// Agent number so and so would lie outside of 127.0.0.0/8.
    NotLoopback(Ipv4Addr, usize),
    /// A name that is longer than names may be.
    Name(OidError),
    /// The community cannot be used.
    Access(String),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) => {
                write!(f, "cannot serve an agent on {address}: {error}; choose another --address or --port")
            }
            Self::NotLoopback(first, n) => {
                write!(
                    f,
                    "agent {n} counted from {first} is not in 127.0.0.0/8: choose another --address or fewer agents"
                )
            }
            Self::Name(error) => write!(f, "an object's name cannot be made: {error}"),
            Self::Access(why) => write!(f, "the community cannot be used: {why}"),
        }
    }
}

impl std::error::Error for ServeError {}

/// Running agents. They end when this is dropped.
#[derive(Debug)]
pub struct Agents {
    addresses: Vec<AgentAddress>,
    sockets: Vec<Arc<UdpSocket>>,
    _tasks: JoinSet<()>,
}

impl Agents {
    /// Serve one agent for each tree.
    ///
    /// # Errors
    /// An address is in use, or not on loopback.
    pub async fn serve(trees: Vec<(String, Tree)>, place: &Place) -> Result<Self, ServeError> {
        let (names, trees) = trees.into_iter().unzip();
        Self::start(names, Told::Trees(trees), place)
    }

    /// Serve every device of a fleet; its time begins now.
    ///
    /// # Errors
    /// As [`Agents::serve`].
    pub async fn serve_fleet(fleet: Arc<Fleet>, place: &Place) -> Result<Self, ServeError> {
        let names = (0..fleet.plan().devices).map(Fleet::name).collect();
        Self::start(names, Told::Fleet(fleet, Instant::now()), place)
    }

    fn start(names: Vec<String>, told: Told, place: &Place) -> Result<Self, ServeError> {
        if let Some(last) = names.len().checked_sub(1) {
            place.nth(last)?;
        }
        let told = Arc::new(told);
        let mut agents = Self { addresses: Vec::new(), sockets: Vec::new(), _tasks: JoinSet::new() };
        let shared = if names.len() > OWN_SOCKETS {
            // The port is taken on every address of the loopback interface, and on nothing beside it.
            Some(agents.listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, place.port)), MOST_AT_ONCE, &told, place)?)
        } else {
            None
        };
        let at_once = if names.len() == 1 { MOST_AT_ONCE } else { FEW_AT_ONCE };
        for (n, name) in names.into_iter().enumerate() {
            let ip = place.nth(n)?;
            let port = match shared {
                Some(port) => port,
                None => agents.listen(SocketAddr::from((ip, place.port)), at_once, &told, place)?,
            };
            agents.addresses.push(AgentAddress { name, address: (ip, port).into() });
        }
        Ok(agents)
    }

    /// Open a socket and answer what comes; tells its port.
    fn listen(
        &mut self,
        address: SocketAddr,
        at_once: usize,
        told: &Arc<Told>,
        place: &Place,
    ) -> Result<u16, ServeError> {
        let socket = bind(address).map_err(|error| ServeError::Bind(address, error))?;
        let port = socket.local_addr().map_or(place.port, |address| address.port());
        let socket = Arc::new(socket);
        let number = self.sockets.len();
        self._tasks.spawn(answer(
            Arc::clone(&socket),
            speaker(place, number)?,
            at_once,
            place.address,
            Arc::clone(told),
        ));
        self.sockets.push(socket);
        Ok(port)
    }

    /// Where they are.
    pub fn addresses(&self) -> &[AgentAddress] {
        &self.addresses
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if address.ip().is_unspecified() {
        socket.bind_device(Some(b"lo"))?;
    }
    // The kernel may grant less (net.core.rmem_max); that is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    mmsg::prepare(socket.as_fd(), false, false)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// An agent that lets the place's community in.
fn speaker(place: &Place, number: usize) -> Result<Agent, ServeError> {
    let access = Access::new(&Credentials::Community(place.community.clone()))
        .map_err(|error| ServeError::Access(error.to_string()))?;
    let engine =
        LocalEngine { id: LocalEngine::id_from_random(number as u64), boots: 1, started: Timestamp::default() };
    Ok(Agent::new(access, engine, DEFAULT_MESSAGE_SIZE, number as u64))
}

/// What there is to tell.
#[derive(Debug)]
enum Told {
    /// Agent by agent.
    Trees(Vec<Tree>),
    /// By a fleet that began then.
    Fleet(Arc<Fleet>, Instant),
}

/// Answer what comes to the socket. The agent with the address `first` is number 0.
async fn answer(socket: Arc<UdpSocket>, mut agent: Agent, at_once: usize, first: Ipv4Addr, told: Arc<Told>) {
    let mut inbox = Inbox::new(at_once, REQUEST);
    // Answers of equal length to one asker travel as one: a tenth less work for the kernel where there are such.
    let mut outbox = Outbox::new(at_once, at_once * DEFAULT_MESSAGE_SIZE, true);
    let mut out = Vec::with_capacity(DEFAULT_MESSAGE_SIZE);
    // Version 2c has no clock; the agent wants one all the same.
    let started = Instant::now();
    loop {
        let receive = || match inbox.receive(socket.as_fd()) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            received => received,
        };
        // An error here is an ICMP message about an answer that nobody waited for.
        if socket.async_io(Interest::READABLE, receive).await.is_err() {
            continue;
        }
        let now = Timestamp::default() + started.elapsed();
        let elapsed = if let Told::Fleet(_, began) = &*told { began.elapsed() } else { Duration::ZERO };
        inbox.each(|request| {
            let Some(IpAddr::V4(ip)) = request.to else { return };
            let Some(number) = u32::from(ip).checked_sub(u32::from(first)) else { return };
            // What is not to be answered leaves nothing in `out`.
            let _ = match &*told {
                Told::Trees(trees) => {
                    let Some(tree) = trees.get(number as usize) else { return };
                    agent.answer(now, request.bytes, tree, &mut out)
                }
                Told::Fleet(fleet, _) if number < fleet.plan().devices => {
                    agent.answer(now, request.bytes, &fleet.device(number, elapsed), &mut out)
                }
                Told::Fleet(..) => return,
            };
            // There is room for an answer to each, unless the last ones could not be sent.
            let _ = out.is_empty() || outbox.push(request.from, request.to, &out);
        });
        // What the socket does not take now is late already: it goes with the next.
        outbox.flush(socket.as_fd());
    }
}

/// Something done to the fabric; the ports whose carrier it turned are told by traps.
type Deed = Box<dyn FnOnce(&mut Fabric) -> Vec<(usize, Arc<Port>)> + Send>;

/// A fabric with its agents, living in real time. It ends when this is dropped.
#[derive(Debug)]
pub struct Simulation {
    agents: Agents,
    deeds: mpsc::Sender<Deed>,
    _task: JoinSet<()>,
}

impl Simulation {
    /// Serve every switch of the fabric and let time pass. Traps go to `traps`, if anybody listens.
    ///
    /// # Errors
    /// As [`Agents::serve`].
    pub async fn start(fabric: Fabric, place: &Place, traps: Option<SocketAddr>) -> Result<Self, ServeError> {
        // Switches come before hosts, so a switch's number is that of its agent too.
        let switches = fabric.nodes().iter().take_while(|node| node.is_switch).count();
        let addresses = (0..switches).map(|n| place.nth(n)).collect::<Result<Vec<_>, _>>()?;
        let mut trees = Vec::new();
        for (number, node) in fabric.nodes().iter().enumerate().filter(|(_, node)| node.is_switch) {
            let tree = switch::tree(&fabric, number, &addresses).map_err(ServeError::Name)?;
            trees.push((node.name.clone(), tree));
        }
        let heralds = (0..trees.len()).map(|n| speaker(place, n)).collect::<Result<Vec<_>, _>>()?;
        let agents = Agents::serve(trees, place).await?;
        let voices = agents.sockets.iter().cloned().zip(heralds).collect();
        let (deeds, inbox) = mpsc::channel(DEEDS);
        let mut task = JoinSet::new();
        task.spawn(live(fabric, inbox, voices, traps));
        Ok(Self { agents, deeds, _task: task })
    }

    /// Where the agents are.
    pub fn addresses(&self) -> &[AgentAddress] {
        self.agents.addresses()
    }

    /// Pull the cable between two nodes, or put it back.
    pub async fn set_carrier(&self, one: &str, other: &str, up: bool) {
        let (one, other) = (one.to_owned(), other.to_owned());
        self.tell(move |fabric| match fabric.cable(&one, &other) {
            Some(cable) => fabric.set_carrier(cable, up),
            None => Vec::new(),
        })
        .await;
    }

    /// Do something else to the fabric.
    pub async fn alter(&self, deed: impl FnOnce(&mut Fabric) + Send + 'static) {
        self.tell(move |fabric| {
            deed(fabric);
            Vec::new()
        })
        .await;
    }

    async fn tell(&self, deed: impl FnOnce(&mut Fabric) -> Vec<(usize, Arc<Port>)> + Send + 'static) {
        // The task ends only when this is dropped.
        let _ = self.deeds.send(Box::new(deed)).await;
    }
}

/// Let time pass and deeds be done.
async fn live(
    mut fabric: Fabric,
    mut deeds: mpsc::Receiver<Deed>,
    mut voices: Vec<(Arc<UdpSocket>, Agent)>,
    traps: Option<SocketAddr>,
) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let started = Instant::now();
    loop {
        let deed = tokio::select! {
            _ = ticks.tick() => None,
            deed = deeds.recv() => match deed {
                Some(deed) => Some(deed),
                None => return,
            },
        };
        fabric.advance(started.elapsed().saturating_sub(fabric.elapsed()));
        let turned = deed.map(|deed| deed(&mut fabric)).unwrap_or_default();
        for (node, port) in turned {
            if let (Some(sink), Some((socket, agent))) = (traps, voices.get_mut(node)) {
                let ticks = u32::try_from(fabric.elapsed().as_millis() / 10).unwrap_or(u32::MAX);
                if let Ok(trap) = link_trap(agent, &port, ticks) {
                    let _ = socket.send_to(&trap, sink).await;
                }
            }
        }
    }
}

/// linkDown or linkUp (RFC 2863) of a port as it is now.
fn link_trap(agent: &mut Agent, port: &Port, ticks: u32) -> Result<Vec<u8>, OidError> {
    let (trap, status) = if port.is_up() { (4, 1) } else { (3, 2) };
    let uptime = Oid::from_arcs(&[1, 3, 6, 1, 2, 1, 1, 3, 0])?;
    let trap_oid = Oid::from_arcs(&[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0])?;
    let trap = Oid::from_arcs(&[1, 3, 6, 1, 6, 3, 1, 1, 5, trap])?;
    let column = |column| Oid::from_arcs(&[1, 3, 6, 1, 2, 1, 2, 2, 1, column, port.index]);
    let (index, admin, oper) = (column(1)?, column(7)?, column(8)?);
    let varbinds = [
        VarBind { name: uptime.as_ref(), value: Value::TimeTicks(ticks) },
        VarBind { name: trap_oid.as_ref(), value: Value::Oid(trap.as_ref()) },
        VarBind { name: index.as_ref(), value: Value::Integer(port.index.into()) },
        VarBind { name: admin.as_ref(), value: Value::Integer(1) },
        VarBind { name: oper.as_ref(), value: Value::Integer(status) },
    ];
    let mut out = Vec::new();
    agent.trap(Timestamp::default(), &varbinds, &mut out);
    Ok(out)
}
