//! Reads what a device's profile adds to the standard tables: which of its objects the device has, and the tables that are walked
//! before the rows of a poll.

use std::sync::Arc;

use super::client::Client;
use super::walks::cut_columns;
use crate::mib::profile::{Chosen, Profiles, Reader};
use crate::snmp::table::WalkEnd;
use crate::snmp::{Limits, Oid, Pace, Progress, Request, RequestError, TablePlan, TableWalk};

/// Objects that are asked for in one request.
const AT_ONCE: usize = 16;
/// Rows of one table of queues that are read in a poll: 64 ports with a hundred queues ten times over.
const ROWS_MAX: usize = 65_536;

/// The reader of a device, if there is a profile for it and it has any object of it; the one before where nothing changed.
///
/// # Errors
/// It does not answer.
pub async fn reader(
    client: &mut Client,
    profiles: &Profiles,
    sys_object_id: &str,
    sys_descr: &str,
    before: Option<&Arc<Reader>>,
) -> Result<Option<Arc<Reader>>, RequestError> {
    let Some(Chosen { profile, why }) = profiles.choose(sys_object_id, sys_descr) else { return Ok(None) };
    let columns: Vec<Oid> = profile.objects.iter().map(|object| object.oid.clone()).collect();
    let mut has = Vec::with_capacity(columns.len());
    for names in columns.chunks(AT_ONCE) {
        has.extend(ask(client, names).await?);
    }
    Ok(match before {
        Some(reader) if reader.is_for(&profile, &has) => Some(reader.clone()),
        _ => Some(Arc::new(Reader::new(profile, why, has))),
    })
}

/// Which of these columns the device has.
async fn ask(client: &mut Client, names: &[Oid]) -> Result<Vec<bool>, RequestError> {
    let id = client.ask(&Request::GetNext(names)).await;
    client
        .answer(id, |response, _| {
            let mut has = vec![false; names.len()];
            if response.error_status.0 == 0 {
                for ((has, asked), got) in has.iter_mut().zip(names).zip(response.varbinds.iter()) {
                    *has = got
                        .is_ok_and(|got| !got.value.is_exception() && got.name.strip_prefix(asked.as_ref()).is_some());
                }
            }
            has
        })
        .await
}

/// A walk of one of the reader's tables.
pub fn walk_of(plan: Arc<TablePlan>, pace: Pace) -> TableWalk {
    TableWalk::new(plan, Limits { rows: ROWS_MAX, requests: ROWS_MAX, ..Limits::default() }, pace)
}

/// Walk the tables of a poll whose index is more than the ifIndex.
pub async fn walk(client: &mut Client, reader: &mut Reader, interfaces: usize, pace: Pace) -> Pace {
    reader.begin(interfaces);
    let walks: Vec<_> = reader.walks().map(|(walk, plan)| (walk, Arc::clone(plan))).collect();
    let mut pace = pace;
    for (walk, plan) in walks {
        let columns = plan.columns.len();
        let mut table = walk_of(plan, pace);
        let end = loop {
            match client.step(&mut table, |row, _| reader.walked(walk, row.index(), |column| row.get(column))).await {
                Progress::More => {}
                Progress::Done(end) => break end,
            }
        };
        pace = table.pace();
        if end != WalkEnd::Complete || cut_columns(&table, columns) > 0 {
            reader.broke_off();
            // A device that stopped to answer is not asked for its other tables.
            if matches!(end, WalkEnd::Failed(_)) {
                break;
            }
        }
    }
    pace
}
