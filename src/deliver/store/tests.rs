//! Round trips, locks, damage, and a disk that fails and comes back.

use super::*;
use crate::alert::{Book, Transition};
use crate::deliver::entry::Step;
use crate::fabric::{Evidence, Finding, FindingKey, FindingKind, Severity, Subject, Timestamp, Verdict};

fn fired(book: &mut Book, device: &str) -> Transition {
    let key =
        FindingKey { kind: FindingKind::DeviceUnreachable, subject: Subject::Device(device.into()), direction: None };
    let finding = Finding {
        key: key.clone(),
        severity: Severity::Critical,
        class: None,
        evidence: Evidence { summary: format!("{device} does not answer"), ..Evidence::default() },
        observed_at: Timestamp::from_secs(1),
        pending_for: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
    };
    book.observe(Timestamp::from_secs(2), &key, Verdict::Present(Box::new(finding))).unwrap()
}

fn write(store: &mut Store, transition: &Transition) -> Result<(), WriteError> {
    let mut batch = Batch::default();
    let entry = Entry::new(transition, Step::Fired, transition.sequence, transition.at, Default::default());
    batch.put_entry("oncall", &entry);
    batch.put_alert(&StoredAlert {
        alert: transition.alert.clone(),
        told: vec!["oncall".into()],
        notice: None,
        spoken_at: None,
    });
    batch.put_sequence(transition.sequence);
    batch.needs_sync();
    store.commit(batch)
}

fn numbers(store: &Store) -> Vec<u64> {
    let mut numbers = Vec::new();
    store
        .entries(|receiver, entry| {
            assert_eq!(receiver, "oncall");
            numbers.push(entry.unwrap().number);
        })
        .unwrap();
    numbers
}

#[test]
fn gives_back_what_it_was_given() {
    let data = tempfile::tempdir().unwrap();
    let mut book = Book::new();
    let mut store = Store::open(data.path()).unwrap();
    assert_eq!(store.load().unwrap(), Saved::default());
    let (one, two) = (fired(&mut book, "leaf1"), fired(&mut book, "leaf2"));
    write(&mut store, &one).unwrap();
    write(&mut store, &two).unwrap();
    let mut batch = Batch::default();
    batch.put_document("topology", &serde_json::json!({"links": 4}));
    batch.remove_entry("oncall", 1);
    batch.remove_alert(&two.alert);
    store.commit(batch).unwrap();
    drop(store);

    let store = Store::open(data.path()).unwrap();
    assert_eq!(store.load().unwrap(), Saved { alerts: vec![one.alert], sequence: 2 });
    assert_eq!(store.document("topology").unwrap(), Some(serde_json::json!({"links": 4})));
    assert_eq!(store.document("other").unwrap(), None);
    assert_eq!(numbers(&store), [2]);
    assert_eq!(store.entry("oncall", 2).unwrap().unwrap().notice.fingerprint, two.alert.fingerprint);
    assert_eq!(store.stored_alerts().unwrap()[0].told, ["oncall"]);
}

#[test]
fn only_one_process_may_have_it() {
    let data = tempfile::tempdir().unwrap();
    let _first = Store::open(data.path()).unwrap();
    let error = Store::open(data.path()).err().unwrap();
    assert!(error.is_in_use());
    let shown = error.to_string();
    assert!(shown.contains(&*data.path().join("alerts").to_string_lossy()), "{shown}");
    assert!(shown.contains("another Selvedge is running on this folder"), "{shown}");
}

#[test]
fn a_folder_that_cannot_be_is_an_error_that_helps() {
    let data = tempfile::NamedTempFile::new().unwrap();
    let shown = Store::open(data.path()).err().unwrap().to_string();
    assert!(shown.contains("check the disk") && shown.contains("[history] path"), "{shown}");
}

/// Whatever is done to its files, it opens or says that it cannot; it never panics.
#[test]
fn damage_is_an_error_or_harmless() {
    let data = tempfile::tempdir().unwrap();
    let mut book = Book::new();
    let mut store = Store::open(data.path()).unwrap();
    for device in ["leaf1", "leaf2", "leaf3"] {
        write(&mut store, &fired(&mut book, device)).unwrap();
    }
    drop(store);
    // Opening cuts the journal, allocated ahead, to what is used.
    drop(Store::open(data.path()).unwrap());
    let mut files = Vec::new();
    let mut folders = vec![data.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let (mut refused, mut opened) = (0, 0);
    for file in &files {
        let whole = fs::read(file).unwrap();
        let cut = |at: usize| whole[..at].to_vec();
        let flip = |at: usize| {
            let mut bytes = whole.clone();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0xff;
            }
            bytes
        };
        for damaged in
            [cut(0), cut(whole.len() / 2), flip(0), flip(whole.len() / 3), flip(whole.len().saturating_sub(1))]
        {
            let copy = tempfile::tempdir().unwrap();
            copy_folder(data.path(), copy.path());
            fs::write(copy.path().join(file.strip_prefix(data.path()).unwrap()), damaged).unwrap();
            match Store::open(copy.path()) {
                Ok(store) => {
                    opened += 1;
                    let _ = store.load();
                    let _ = store.entries(|_, _| {});
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.is_in_use());
                }
            }
        }
    }
    assert!(refused > 0 && opened > 0, "{refused} {opened}");
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn an_alert_of_another_version_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let mut book = Book::new();
    let mut store = Store::open(data.path()).unwrap();
    let known = fired(&mut book, "leaf1");
    write(&mut store, &known).unwrap();
    let mut batch = Batch::default();
    batch.put(Table::Alerts, b"0123456789abcdef".to_vec(), &serde_json::json!({"alert": "of tomorrow"}));
    store.commit(batch).unwrap();
    assert_eq!(store.load().unwrap().alerts, [known.alert]);
}

#[test]
fn what_the_disk_does_not_take_waits_in_memory() {
    let data = tempfile::tempdir().unwrap();
    let (folder, away) = (data.path().join("alerts"), data.path().join("away"));
    let mut book = Book::new();
    let mut store = Store::open(data.path()).unwrap();
    let (one, two, three) = (fired(&mut book, "leaf1"), fired(&mut book, "leaf2"), fired(&mut book, "leaf3"));
    write(&mut store, &one).unwrap();
    assert_eq!(store.unsaved(), None);

    // The disk goes away: a file stands where the folder was.
    store.tables = None;
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "").unwrap();
    let error = write(&mut store, &two).unwrap_err();
    assert!(!error.is_repeated(), "{error}");
    assert!(write(&mut store, &three).unwrap_err().is_repeated());
    assert!(store.unsaved().unwrap() > 0);
    assert_eq!(store.entry("oncall", 2).unwrap().unwrap().number, 2, "delivered from memory");
    assert!(store.entry("oncall", 1).is_err(), "not lost, but not to be had now");
    let mut batch = Batch::default();
    batch.remove_entry("oncall", 2);
    assert!(store.commit(batch).is_err());
    assert_eq!(store.entry("oncall", 2).ok().flatten(), None);

    // It comes back.
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    store.retry_at = None;
    store.recover().unwrap();
    assert_eq!(store.unsaved(), None);
    assert_eq!(numbers(&store), [1, 3]);
    drop(store);
    let store = Store::open(data.path()).unwrap();
    assert_eq!(numbers(&store), [1, 3]);
    assert_eq!(store.load().unwrap().alerts.len(), 3);
    assert_eq!(store.load().unwrap().sequence, 3);
    assert!(!folder.join(".probe").exists());
}

#[test]
fn outbox_keys_are_split_as_they_were_joined() {
    for receiver in ["", "oncall", "a\0b", "\u{ff}"] {
        for number in [0, 0xff, u64::MAX] {
            assert_eq!(split_outbox_key(&outbox_key(receiver, number)), Some((receiver, number)));
        }
    }
    assert_eq!(split_outbox_key(b"short"), None);
}
