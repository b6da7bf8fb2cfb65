//! How a device is named and spoken to on the command line: by `--community`, by `--v3-user` and what belongs
//! to it, or by an auth section of the configuration.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::collect::Target;
use crate::collect::snmp::{Client, Stats, Wire, look, reason, resolve};
use crate::config;
use crate::fabric::{Labels, Secret, UnreachableReason};
use crate::mib::profile::Profiles;
use crate::snmp::{Access, AuthProtocol, Credentials, Patience, PrivProtocol, RequestError, User};

/// Finds a target's credentials in the configuration: the file (none for the usual place), the auth section's
/// name (none where the target itself is listed), and the address with its port. Fails with a text for people.
pub type FromConfig = fn(config: Option<&Path>, auth: Option<&str>, address: &str) -> Result<Target, String>;

/// The [`FromConfig`] of the real configuration.
///
/// # Errors
/// Everything that is wrong with the file, or what is missing in it.
pub fn from_config(path: Option<&Path>, auth: Option<&str>, address: &str) -> Result<Target, String> {
    let loaded = config::load(path).map_err(|errors| errors.to_string())?;
    let settings = loaded.settings;
    let listed = settings.targets.into_iter().find(|target| target.address == address);
    let Some(name) = auth else {
        return listed.ok_or_else(|| {
            let file = loaded.file.map_or_else(|| "no configuration file".into(), |file| file.display().to_string());
            format!("{address} is not among the targets of {file}: say how to speak to it, by --community, --v3-user or --auth")
        });
    };
    let credentials = settings.snmp.auths.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = settings.snmp.auths.keys().map(String::as_str).collect();
        match (&loaded.file, known.as_slice()) {
            (None, _) => {
                format!("there is no {} to find [snmp.auth.{name}] in: name one by --config", config::DEFAULT_FILE)
            }
            (Some(file), []) => format!("{} has no [snmp.auth.{name}]", file.display()),
            (Some(file), known) => {
                format!("{} has no [snmp.auth.{name}]; there is {}", file.display(), known.join(", "))
            }
        }
    })?;
    let labels = listed.map(|target| target.labels).unwrap_or_default();
    let (interval, timeout, retries) = (settings.snmp.interval, settings.snmp.timeout, settings.snmp.retries);
    Ok(Target { address: address.into(), credentials, auth: name.into(), labels, interval, timeout, retries })
}

/// What the configuration says of vendors' objects.
#[derive(Clone, Debug)]
pub(super) struct Vendors {
    /// What is read of which devices.
    pub(super) profiles: Arc<Profiles>,
    /// Where MIB modules lie.
    pub(super) folder: Option<PathBuf>,
}

/// The [`Vendors`] of the configuration. Without one, or where the usual one is broken and none was named, what is shipped.
///
/// # Errors
/// Everything that is wrong with the file that was named.
pub(super) fn vendors(path: Option<&Path>) -> Result<Vendors, String> {
    let snmp = match config::load(path) {
        Ok(loaded) => loaded.settings.snmp,
        Err(errors) if path.is_some() => return Err(errors.to_string()),
        Err(_) => config::SnmpSettings::default(),
    };
    Ok(Vendors { profiles: snmp.profiles, folder: snmp.mibs })
}

/// A device, and what proves to it who we are.
#[derive(Clone, Debug, clap::Args)]
pub struct DeviceArgs {
    /// Host name or address, with a port if it is not 161: `10.99.0.1`, `127.0.3.7:1161`, `[2001:db8::1]:161`.
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Speak to it as the configuration's section [snmp.auth.NAME] says.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["community", "v3_user"])]
    pub auth: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub speech: SpeechArgs,
}

/// How devices are spoken to, where no section of the configuration says it; and with how much patience.
#[derive(Clone, Debug, clap::Args)]
pub struct SpeechArgs {
    /// SNMPv2c with this community.
    #[arg(long, value_name = "TEXT", conflicts_with = "v3_user")]
    pub community: Option<String>,
    /// SNMPv3 as this user.
    #[arg(long, value_name = "NAME")]
    pub v3_user: Option<String>,
    /// How SNMPv3 messages are authenticated: MD5, SHA, SHA-224, SHA-256, SHA-384 or SHA-512.
    #[arg(long, value_name = "PROTOCOL", value_parser = auth_protocol, requires = "v3_user")]
    pub auth_protocol: Option<AuthProtocol>,
    /// The password for that.
    #[arg(long, value_name = "TEXT", requires = "auth_protocol", conflicts_with = "auth_password_env")]
    pub auth_password: Option<String>,
    /// The environment variable that holds it.
    #[arg(long, value_name = "VARIABLE", requires = "auth_protocol")]
    pub auth_password_env: Option<String>,
    /// How SNMPv3 messages are encrypted: DES, AES, AES-192, AES-256, or AES-192-C and AES-256-C as Cisco
    /// extends their keys.
    #[arg(long, value_name = "PROTOCOL", value_parser = priv_protocol, requires = "auth_protocol")]
    pub priv_protocol: Option<PrivProtocol>,
    /// The password for that.
    #[arg(long, value_name = "TEXT", requires = "priv_protocol", conflicts_with = "priv_password_env")]
    pub priv_password: Option<String>,
    /// The environment variable that holds it.
    #[arg(long, value_name = "VARIABLE", requires = "priv_protocol")]
    pub priv_password_env: Option<String>,
    /// The configuration; without it selvedge.toml in the working directory.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Seconds to wait for an answer before asking again [default: 2, or the configuration's].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// How often to ask again [default: 2, or the configuration's].
    #[arg(long, value_name = "COUNT")]
    pub retries: Option<u32>,
}

impl DeviceArgs {
    /// The target that is meant.
    ///
    /// # Errors
    /// A text for people: what is missing or contradicts itself on the command line, or in the configuration.
    pub fn target(&self, from_config: FromConfig) -> Result<Target, String> {
        let address = with_port(&self.target)?;
        let mut target = match self.speech.credentials()? {
            Some(credentials) => Target {
                address,
                credentials: Arc::new(credentials),
                auth: String::new(),
                labels: Labels::new(),
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(2),
                retries: 2,
            },
            None => from_config(self.speech.config.as_deref(), self.auth.as_deref(), &address)?,
        };
        target.timeout = self.speech.timeout.unwrap_or(target.timeout);
        target.retries = self.speech.retries.unwrap_or(target.retries);
        Ok(target)
    }
}

impl SpeechArgs {
    /// The credentials that the command line gives, if it does.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, String> {
        if let Some(community) = &self.community {
            return Ok(Some(Credentials::Community(Secret::new(community))));
        }
        let Some(name) = &self.v3_user else { return Ok(None) };
        let auth = match self.auth_protocol {
            Some(protocol) => {
                Some((protocol, password("auth", self.auth_password.as_ref(), self.auth_password_env.as_deref())?))
            }
            None => None,
        };
        let privacy = match self.priv_protocol {
            Some(protocol) => {
                Some((protocol, password("priv", self.priv_password.as_ref(), self.priv_password_env.as_deref())?))
            }
            None => None,
        };
        Ok(Some(Credentials::User(User { name: name.clone(), auth, privacy, context: String::new() })))
    }
}

fn password(which: &str, text: Option<&String>, variable: Option<&str>) -> Result<Secret, String> {
    let secret = match (text, variable) {
        (Some(text), _) => text.clone(),
        (None, Some(variable)) => std::env::var(variable).map_err(|_| {
            format!("--{which}-password-env: there is no environment variable {variable} (or it is no text)")
        })?,
        (None, None) => {
            return Err(format!("--{which}-protocol needs --{which}-password or --{which}-password-env"));
        }
    };
    // RFC 3414 §11.2 asks for eight; agents refuse to make such a user.
    if secret.len() < 8 {
        return Err(format!("the {which} password is shorter than 8 characters, which SNMPv3 does not allow"));
    }
    Ok(Secret::new(secret))
}

fn auth_protocol(text: &str) -> Result<AuthProtocol, String> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "MD5" => AuthProtocol::Md5,
        "SHA" | "SHA-1" => AuthProtocol::Sha1,
        "SHA-224" => AuthProtocol::Sha224,
        "SHA-256" => AuthProtocol::Sha256,
        "SHA-384" => AuthProtocol::Sha384,
        "SHA-512" => AuthProtocol::Sha512,
        _ => return Err("one of MD5, SHA, SHA-224, SHA-256, SHA-384, SHA-512 is meant".into()),
    })
}

fn priv_protocol(text: &str) -> Result<PrivProtocol, String> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "DES" => PrivProtocol::Des,
        "AES" | "AES-128" => PrivProtocol::Aes128,
        "AES-192" => PrivProtocol::Aes192,
        "AES-256" => PrivProtocol::Aes256,
        "AES-192-C" => PrivProtocol::Aes192Reeder,
        "AES-256-C" => PrivProtocol::Aes256Reeder,
        _ => return Err("one of DES, AES, AES-192, AES-256, AES-192-C, AES-256-C is meant".into()),
    })
}

/// A positive number of seconds, fractions allowed.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of seconds above 0 and up to 3600 is meant".to_owned();
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| wrong())?;
    if seconds > 0.0 && seconds <= 3_600.0 { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

/// `host`, `host:port`, `address`, `[address]`, `[address]:port` or a bare IPv6 address, always with a port.
pub(super) fn with_port(target: &str) -> Result<String, String> {
    let wrong = |what: &str| format!("{target:?} {what}; write HOST, HOST:PORT or [IPv6]:PORT");
    if target.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(format!("[{target}]:161"));
    }
    let (host, port) = match target.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (target, "161"),
    };
    if host.is_empty() || host.contains(char::is_whitespace) || host.contains('/') {
        return Err(wrong("is no host"));
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(format!("{host}:{port}")),
        _ => Err(wrong("has no port behind its colon")),
    }
}

/// Find the device that is meant and do something with it. The exit status is 2 where the command line does not say
/// which, and 1 where the work fails.
pub(super) fn with_target(
    device: &DeviceArgs,
    from_config: FromConfig,
    work: impl AsyncFnOnce(&Target) -> Result<(), String>,
) -> ExitCode {
    match device.target(from_config) {
        Ok(target) => super::complete(&mut tokio::runtime::Builder::new_current_thread(), work(&target)),
        Err(problem) => {
            anstream::eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

/// A client for a target, and what it counts.
pub(super) async fn connect(target: &Target) -> Result<(Client, Arc<Stats>, Access), String> {
    let access = Access::new(&target.credentials).map_err(|error| format!("the credentials give no key: {error:?}"))?;
    let address = resolve(&target.address)
        .await
        .ok_or_else(|| format!("{}: {}", target.address, UnreachableReason::NameResolution.as_str()))?;
    let stats = Arc::new(Stats::default());
    let wire = Wire::open(stats.clone()).map_err(|error| format!("no socket to ask with: {error}"))?;
    let patience = Patience { timeout: target.timeout, retries: target.retries };
    Ok((Client::new(&wire, address, access.clone(), patience), stats, access))
}

/// Why a device gave no answer, for people.
pub(super) async fn explain(error: RequestError, target: &Target, client: &Client, access: Access) -> String {
    let place = if client.address().to_string() == target.address {
        target.address.clone()
    } else {
        format!("{} ({})", target.address, client.address())
    };
    let told = match error {
        RequestError::Authentication(refusal) => {
            use crate::snmp::session::Refusal;
            match refusal {
                Refusal::UnknownUserName => "it has no such user".to_owned(),
                Refusal::WrongDigest => "wrong authentication password or protocol".to_owned(),
                Refusal::DecryptionError => "wrong privacy password or protocol".to_owned(),
                Refusal::UnsupportedSecurityLevel => "this user may not be used with this security level".to_owned(),
                Refusal::UnknownContext => "it has no such context".to_owned(),
            }
        }
        RequestError::Forged => "its answers do not prove to be from it: wrong password or protocol?".to_owned(),
        RequestError::Timeout if look::nothing_listens(client.address(), access).await => {
            UnreachableReason::Refused.as_str().to_owned()
        }
        RequestError::Timeout => {
            let tries = target.retries + 1;
            let waited = target.timeout.as_secs_f64() * f64::from(tries);
            let may_be = match &*target.credentials {
                Credentials::Community(_) => "dead, filtered, or the wrong community",
                Credentials::User(_) => "dead, filtered, not speaking SNMPv3, or a wrong privacy password",
            };
            format!("no answer to {tries} tries in {waited:.1} s ({may_be})")
        }
        error => reason(&error).as_str().to_owned(),
    };
    format!("{place}: {told}")
}

/// A line on stderr that is written over and over, where stderr is a terminal.
pub(super) struct ProgressLine {
    shown: bool,
    on: bool,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self { shown: false, on: std::io::stderr().is_terminal() }
    }

    pub(super) fn tell(&mut self, text: &str) {
        if self.on {
            self.shown = true;
            // A line that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
            let _ = std::io::stderr().flush();
        }
    }

    /// A stage of reading, and how many rows it has come to.
    pub(super) fn stage(&mut self, stage: &str, rows: usize) {
        self.tell(&if rows == 0 { format!("{stage} ...") } else { format!("{stage}: {rows}") });
    }

    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        device: DeviceArgs,
    }

    fn target(line: &str) -> Result<Target, String> {
        let cli = Cli::try_parse_from(std::iter::once("selvedge").chain(line.split_whitespace()))
            .map_err(|error| error.to_string())?;
        cli.device.target(|config, auth, address| Err(format!("config {config:?} auth {auth:?} address {address}")))
    }

    #[test]
    fn targets_have_a_port() {
        for (written, meant) in [
            ("10.99.0.1", "10.99.0.1:161"),
            ("127.0.3.7:1161", "127.0.3.7:1161"),
            ("switch.example", "switch.example:161"),
            ("[2001:db8::1]:1161", "[2001:db8::1]:1161"),
            ("[2001:db8::1]", "[2001:db8::1]:161"),
            ("2001:db8::1", "[2001:db8::1]:161"),
        ] {
            assert_eq!(with_port(written).as_deref(), Ok(meant));
        }
        for written in ["", ":161", "host:", "host:0", "host:99999", "a b", "udp://host"] {
            assert!(with_port(written).is_err(), "{written:?}");
        }
    }

    #[test]
    fn speaks_by_community_or_user() {
        let by_community = target("h --community public --timeout 0.5 --retries 0").unwrap();
        assert_eq!(*by_community.credentials, Credentials::Community(Secret::new("public")));
        assert_eq!((by_community.timeout, by_community.retries), (Duration::from_millis(500), 0));

        let by_user = target(
            "h --v3-user u --auth-protocol sha-256 --auth-password authpass1 --priv-protocol AES --priv-password privpass1",
        );
        let user = User {
            name: "u".into(),
            auth: Some((AuthProtocol::Sha256, Secret::new("authpass1"))),
            privacy: Some((PrivProtocol::Aes128, Secret::new("privpass1"))),
            context: String::new(),
        };
        assert_eq!(*by_user.unwrap().credentials, Credentials::User(user));
    }

    #[test]
    fn everything_else_is_for_the_configuration() {
        assert_eq!(target("h --auth lab").unwrap_err(), "config None auth Some(\"lab\") address h:161");
        assert_eq!(target("h:9 --config x.toml").unwrap_err(), "config Some(\"x.toml\") auth None address h:9");
    }

    #[test]
    fn contradictions_are_told() {
        for line in [
            "h --community a --v3-user b",
            "h --community a --auth b",
            "h --auth-protocol SHA --auth-password 12345678",
            "h --v3-user u --auth-protocol SHA",
            "h --v3-user u --auth-protocol SHA --auth-password short",
            "h --v3-user u --auth-protocol ROT13 --auth-password 12345678",
            "h --v3-user u --priv-protocol AES --priv-password 12345678",
            "h --v3-user u --auth-protocol SHA --auth-password-env SELVEDGE_NO_SUCH_VARIABLE",
            "h --community a --timeout 0",
            "h --community a --timeout -1",
            "",
        ] {
            assert!(target(line).is_err(), "{line:?}");
        }
    }
}
