//! One device's session on the shared sockets: sends, waits, sends again, and counts what went wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::stats::count;
use super::wire::{Ear, Wire};
use crate::collect::clock;
use crate::fabric::{Timestamp, UnreachableReason};
use crate::snmp::table::WalkEnd;
use crate::snmp::{
    Access, Expired, GetList, Got, Limits, Oid, Outcome, Patience, Progress, Request, RequestError, RequestId,
    Response, Row, Session, TableWalk,
};

/// How long an unanswered request counts as in flight. Answers take milliseconds; beyond this the device is
/// slow or dead, and must not keep others from asking.
const COUNTS_AS_IN_FLIGHT: Duration = Duration::from_millis(200);

/// A conversation with one device.
pub struct Client {
    ear: Ear,
    session: Session,
    out: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Client {
    /// Nothing is sent before something is asked.
    pub fn new(wire: &Arc<Wire>, address: SocketAddr, access: Access, patience: Patience) -> Self {
        let session = Session::new(access, patience, rand::random());
        Self { ear: wire.listen(address), session, out: Vec::new(), permit: None }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.ear.address()
    }

    /// Ask; [`Client::answer`] waits for what comes of it. In two steps, because what is asked is borrowed
    /// from the walk that the answer is for.
    pub async fn ask(&mut self, request: &Request<'_>) -> RequestId {
        // The semaphore is never closed; were it, polling without the limit is the lesser harm.
        self.permit = None;
        self.permit = self.ear.wire().in_flight.clone().acquire_owned().await.ok();
        let id = self.session.request(clock::now(), request, &mut self.out);
        count(&self.ear.wire().stats.requests);
        self.ear.expect(true);
        self.ear.send(&self.out).await;
        id
    }

    /// Wait for the answer, and read it together with the time at which it came.
    pub async fn answer<R>(
        &mut self,
        id: RequestId,
        read: impl FnOnce(&Response<'_>, Timestamp) -> R,
    ) -> Result<R, RequestError> {
        let answered = self.wait(id, read).await;
        self.ear.expect(false);
        answered
    }

    async fn wait<R>(
        &mut self,
        id: RequestId,
        read: impl FnOnce(&Response<'_>, Timestamp) -> R,
    ) -> Result<R, RequestError> {
        let stats = self.ear.wire().stats.clone();
        let not_in_flight_after = tokio::time::Instant::now() + COUNTS_AS_IN_FLIGHT;
        loop {
            let deadline = self.session.next_deadline().map(clock::instant);
            tokio::select! {
                biased;
                mut datagram = self.ear.receive() => {
                    let outcome = self.session.receive(datagram.received_at, &mut datagram.bytes, &mut self.out);
                    match outcome {
                        Outcome::Response { request, response, round_trip } if request == id => {
                            self.permit = None;
                            stats.answered(round_trip);
                            return Ok(read(&response, datagram.received_at));
                        }
                        Outcome::Failed { request, error } if request == id => {
                            self.permit = None;
                            count(if matches!(error, RequestError::Authentication(_)) { &stats.refusals } else { &stats.timeouts });
                            return Err(error);
                        }
                        Outcome::Resend { .. } => {
                            count(&stats.resends);
                            self.ear.send(&self.out).await;
                        }
                        Outcome::Response { .. } | Outcome::Failed { .. } | Outcome::Unexpected => count(&stats.late),
                        Outcome::Forged => count(&stats.forged),
                        Outcome::Undecodable(_) => count(&stats.undecodable),
                    }
                }
                () = sleep_until(deadline) => {
                    while let Some(expired) = self.session.poll_timeout(clock::now(), &mut self.out) {
                        match expired {
                            Expired::Resend { .. } => {
                                count(&stats.resends);
                                self.ear.send(&self.out).await;
                            }
                            Expired::GaveUp { request, error } if request == id => {
                                self.permit = None;
                                count(&stats.timeouts);
                                return Err(error);
                            }
                            Expired::GaveUp { .. } => {}
                        }
                    }
                }
                () = tokio::time::sleep_until(not_in_flight_after), if self.permit.is_some() => self.permit = None,
            }
        }
    }

    /// Read single instances; `got` is told what became of each, by its place in the list.
    ///
    /// # Errors
    /// Where a request failed altogether; what `got` was told before stands.
    pub async fn get(
        &mut self,
        names: Vec<Oid>,
        mut got: impl FnMut(usize, Got<'_>, Timestamp),
    ) -> Result<(), RequestError> {
        let mut list = GetList::new(names, Limits::default().reply_size);
        while let Some(request) = list.request() {
            let id = self.ask(&request).await;
            match self.answer(id, |response, at| list.response(response, |place, what| got(place, what, at))).await {
                Ok(_) => {}
                Err(error) => {
                    if let Progress::Done(WalkEnd::Failed(error)) = list.failed(error) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// One step of a walk; `row` is called with each row that came, and when its answer came.
    pub async fn step(&mut self, walk: &mut TableWalk, mut row: impl FnMut(Row<'_>, Timestamp)) -> Progress {
        let id = match walk.request() {
            Some(request) => self.ask(&request).await,
            None => return Progress::Done(WalkEnd::Complete),
        };
        match self.answer(id, |response, at| walk.response(response, |found| row(found, at))).await {
            Ok(progress) => progress,
            Err(error) => walk.failed(error),
        }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// What a failed request says of the device.
pub fn reason(error: &RequestError) -> UnreachableReason {
    match error {
        RequestError::Timeout => UnreachableReason::Timeout,
        RequestError::Authentication(_) | RequestError::Forged => UnreachableReason::Authentication,
        RequestError::Undecodable(_) | RequestError::EngineUnsettled => UnreachableReason::Malformed,
    }
}
