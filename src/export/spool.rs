//! What waits on disk: segment files that only grow, read in order, deleted as a whole.
//!
//! ```text
//! <first sequence>.seg    "SLVSPL01" { length u32 | points u32 | sequence u64 | crc32 u32 | body } ...     little endian
//! acknowledged            sequence u64 | crc32 u32      everything up to it has been taken
//! ```
//! A process that dies leaves a last record that is not whole: it is cut off when the spool is opened, and a new segment is
//! begun. A checksum guards every record: what is damaged is left out and counted, never sent. Beyond the bound the oldest
//! segment goes. What was taken between the last note and a crash is sent again: the databases keep one point of two that are
//! alike in series and time.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::batch::Batch;

const MAGIC: &[u8; 8] = b"SLVSPL01";
const HEAD: usize = 20;
/// Segments are cut at this size: what is thrown away at once when the bound is reached.
const SEGMENT_BYTES: u64 = 8 << 20;
/// No record is longer: one that says so is damaged.
const LONGEST: u32 = 64 << 20;

/// Batches on disk, oldest first.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    bound: u64,
    segments: VecDeque<Segment>,
    /// The last segment, while it grows.
    growing: Option<File>,
    /// Where reading is: always in the first segment that has unread records.
    reader: Option<(u64, File)>,
    note: Option<File>,
    acknowledged: u64,
    dirty: bool,
    pub counts: Counts,
}

/// What was lost here, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Points thrown away because the bound was reached.
    pub evicted: u64,
    /// Records that were damaged.
    pub damaged: u64,
}

#[derive(Debug)]
struct Segment {
    first: u64,
    path: PathBuf,
    bytes: u64,
    /// Where the next record to read begins.
    read_at: u64,
    unread: u64,
    unread_points: u64,
    last: u64,
}

impl Spool {
    /// Open the folder, or make it. Damage is no error.
    pub fn open(folder: &Path, bound: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let acknowledged = read_note(&folder.join("acknowledged"));
        let mut spool = Self {
            folder: folder.to_owned(),
            bound,
            segments: VecDeque::new(),
            growing: None,
            reader: None,
            note: None,
            acknowledged,
            dirty: false,
            counts: Counts::default(),
        };
        let mut found: Vec<(u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "seg")
                && let Some(first) = path.file_stem().and_then(|stem| u64::from_str_radix(stem.to_str()?, 16).ok())
            {
                found.push((first, path));
            }
        }
        found.sort();
        for (first, path) in found {
            let segment = spool.survey(first, path)?;
            if segment.unread == 0 {
                fs::remove_file(&segment.path)?;
            } else {
                spool.segments.push_back(segment);
            }
        }
        Ok(spool)
    }

    /// Walk over the records of a segment; cut off what is not whole at its end.
    fn survey(&mut self, first: u64, path: PathBuf) -> io::Result<Segment> {
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut segment = Segment {
            first,
            path,
            bytes: length,
            read_at: MAGIC.len() as u64,
            unread: 0,
            unread_points: 0,
            last: first,
        };
        let mut at = MAGIC.len() as u64;
        let mut magic = [0; 8];
        if length < at || file.read_exact(&mut magic).is_err() || magic != *MAGIC {
            self.counts.damaged += u64::from(length >= at);
            return Ok(segment);
        }
        while at < length {
            let head = match read_head(&mut file, at, length)? {
                Some(head) => head,
                None => break,
            };
            let end = at + HEAD as u64 + u64::from(head.length);
            if head.sequence <= self.acknowledged {
                segment.read_at = end;
            } else {
                segment.unread += 1;
                segment.unread_points += u64::from(head.points);
            }
            segment.last = segment.last.max(head.sequence);
            at = end;
        }
        if at < length {
            file.set_len(at)?;
            segment.bytes = at;
        }
        Ok(segment)
    }

    /// The highest sequence that was ever written or acknowledged here.
    pub fn last_sequence(&self) -> u64 {
        self.segments.iter().map(|segment| segment.last).max().unwrap_or(0).max(self.acknowledged)
    }

    /// Add a batch at the end. One that is `read` already is only kept in case we die; nothing unread may be here then.
    /// After an error nothing of it is there.
    pub fn append(&mut self, sequence: u64, batch: &Batch, read: bool) -> io::Result<()> {
        let length = u32::try_from(batch.body.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or_else(|| io::Error::other("the batch is too long for the spool"))?;
        let needed = HEAD as u64 + u64::from(length);
        let full = |segment: &Segment| segment.bytes + needed > SEGMENT_BYTES.min(self.bound / 4).max(needed + 8);
        if self.growing.is_none() || self.segments.back().is_none_or(full) {
            self.begin_segment(sequence)?;
        }
        while self.bytes() + needed > self.bound && self.segments.len() > 1 {
            self.evict();
        }
        let (Some(file), Some(segment)) = (self.growing.as_mut(), self.segments.back_mut()) else {
            return Err(io::Error::other("no segment"));
        };
        let mut record = Vec::with_capacity(HEAD + batch.body.len());
        record.extend(length.to_le_bytes());
        record.extend(batch.points.to_le_bytes());
        record.extend(sequence.to_le_bytes());
        record.extend(checksum(&record, &batch.body).to_le_bytes());
        record.extend(&batch.body);
        if let Err(error) = file.write_all(&record) {
            // A part of it may be there: take it back, and where that fails too, write no more behind it.
            let back = file.set_len(segment.bytes).and_then(|()| file.seek(SeekFrom::Start(segment.bytes)));
            if back.is_err() {
                self.growing = None;
            }
            return Err(error);
        }
        segment.bytes += needed;
        if read {
            segment.read_at = segment.bytes;
        } else {
            segment.unread += 1;
            segment.unread_points += u64::from(batch.points);
        }
        segment.last = sequence;
        self.dirty = true;
        Ok(())
    }

    fn begin_segment(&mut self, first: u64) -> io::Result<()> {
        self.sync()?;
        // One whose first record could not be written.
        if self.segments.back().is_some_and(|segment| segment.first == first) {
            self.segments.pop_back();
        }
        let path = self.folder.join(format!("{first:016x}.seg"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        if let Err(error) = file.write_all(MAGIC) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let bytes = MAGIC.len() as u64;
        self.segments.push_back(Segment {
            first,
            path,
            bytes,
            read_at: bytes,
            unread: 0,
            unread_points: 0,
            last: first,
        });
        self.growing = Some(file);
        Ok(())
    }

    /// The oldest segment goes, with what nobody read of it.
    fn evict(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.counts.evicted += segment.unread_points;
        if self.reader.as_ref().is_some_and(|(first, _)| *first == segment.first) {
            self.reader = None;
        }
        let _ = fs::remove_file(&segment.path);
    }

    /// The next batch that nobody has read, with its sequence; none at the end.
    pub fn read(&mut self) -> io::Result<Option<(u64, Batch)>> {
        loop {
            let Some(segment) = self.segments.iter_mut().find(|segment| segment.unread > 0) else { return Ok(None) };
            if self.reader.as_ref().is_none_or(|(first, _)| *first != segment.first) {
                self.reader = Some((segment.first, File::open(&segment.path)?));
            }
            let Some((_, file)) = &mut self.reader else { continue };
            let read = read_record(file, segment.read_at, segment.bytes)?;
            let Some((head, body)) = read else {
                // What lies behind a damaged record cannot be found.
                self.counts.damaged += segment.unread;
                segment.unread = 0;
                segment.unread_points = 0;
                segment.read_at = segment.bytes;
                // Nobody will acknowledge what cannot be read.
                segment.last = segment.first;
                continue;
            };
            segment.read_at += HEAD as u64 + body.len() as u64;
            segment.unread -= 1;
            segment.unread_points = segment.unread_points.saturating_sub(u64::from(head.points));
            return Ok(Some((head.sequence, Batch { points: head.points, body })));
        }
    }

    /// Everything up to this sequence was taken: segments that hold nothing else go.
    pub fn acknowledge(&mut self, sequence: u64) -> io::Result<()> {
        if sequence <= self.acknowledged {
            return Ok(());
        }
        self.acknowledged = sequence;
        while self.segments.front().is_some_and(|segment| segment.unread == 0 && segment.last <= sequence) {
            let growing = self.segments.len() == 1;
            let Some(segment) = self.segments.pop_front() else { break };
            if growing {
                self.growing = None;
                self.reader = None;
                self.dirty = false;
            }
            fs::remove_file(&segment.path)?;
        }
        if self.note.is_none() {
            let path = self.folder.join("acknowledged");
            self.note = Some(OpenOptions::new().write(true).create(true).truncate(false).open(path)?);
        }
        if let Some(note) = &mut self.note {
            let mut record = sequence.to_le_bytes().to_vec();
            record.extend(crc32fast::hash(&record).to_le_bytes());
            note.seek(SeekFrom::Start(0))?;
            note.write_all(&record)?;
        }
        Ok(())
    }

    /// Let the disk have all that was written.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.dirty
            && let Some(file) = &self.growing
        {
            file.sync_data()?;
        }
        self.dirty = false;
        Ok(())
    }

    /// There is something that nobody has read.
    pub fn has_unread(&self) -> bool {
        self.segments.iter().any(|segment| segment.unread > 0)
    }

    /// Points that nobody has read.
    pub fn unread_points(&self) -> u64 {
        self.segments.iter().map(|segment| segment.unread_points).sum()
    }

    /// What it takes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

struct RecordHead {
    length: u32,
    points: u32,
    sequence: u64,
    checksum: u32,
}

/// The head of a record that lies whole within the file; none where it cannot be one.
fn read_head(file: &mut File, at: u64, end: u64) -> io::Result<Option<RecordHead>> {
    let mut head = [0; HEAD];
    if at + HEAD as u64 > end {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    match file.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let number = |from: usize| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
    let sequence = u64::from(number(8)) | u64::from(number(12)) << 32;
    let head = RecordHead { length: number(0), points: number(4), sequence, checksum: number(16) };
    let whole = head.length <= LONGEST && at + HEAD as u64 + u64::from(head.length) <= end;
    Ok(whole.then_some(head))
}

fn read_record(file: &mut File, at: u64, end: u64) -> io::Result<Option<(RecordHead, Vec<u8>)>> {
    let Some(head) = read_head(file, at, end)? else { return Ok(None) };
    let mut body = vec![0; head.length as usize];
    match file.read_exact(&mut body) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut begin = Vec::with_capacity(16);
    begin.extend(head.length.to_le_bytes());
    begin.extend(head.points.to_le_bytes());
    begin.extend(head.sequence.to_le_bytes());
    Ok((checksum(&begin, &body) == head.checksum).then_some((head, body)))
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// Zero where there is none, or where it was torn: then all that is left is sent again.
fn read_note(path: &Path) -> u64 {
    let Ok(bytes) = fs::read(path) else { return 0 };
    let Some((sequence, rest)) = bytes.split_first_chunk::<8>() else { return 0 };
    match rest.first_chunk::<4>() {
        Some(sum) if u32::from_le_bytes(*sum) == crc32fast::hash(sequence) => u64::from_le_bytes(*sequence),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
