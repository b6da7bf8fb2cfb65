//! Server-sent events (WHATWG HTML, 9.2.6) out of the pieces in which they arrive, without growing beyond a bound.

/// An event of a fabric of 10,000 links has some 10 MB.
const LARGEST: usize = 64 << 20;

/// An event that was dispatched.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
}

/// The stream has an event larger than any fabric gives.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// What is read of the event at hand.
#[derive(Default)]
pub struct Parser {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    /// A line feed that follows a carriage return ends no second line.
    after_cr: bool,
    begun: bool,
}

impl Parser {
    /// Take what arrived; what it completes.
    ///
    /// # Errors
    /// When the event at hand grows beyond the bound; the stream is of no use any more.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + self.data.len() + part.len() > LARGEST {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            events.extend(self.line_ended());
        }
        Ok(events)
    }

    fn line_ended(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line),
            true => &line,
        };
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            // Every line of data left a line feed; the last is not part of it.
            data.pop()?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return Some(Event { name: text(&name), data: text(&data) });
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.name = value.to_vec(),
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            // Comments keep the connection alive; `id` and `retry` are not used by Selvedge.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8], pieces: usize) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        bytes
            .chunks(pieces.max(1))
            .flat_map(|piece| parser.push(piece).unwrap())
            .map(|event| (event.name, event.data))
            .collect()
    }

    #[test]
    fn events_are_the_same_however_they_arrive_and_lines_end() {
        let text =
            "\u{feff}: hello\n\nevent: state\ndata: {\"a\":\ndata:1}\nid: 7\n\ndata\n\nevent: x\n\ndata: cut off";
        let expected = [("state".into(), "{\"a\":\n1}".into()), (String::new(), String::new())];
        for pieces in [1, 2, 3, 1000] {
            for end in ["\n", "\r\n", "\r"] {
                assert_eq!(all(text.replace('\n', end).as_bytes(), pieces), expected, "{pieces} {end:?}");
            }
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1 << 20];
        assert_eq!((0..65).find_map(|_| parser.push(&piece).err()), Some(TooLarge));
        let mut parser = Parser::default();
        let line = [b"data:", piece.as_slice(), b"\n"].concat();
        assert_eq!((0..65).find_map(|_| parser.push(&line).err()), Some(TooLarge));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_bytes_in_any_pieces_are_read_alike(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()], 0..200), pieces in 1usize..9) {
            prop_assert_eq!(all(&bytes, pieces), all(&bytes, 1000));
        }
    }
}
