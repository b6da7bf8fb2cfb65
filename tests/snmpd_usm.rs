//! Our SNMP against net-snmp's, over loopback: its agent answers our sessions with every pair of protocols it
//! knows, its tools read our agent, and its traps and informs reach our receiver.
//!
//! Needs Debian's snmpd and snmp. Where one is missing a test says that it was left out, and where `CI` is set
//! it fails instead.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use selvedge::fabric::{Secret, Timestamp};
use selvedge::snmp::agent::DEFAULT_MESSAGE_SIZE;
use selvedge::snmp::session::Refusal;
use selvedge::snmp::{
    Access, Agent, AuthProtocol, Credentials, LocalEngine, ObjectTree, Oid, OidRef, Outcome, Patience, PrivProtocol,
    Received, Receiver, Request, RequestError, Session, User, Value, VarBind, Version,
};

const AUTHS: [(AuthProtocol, &str); 6] = [
    (AuthProtocol::Md5, "MD5"),
    (AuthProtocol::Sha1, "SHA"),
    (AuthProtocol::Sha224, "SHA-224"),
    (AuthProtocol::Sha256, "SHA-256"),
    (AuthProtocol::Sha384, "SHA-384"),
    (AuthProtocol::Sha512, "SHA-512"),
];
const PRIVS: [(PrivProtocol, &str); 4] = [
    (PrivProtocol::Des, "DES"),
    (PrivProtocol::Aes128, "AES"),
    (PrivProtocol::Aes192, "AES-192"),
    (PrivProtocol::Aes256, "AES-256"),
];
const AUTH_PASSWORD: &str = "maplesyrup";
const PRIV_PASSWORD: &str = "pancakes!";
const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";

fn installed(program: &str) -> bool {
    // Looked for and not run: snmpd takes whatever it is asked as a wish to serve this machine.
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .any(|folder| std::path::Path::new(folder).join(program).exists());
    assert!(found || std::env::var_os("CI").is_none(), "nothing may be left out in CI: {program} is not installed");
    if !found {
        eprintln!("LEFT OUT: {program} is not installed (Debian: snmpd, snmp)");
    }
    found
}

fn access(name: &str, auth: Option<AuthProtocol>, privacy: Option<PrivProtocol>) -> Access {
    let user = User {
        name: name.into(),
        auth: auth.map(|protocol| (protocol, Secret::new(AUTH_PASSWORD))),
        privacy: privacy.map(|protocol| (protocol, Secret::new(PRIV_PASSWORD))),
        context: String::new(),
    };
    Access::new(&Credentials::User(user)).unwrap()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros() as i64)
}

fn loopback() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket
}

/// Ask for one instance: its value as text.
fn get(socket: &UdpSocket, access: &Access, name: &str) -> Result<String, RequestError> {
    let patience = Patience { timeout: Duration::from_secs(2), retries: 2 };
    let mut session = Session::new(access.clone(), patience, now().as_micros() as u64);
    let (mut out, mut datagram) = (Vec::new(), [0; 65_535]);
    session.request(now(), &Request::Get(&[name.parse().unwrap()]), &mut out);
    socket.send(&out).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if session.poll_timeout(now(), &mut out).is_some() {
            break;
        }
        let Ok(length) = socket.recv(&mut datagram) else { continue };
        match session.receive(now(), &mut datagram[..length], &mut out) {
            Outcome::Response { response, .. } => {
                return Ok(response.varbinds.iter().next().unwrap().unwrap().value.to_string());
            }
            Outcome::Failed { error, .. } => return Err(error),
            Outcome::Resend { .. } => drop(socket.send(&out).unwrap()),
            other => panic!("{other:?}"),
        }
    }
    Err(RequestError::Timeout)
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// snmpd with these lines of configuration, on a port of its own.
fn snmpd(dir: &std::path::Path, lines: &str) -> (Running, UdpSocket) {
    let port = loopback().local_addr().unwrap().port();
    let file = dir.join("snmpd.conf");
    std::fs::write(&file, lines).unwrap();
    let mut child = Command::new("/usr/sbin/snmpd")
        .args(["-f", "-Le", "-C", "-I", "system_mib,sysORTable,usmUser,snmpv3,usmConf", "-c"])
        .arg(&file)
        .arg(format!("udp:127.0.0.1:{port}"))
        .env("SNMP_PERSISTENT_DIR", dir)
        .env("MIBS", "")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let running = Running(child);
    let mut seen = String::new();
    for line in log.lines().map_while(Result::ok) {
        if line.contains("NET-SNMP version") {
            let socket = loopback();
            socket.connect(("127.0.0.1", port)).unwrap();
            return (running, socket);
        }
        seen += &line;
    }
    panic!("snmpd did not start: {seen}");
}

#[test]
fn every_pair_of_protocols_is_spoken_with_snmpd() {
    if !installed("/usr/sbin/snmpd") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut lines = String::from("sysName spine1\nrocommunity public\ncreateUser open\nrouser open noauth\n");
    let mut users = vec![("open".to_string(), None, None)];
    for (auth, auth_name) in AUTHS {
        let name = format!("{auth_name}-only");
        lines += &format!("createUser {name} {auth_name} {AUTH_PASSWORD}\nrouser {name} auth\n");
        users.push((name, Some(auth), None));
        for (privacy, priv_name) in PRIVS {
            let name = format!("{auth_name}-{priv_name}");
            lines += &format!("createUser {name} {auth_name} {AUTH_PASSWORD} {priv_name} {PRIV_PASSWORD}\n");
            lines += &format!("rouser {name} priv\n");
            users.push((name, Some(auth), Some(privacy)));
        }
    }
    let (_running, socket) = snmpd(dir.path(), &lines);
    let community = Access::Community { version: Version::V2c, community: Secret::new("public") };
    assert_eq!(get(&socket, &community, SYS_NAME), Ok("spine1".into()));
    for (name, auth, privacy) in users {
        assert_eq!(get(&socket, &access(&name, auth, privacy), SYS_NAME), Ok("spine1".into()), "{name}");
    }
    let refused = |access: &Access| get(&socket, access, SYS_NAME).unwrap_err();
    let nobody = access("nobody", Some(AuthProtocol::Sha256), None);
    assert_eq!(refused(&nobody), RequestError::Authentication(Refusal::UnknownUserName));
    let other_protocol = access("SHA-256-only", Some(AuthProtocol::Sha1), None);
    assert_eq!(refused(&other_protocol), RequestError::Authentication(Refusal::WrongDigest));
    let no_key = access("SHA-256-only", Some(AuthProtocol::Sha256), Some(PrivProtocol::Aes128));
    assert_eq!(refused(&no_key), RequestError::Authentication(Refusal::UnsupportedSecurityLevel));
    let other_cipher = access("SHA-256-AES", Some(AuthProtocol::Sha256), Some(PrivProtocol::Des));
    // snmpd drops some of what it cannot decrypt, and reports the rest.
    let refusal = refused(&other_cipher);
    assert!(
        matches!(refusal, RequestError::Authentication(Refusal::DecryptionError) | RequestError::Timeout),
        "{refusal:?}"
    );
}

/// sysName and a few counters.
struct Objects(Vec<(Oid, u64)>);

impl ObjectTree for Objects {
    fn get(&self, name: OidRef<'_>) -> Value<'_> {
        match self.0.iter().find(|(other, _)| other.as_ref() == name) {
            Some((_, 0)) => Value::OctetString(b"leaf1"),
            Some((_, count)) => Value::Counter64(*count),
            None => Value::NoSuchObject,
        }
    }

    fn next(&self, name: OidRef<'_>) -> Option<VarBind<'_>> {
        let (next, _) = self.0.iter().find(|(other, _)| other.as_ref() > name)?;
        Some(VarBind { name: next.as_ref(), value: self.get(next.as_ref()) })
    }
}

fn engine() -> LocalEngine {
    LocalEngine { id: LocalEngine::id_from_random(7), boots: 3, started: now() - Duration::from_secs(500) }
}

/// Options of net-snmp's tools for a user.
fn options(auth: &str, privacy: &str) -> Vec<String> {
    ["-v3", "-u", "watcher", "-l", "authPriv", "-a", auth, "-A", AUTH_PASSWORD, "-x", privacy, "-X", PRIV_PASSWORD]
        .map(String::from)
        .into()
}

#[test]
fn net_snmp_reads_our_agent() {
    if !installed("snmpbulkwalk") {
        return;
    }
    let mut objects = vec![(SYS_NAME.parse().unwrap(), 0)];
    objects.extend((1..200).map(|at| (format!("1.3.6.1.2.1.31.1.1.1.6.{at}").parse().unwrap(), u64::MAX - at)));
    let objects = Objects(objects);
    let community = Access::Community { version: Version::V2c, community: Secret::new("public") };
    let mut cases = vec![(community, ["-v2c", "-c", "public"].map(String::from).to_vec())];
    for ((auth, auth_name), (privacy, priv_name)) in AUTHS.into_iter().zip(PRIVS.into_iter().cycle()) {
        cases.push((access("watcher", Some(auth), Some(privacy)), options(auth_name, priv_name)));
    }
    for (access, options) in cases {
        let socket = loopback();
        let mut agent = Agent::new(access, engine(), DEFAULT_MESSAGE_SIZE, 11);
        let target = socket.local_addr().unwrap().to_string();
        let mut tool = Command::new("snmpbulkwalk")
            .args(&options)
            .args(["-On", "-r0", "-t5", "-Cr20", &target, "1.3.6.1.2.1"])
            .env("MIBS", "")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut datagram, mut out) = ([0; 65_535], Vec::new());
        while tool.try_wait().unwrap().is_none() {
            let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
            let _ = agent.answer(now(), &mut datagram[..length], &objects, &mut out);
            socket.send_to(&out, from).unwrap();
        }
        let output = tool.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(".1.3.6.1.2.1.1.5.0 = STRING: \"leaf1\""), "{options:?} {output:?}");
        assert!(text.contains(&format!(".6.199 = Counter64: {}", u64::MAX - 199)), "{options:?} {output:?}");
        assert_eq!(text.lines().filter(|line| line.contains("Counter64")).count(), 199, "{options:?}");
    }
}

#[test]
fn traps_and_informs_of_net_snmp_arrive() {
    if !installed("snmptrap") {
        return;
    }
    let (auth, privacy) = (AuthProtocol::Sha256, PrivProtocol::Aes128);
    let community = Access::Community { version: Version::V2c, community: Secret::new("public") };
    let accesses = vec![community, access("watcher", Some(auth), Some(privacy))];
    let mut receiver = Receiver::new(accesses, engine(), 13);
    let socket = loopback();
    let target = socket.local_addr().unwrap().to_string();
    let link_down = "1.3.6.1.6.3.1.1.5.3";
    let v2c = ["-v2c", "-c", "public"].map(String::from).to_vec();
    let v3 = options("SHA-256", "AES");
    let sender = [&["-e".to_string(), "0x8000000001020304".into()][..], &v3].concat();
    for (mut arguments, inform) in [(v2c.clone(), false), (v2c, true), (sender, false), (v3, true)] {
        if inform {
            arguments.insert(0, "-Ci".into());
        }
        let dir = tempfile::tempdir().unwrap();
        let mut tool = Command::new("snmptrap")
            .args(&arguments)
            .args(["-r0", "-t5", &target, "4711", link_down, "1.3.6.1.2.1.2.2.1.1.7", "i", "7"])
            .env("MIBS", "")
            .env("SNMP_PERSISTENT_DIR", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut datagram, mut reply) = ([0; 65_535], Vec::new());
        let deadline = Instant::now() + Duration::from_secs(10);
        let notification = loop {
            assert!(Instant::now() < deadline, "nothing came: {arguments:?}");
            let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
            let received = receiver.receive(now(), &mut datagram[..length], &mut reply);
            if !reply.is_empty() {
                socket.send_to(&reply, from).unwrap();
            }
            match received {
                Received::Notification(notification) => {
                    break (notification.trap, notification.inform, notification.varbinds.iter().count());
                }
                Received::Discovery => (),
                Received::Rejected(reason) => panic!("{reason:?}: {arguments:?}"),
            }
        };
        assert_eq!(notification, (link_down.parse().unwrap(), inform, 3));
        // A sender of informs that got no acknowledgement fails.
        assert!(tool.wait().unwrap().success(), "{arguments:?}");
    }
}
