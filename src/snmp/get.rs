//! Reads single instances, over as many PDUs as it takes (RFC 3416 §4.2.1), without input or output.

use super::message::ErrorStatus;
use super::oid::Oid;
use super::session::{Request, RequestError, Response};
use super::table::{Progress, WalkEnd};
use super::value::Value;

/// What became of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got<'a> {
    /// Its value, or one of the exceptions in place of a value (version 1's noSuchName is given as
    /// [`Value::NoSuchObject`]).
    Value(Value<'a>),
    /// The device refused this name.
    Error(ErrorStatus),
    /// The device answered without it.
    Missing,
}

/// Reads a list of instances.
#[derive(Debug)]
pub struct GetList {
    names: Vec<Oid>,
    /// Places in the list that are not settled.
    pending: Vec<usize>,
    /// How many of the first of them the request asks for.
    asked: usize,
    asked_names: Vec<Oid>,
    waiting: bool,
    /// Most names in a request.
    budget: usize,
    answered: bool,
    failures: usize,
    end: Option<WalkEnd>,
}

/// Requests in a row that may fail once the device has answered.
const MOST_FAILURES: usize = 3;

/// Names in one request: so many that looking one up among them costs little.
const MOST_NAMES: usize = 128;

/// Bytes of a reply besides bindings, and of a binding besides its name: most values are short.
const REPLY_OVERHEAD: usize = 80;
const VALUE_SIZE: usize = 24;

impl GetList {
    /// For these instances; `reply_size` is the size of a reply that is aimed at, bytes.
    pub fn new(names: Vec<Oid>, reply_size: usize) -> Self {
        let size: usize = names.iter().map(|name| name.as_bytes().len() + VALUE_SIZE).sum();
        let budget = reply_size.saturating_sub(REPLY_OVERHEAD) / (size / names.len().max(1)).max(1);
        Self {
            pending: (0..names.len()).collect(),
            asked: 0,
            asked_names: Vec::new(),
            waiting: false,
            budget: budget.clamp(1, MOST_NAMES),
            answered: false,
            failures: 0,
            end: names.is_empty().then_some(WalkEnd::Complete),
            names,
        }
    }

    /// What to ask now; none where it is over. Asking twice without a response gives the same.
    pub fn request(&mut self) -> Option<Request<'_>> {
        if self.end.is_some() {
            return None;
        }
        if !self.waiting {
            self.waiting = true;
            self.asked = self.budget.min(self.pending.len());
            self.asked_names.clear();
            self.asked_names.extend(self.pending[..self.asked].iter().map(|place| self.names[*place].clone()));
        }
        Some(Request::Get(&self.asked_names))
    }

    /// The response to that request; `got` is called with the place in the list of each name that is
    /// thereby settled. Every name is settled once, unless the whole ends by a failure.
    pub fn response(&mut self, response: &Response<'_>, mut got: impl FnMut(usize, Got<'_>)) -> Progress {
        if let Some(end) = self.end {
            return Progress::Done(end);
        }
        if !std::mem::take(&mut self.waiting) {
            return Progress::More;
        }
        (self.answered, self.failures) = (true, 0);
        // What is settled leaves the front of `pending`; the rest is asked again.
        let mut asked: Vec<usize> = self.pending.drain(..self.asked).collect();
        if response.error_status == ErrorStatus::NO_ERROR {
            let before = asked.len();
            let whole = settle(&self.asked_names, &mut asked, response, &mut got);
            if whole || (asked.len() == before && before == 1) {
                asked.drain(..).for_each(|place| got(place, Got::Missing));
            } else if asked.len() == before {
                self.budget = before / 2;
            }
        } else {
            let blamed = usize::try_from(response.error_index).ok().and_then(|index| index.checked_sub(1));
            let blamed = blamed.filter(|at| *at < asked.len() && response.error_status != ErrorStatus::TOO_BIG);
            match blamed.or((asked.len() == 1).then_some(0)) {
                Some(at) if response.error_status == ErrorStatus::NO_SUCH_NAME => {
                    got(asked.remove(at), Got::Value(Value::NoSuchObject));
                }
                Some(at) => got(asked.remove(at), Got::Error(response.error_status)),
                None => self.budget = (asked.len() / 2).max(1),
            }
        }
        self.pending.splice(..0, asked);
        if self.pending.is_empty() { self.done(WalkEnd::Complete) } else { Progress::More }
    }

    /// That request failed.
    pub fn failed(&mut self, error: RequestError) -> Progress {
        if let Some(end) = self.end {
            return Progress::Done(end);
        }
        if !std::mem::take(&mut self.waiting) {
            return Progress::More;
        }
        self.failures += 1;
        let may_be_size = matches!(error, RequestError::Timeout | RequestError::Undecodable(_));
        if !self.answered || !may_be_size || self.failures >= MOST_FAILURES {
            return self.done(WalkEnd::Failed(error));
        }
        self.budget = (self.asked / 2).max(1);
        Progress::More
    }

    fn done(&mut self, end: WalkEnd) -> Progress {
        self.end = Some(end);
        Progress::Done(end)
    }
}

/// Hand out what a response tells, and take it from `asked`. True where the response was whole, so that what
/// is left will not come.
fn settle(
    names: &[Oid],
    asked: &mut Vec<usize>,
    response: &Response<'_>,
    got: &mut impl FnMut(usize, Got<'_>),
) -> bool {
    let mut varbinds = response.varbinds.iter();
    let mut open: Vec<Option<usize>> = asked.iter().copied().map(Some).collect();
    let mut given = 0;
    // A device that gives more bindings than were asked for does not make this quadratic.
    while let Some(varbind) = varbinds.next().filter(|_| given < names.len()) {
        let at = given;
        given += 1;
        let Ok(varbind) = varbind else { continue };
        // In its place, as it should be, or in another.
        let named = |at: &usize| names[*at].as_ref() == varbind.name && open[*at].is_some();
        let at = Some(at).filter(|at| named(at)).or_else(|| (0..names.len()).find(|at| named(at)));
        if let Some(place) = at.and_then(|at| open[at].take()) {
            got(place, Got::Value(varbind.value));
        }
    }
    asked.clear();
    asked.extend(open.into_iter().flatten());
    given >= names.len() && !varbinds.is_broken()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::snmp::message::{self, Body, Message, PduHeader, PduKind};
    use crate::snmp::{VarBind, Version};

    /// How an agent answers.
    #[derive(Clone, Debug)]
    struct Model {
        objects: BTreeMap<Oid, i64>,
        too_big_over: usize,
        cut_at: usize,
        v1: bool,
        refuses: Option<Oid>,
    }

    impl Model {
        fn answer(&self, names: &[Oid]) -> Vec<u8> {
            let exception = Value::NoSuchInstance;
            let value = |name: &Oid| self.objects.get(name).map_or(exception, |value| Value::Integer(*value));
            let varbinds: Vec<_> =
                names.iter().map(|name| VarBind { name: name.as_ref(), value: value(name) }).collect();
            let place = |found: Option<usize>| found.map(|at| at as i32 + 1);
            let missing = place(varbinds.iter().position(|varbind| varbind.value == exception));
            let refused = place(names.iter().position(|name| Some(name) == self.refuses.as_ref()));
            let (status, index) = match (refused, missing) {
                _ if names.len() > self.too_big_over => (1, 0),
                (Some(at), _) => (5, at),
                (_, Some(at)) if self.v1 => (2, at),
                _ => (0, 0),
            };
            let header = PduHeader { kind: PduKind::Response, request_id: 1, error_status: status, error_index: index };
            let mut out = Vec::new();
            let varbinds = varbinds.into_iter().filter(|_| status == 0);
            message::encode_community(Version::V2c, b"public", header, varbinds, &mut out);
            out.truncate(self.cut_at);
            out
        }
    }

    type Settled = Vec<(usize, Result<Option<i64>, ErrorStatus>)>;

    fn run(list: &mut GetList, model: &Model) -> (Settled, WalkEnd, usize) {
        let (mut settled, mut requests) = (Vec::new(), 0);
        loop {
            let message = match list.request() {
                Some(Request::Get(names)) => model.answer(names),
                other => panic!("{other:?}"),
            };
            requests += 1;
            let Ok(Message::Community(decoded)) = message::decode(&message) else { panic!("{message:?}") };
            let Body::Pdu(pdu) = decoded.body else { panic!() };
            let response = Response {
                error_status: ErrorStatus(pdu.header.error_status),
                error_index: pdu.header.error_index as u32,
                varbinds: pdu.varbinds,
                size: message.len(),
            };
            let progress = list.response(&response, |place, got| {
                settled.push((
                    place,
                    match got {
                        Got::Value(value) => Ok(value.as_i64()),
                        Got::Error(status) => Err(status),
                        Got::Missing => panic!("nothing is missing"),
                    },
                ));
            });
            if let Progress::Done(end) = progress {
                settled.sort_by_key(|(place, _)| *place);
                return (settled, end, requests);
            }
        }
    }

    #[test]
    fn a_name_that_is_not_answered_is_missing() {
        let names: Vec<Oid> = ["1.3.6.1.1", "1.3.6.1.2"].map(|name| name.parse().unwrap()).into();
        let mut list = GetList::new(names, 1_400);
        list.request();
        let mut message = Vec::new();
        let header = PduHeader { kind: PduKind::Response, request_id: 1, error_status: 0, error_index: 0 };
        let others: [Oid; 2] = ["1.3.6.1.2", "1.3.6.1.3"].map(|name| name.parse().unwrap());
        let varbinds = others.iter().map(|name| VarBind { name: name.as_ref(), value: Value::Integer(7) });
        message::encode_community(Version::V2c, b"public", header, varbinds, &mut message);
        let Ok(Message::Community(decoded)) = message::decode(&message) else { panic!() };
        let Body::Pdu(pdu) = decoded.body else { panic!() };
        let response = Response {
            error_status: ErrorStatus::NO_ERROR,
            error_index: 0,
            varbinds: pdu.varbinds,
            size: message.len(),
        };
        let mut got = Vec::new();
        let progress = list.response(&response, |place, what| got.push((place, what == Got::Missing)));
        assert_eq!((got, progress), (vec![(1, false), (0, true)], Progress::Done(WalkEnd::Complete)));
    }

    #[test]
    fn gives_a_dead_device_up() {
        let mut list = GetList::new(vec!["1.3.6.1.1".parse().unwrap()], 1_400);
        list.request();
        assert_eq!(list.failed(RequestError::Timeout), Progress::Done(WalkEnd::Failed(RequestError::Timeout)));
        assert!(GetList::new(vec![], 1_400).request().is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_name_is_settled_once_and_rightly(
            arcs in prop::collection::vec(0u32..200, 1..120),
            known in prop::collection::btree_map(0u32..200, any::<i64>(), 0..150),
            too_big_over in 1usize..60,
            cut_at in 70usize..1_500,
            v1: bool,
            refuses in prop::option::of(0u32..200),
        ) {
            let name = |arc: u32| Oid::from_arcs(&[1, 3, 6, 1, 9, arc]).unwrap();
            let model = Model {
                objects: known.into_iter().map(|(arc, value)| (name(arc), value)).collect(),
                too_big_over,
                cut_at,
                v1,
                refuses: refuses.map(name),
            };
            let names: Vec<Oid> = arcs.into_iter().map(name).collect();
            let (settled, end, requests) = run(&mut GetList::new(names.clone(), 1_400), &model);
            prop_assert_eq!(end, WalkEnd::Complete);
            prop_assert!(requests <= 2 * names.len() + 10);
            let expected: Vec<_> = names.iter().enumerate().map(|(place, name)| {
                let refused = Some(name) == model.refuses.as_ref();
                (place, if refused { Err(ErrorStatus::GEN_ERR) } else { Ok(model.objects.get(name).copied()) })
            }).collect();
            prop_assert_eq!(settled, expected);
        }
    }
}
